//! Standard output: results and nothing else, as text or as documents.

mod exact_yaml;

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
};

use mcpt_core::{Failure, FailureKind};
use serde::Serialize;
use serde_json::Value;

use crate::{args::Format, ending::Ending, messages, readable};

/// Writes a text, or a document, exactly as it is.
pub(crate) fn exact(text: &str) -> Result<(), Ending> {
    bytes(text.as_bytes())
}

/// Writes bytes exactly as they are: what a command wrote that the user named.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Ending> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Writes a text for people, whoever wrote what is in it.
pub(crate) fn text(text: &str) -> Result<(), Ending> {
    exact(&readable::text(text))
}

/// Writes a unified diff, whose lines are readable already; on a terminal with colours.
pub(crate) fn coloured(diff: &str) -> Result<(), Ending> {
    if !io::stdout().is_terminal() || !messages::may_style() {
        return exact(diff);
    }
    let mut text = String::new();
    for line in diff.lines() {
        let colour = match line.as_bytes().first() {
            Some(b'+') => "\x1b[32m",
            Some(b'-') => "\x1b[31m",
            Some(b'@') => "\x1b[36m",
            _ => "",
        };
        let plain = if colour.is_empty() { "" } else { "\x1b[0m" };
        text.extend([colour, line, plain, "\n"]);
    }
    exact(&text)
}

/// Writes one line for people.
pub(crate) fn line(line: &str) -> Result<(), Ending> {
    exact(&format!("{}\n", readable::line(line)))
}

/// Writes each item on a line of its own.
pub(crate) fn lines<T: Display>(items: impl IntoIterator<Item = T>) -> Result<(), Ending> {
    let mut all = String::new();
    for item in items {
        all.push_str(&readable::line(&item.to_string()));
        all.push('\n');
    }
    exact(&all)
}

/// Writes a value as one indented JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Ending> {
    let document = serde_json::to_string_pretty(value).map_err(|error| unprintable(&error))?;
    exact(&format!("{}\n", readable::json(&document)))
}

/// Writes a JSON text that came from elsewhere: indented, and otherwise as it is.
pub(crate) fn exact_json(json: &str) -> Result<(), Ending> {
    let document = mcpt_protocol::indented(json);
    exact(&format!("{}\n", readable::json(&document)))
}

/// Writes the same as one YAML document.
pub(crate) fn exact_yaml(json: &str) -> Result<(), Ending> {
    yaml_document(&exact_yaml::document(json)?)
}

/// Writes a value as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Ending> {
    let document = serde_json::to_string(value).map_err(|error| unprintable(&error))?;
    exact(&format!("{}\n", readable::json(&document)))
}

/// Writes a value as one YAML document.
pub(crate) fn yaml(value: &impl Serialize) -> Result<(), Ending> {
    yaml_document(&yaml_text(value)?)
}

/// Writes YAML: exactly for a program, and for the eyes of somebody at a terminal as other texts.
pub(crate) fn yaml_document(yaml: &str) -> Result<(), Ending> {
    if io::stdout().is_terminal() {
        text(yaml)
    } else {
        exact(yaml)
    }
}

/// A value as the text of one YAML document.
pub(crate) fn yaml_text(value: &impl Serialize) -> Result<String, Ending> {
    let value = serde_json::to_value(value).map_err(|error| unprintable(&error))?;
    Ok(goyaml::to_string(&value).map_err(|error| unprintable(&error))?)
}

/// Writes a manifest: the stream of YAML documents as it is, or one JSON array of them.
pub(crate) fn manifest(format: Format, manifest: &str) -> Result<(), Ending> {
    if format != Format::Json {
        return yaml_document(manifest);
    }
    json(&documents(manifest).map_err(|error| unprintable(&error))?)
}

/// The documents of a stream, without those that say nothing.
fn documents(stream: &str) -> Result<Vec<Value>, goyaml::Error> {
    let mut documents = Vec::new();
    for document in goyaml::documents(stream)? {
        let document = goyaml::from_str_exact(document)?;
        if !document.is_null() {
            documents.push(document);
        }
    }
    Ok(documents)
}

fn unprintable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(FailureKind::Failed, "cannot print the result").caused_by(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn streams_become_lists() {
        let stream = "---\n# Source: a\nkind: A\nport: 8080\n---\n# nothing\n---\nkind: B\n";
        assert_eq!(
            documents(stream).unwrap(),
            [json!({"kind": "A", "port": 8080}), json!({"kind": "B"})]
        );
        assert_eq!(documents("kind: A\n").unwrap(), [json!({"kind": "A"})]);
    }
}
