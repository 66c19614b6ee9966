//! JSON Schema violations in words for people.

use jsonschema::{
    ValidationError,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::Value;

/// What is wrong with the value, as a sentence without subject: `"loud" is not one of debug, info`.
/// Never shows the value when it is secret.
pub(crate) fn explain(error: &ValidationError<'_>, secret: bool) -> String {
    let value = if secret {
        "the value".to_owned()
    } else {
        shorten(&error.instance().to_string())
    };
    match error.kind() {
        ValidationErrorKind::Type { kind } => match kind {
            TypeKind::Single(name) => format!("{value} is not {}", with_article(name.as_str())),
            TypeKind::Multiple(names) => {
                let names: Vec<_> = names
                    .iter()
                    .map(|name| with_article(name.as_str()))
                    .collect();
                format!("{value} is not {}", names.join(" or "))
            }
        },
        ValidationErrorKind::Enum { options } => {
            format!("{value} is not one of {}", list(options))
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("{value} is not {}", plain(expected_value))
        }
        ValidationErrorKind::Minimum { limit } => format!("{value} is less than {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("{value} is greater than {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!("{value} is not greater than {limit}")
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!("{value} is not less than {limit}")
        }
        ValidationErrorKind::MinLength { limit: 1 } => "it is empty".to_owned(),
        ValidationErrorKind::MinLength { limit } => {
            format!("{value} is shorter than {limit} characters")
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("{value} is longer than {limit} characters")
        }
        ValidationErrorKind::MinItems { limit } => {
            format!("it has fewer items than {limit}")
        }
        ValidationErrorKind::MaxItems { limit } => {
            format!("it has more items than {limit}")
        }
        ValidationErrorKind::UniqueItems => "it has the same item twice".to_owned(),
        ValidationErrorKind::Pattern { pattern } => {
            format!("{value} does not match the pattern {pattern}")
        }
        ValidationErrorKind::Format { format } => {
            format!("{value} is not of the format {format}")
        }
        ValidationErrorKind::Required { property } => format!("{property} is missing"),
        ValidationErrorKind::PropertyNames { error } => {
            format!("the name {}", explain(error, false))
        }
        _ => error.masked_with("the value").to_string(),
    }
}

fn with_article(type_name: &str) -> String {
    match type_name {
        "integer" | "array" | "object" => format!("an {type_name}"),
        "null" => type_name.to_owned(),
        _ => format!("a {type_name}"),
    }
}

/// A value as people write it: texts without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn list(options: &Value) -> String {
    match options {
        Value::Array(options) => options.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => plain(other),
    }
}

/// Long values would bury what is said about them.
pub(crate) fn shorten(text: &str) -> String {
    const MAX: usize = 60;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(MAX - 1).collect();
    format!("{head}…")
}
