//! The arguments of a tool call: `--arg NAME=TEXT` becomes the JSON that the tool's schema asks for.

use mcpt_core::{Failure, FailureKind, near};
use serde_json::{Map, Value};

/// Types a call's arguments after the tool's `inputSchema`. All faults come at once.
pub(crate) fn typed(
    tool: &str,
    schema: &Value,
    given: &[(String, String)],
) -> Result<Map<String, Value>, Failure> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let mut arguments = Map::new();
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
                    arguments.insert(name.clone(), value);
                }
                Err(expected) => faults.push(format!("{name}: {text:?} is no {expected}")),
            },
        }
    }
    for name in required(schema) {
        if !arguments.contains_key(name) && !given.iter().any(|(key, _)| key == name) {
            faults.push(format!("{name} is missing"));
        }
    }
    if faults.is_empty() {
        return Ok(arguments);
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

/// The JSON for one argument, or the name of what was expected. A text is taken as it is wherever a text is allowed and
/// nothing else reads it.
fn value(property: &Value, schema: &Value, text: &str) -> Result<Value, String> {
    let types = types(property, schema);
    let json = serde_json::from_str::<Value>(text).ok();
    let fits = |value: &Value| types.iter().any(|name| is_of_type(value, name));
    let text_allowed = types.is_empty() || types.iter().any(|name| name == "string");
    match json {
        // A text that looks like JSON stays a text when only texts are allowed.
        Some(value) if !value.is_string() && fits(&value) => Ok(value),
        _ if text_allowed => Ok(Value::String(text.to_owned())),
        _ => Err(types.join(" or ")),
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
            types.push(type_name(choice).to_owned());
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

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        name => type_name(value) == name,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(property: &Value, text: &str, expected: Result<Value, &str>) {
        let schema = json!({"$defs": {"count": {"type": "integer"}}});
        assert_eq!(
            value(property, &schema, text),
            expected.map_err(str::to_owned),
            "{text:?} as {property}"
        );
    }

    #[test]
    fn texts_become_what_the_schema_asks_for() {
        check(&json!({"type": "string"}), "3", Ok(json!("3")));
        check(&json!({"type": "string"}), "\"x\"", Ok(json!("\"x\"")));
        check(&json!({"type": "integer"}), "3", Ok(json!(3)));
        check(&json!({"type": "integer"}), "3.5", Err("integer"));
        check(&json!({"type": "number"}), "3.5", Ok(json!(3.5)));
        check(&json!({"type": "number"}), "many", Err("number"));
        check(&json!({"type": "boolean"}), "true", Ok(json!(true)));
        check(&json!({"type": "boolean"}), "yes", Err("boolean"));
        check(&json!({"type": "array"}), "[1,2]", Ok(json!([1, 2])));
        check(&json!({"type": "object"}), "{\"a\":1}", Ok(json!({"a": 1})));
        check(
            &json!({"type": ["integer", "null"]}),
            "null",
            Ok(json!(null)),
        );
        check(&json!({"type": ["integer", "string"]}), "x", Ok(json!("x")));
        check(
            &json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            "x",
            Err("integer or null"),
        );
        check(&json!({"enum": [1, 2]}), "2", Ok(json!(2)));
        check(&json!({"$ref": "#/$defs/count"}), "7", Ok(json!(7)));
        check(&json!({}), "{}", Ok(json!("{}")));
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
            Value::Object(typed("add", &schema, &given).unwrap()),
            json!({"a": 1, "b": 2})
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
        assert_eq!(Value::Object(arguments), json!({"a": "1"}));
    }
}
