//! Types of settings: from the text of a command line to a JSON value, and from there to the text of a variable.

use serde_json::{Number, Value};

use crate::{schema_error::plain, template::Property};

/// What a text is instead of a value of the setting's type: a sentence without subject and without the text itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mistyped {
    #[error("not an integer")]
    NotInteger,
    #[error("not a number")]
    NotNumber,
    #[error("not a boolean: true or false")]
    NotBoolean,
    #[error("not a JSON object")]
    NotObject,
    #[error("not a JSON array")]
    NotArray,
    #[error("a list of {items}s: write it as a JSON array")]
    Nested { items: String },
    #[error("wrong: item {number} is {mistyped}")]
    Item {
        number: usize,
        mistyped: Box<Mistyped>,
    },
}

/// Reads a text as the setting's type.
pub(crate) fn parse(property: &Property, text: &str) -> Result<Value, Mistyped> {
    parse_as(property.type_name(), property, text)
}

/// A value that the template itself gives. Older templates write numbers and booleans as texts.
pub(crate) fn from_template(property: &Property, value: &Value) -> Result<Value, Mistyped> {
    match value {
        Value::String(text) if property.type_name() != "string" => parse(property, text),
        other => Ok(other.clone()),
    }
}

fn parse_as(type_name: &str, property: &Property, text: &str) -> Result<Value, Mistyped> {
    let trimmed = text.trim();
    match type_name {
        "integer" => trimmed
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| trimmed.parse::<u64>().map(Value::from))
            .map_err(|_| Mistyped::NotInteger),
        "number" => serde_json::from_str::<Number>(trimmed)
            .map(Value::Number)
            .map_err(|_| Mistyped::NotNumber),
        "boolean" => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(Value::Bool(true)),
            "false" | "no" | "off" | "0" => Ok(Value::Bool(false)),
            _ => Err(Mistyped::NotBoolean),
        },
        "array" => array(property, trimmed),
        "object" => match serde_json::from_str(trimmed) {
            Ok(value @ Value::Object(_)) => Ok(value),
            _ => Err(Mistyped::NotObject),
        },
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// A JSON array, or items between separators.
fn array(property: &Property, text: &str) -> Result<Value, Mistyped> {
    if text.starts_with('[') {
        return match serde_json::from_str(text) {
            Ok(value @ Value::Array(_)) => Ok(value),
            _ => Err(Mistyped::NotArray),
        };
    }
    let item_type = property
        .schema
        .get("items")
        .and_then(|items| items.get("type")?.as_str())
        .unwrap_or("string");
    // Folders are separated by spaces, as the original platform separates them.
    let items: Vec<&str> = if property.volume_mount && property.env_separator.is_none() {
        text.split_whitespace().collect()
    } else {
        text.split(property.separator()).map(str::trim).collect()
    };
    items
        .into_iter()
        .filter(|item| !item.is_empty())
        .enumerate()
        .map(|(i, item)| {
            if matches!(item_type, "array" | "object") {
                return Err(Mistyped::Nested {
                    items: item_type.to_owned(),
                });
            }
            parse_as(item_type, property, item).map_err(|mistyped| Mistyped::Item {
                number: i + 1,
                mistyped: Box::new(mistyped),
            })
        })
        .collect::<Result<Vec<_>, _>>()
        .map(Value::Array)
}

/// The value as text of an environment variable or argument.
pub(crate) fn text(property: &Property, value: &Value) -> String {
    match value {
        Value::Array(items) if !items.iter().any(|item| item.is_array() || item.is_object()) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            items.join(property.separator())
        }
        other => plain(other),
    }
}
