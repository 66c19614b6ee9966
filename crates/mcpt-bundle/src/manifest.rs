//! The manifest of a bundle, as the MCPB specification has it: what is run, and what can be set.

mod texts;

use std::{collections::BTreeMap, path::Path};

use indexmap::IndexMap;
use mcpt_source::{Bundle as Source, Format, Recipe, Setting, Source as AnySource};
use serde::Deserialize;
use serde_json::Value;

use self::texts::Texts;
use crate::BundleError;

/// The versions of the format that are read.
const VERSIONS: [&str; 5] = ["0.1", "0.2", "0.3", "0.4", "1.0"];
/// The platform that this is, in the words of the format.
const PLATFORM: &str = if cfg!(target_os = "macos") {
    "darwin"
} else {
    "linux"
};
/// Longest part of a folder's name that is the bundle's name.
const LONGEST_NAME: usize = 60;

/// What runs a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// Node.js.
    Node,
    /// Python, with what it needs in the bundle.
    Python,
    /// Python, with what it needs fetched by uv.
    Uv,
    /// A program of its own.
    Binary,
}

/// What its author says of a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What runs it.
    pub kind: ServerKind,
    entry_point: String,
    command: String,
    args: Vec<String>,
    env: IndexMap<String, String>,
    settings: IndexMap<String, UserSetting>,
}

/// One of `user_config`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct UserSetting {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    multiple: bool,
    #[serde(default)]
    default: Value,
}

#[derive(Deserialize)]
struct Document {
    #[serde(alias = "dxt_version")]
    manifest_version: String,
    name: String,
    version: String,
    server: Server,
    #[serde(default)]
    user_config: IndexMap<String, UserSetting>,
    #[serde(default)]
    compatibility: Compatibility,
}

#[derive(Deserialize)]
struct Server {
    #[serde(rename = "type")]
    kind: ServerKind,
    #[serde(default)]
    entry_point: String,
    #[serde(default)]
    mcp_config: Config,
}

#[derive(Deserialize, Default)]
struct Config {
    #[serde(default)]
    command: String,
    args: Option<Vec<String>>,
    env: Option<IndexMap<String, String>>,
    #[serde(default, alias = "platforms")]
    platform_overrides: BTreeMap<String, Override>,
}

#[derive(Deserialize, Default)]
struct Override {
    command: Option<String>,
    args: Option<Vec<String>>,
    env: Option<IndexMap<String, String>>,
}

#[derive(Deserialize, Default)]
struct Compatibility {
    platforms: Option<Vec<String>>,
}

impl Manifest {
    /// Reads one.
    ///
    /// # Errors
    /// [`BundleError::Manifest`] with all that is wrong, as far as it can be told at once.
    pub fn read(text: &[u8]) -> Result<Self, BundleError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let read = serde_json::from_slice::<Document>(text);
        let document = read.map_err(|error| BundleError::Manifest(vec![error.to_string()]))?;
        let mut problems = Vec::new();
        if !VERSIONS.contains(&document.manifest_version.as_str()) {
            problems.push(format!(
                "manifest_version {:?} is not read, but {}",
                document.manifest_version,
                VERSIONS.join(", ")
            ));
        }
        for (field, text) in [("name", &document.name), ("version", &document.version)] {
            if text.trim().is_empty() || text.chars().any(char::is_control) {
                problems.push(format!("{field} is empty, or no text of one line"));
            }
        }
        if let Some(platforms) = &document.compatibility.platforms
            && !platforms.iter().any(|name| name == PLATFORM)
        {
            problems.push(format!(
                "it is for {} alone, and not for {PLATFORM}",
                platforms.join(", ")
            ));
        }
        let Server {
            kind,
            entry_point,
            mcp_config,
        } = document.server;
        let Config {
            mut command,
            args,
            env,
            mut platform_overrides,
        } = mcp_config;
        let own = platform_overrides.remove(PLATFORM).unwrap_or_default();
        if let Some(other) = own.command {
            command = other;
        }
        let mut env = env.unwrap_or_default();
        env.extend(own.env.unwrap_or_default());
        let args = own.args.or(args);
        if !texts::is_inside(&entry_point) {
            problems.push(format!("entry_point {entry_point:?} leads out of it"));
        }
        let (command, args) = usual(kind, &entry_point, command, args);
        if command.is_empty() {
            problems.push("it says neither entry_point nor mcp_config.command".to_owned());
        }
        let manifest = Self {
            name: document.name,
            version: document.version,
            kind,
            entry_point,
            command,
            args,
            env,
            settings: document.user_config,
        };
        manifest.check(&mut problems);
        if problems.is_empty() {
            Ok(manifest)
        } else {
            Err(BundleError::Manifest(problems))
        }
    }

    fn check(&self, problems: &mut Vec<String>) {
        for (name, setting) in &self.settings {
            if !["string", "number", "boolean", "directory", "file"].contains(&&*setting.kind) {
                problems.push(format!(
                    "user_config.{name}: unknown type {:?}",
                    setting.kind
                ));
            }
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                problems.push(format!("{name:?} cannot be a variable"));
            }
        }
        if texts::settings(&self.command).next().is_some() {
            problems.push("a setting cannot be the program that is run".to_owned());
        }
        for text in self.args.iter().chain(self.env.values()) {
            let unknown = texts::settings(text).filter(|name| !self.settings.contains_key(*name));
            problems.extend(unknown.map(|name| format!("user_config has no {name:?}")));
        }
    }

    /// Whether an entry of the bundle is the program that it runs.
    pub(crate) fn is_program(&self, path: &Path) -> bool {
        let is = |text: &str| path == Path::new(text.trim_start_matches("./"));
        let command = self.command.strip_prefix("${__dirname}/");
        (self.kind == ServerKind::Binary && is(&self.entry_point)) || command.is_some_and(is)
    }

    /// A name for the folder that it is unpacked into.
    pub(crate) fn folder_name(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        let name = format!("{}-{}", self.name, self.version);
        let name: String = name.chars().map(plain).take(LONGEST_NAME).collect();
        name.trim_start_matches(['.', '-']).to_owned()
    }

    /// Names of settings that may have several values.
    pub fn several(&self) -> impl Iterator<Item = &str> {
        let several = self.settings.iter().filter(|(_, setting)| setting.multiple);
        several.map(|(name, _)| name.as_str())
    }

    /// What is run of the bundle in this folder: the program, and all else as a recipe. `several` are the values of settings that
    /// may have more than one, of which each becomes an argument of its own; `home` is the user's.
    pub fn recipe(
        &self,
        source: Source,
        folder: &Path,
        home: Option<&Path>,
        several: &BTreeMap<String, Vec<String>>,
    ) -> (String, Recipe) {
        let mut recipe = Recipe::new(AnySource::Mcpb(source));
        recipe.name = Some(self.name.clone());
        let mut values = several.clone();
        for (name, setting) in self.settings.iter().filter(|(_, setting)| setting.multiple) {
            let usual = texts::defaults(&setting.default, home);
            values.entry(name.clone()).or_insert(usual);
        }
        // A secret stays a setting, which is seen to be one, and never becomes plain text of an argument.
        let secret = |name: &String| {
            let setting = self.settings.get(name);
            setting.is_some_and(|setting| setting.sensitive)
        };
        values.retain(|name, _| !secret(name));
        let texts = Texts {
            folder,
            home,
            several: &values,
        };
        let command = texts.text(&self.command);
        // It names folders alone: a setting in it was refused.
        let command = command.as_plain().unwrap_or_default().to_owned();
        for argument in &self.args {
            recipe.args.extend(texts.several(argument));
        }
        for (name, value) in &self.env {
            recipe.env.insert(name.clone(), texts.text(value));
        }
        for (name, setting) in &self.settings {
            let given = values.get(name).filter(|_| setting.multiple);
            recipe
                .settings
                .insert(name.clone(), setting.known(given, home));
        }
        (command, recipe)
    }
}

impl UserSetting {
    /// As recipes have it; of one with several values these are in the arguments already.
    fn known(&self, given: Option<&Vec<String>>, home: Option<&Path>) -> Setting {
        let description = match self.description.as_str() {
            "" => self.title.clone(),
            text => text.to_owned(),
        };
        let default = match given {
            Some(values) if values.is_empty() => None,
            Some(values) => Some(values.join(" ")),
            None => texts::defaults(&self.default, home).into_iter().next(),
        };
        Setting {
            description,
            required: self.required,
            secret: self.sensitive,
            format: match self.kind.as_str() {
                "number" => Format::Number,
                "boolean" => Format::Boolean,
                "directory" | "file" => Format::Path,
                _ => Format::Text,
            },
            default,
            ..Setting::default()
        }
    }
}

/// What is run where the manifest leaves it open, by the kind of the server.
fn usual(
    kind: ServerKind,
    entry_point: &str,
    command: String,
    args: Option<Vec<String>>,
) -> (String, Vec<String>) {
    if !command.is_empty() {
        return (command, args.unwrap_or_default());
    }
    if entry_point.is_empty() {
        return (String::new(), Vec::new());
    }
    let file = format!("${{__dirname}}/{}", entry_point.trim_start_matches("./"));
    let args = args.unwrap_or_default();
    let with = |before: &[&str]| {
        let before = before.iter().map(|word| (*word).to_owned());
        before.chain([file.clone()]).chain(args.clone()).collect()
    };
    match kind {
        ServerKind::Node => ("node".to_owned(), with(&[])),
        ServerKind::Python => ("python3".to_owned(), with(&[])),
        ServerKind::Uv => (
            "uv".to_owned(),
            with(&["run", "--directory", "${__dirname}"]),
        ),
        ServerKind::Binary => (file.clone(), args.clone()),
    }
}

#[cfg(test)]
mod tests;
