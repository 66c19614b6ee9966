//! Base64, base32, JSON, YAML and TOML.

mod base_n;
mod json;
mod toml_text;
mod toml_values;

use gotmpl::{Error, Type, Value};
use serde_json::Value as Json;

use crate::args::{Registry, fail};
use crate::convert::{from_json, to_json};
use crate::sources::Sources;

use base_n::{base32_decoded, base32_text, base64_decoded};
pub(crate) use base_n::{base64_bytes, base64_text};
pub use json::json_text;

const ANY: Type = Type::Any;
const STR: Type = Type::Str;

pub(crate) fn register(r: &mut Registry, sources: &Sources) {
    r.add("b64enc", &[STR], STR, |a| {
        Ok(Value::str(base64_text(a.bytes(0))))
    });
    r.add("b64dec", &[STR], STR, |a| {
        Ok(Value::str(base64_decoded(a.bytes(0))))
    });
    r.add("b32enc", &[STR], STR, |a| {
        Ok(Value::str(base32_text(a.bytes(0))))
    });
    r.add("b32dec", &[STR], STR, |a| {
        Ok(Value::str(base32_decoded(a.bytes(0))))
    });
    json_functions(r);
    yaml_functions(r);
    toml_functions(r, sources);
}

fn json_functions(r: &mut Registry) {
    for (name, must, indented, escaped) in [
        ("toJson", "mustToJson", false, true),
        ("toPrettyJson", "mustToPrettyJson", true, true),
    ] {
        r.add(name, &[ANY], STR, move |a| {
            Ok(Value::str(
                json_text(a.any(0), indented, escaped).unwrap_or_default(),
            ))
        });
        r.add(must, &[ANY], STR, move |a| {
            Ok(Value::str(json_text(a.any(0), indented, escaped)?))
        });
    }
    r.add("toRawJson", &[ANY], STR, |a| {
        Ok(Value::str(json_text(a.any(0), false, false)?))
    });
    r.alias("mustToRawJson", "toRawJson");
    r.add("mustFromJson", &[STR], ANY, |a| {
        json::parse(&a.text(0)).map(|json| from_json(&json))
    });
    r.add("fromJson", &[STR], Type::MAP, |a| {
        Ok(match json::parse(&a.text(0)) {
            Ok(Json::Null) => Value::map::<&str>([]),
            Ok(json @ Json::Object(_)) => from_json(&json),
            Ok(other) => error_map(&not_a("map[string]interface {}", &other)),
            Err(e) => error_map(&e.to_string()),
        })
    });
    r.add("fromJsonArray", &[STR], Type::LIST, |a| {
        Ok(match json::parse(&a.text(0)) {
            Ok(Json::Null) => Value::zero(&Type::LIST),
            Ok(json @ Json::Array(_)) => from_json(&json),
            Ok(other) => Value::list(vec![Value::from(not_a("[]interface {}", &other))]),
            Err(e) => Value::list(vec![Value::from(e.to_string())]),
        })
    });
}

/// The text that a JSON text is.
///
/// # Errors
/// With Go's words, where it is none.
pub(crate) fn json_string(text: &str) -> Result<String, Error> {
    match json::parse(text)? {
        Json::String(text) => Ok(text),
        Json::Null => Ok(String::new()),
        other => fail(not_a("string", &other)),
    }
}

fn error_map(text: &str) -> Value {
    Value::map([("Error", Value::from(text))])
}

/// The text of Go's refusal to decode JSON of another kind.
fn not_a(wanted: &str, found: &Json) -> String {
    let found = match found {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    format!("json: cannot unmarshal {found} into Go value of type {wanted}")
}

fn yaml_functions(r: &mut Registry) {
    r.add("toYaml", &[ANY], STR, |a| {
        Ok(Value::str(yaml_text(a.any(0)).unwrap_or_default()))
    });
    r.add("mustToYaml", &[ANY], STR, |a| {
        Ok(Value::str(yaml_text(a.any(0))?))
    });
    r.add("toYamlPretty", &[ANY], STR, |a| {
        let text = to_json(a.any(0)).map(|json| goyaml::to_string_pretty(&json));
        let text = text.unwrap_or_default();
        Ok(Value::str(text.strip_suffix('\n').unwrap_or(&text)))
    });
    r.add("fromYaml", &[STR], Type::MAP, |a| {
        Ok(match goyaml::map_from_str(&a.text(0)) {
            Ok(map) => from_json(&Json::Object(map)),
            Err(e) => error_map(&e.to_string()),
        })
    });
    r.add("fromYamlArray", &[STR], Type::LIST, |a| {
        Ok(from_yaml_array(&a.text(0)))
    });
}

fn toml_functions(r: &mut Registry, sources: &Sources) {
    r.add("toToml", &[ANY], STR, |a| {
        // A panic of the encoder is no error that it returns.
        Ok(match toml_text::toml_text(a.any(0)) {
            Err(e) if matches!(a.any(0), Value::Nil) => return Err(e),
            Err(e) => Value::from(e.to_string()),
            Ok(text) => Value::from(text),
        })
    });
    r.add("mustToToml", &[ANY], STR, |a| {
        toml_text::toml_text(a.any(0)).map(Value::from)
    });
    let world = sources.clone();
    r.add("fromToml", &[STR], Type::MAP, move |a| {
        Ok(toml_values::parse(&a.text(0), &world).unwrap_or_else(|e| error_map(&e.to_string())))
    });
}

fn from_yaml_array(text: &str) -> Value {
    match goyaml::from_str(text) {
        Ok(Json::Null) => Value::list(Vec::new()),
        Ok(json @ Json::Array(_)) => from_json(&json),
        Ok(other) => {
            let text = not_a("[]interface {}", &other);
            let text = format!("error unmarshaling JSON: while decoding JSON: {text}");
            Value::list(vec![Value::from(text)])
        }
        Err(e) => Value::list(vec![Value::from(e.to_string())]),
    }
}

/// A value as YAML, without the newline at the end.
///
/// # Errors
/// Where Go's encoder fails.
pub fn yaml_text(value: &Value) -> Result<String, Error> {
    let json = to_json(value)?;
    let mut text = goyaml::to_string(&json).map_err(|e| Error::call(e.to_string()))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}
