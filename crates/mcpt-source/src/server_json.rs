//! `server.json`, in which registries of MCP servers describe a server: each of its packages and remotes as a [`Recipe`].
//!
//! All published schemas are read, 2025-07-09 to 2025-12-11. What a file says of itself is not believed: names are checked as
//! everywhere, a secret is one by its name too, and arguments for a container engine are taken apart as those of a command line.

mod argument;
mod fields;
mod offer;
mod runtime;

use serde_json::{Map, Value};

use self::fields::Fields;
use crate::{Recipe, RegistryName};

/// The date of the newest published schema: the one that is written.
pub const NEWEST: &str = "2025-12-11";

/// The dates of all published schemas.
pub const SCHEMAS: [&str; 6] = [
    "2025-07-09",
    "2025-09-16",
    "2025-09-29",
    "2025-10-11",
    "2025-10-17",
    NEWEST,
];

/// A server as its author describes it. Texts for people are as they were written: whoever shows them makes them harmless.
#[derive(Debug, Clone)]
pub struct ServerJson {
    /// Its name, `io.github.owner/name`.
    pub name: RegistryName,
    /// Name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: String,
    /// Its version.
    pub version: String,
    /// Whether it may still be used, where the file itself says so: `active`, `deprecated` or `deleted`.
    pub status: Option<String>,
    /// The ways of having it, packages before remotes.
    pub offers: Vec<Offer>,
}

/// One way of having a server.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What it is, `packages[0]` or `remotes[1]`.
    pub place: String,
    /// What to run or reach, or why it cannot be used.
    pub recipe: Result<Box<Recipe>, Unusable>,
}

/// Why one way of having a server cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// A file that is no `server.json`, with all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidServerJson {
    /// What is wrong, each with its place: `packages[0].version: …`.
    pub problems: Vec<String>,
}

impl std::fmt::Display for InvalidServerJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for InvalidServerJson {}

/// Reads the text of a file.
///
/// # Errors
/// [`InvalidServerJson`] with all that is wrong with it. A package of a kind that cannot be run is nothing wrong: its offer says so.
pub fn read(text: &str) -> Result<ServerJson, InvalidServerJson> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(text).map_err(|error| InvalidServerJson {
        problems: vec![format!("it is no JSON: {error}")],
    })?;
    read_value(&value)
}

/// Reads a document, alone or as registries answer with it, in a member `server`.
///
/// # Errors
/// As for [`read`].
pub fn read_value(value: &Value) -> Result<ServerJson, InvalidServerJson> {
    let mut problems = Vec::new();
    let document = value
        .get("server")
        .filter(|server| server.is_object())
        .unwrap_or(value);
    let Value::Object(members) = document else {
        return Err(InvalidServerJson {
            problems: vec!["it is no object".to_owned()],
        });
    };
    let server = server(&Fields::new(members, String::new()), &mut problems);
    match server {
        Some(server) if problems.is_empty() => Ok(server),
        _ => Err(InvalidServerJson { problems }),
    }
}

fn server(fields: &Fields<'_>, problems: &mut Vec<String>) -> Option<ServerJson> {
    if let Some(schema) = fields.text("$schema", problems) {
        let known = SCHEMAS
            .iter()
            .any(|date| schema.contains(&format!("/{date}/")));
        if !known && !schema.contains("/draft/") {
            problems.push(format!(
                "$schema: {:?} is none of the published schemas, {} to {NEWEST}",
                schema.chars().take(120).collect::<String>(),
                SCHEMAS[0]
            ));
        }
    }
    let name = fields.required("name", problems).and_then(|name| {
        let parsed = name.parse::<RegistryName>();
        if name.contains('@') {
            problems.push("name: it has no version in it".to_owned());
        }
        parsed
            .map_err(|error| problems.push(format!("name: {}", error.reason)))
            .ok()
    });
    let description = fields.required("description", problems);
    let version = fields.required("version", problems);
    if let Some(version) = version {
        exact_version("version", version, problems);
    }
    let status = fields.text("status", problems);
    if status.is_some_and(|status| !matches!(status, "active" | "deprecated" | "deleted")) {
        problems.push("status: it is active, deprecated or deleted".to_owned());
    }
    let title = fields.text("title", problems);
    let mut offers = Vec::new();
    for package in fields.objects("packages", problems) {
        offers.push(offer::package(&package, problems));
    }
    for remote in fields.objects("remotes", problems) {
        offers.push(offer::remote(&remote, problems));
    }
    Some(ServerJson {
        name: name?,
        title: title.map(str::to_owned),
        description: description?.to_owned(),
        version: version?.to_owned(),
        status: status.map(str::to_owned),
        offers,
    })
}

/// A version is one, and no range of them.
fn exact_version(place: &str, version: &str, problems: &mut Vec<String>) {
    let range = version.starts_with(['^', '~', '>', '<', '=', '*'])
        || version.contains(" - ")
        || version.contains("||")
        || version
            .split('.')
            .any(|part| matches!(part, "x" | "X" | "*"));
    if version == "latest" {
        problems.push(format!("{place}: latest is no version"));
    } else if range {
        problems.push(format!("{place}: a range is no version"));
    }
}

/// A document as the newest schema has it: fields are spelled in its way, and a status, which registries tell, is left out.
pub fn newest(document: &Value) -> Value {
    let mut newest = fields::spelled(document);
    if let Value::Object(members) = &mut newest {
        members.remove("status");
        let schema =
            format!("https://static.modelcontextprotocol.io/schemas/{NEWEST}/server.schema.json");
        let mut first = Map::new();
        first.insert("$schema".to_owned(), Value::String(schema));
        members.remove("$schema");
        first.append(members);
        *members = first;
    }
    newest
}
