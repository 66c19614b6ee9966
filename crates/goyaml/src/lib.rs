//! YAML as Helm and kubectl read and print it.
//!
//! Both use sigs.k8s.io/yaml, which is go-yaml v2 with a round trip through JSON. Its dialect is neither YAML 1.1 nor 1.2:
//! `yes`, `on` and `y` are booleans, `0644` is octal, `1_000` is a number, times stay text, keys become strings, and what it
//! prints is sorted, quoted and folded by rules of its own. This crate has the same dialect over [`serde_json::Value`].
//!
//! | function | mirrors |
//! |---|---|
//! | [`from_str`] | `yaml.Unmarshal` into an untyped value: **every number is a float64** |
//! | [`from_str_exact`] | `yaml.YAMLToJSON`: whole numbers stay whole, for manifests that go to an API server |
//! | [`from_str_typed`] | what it gives to fields that are strings |
//! | [`from_str_strict`] | `yaml.UnmarshalStrict`: keys that are set twice are errors |
//! | [`to_string`] | `yaml.Marshal` |
//! | [`to_string_pretty`] | Helm's `toYamlPretty` (go-yaml v3) |

mod decode;
mod documents;
mod emit;
mod error;
mod events;
mod float;

mod json_text;
mod key_order;
mod node;
mod resolve;
mod scalar_style;
mod scan;

use serde_json::{Map, Value};

use decode::{Numbers, decode};
pub use documents::documents;
use emit::{Dialect, emit};
pub use error::{Duplicate, Error};
pub use float::{format_general, format_json};

/// Reads the first document of a text as `yaml.Unmarshal` of sigs.k8s.io/yaml reads it into an untyped value: all numbers are
/// float64, of a key that is set twice the last value counts, an empty document is null.
///
/// # Errors
/// When the text is not YAML, or means something that JSON cannot say.
pub fn from_str(text: &str) -> Result<Value, Error> {
    decode(text, Numbers::Float64, false)
}

/// Like [`from_str`], but whole numbers stay whole, as in `yaml.YAMLToJSON`.
///
/// # Errors
/// As [`from_str`].
pub fn from_str_exact(text: &str) -> Result<Value, Error> {
    decode(text, Numbers::Exact, false)
}

/// Like [`from_str`], but numbers keep the type that YAML gives them, for [`scalar_text`].
///
/// # Errors
/// As [`from_str`].
pub fn from_str_typed(text: &str) -> Result<Value, Error> {
    decode(text, Numbers::Typed, false)
}

/// Like [`from_str`], but a key that is set twice is an error, as in `yaml.UnmarshalStrict`.
///
/// # Errors
/// As [`from_str`], and with all doubled keys at once.
pub fn from_str_strict(text: &str) -> Result<Value, Error> {
    decode(text, Numbers::Float64, true)
}

/// Like [`from_str`] into a map: an empty document is an empty map.
///
/// # Errors
/// As [`from_str`], and when the document is something else than a map.
pub fn map_from_str(text: &str) -> Result<Map<String, Value>, Error> {
    let found = match from_str(text)? {
        Value::Object(map) => return Ok(map),
        Value::Null => return Ok(Map::new()),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
    };
    Err(Error::NotAMap { found })
}

/// Writes a value as `yaml.Marshal` of sigs.k8s.io/yaml does, with a newline at the end.
///
/// # Errors
/// Where Go fails too, since it reads its own JSON back as YAML: control characters, and keys longer than 1,000 characters or so.
pub fn to_string(value: &Value) -> Result<String, Error> {
    let value = json_text::as_read_back(value)?;
    Ok(emit(&value, Dialect::V2))
}

/// Writes a value as go-yaml v3 does with an indentation of two, which is Helm's `toYamlPretty`: sequences stand indented below
/// their key, nothing is folded. Unlike [`to_string`] it takes no way through JSON, so that a million as a floating point
/// number is `1e+06`.
pub fn to_string_pretty(value: &Value) -> String {
    emit(value, Dialect::V3)
}

/// What sigs.k8s.io/yaml makes of a scalar where a string is wanted: numbers and booleans become text. `None` for the rest.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (None, None, Some(float)) => float::format_g32(float),
            _ => number.to_string(),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
