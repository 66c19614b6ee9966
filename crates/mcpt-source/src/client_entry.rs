//! One server as a client's file describes it, whatever names that client has for its fields.

use serde_json::{Map, Value};

use crate::{PastedError, RemoteKind, Source, draft::Draft, pasted};

/// A server that is given in JSON on a command line, with its name beside it or in it.
pub(crate) fn pasted(
    name: Option<&str>,
    json: &str,
    draft: &mut Draft,
) -> Result<Source, PastedError> {
    let value: Value =
        serde_json::from_str(json).map_err(|error| PastedError::Json(error.to_string()))?;
    let Value::Object(members) = value else {
        return Err(PastedError::Json("it is no object".to_owned()));
    };
    draft.name = name
        .or_else(|| text(&members, &["name"]))
        .map(str::to_owned);
    source(&members, draft)
}

/// What a server's entry starts or reaches.
///
/// # Errors
/// [`PastedError`] with why it is nothing that could be run.
pub(crate) fn source(entry: &Map<String, Value>, draft: &mut Draft) -> Result<Source, PastedError> {
    // Some clients nest what says how the server is reached.
    if let Some(Value::Object(inner)) = entry.get("transport")
        && !entry.contains_key("command")
    {
        let mut flat = entry.clone();
        flat.remove("transport");
        flat.extend(inner.clone());
        return source(&flat, draft);
    }
    let off = entry.get("disabled") == Some(&Value::Bool(true))
        || entry.get("enabled") == Some(&Value::Bool(false));
    if off {
        draft.note("it is switched off where it was found");
    }
    for field in ["cwd", "envFile"] {
        if entry.contains_key(field) {
            draft.note(format!("{field} is left out"));
        }
    }
    let url = text(entry, &["url", "serverUrl", "httpUrl", "uri", "endpoint"]);
    let has_command = ["command", "cmd"]
        .iter()
        .any(|field| entry.contains_key(*field));
    match url {
        Some(url) if !has_command => remote(entry, url, draft),
        _ => program(entry, draft),
    }
}

fn program(entry: &Map<String, Value>, draft: &mut Draft) -> Result<Source, PastedError> {
    let mut env = variables(entry)?;
    let mut args = words(entry, "args")?;
    let program = match entry.get("command").or_else(|| entry.get("cmd")) {
        Some(Value::String(program)) => program.clone(),
        // The program is the first of all words.
        Some(Value::Array(_)) => {
            let mut all = words(entry, "command")?;
            if all.is_empty() {
                return Err(PastedError::Empty);
            }
            let program = all.remove(0);
            all.append(&mut args);
            args = all;
            program
        }
        Some(Value::Object(inner)) => {
            args = words(inner, "args")?;
            env.append(&mut variables(inner)?);
            text(inner, &["path", "command"])
                .unwrap_or_default()
                .to_owned()
        }
        Some(_) => return Err(PastedError::Json("command is no text".to_owned())),
        None => {
            return Err(PastedError::Json(
                "neither command nor url is there".to_owned(),
            ));
        }
    };
    if program.trim().is_empty() {
        return Err(PastedError::Empty);
    }
    // Variables whose values are kept elsewhere.
    for field in ["env_keys", "env_vars"] {
        for name in words(entry, field).unwrap_or_default() {
            env.push((name.clone(), format!("${{{name}}}")));
        }
    }
    pasted::entry(&program, args, &env, draft)
}

fn remote(entry: &Map<String, Value>, url: &str, draft: &mut Draft) -> Result<Source, PastedError> {
    for (name, value) in variables(entry)? {
        draft.outer(&name, &value);
    }
    let mut remote = draft.address(url)?;
    remote.kind = match text(entry, &["type", "transport", "transportType"]) {
        Some("sse") => Some(RemoteKind::Sse),
        Some("http" | "streamable-http" | "streamableHttp" | "streamable_http" | "streamable") => {
            Some(RemoteKind::StreamableHttp)
        }
        _ if entry.contains_key("httpUrl") => Some(RemoteKind::StreamableHttp),
        _ => None,
    };
    let options = entry.get("requestOptions").and_then(Value::as_object);
    let plain = ["headers", "http_headers"]
        .iter()
        .find_map(|field| entry.get(*field));
    let plain = plain.or_else(|| options?.get("headers"));
    for (name, value) in members(plain, "headers")? {
        let value = draft.expanded(&value, &name);
        remote.headers.insert(name, value);
    }
    for (name, variable) in members(entry.get("env_http_headers"), "env_http_headers")? {
        let value = draft.expanded(&format!("${{{variable}}}"), &name);
        remote.headers.insert(name, value);
    }
    if let Some(variable) = text(entry, &["bearer_token_env_var"]) {
        let value = draft.expanded(&format!("Bearer ${{{variable}}}"), "Authorization");
        remote.headers.insert("Authorization".to_owned(), value);
    }
    if let Some(token) = text(entry, &["bearer_token"]) {
        let value = draft.expanded(&format!("Bearer {token}"), "Authorization");
        remote.headers.insert("Authorization".to_owned(), value);
    }
    if ["oauth", "auth"]
        .iter()
        .any(|field| entry.contains_key(*field))
    {
        draft.note("what it says about signing in is left out");
    }
    Ok(Source::Remote(remote))
}

/// The variables of an entry.
fn variables(entry: &Map<String, Value>) -> Result<Vec<(String, String)>, PastedError> {
    let names = ["env", "environment", "envs"];
    let found = names.iter().find_map(|name| entry.get(*name));
    // Some write `NAME=VALUE` in a list.
    if let Some(Value::Array(items)) = found {
        let pair = |item: &Value| {
            let (name, value) = item.as_str()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        return Ok(items.iter().filter_map(pair).collect());
    }
    members(found, "env")
}

/// Names and values, the latter as texts.
fn members(found: Option<&Value>, field: &str) -> Result<Vec<(String, String)>, PastedError> {
    match found {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(members)) => members
            .iter()
            // Some write comments so.
            .filter(|(name, _)| !name.trim_start().starts_with("//"))
            .filter_map(|(name, value)| {
                let value = match value {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    Value::Bool(flag) => flag.to_string(),
                    Value::Null => return None,
                    Value::Array(_) | Value::Object(_) => {
                        return Some(Err(PastedError::Json(format!("{field}.{name} is no text"))));
                    }
                };
                Some(Ok((name.clone(), value)))
            })
            .collect(),
        Some(_) => Err(PastedError::Json(format!("{field} is no object"))),
    }
}

/// A list of texts.
fn words(entry: &Map<String, Value>, field: &str) -> Result<Vec<String>, PastedError> {
    match entry.get(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(word)) => Ok(vec![word.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Number(number) => Ok(number.to_string()),
                Value::Bool(flag) => Ok(flag.to_string()),
                _ => Err(PastedError::Json(format!(
                    "{field} has something in it that is no text"
                ))),
            })
            .collect(),
        Some(_) => Err(PastedError::Json(format!("{field} is no list"))),
    }
}

fn text<'a>(entry: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| entry.get(*name)?.as_str())
}
