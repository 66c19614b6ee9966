//! `values.schema.json`: all that is wrong with the values, at once and in Helm's words.

use std::error::Error as StdError;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

use crate::error::SchemaProblem;
use crate::{Chart, Error, SchemaError, Values};

mod messages;
mod report;

use report::Report;

/// How long the check against one schema may take; a schema of a few lines can ask for more than anybody can wait for.
const TIME: Duration = Duration::from_secs(30);

/// The stack of the thread that checks: schemas and values nest.
const STACK: usize = 16 * 1024 * 1024;

/// Checks coalesced values against the schemas of a chart and its subcharts.
///
/// A `$ref` to another document is refused: this crate reads nothing but the chart.
///
/// # Errors
/// With all problems of all schemas, worded and laid out as by Helm 4, in the order of the schema paths.
pub fn validate_schema(chart: &Chart, values: &Values) -> Result<(), Error> {
    let mut found = SchemaError {
        text: String::new(),
        problems: Vec::new(),
    };
    check(chart, values, &mut found);
    if found.text.is_empty() {
        Ok(())
    } else {
        Err(found.into())
    }
}

fn check(chart: &Chart, values: &Values, found: &mut SchemaError) {
    if let Some(schema) = &chart.schema {
        let name = chart.name();
        match in_time(TIME, schema.clone(), Value::Object(values.clone())) {
            Err(unchecked) => {
                let message = unchecked.to_string();
                found.add(name, &message);
                found.problem(name, "", message);
            }
            Ok(None) => {}
            Ok(Some(faults)) => {
                found.add(name, &format!("{}\n", faults.text));
                for (path, message) in faults.problems {
                    found.problem(name, &path, message);
                }
            }
        }
    }
    for subchart in &chart.dependencies {
        let name = subchart.name();
        match values.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Object(below)) => check(subchart, below, found),
            Some(other) => {
                let message = format!(
                    "invalid type for values: expected object (map), got {}",
                    go_type(other)
                );
                found.add(name, &format!("{message}\n"));
                found.problem(name, "", message);
            }
        }
    }
}

/// What breaks one schema: Helm's text, and each problem with its path.
struct Faults {
    text: String,
    problems: Vec<(String, String)>,
}

/// Why values were not checked against a schema.
#[derive(Debug, thiserror::Error)]
enum Unchecked {
    /// The schema is no JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The schema breaks the rules of schemas.
    #[error(transparent)]
    Schema(Box<jsonschema::ValidationError<'static>>),
    /// The same, with all that is wrong in the words of Helm's validator.
    #[error(
        "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with '{draft}#'\n{report}"
    )]
    Invalid {
        /// The rules.
        draft: String,
        /// What breaks them.
        report: String,
    },
    /// There was no thread for it.
    #[error(transparent)]
    NoThread(std::io::Error),
    /// It takes longer than that.
    #[error("the check against the schema takes longer than {} s", .0.as_secs_f64())]
    TooLong(Duration),
    /// The thread broke off.
    #[error("the schema cannot be checked")]
    BrokenOff,
}

/// Checks values in a thread of their own, which cannot be ended: one that takes too long is left to itself.
fn in_time(most: Duration, schema: Vec<u8>, values: Value) -> Result<Option<Faults>, Unchecked> {
    let (send, receive) = mpsc::channel();
    thread::Builder::new()
        .name("schema".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            let faults = compile(&schema).map(|schema| {
                Report::of(schema.iter_errors(&values)).map(|report| Faults {
                    text: report.to_string(),
                    problems: report.problems(),
                })
            });
            // Nobody listens when the time is over.
            let _ = send.send(faults);
        })
        .map_err(Unchecked::NoThread)?;
    receive.recv_timeout(most).unwrap_or_else(|error| {
        Err(match error {
            mpsc::RecvTimeoutError::Timeout => Unchecked::TooLong(most),
            mpsc::RecvTimeoutError::Disconnected => Unchecked::BrokenOff,
        })
    })
}

impl SchemaError {
    fn add(&mut self, chart: &str, text: &str) {
        for part in [chart, ":\n", text] {
            self.text.push_str(part);
        }
    }

    fn problem(&mut self, chart: &str, path: &str, message: String) {
        self.problems.push(SchemaProblem {
            chart: chart.to_owned(),
            path: path.to_owned(),
            message,
        });
    }
}

fn compile(schema: &[u8]) -> Result<Validator, Unchecked> {
    let schema: Value = serde_json::from_slice(schema)?;
    jsonschema::options()
        .with_retriever(NoRetrieval)
        .build(&schema)
        .map_err(|error| invalid(&schema).unwrap_or_else(|| Unchecked::Schema(Box::new(error))))
}

/// All that breaks the rules of schemas; nothing when they are not known, or it is something else that is wrong.
fn invalid(schema: &Value) -> Option<Unchecked> {
    use jsonschema::{draft4, draft6, draft7, draft201909, draft202012};
    let named = schema.get("$schema").and_then(Value::as_str);
    let named = named.map(|named| named.trim_end_matches('#'));
    let (draft, rules) = match named {
        // Of one that says none, or no draft, the newest is meant.
        None
        | Some(
            "http://json-schema.org/schema"
            | "https://json-schema.org/schema"
            | "https://json-schema.org/draft/2020-12/schema",
        ) => (
            "https://json-schema.org/draft/2020-12/schema",
            draft202012::meta::validator(),
        ),
        Some(draft @ "https://json-schema.org/draft/2019-09/schema") => {
            (draft, draft201909::meta::validator())
        }
        Some(draft @ "http://json-schema.org/draft-07/schema") => {
            (draft, draft7::meta::validator())
        }
        Some(draft @ "http://json-schema.org/draft-06/schema") => {
            (draft, draft6::meta::validator())
        }
        Some(draft @ "http://json-schema.org/draft-04/schema") => {
            (draft, draft4::meta::validator())
        }
        _ => return None,
    };
    let report = Report::of(rules.iter_errors(schema))?.to_string();
    let draft = draft.to_owned();
    Some(Unchecked::Invalid { draft, report })
}

struct NoRetrieval;

impl Retrieve for NoRetrieval {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn StdError + Send + Sync>> {
        if uri.scheme().as_str() == "urn" {
            // Helm lets an urn that nobody knows pass.
            return Ok(Value::Bool(true));
        }
        Err(format!("schemas outside of the chart are not read: {uri}").into())
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty lines ask for a trillion checks.
    #[test]
    fn a_schema_that_doubles_at_each_step_ends() {
        let mut definitions = serde_json::Map::new();
        for i in 0..40 {
            let next = serde_json::json!({"$ref": format!("#/$defs/d{}", i + 1)});
            definitions.insert(
                format!("d{i}"),
                serde_json::json!({"allOf": [next.clone(), next]}),
            );
        }
        definitions.insert("d40".to_owned(), serde_json::json!({"type": "object"}));
        let schema = serde_json::json!({"$ref": "#/$defs/d0", "$defs": definitions});
        let most = Duration::from_millis(100);
        let ended = in_time(most, schema.to_string().into_bytes(), serde_json::json!({}));
        assert_eq!(
            ended
                .map(|faults| faults.is_none())
                .unwrap_err()
                .to_string(),
            "the check against the schema takes longer than 0.1 s"
        );
    }
}
