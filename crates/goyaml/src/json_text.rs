//! What becomes of a value when its JSON text is read as YAML, which is how sigs.k8s.io/yaml writes.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::Error;
use crate::node::MAX_DEPTH;

/// go-yaml takes a longer token, quotes included, for no key.
const LONGEST_KEY: usize = 1024;

/// The value as go-yaml sees it. Almost always the same one.
pub(crate) fn as_read_back(value: &Value) -> Result<Cow<'_, Value>, Error> {
    check(value, 0)?;
    Ok(if holds_next_line(value) {
        Cow::Owned(fold_next_lines(value))
    } else {
        Cow::Borrowed(value)
    })
}

fn check(value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::Write(format!("exceeded max depth of {MAX_DEPTH}")));
    }
    match value {
        Value::String(text) => check_text(text),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            check_text(key)?;
            // U+0085 is a line end to YAML, and a key in braces has one line.
            if token_length(key) > LONGEST_KEY || key.contains('\u{85}') {
                return Err(Error::Write("did not find expected ',' or '}'".to_owned()));
            }
            check(value, depth + 1)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// JSON leaves these as they are, and go-yaml reads no text that holds them.
fn check_text(text: &str) -> Result<(), Error> {
    let refused =
        |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(refused) {
        return Err(Error::Write(
            "control characters are not allowed".to_owned(),
        ));
    }
    Ok(())
}

/// The characters of a string in Go's JSON, with its quotes.
fn token_length(text: &str) -> usize {
    let length = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    };
    text.chars().map(length).sum::<usize>() + 2
}

fn holds_next_line(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\u{85}'),
        Value::Array(items) => items.iter().any(holds_next_line),
        Value::Object(map) => map.values().any(holds_next_line),
        _ => false,
    }
}

fn fold_next_lines(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(fold(text)),
        Value::Array(items) => items.iter().map(fold_next_lines).collect(),
        Value::Object(map) => {
            let folded = map
                .iter()
                .map(|(key, value)| (key.clone(), fold_next_lines(value)));
            Value::Object(folded.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// U+0085 is a line end to YAML, so inside quotes it is folded: one becomes a space, more become one newline less, and the
/// spaces around them vanish.
fn fold(text: &str) -> String {
    let mut folded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\u{85}') {
        folded.push_str(rest[..at].trim_end_matches(' '));
        let after = rest[at..].trim_start_matches(['\u{85}', ' ']);
        let breaks = rest[at..rest.len() - after.len()].matches('\u{85}').count();
        folded.push_str(&if breaks == 1 {
            " ".to_owned()
        } else {
            "\n".repeat(breaks - 1)
        });
        rest = after;
    }
    folded.push_str(rest);
    folded
}
