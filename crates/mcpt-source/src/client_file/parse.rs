//! The text of a file as a document: JSON as people write it, TOML or YAML.

use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};
use serde_json::Value;

use super::{ClientFileError, Grammar};

/// A document, and what is odd about its text.
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) notes: Vec<String>,
}

/// Reads a text.
pub(super) fn document(text: &str, grammar: Option<Grammar>) -> Result<Document, ClientFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let grammar = grammar.unwrap_or_else(|| {
        let first = text.trim_start();
        if first.starts_with(['{', '[', '"']) || first.starts_with("//") || first.starts_with("/*")
        {
            Grammar::Json
        } else {
            Grammar::Yaml
        }
    });
    match grammar {
        Grammar::Json => json(text),
        Grammar::Toml => toml(text),
        Grammar::Yaml => yaml(text),
    }
}

/// What clients accept beside JSON; other liberties would make a document of what is none.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: true,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn json(text: &str) -> Result<Document, ClientFileError> {
    // A part of a file, as READMEs show it: `"mcpServers": {…}`.
    let whole;
    let text = if text.trim_start().starts_with('"') {
        whole = format!("{{{text}\n}}");
        &whole
    } else {
        text
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options()).map_err(|error| {
        ClientFileError::Syntax {
            line: error.line_display(),
            message: error.kind().to_string(),
        }
    })?;
    let mut notes = Vec::new();
    let Some(value) = parsed.value else {
        return Err(ClientFileError::Syntax {
            line: 1,
            message: "it is empty".to_owned(),
        });
    };
    duplicates(text, &value, &mut notes);
    Ok(Document {
        value: value.into(),
        notes,
    })
}

/// Keys that are given twice; the last one counts, as for the clients.
fn duplicates(text: &str, value: &ast::Value<'_>, notes: &mut Vec<String>) {
    match value {
        ast::Value::Object(object) => {
            let mut known: Vec<&str> = Vec::new();
            for property in &object.properties {
                let name = property.name.as_str();
                if known.contains(&name) {
                    let line = text
                        .get(..property.range.start)
                        .map_or(1, |before| before.matches('\n').count() + 1);
                    notes.push(format!(
                        "line {line}: {name} is given twice, and the last one counts"
                    ));
                }
                // An object of that many members is no client's.
                if known.len() < 1000 {
                    known.push(name);
                }
                duplicates(text, &property.value, notes);
            }
        }
        ast::Value::Array(array) => {
            for element in &array.elements {
                duplicates(text, element, notes);
            }
        }
        _ => {}
    }
}

fn toml(text: &str) -> Result<Document, ClientFileError> {
    let value = toml::from_str(text).map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        ClientFileError::Syntax {
            line: text
                .get(..start)
                .map_or(1, |before| before.matches('\n').count() + 1),
            message: error.message().to_owned(),
        }
    })?;
    Ok(Document {
        value,
        notes: Vec::new(),
    })
}

fn yaml(text: &str) -> Result<Document, ClientFileError> {
    let syntax = |error: &goyaml::Error| ClientFileError::Syntax {
        line: error.line().unwrap_or(1),
        message: "it is no YAML".to_owned(),
    };
    let value = goyaml::from_str_exact(text).map_err(|error| syntax(&error))?;
    let notes = match goyaml::from_str_strict(text) {
        Ok(_) => Vec::new(),
        Err(_) => vec!["a key is given twice, and the last one counts".to_owned()],
    };
    Ok(Document { value, notes })
}
