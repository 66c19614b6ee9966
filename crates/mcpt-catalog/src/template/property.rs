//! One setting of a template, and how its value reaches the server.

use mcpt_core::sounds_secret;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One setting.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Property {
    /// Name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Value when none is given. An empty text counts as no default.
    #[serde(default)]
    pub default: Value,
    /// Environment variable that carries it.
    pub env_mapping: Option<String>,
    /// What joins and separates the items of an array.
    pub env_separator: Option<String>,
    /// It names folders for the server.
    #[serde(default)]
    pub volume_mount: bool,
    /// It becomes arguments of the command.
    #[serde(default)]
    pub command_arg: CommandArg,
    /// Whether it is secret, if the template says so.
    pub sensitive: Option<bool>,
    /// All other keywords, which say what values are allowed.
    #[serde(flatten)]
    pub schema: Map<String, Value>,
}

/// How a setting becomes arguments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum CommandArg {
    /// Not at all, or as bare words.
    Bare(bool),
    /// As `FLAG=VALUE`.
    Flag(String),
}

impl Default for CommandArg {
    fn default() -> Self {
        Self::Bare(false)
    }
}

impl CommandArg {
    /// Whether the setting becomes an argument at all.
    pub fn is_arg(&self) -> bool {
        *self != Self::Bare(false)
    }
}

impl Property {
    /// JSON type of its values: what the template says, else what its choices are, else a text.
    pub fn type_name(&self) -> &str {
        let named = match self.schema.get("type") {
            Some(Value::String(name)) => Some(name.as_str()),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .find(|name| *name != "null"),
            _ => None,
        };
        named.unwrap_or_else(
            || match self.choices().and_then(|choices| choices.first()) {
                Some(Value::Number(_)) => "number",
                Some(Value::Bool(_)) => "boolean",
                _ => "string",
            },
        )
    }

    /// Allowed values, under any of the three names that the format has for them.
    pub fn choices(&self) -> Option<&Vec<Value>> {
        ["enum", "options", "choices"]
            .iter()
            .find_map(|key| self.schema.get(*key)?.as_array())
    }

    /// What joins and separates the items of an array.
    pub fn separator(&self) -> &str {
        self.env_separator.as_deref().unwrap_or(",")
    }

    /// Whether its value is a secret: as the template says, else by the format `password` or by a name that sounds so,
    /// if it is a free text and no path of a folder.
    pub fn is_sensitive(&self, name: &str) -> bool {
        self.sensitive.unwrap_or_else(|| {
            let free_text = self.type_name() == "string" && self.choices().is_none();
            let password = self.schema.get("format").and_then(Value::as_str) == Some("password");
            password || (free_text && !self.volume_mount && sounds_secret(name))
        })
    }

    /// Environment variable that carries the value; `None` when it reaches the server as arguments only.
    pub fn env_name(&self, name: &str) -> Option<String> {
        match &self.env_mapping {
            Some(mapped) => Some(mapped.clone()),
            None if self.command_arg.is_arg() => None,
            None => Some(name.to_uppercase().replace(['-', '.'], "_")),
        }
    }

    /// The default, if there is a real one.
    pub fn real_default(&self) -> Option<&Value> {
        match &self.default {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            value => Some(value),
        }
    }
}
