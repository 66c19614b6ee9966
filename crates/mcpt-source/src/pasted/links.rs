//! Links that tell a client to add a server, as the badges of READMEs have them: `cursor://…/mcp/install?name=…&config=…`,
//! `vscode:mcp/install?{…}`, `goose://extension?cmd=npx&arg=…`, and the pages that lead there.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::PastedError;
use crate::{Recipe, client_entry, client_file, draft::Draft};

/// What is in the path of such a link.
const PLACES: [&str; 9] = [
    "mcp/install",
    "mcp%2Finstall",
    "mcp%2finstall",
    "install-mcp",
    "mcp-install",
    "mcp/add",
    "add_mcp",
    "goose://extension",
    "/redirect",
];

/// The most links in one another.
const DEEPEST: usize = 3;

/// The server of such a link; `None` when it is something else.
pub(super) fn recipe(text: &str) -> Option<Result<Recipe, PastedError>> {
    let text = text.trim().trim_matches(['<', '>', '`', '"', '\'']);
    if text.contains(char::is_whitespace) {
        return None;
    }
    let link = Link::of(text, 0)?;
    Some(link.recipe())
}

/// What a link says.
#[derive(Default)]
struct Link {
    name: Option<String>,
    /// The server in JSON.
    config: Option<Value>,
    inputs: Vec<Map<String, Value>>,
    /// A part of it that cannot be read.
    broken: Option<&'static str>,
    words: Vec<String>,
    variables: Vec<String>,
    url: Option<String>,
}

impl Link {
    fn of(text: &str, depth: usize) -> Option<Self> {
        let (before, query) = text.split_once('?')?;
        if depth >= DEEPEST || !before.contains(':') {
            return None;
        }
        if !PLACES.iter().any(|place| before.contains(place)) {
            return None;
        }
        // Pages that lead to a link have it in their own, whole or in one value.
        if let Some(inner) = query.strip_prefix("url=") {
            return Self::of(inner, depth + 1).or_else(|| Self::of(&decoded(inner), depth + 1));
        }
        let whole = decoded(query);
        if whole.trim_start().starts_with('{') {
            let config = serde_json::from_str(&whole).ok();
            return Some(Self {
                config: Some(config.unwrap_or_default()),
                ..Self::default()
            });
        }
        let mut link = Self::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let encoded = value;
            let value = decoded(value);
            match key {
                "name" => link.name = Some(in_form(encoded)),
                "config" | "servers" => link.config = Some(json(encoded).unwrap_or_default()),
                "inputs" => match serde_json::from_str(&in_form(encoded)) {
                    Ok(inputs) => link.inputs = inputs,
                    Err(_) => link.broken = Some("the link's inputs are no list of objects"),
                },
                "cmd" => link.words.insert(0, value),
                "arg" => link.words.push(value),
                // A name, and what is said of it.
                "env" => link
                    .variables
                    .extend(value.split('=').next().map(str::to_owned)),
                "url" => link.url = Some(value),
                _ => {}
            }
        }
        let says = link.config.is_some()
            || !link.words.is_empty()
            || (link.url.is_some() && before.starts_with("goose:"));
        says.then_some(link)
    }

    fn recipe(self) -> Result<Recipe, PastedError> {
        if let Some(broken) = self.broken {
            return Err(PastedError::Json(broken.to_owned()));
        }
        let mut draft = Draft::default();
        let mut entry = match self.config {
            Some(Value::Object(members)) => members,
            Some(_) => {
                return Err(PastedError::Json(
                    "what the link says of the server is no object".to_owned(),
                ));
            }
            None => self.entry(),
        };
        draft.name = self.name;
        // A whole file of a client.
        if let Some(Value::Object(servers)) = entry.get("mcpServers") {
            if servers.len() != 1 {
                let names = servers.keys().take(10).cloned();
                return Err(PastedError::Servers(names.collect()));
            }
            entry = servers.clone();
        }
        // Some links have the name around the server as a file has it.
        if !["command", "url", "serverUrl", "httpUrl"]
            .iter()
            .any(|field| entry.contains_key(*field))
            && entry.len() == 1
            && let Some((name, Value::Object(inner))) = entry.clone().into_iter().next()
        {
            draft.name.get_or_insert(name);
            entry = inner;
        }
        if let Some(Value::String(name)) = entry.get("name") {
            draft.name.get_or_insert(name.clone());
        }
        let mut inputs = self.inputs;
        if let Some(Value::Array(own)) = entry.get("inputs") {
            inputs.extend(own.iter().filter_map(Value::as_object).cloned());
        }
        let source = client_entry::source(&entry, &mut draft)?;
        let mut recipe = draft.end(source);
        client_file::describe(&mut recipe, &inputs);
        Ok(recipe)
    }

    /// What is said word by word, as a client's entry.
    fn entry(&self) -> Map<String, Value> {
        let mut entry = Map::new();
        let mut words = self.words.iter();
        if let Some(url) = &self.url {
            entry.insert("url".to_owned(), Value::from(url.as_str()));
        } else if let Some(program) = words.next() {
            entry.insert("command".to_owned(), Value::from(program.as_str()));
            entry.insert("args".to_owned(), words.cloned().collect());
        }
        let variables = self.variables.iter();
        let variables = variables.map(|name| (name.clone(), Value::from(format!("${{{name}}}"))));
        let variables: Map<String, Value> = variables.collect();
        entry.insert("env".to_owned(), Value::Object(variables));
        entry
    }
}

/// A value in which a plus sign is a blank, as forms have it.
fn in_form(text: &str) -> String {
    decoded(&text.replace('+', " "))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A document as it stands, or in base64 of either alphabet, of which some have it percent-encoded inside; percent-encoded as it
/// is in the link.
fn json(encoded: &str) -> Option<Value> {
    let value = decoded(encoded);
    let text = if value.trim_start().starts_with('{') {
        // A blank is encoded as a plus sign where all is encoded.
        if encoded.trim_start().starts_with('{') {
            value
        } else {
            in_form(encoded)
        }
    } else {
        // A plus sign in a query is a blank to many.
        let packed = value.replace(' ', "+");
        let padding =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let mut engines = [&STANDARD, &URL_SAFE]
            .into_iter()
            .map(|alphabet| GeneralPurpose::new(alphabet, padding));
        let bytes = engines.find_map(|engine| engine.decode(&packed).ok())?;
        String::from_utf8(bytes).ok()?
    };
    let text = if text.starts_with('%') {
        decoded(&text)
    } else {
        text
    };
    serde_json::from_str(&text).ok()
}
