//! Services of a compose file: those that say that they are MCP servers.

use mcpt_core::Image;
use serde_json::{Map, Value};

use crate::{
    InvalidSource, PastedError, Source, SourceKind, Text, Transport, draft::Draft, pasted,
};

/// What a service runs.
pub(super) fn source(
    name: &str,
    service: &Map<String, Value>,
    draft: &mut Draft,
) -> Result<Source, PastedError> {
    let image = service.get("image").and_then(Value::as_str);
    let Some(image) = image else {
        return Err(refused(
            name,
            "it is built from a folder: give the image that it publishes",
        ));
    };
    if !speaks_mcp(name, service) {
        return Err(refused(name, "nothing in it says that it is an MCP server"));
    }
    // `${IMAGE:-default}` of the file itself.
    let image = draft.text(image, None);
    let image = image
        .as_plain()
        .ok_or_else(|| refused(name, "its image depends on a variable"))?;
    let parsed = Image::parse(image).map_err(|error| InvalidSource {
        kind: SourceKind::Oci,
        text: image.to_owned(),
        reason: error.to_string(),
    })?;
    for (name, value) in pairs(service.get("environment")) {
        match value {
            Some(value) => draft.env(&name, &value.replace("$$", "$")),
            None => draft.passed(&name),
        }
    }
    for volume in items(service.get("volumes")) {
        pasted::volume(&volume, draft);
    }
    let entrypoint = words(service.get("entrypoint"))?;
    let command = words(service.get("command"))?;
    let mut all = entrypoint.into_iter();
    draft.entrypoint = all.next();
    draft.args(all.chain(command));
    if service.contains_key("env_file") {
        draft.note("the file with variables is not read: give them one by one");
    }
    for field in [
        "secrets",
        "configs",
        "networks",
        "depends_on",
        "deploy",
        "build",
    ] {
        if service.contains_key(field) {
            draft.note(format!("{field} is left out"));
        }
    }
    let open = service.get("stdin_open") == Some(&Value::Bool(true));
    let port = items(service.get("ports"))
        .iter()
        .chain(&items(service.get("expose")))
        .find_map(|port| pasted::container_port(port));
    if let Some(port) = port.filter(|_| !open) {
        draft.note("the server is taken to speak MCP over HTTP at /mcp of its port");
        draft.transport = Some(Transport::Http {
            url: Text::plain(format!("http://localhost:{port}/mcp")),
        });
    }
    Ok(Source::Oci(parsed))
}

fn refused(name: &str, why: &str) -> PastedError {
    PastedError::Refused {
        program: name.chars().take(60).collect(),
        why: why.to_owned(),
    }
}

/// Whether the name, the image, the command or a label of a service speaks of MCP.
fn speaks_mcp(name: &str, service: &Map<String, Value>) -> bool {
    let fields = ["image", "command", "entrypoint", "container_name", "labels"];
    let texts = fields
        .iter()
        .filter_map(|field| service.get(*field))
        .map(Value::to_string);
    texts
        .chain([name.to_owned()])
        .any(|text| text.to_lowercase().contains("mcp"))
}

/// `NAME=VALUE` or `NAME` in a list, or an object.
fn pairs(found: Option<&Value>) -> Vec<(String, Option<String>)> {
    match found {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(|item| match item.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (item.to_owned(), None),
            })
            .collect(),
        Some(Value::Object(members)) => members
            .iter()
            .map(|(name, value)| (name.clone(), scalar(value)))
            .collect(),
        _ => Vec::new(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The texts of a list; long forms of ports and volumes are written as short ones.
fn items(found: Option<&Value>) -> Vec<String> {
    let Some(Value::Array(items)) = found else {
        return Vec::new();
    };
    let item = |item: &Value| match item {
        Value::Object(long) => {
            let text = |field: &str| long.get(field).and_then(scalar);
            match (text("source"), text("target")) {
                (Some(source), Some(target)) if text("type").as_deref() == Some("bind") => {
                    let mode = if long.get("read_only") == Some(&Value::Bool(true)) {
                        ":ro"
                    } else {
                        ""
                    };
                    Some(format!("{source}:{target}{mode}"))
                }
                (None, Some(target)) => Some(target),
                _ => None,
            }
        }
        value => scalar(value),
    };
    items.iter().filter_map(item).collect()
}

fn words(found: Option<&Value>) -> Result<Vec<String>, PastedError> {
    match found {
        Some(Value::String(line)) => pasted::split(line),
        Some(list) => Ok(items(Some(list))),
        None => Ok(Vec::new()),
    }
}
