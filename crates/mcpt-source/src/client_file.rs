//! Files in which clients keep their servers, of all formats that clients have, and compose files: each server in them as a
//! [`Recipe`].
//!
//! A file is somebody else's: nothing in it is run, and no value of it is shown. What looks like a secret is lifted out into a
//! setting that has it.

mod compose;
mod parse;
mod places;

use mcpt_core::sounds_secret;
use serde_json::{Map, Value};

use self::places::EntryRef;
use crate::{
    PastedError, Recipe, client_entry,
    draft::{self, Draft},
};

/// The servers of a file.
#[derive(Debug)]
pub struct ClientFile {
    /// Where in the file servers were found, as people call it: `mcpServers`, `services`.
    pub format: &'static str,
    /// The servers.
    pub servers: Vec<FileEntry>,
    /// What is odd about the file: keys that are given twice.
    pub notes: Vec<String>,
}

/// One server of a file.
#[derive(Debug)]
pub struct FileEntry {
    /// What it is called there.
    pub name: String,
    /// Where it stands: `mcpServers.github`.
    pub place: String,
    /// What it is, or why it is nothing that can be run.
    pub recipe: Result<Box<Recipe>, PastedError>,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientFileError {
    /// It follows no grammar.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line.
        line: usize,
        /// What is wrong, without a word of the file.
        message: String,
    },
    /// It is a document, but none with servers.
    #[error(
        "no servers are in it: it has neither mcpServers nor servers, context_servers, mcp_servers, mcp, extensions or services"
    )]
    NoServers,
    /// There are more than anybody has.
    #[error("it has more than {0} servers")]
    TooMany(usize),
}

/// Which grammar a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// JSON, with comments and trailing commas.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl Grammar {
    /// By what a file's name ends with, if that says it.
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, end) = name.rsplit_once('.')?;
        match end.to_ascii_lowercase().as_str() {
            "json" | "jsonc" | "json5" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

/// Most servers of a file.
const MOST: usize = 1000;

/// Reads the text of a file. Without a grammar it is JSON when it begins so, else YAML.
///
/// # Errors
/// [`ClientFileError`] when it is no such file. A server that cannot be run is no error: it says so itself.
pub fn read(text: &str, grammar: Option<Grammar>) -> Result<ClientFile, ClientFileError> {
    let document = parse::document(text, grammar)?;
    let places = places::all(&document.value);
    if places.is_empty() {
        return Err(ClientFileError::NoServers);
    }
    if places.len() > MOST {
        return Err(ClientFileError::TooMany(MOST));
    }
    let inputs = inputs(&document.value);
    let format = places.first().map_or("", |place| place.format);
    let servers = places
        .into_iter()
        .map(|place| found(place, &inputs))
        .collect();
    Ok(ClientFile {
        format,
        servers,
        notes: document.notes,
    })
}

fn found(place: EntryRef<'_>, inputs: &[Map<String, Value>]) -> FileEntry {
    let mut draft = Draft::default();
    draft.name = Some(place.name.clone());
    let source = match place.entry {
        Value::Object(entry) if place.format == places::COMPOSE => {
            compose::source(&place.name, entry, &mut draft)
        }
        Value::Object(entry) => client_entry::source(entry, &mut draft),
        _ => Err(PastedError::Json("it is no object".to_owned())),
    };
    let recipe = source.map(|source| {
        let mut recipe = draft.end(source);
        describe(&mut recipe, inputs);
        Box::new(recipe)
    });
    FileEntry {
        name: place.name,
        place: place.path,
        recipe,
    }
}

/// What VS Code asks its users for.
fn inputs(document: &Value) -> Vec<Map<String, Value>> {
    let places = [
        "/inputs",
        "/mcp/inputs",
        "/customizations/vscode/mcp/inputs",
    ];
    let found = places
        .iter()
        .find_map(|place| document.pointer(place)?.as_array());
    let objects = found.into_iter().flatten().filter_map(Value::as_object);
    objects.cloned().collect()
}

/// Lays what a client says of an input over the setting that stands for it.
pub(crate) fn describe(recipe: &mut Recipe, inputs: &[Map<String, Value>]) {
    for input in inputs {
        let text = |field: &str| input.get(field).and_then(Value::as_str);
        let Some(id) = text("id") else { continue };
        let Some(setting) = recipe.settings.get_mut(&draft::setting_name(id)) else {
            continue;
        };
        if setting.given.is_some() {
            continue;
        }
        if let Some(description) = text("description") {
            description.clone_into(&mut setting.description);
        }
        setting.secret |= input.get("password") == Some(&Value::Bool(true)) || sounds_secret(id);
        if let Some(default) = text("default") {
            setting.default = Some(default.to_owned());
            setting.required = false;
        }
        if let Some(Value::Array(options)) = input.get("options") {
            let option = |option: &Value| {
                let label = option.get("value").or_else(|| option.get("label"));
                label.unwrap_or(option).as_str().map(str::to_owned)
            };
            setting.choices = options.iter().filter_map(option).collect();
        }
    }
}
