//! `values.schema.json`: all that is wrong with the values, at once and in Helm's words.

use std::error::Error as StdError;

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

use crate::error::SchemaProblem;
use crate::{Chart, Error, SchemaError, Values};

mod messages;
mod report;

use report::Report;

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
        match compile(schema) {
            Err(message) => {
                found.add(name, &message);
                found.problem(name, "", message);
            }
            Ok(schema) => {
                let values = Value::Object(values.clone());
                if let Some(report) = Report::of(schema.iter_errors(&values)) {
                    found.add(name, &format!("{report}\n"));
                    for (path, message) in report.problems() {
                        found.problem(name, &path, message);
                    }
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

fn compile(schema: &[u8]) -> Result<Validator, String> {
    let schema: Value = serde_json::from_slice(schema).map_err(|error| error.to_string())?;
    jsonschema::options()
        .with_retriever(NoRetrieval)
        .build(&schema)
        .map_err(|error| error.to_string())
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
