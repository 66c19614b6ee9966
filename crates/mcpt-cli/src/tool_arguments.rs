//! The arguments of a tool call: `--arg NAME=TEXT` becomes the JSON that the tool's schema asks for.

use std::fmt;

use mcpt_core::{Failure, FailureKind, near};
use mcpt_protocol::is_whole_number;
use serde::{Serialize, Serializer};
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

/// An object whose members keep their order and their texts.
struct Arguments<'a>(Vec<(&'a str, Box<RawValue>)>);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Types a call's arguments after the tool's `inputSchema`, numbers exactly as they are written. Of an
/// argument that is given twice the last value counts. All faults come at once.
pub(crate) fn typed(
    tool: &str,
    schema: &Value,
    given: &[(String, String)],
) -> Result<Box<RawValue>, Failure> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let mut arguments = Arguments(Vec::new());
    let mut faults = Vec::new();
    for (name, text) in given {
        match properties.and_then(|properties| properties.get(name)) {
            None if closed
                || (properties.is_some_and(|properties| !properties.is_empty())
                    && !is_open(schema)) =>
            {
                let names = properties.into_iter().flat_map(Map::keys);
                let near = near::hint(name, names.map(String::as_str));
                faults.push(format!("it has no argument {name:?}{near}"));
            }
            property => match value(property.unwrap_or(&Value::Null), schema, text) {
                Ok(value) => {
                    arguments.0.retain(|(other, _)| other != name);
                    arguments.0.push((name, value));
                }
                Err(expected) => faults.push(format!("{name}: {text:?} is no {expected}")),
            },
        }
    }
    for name in required(schema) {
        if !given.iter().any(|(key, _)| key == name) {
            faults.push(format!("{name} is missing"));
        }
    }
    if faults.is_empty() {
        return to_raw_value(&arguments).map_err(|error| {
            Failure::new(FailureKind::Failed, "cannot write the arguments").caused_by(&error)
        });
    }
    let names: Vec<&str> = properties
        .into_iter()
        .flat_map(|properties| properties.keys())
        .map(String::as_str)
        .collect();
    let failure = Failure::new(
        FailureKind::Usage,
        format!("the arguments do not fit the tool {tool}"),
    );
    let failure = faults.into_iter().fold(failure, Failure::because);
    Err(if names.is_empty() {
        failure.hint("it takes no arguments")
    } else {
        failure.hint(format!("its arguments are {}", names.join(", ")))
    })
}

/// Whether a schema says that it takes more arguments than it names.
fn is_open(schema: &Value) -> bool {
    match schema.get("additionalProperties") {
        Some(Value::Bool(open)) => *open,
        Some(Value::Object(_)) => true,
        _ => schema.get("patternProperties").is_some(),
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// A text is nothing that a property takes.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    /// The JSON types that it takes, one at least.
    types: Vec<String>,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.types.join(" or "))
    }
}

/// The JSON for one argument, or the types that are expected. A text is taken as it is wherever a text is allowed and
/// nothing else reads it.
fn value(property: &Value, schema: &Value, text: &str) -> Result<Box<RawValue>, Expected> {
    let types = types(property, schema);
    let json = serde_json::from_str::<&RawValue>(text).ok();
    let fits = |json: &str| types.iter().any(|name| is_of_type(json, name));
    let text_allowed = types.is_empty() || types.iter().any(|name| name == "string");
    match json {
        // A text that looks like JSON stays a text when only texts are allowed.
        Some(json) if !json.get().starts_with('"') && fits(json.get()) => Ok(json.to_owned()),
        _ if text_allowed => to_raw_value(text).map_err(|_| Expected { types }),
        _ => Err(Expected { types }),
    }
}

/// The JSON types that a property allows; none means any.
fn types(property: &Value, schema: &Value) -> Vec<String> {
    let property = resolved(property, schema);
    let mut types: Vec<String> = match property.get("type") {
        Some(Value::String(name)) => vec![name.clone()],
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    };
    for keyword in ["anyOf", "oneOf"] {
        for variant in property
            .get(keyword)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            types.extend(self::types(variant, schema));
        }
    }
    for choice in property
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if types.is_empty() || property.get("type").is_none() {
            types.push(type_name(&choice.to_string()).to_owned());
        }
    }
    types.dedup();
    types
}

/// What a `$ref` within the schema points at. One step: a reference to a reference is taken as any type.
fn resolved<'a>(property: &'a Value, schema: &'a Value) -> &'a Value {
    property
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| schema.pointer(reference.strip_prefix('#')?))
        .filter(|target| target.get("$ref").is_none())
        .unwrap_or(property)
}

fn is_of_type(json: &str, name: &str) -> bool {
    match name {
        "integer" => is_whole_number(json),
        name => type_name(json) == name,
    }
}

/// The type of a JSON text.
fn type_name(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "boolean",
        Some(b'"') => "string",
        Some(b'[') => "array",
        Some(b'{') => "object",
        _ => "number",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(property: &Value, text: &str, expected: Result<&str, &str>) {
        let schema = json!({"$defs": {"count": {"type": "integer"}}});
        let found = value(property, &schema, text);
        let found = found.as_deref().map(RawValue::get);
        let found = found.map_err(ToString::to_string);
        assert_eq!(
            found,
            expected.map_err(str::to_owned),
            "{text:?} as {property}"
        );
    }

    #[test]
    fn texts_become_what_the_schema_asks_for() {
        check(&json!({"type": "string"}), "3", Ok("\"3\""));
        check(&json!({"type": "string"}), "\"x\"", Ok(r#""\"x\"""#));
        check(&json!({"type": "integer"}), "3", Ok("3"));
        check(&json!({"type": "integer"}), "3.0", Ok("3.0"));
        check(&json!({"type": "integer"}), "3.5", Err("integer"));
        check(&json!({"type": "number"}), "3.50", Ok("3.50"));
        check(&json!({"type": "number"}), "many", Err("number"));
        check(&json!({"type": "boolean"}), "true", Ok("true"));
        check(&json!({"type": "boolean"}), "yes", Err("boolean"));
        check(&json!({"type": "array"}), "[1,2]", Ok("[1,2]"));
        check(&json!({"type": "object"}), "{\"a\":1}", Ok("{\"a\":1}"));
        check(&json!({"type": ["integer", "null"]}), "null", Ok("null"));
        check(&json!({"type": ["integer", "string"]}), "x", Ok("\"x\""));
        check(
            &json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            "x",
            Err("integer or null"),
        );
        check(&json!({"enum": [1, 2]}), "2", Ok("2"));
        check(&json!({"$ref": "#/$defs/count"}), "7", Ok("7"));
        check(&json!({}), "{}", Ok("\"{}\""));
    }

    #[test]
    fn numbers_of_any_size_stay_as_they_are_written() {
        for text in [
            "123456789012345678901234567890",
            "-9223372036854775809",
            "1e400",
        ] {
            check(&json!({"type": "integer"}), text, Ok(text));
            check(&json!({"type": ["null", "number"]}), text, Ok(text));
        }
        let nested = "{\"z\":12345678901234567890123,\"a\":0.10}";
        check(&json!({"type": "object"}), nested, Ok(nested));
        let given = [
            ("z", "18446744073709551616"),
            ("a", "1.0"),
            ("z", "18446744073709551617"),
        ];
        let given = given.map(|(key, text)| (key.to_owned(), text.to_owned()));
        let schema = json!({"properties": {"a": {"type": "number"}, "z": {"type": "integer"}}});
        let typed = typed("add", &schema, &given).unwrap();
        assert_eq!(typed.get(), r#"{"a":1.0,"z":18446744073709551617}"#);
    }

    #[test]
    fn all_faults_at_once() {
        let schema = json!({
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        });
        let given = [("a", "x"), ("c", "1")].map(|(key, text)| (key.to_owned(), text.to_owned()));
        let failure = typed("add", &schema, &given).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage);
        assert_eq!(
            failure.why,
            [
                "a: \"x\" is no number",
                "it has no argument \"c\"",
                "b is missing"
            ]
        );
        let given = [("a", "1"), ("b", "2")].map(|(key, text)| (key.to_owned(), text.to_owned()));
        assert_eq!(
            typed("add", &schema, &given).unwrap().get(),
            r#"{"a":1,"b":2}"#
        );
    }

    #[test]
    fn near_matches_of_arguments() {
        let schema = json!({"properties": {"message": {"type": "string"}}});
        let given = [("mesage".to_owned(), "x".to_owned())];
        let failure = typed("echo", &schema, &given).unwrap_err();
        assert_eq!(
            failure.why,
            ["it has no argument \"mesage\": did you mean \"message\"?"]
        );
    }

    #[test]
    fn tools_without_a_schema_take_texts() {
        let given = [("a".to_owned(), "1".to_owned())];
        let arguments = typed("any", &json!({"type": "object"}), &given).unwrap();
        assert_eq!(arguments.get(), r#"{"a":"1"}"#);
    }
}
