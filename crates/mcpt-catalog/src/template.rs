//! The template format: what `template.json` says about one MCP server.
//!
//! The format is that of the original MCP Template Platform, read as it is, plus what a process and a cluster need
//! (`local_command`, `sessions`, `resources`, and the parts of `transport` beyond its port). Its JSON Schema is
//! `schema/template.schema.json`.

mod check;
mod position;
mod schema;

use std::{collections::BTreeMap, path::Path};

use indexmap::IndexMap;
use mcpt_core::{Image, Resources, Sessions, TemplateId};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::check::{TemplateError, TemplateProblem};

/// A checked template.
#[derive(Debug, Clone)]
pub struct Template {
    /// Id: the name of its folder.
    pub id: TemplateId,
    /// Name for people.
    pub name: String,
    /// What the server is for.
    pub description: String,
    /// Version of the template; `latest` when it says none.
    pub version: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// Subject for sorting lists.
    pub category: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Container image, if there is one.
    pub image: Option<Image>,
    /// Program and leading arguments in the container; empty for the image's entrypoint.
    pub command: Vec<String>,
    /// Program and leading arguments on the local machine; empty when it cannot run there.
    pub local_command: Vec<String>,
    /// How the server speaks.
    pub transport: TransportSpec,
    /// Whether a session must stay on one instance.
    pub sessions: Sessions,
    /// Compute resources.
    pub resources: Resources,
    /// Fixed environment variables.
    pub environment: BTreeMap<String, Value>,
    /// Its settings.
    pub config: ConfigSchema,
    /// Tools that it says the server has.
    pub tools: Vec<Value>,
}

/// The block `transport` of a template.
#[derive(Debug, Clone, Deserialize)]
pub struct TransportSpec {
    /// Transport that is used when the user names none.
    pub default: String,
    /// All transports of the server; just the default one when not given.
    #[serde(default)]
    pub supported: Vec<String>,
    /// Port in a container.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Path of the MCP endpoint.
    #[serde(default = "default_path")]
    pub path: String,
    /// Environment variable for the port; `None` is the original platform's `MCP_PORT`, an empty text is none at all.
    pub port_env: Option<String>,
    /// Environment variable for the transport; `None` is `MCP_TRANSPORT` where there are several transports.
    pub transport_env: Option<String>,
    /// Arguments after the command, by transport.
    #[serde(default)]
    pub args: BTreeMap<String, Vec<String>>,
}

impl Default for TransportSpec {
    /// What the original platform assumes of a template that does not say.
    fn default() -> Self {
        Self {
            default: "stdio".to_owned(),
            supported: vec!["stdio".to_owned()],
            port: default_port(),
            path: default_path(),
            port_env: None,
            transport_env: None,
            args: BTreeMap::new(),
        }
    }
}

fn default_port() -> u16 {
    8080
}

fn default_path() -> String {
    "/mcp".to_owned()
}

/// The block `config_schema` of a template.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ConfigSchema {
    /// Settings by name, in the template's order.
    #[serde(default)]
    pub properties: IndexMap<String, Property>,
    /// Names of settings that must be given.
    #[serde(default)]
    pub required: Vec<String>,
    /// The other keywords: conditions over several settings.
    #[serde(flatten)]
    pub conditions: Map<String, Value>,
}

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

/// Words in the name of a setting or variable that mean a secret.
const SECRET_WORDS: [&str; 10] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "credential",
];

/// Whether a name sounds like that of a secret.
pub(crate) fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('-', "_");
    SECRET_WORDS.iter().any(|word| name.contains(word))
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

/// `template.json` as it is written.
#[derive(Deserialize)]
struct Raw {
    name: String,
    description: String,
    version: Option<String>,
    author: Option<String>,
    category: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    docker_image: Option<String>,
    docker_tag: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    local_command: Vec<String>,
    #[serde(default)]
    transport: TransportSpec,
    sessions: Option<Sessions>,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    environment_variables: BTreeMap<String, Value>,
    #[serde(default)]
    config_schema: ConfigSchema,
    #[serde(default)]
    tools: Vec<Value>,
}

impl Template {
    /// Reads and checks the text of a `template.json`; `file` is its name in reports.
    ///
    /// # Errors
    /// [`TemplateError`] with all problems at once, each with its place.
    pub fn parse(id: TemplateId, file: &Path, text: &str) -> Result<Self, TemplateError> {
        let raw = check::read(file, text)?;
        let mut transport = raw.transport;
        if transport.supported.is_empty() {
            transport.supported = vec![transport.default.clone()];
        }
        let template = Self {
            id,
            name: raw.name,
            description: raw.description,
            version: raw.version.unwrap_or_else(|| "latest".to_owned()),
            author: raw.author,
            category: raw.category,
            tags: raw.tags,
            image: raw
                .docker_image
                .map(|image| image_of(&image, raw.docker_tag)),
            command: raw.command,
            local_command: raw.local_command,
            transport,
            sessions: raw.sessions.unwrap_or(Sessions::Stateful),
            resources: raw.resources,
            environment: raw.environment_variables,
            config: raw.config_schema,
            tools: raw.tools,
        };
        check::meaning(&template, file, text)?;
        Ok(template)
    }
}

fn image_of(reference: &str, tag: Option<String>) -> Image {
    let image = Image::parse(reference);
    Image {
        tag: tag.unwrap_or(image.tag),
        ..image
    }
}
