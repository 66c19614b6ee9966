//! Between template values and JSON.

use gotmpl::{Error, FloatKind, IntKind, Map, Type, Value};
use serde_json::{Number, Value as Json};

use crate::nesting;

/// A template value for a JSON value. Numbers that are integers become int64, all others
/// float64; `helm-chart` and `goyaml` make each number the kind that Helm has there.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(v) => Value::Bool(*v),
        Json::Number(number) => from_number(number),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(entries) => {
            let map = Map::new(&Type::Any);
            for (key, value) in entries {
                map.set(key, from_json(value));
            }
            Value::Map(map)
        }
    }
}

fn from_number(number: &Number) -> Value {
    if let Some(v) = number.as_i64() {
        return Value::Int(IntKind::Int64, v);
    }
    Value::Float(FloatKind::Float64, number.as_f64().unwrap_or(f64::NAN))
}

/// The JSON value of a template value, as Go's `encoding/json` makes it.
///
/// # Errors
/// For infinite and undefined numbers, and for values that contain themselves.
pub fn to_json(value: &Value) -> Result<Json, Error> {
    convert(value, 0)
}

fn convert(value: &Value, depth: usize) -> Result<Json, Error> {
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(v) => Json::Bool(*v),
        Value::Int(_, v) => Json::from(*v),
        Value::Uint(_, v) => Json::from(*v),
        Value::Float(_, v) => match Number::from_f64(*v) {
            Some(number) => Json::Number(number),
            None => return Err(unsupported(*v)),
        },
        Value::Str(s) => Json::String(s.text().into_owned()),
        Value::Bytes(bytes) => Json::String(crate::encoding::base64_text(bytes)),
        Value::List(list) if list.is_nil() => Json::Null,
        Value::Map(map) if map.is_nil() => Json::Null,
        Value::List(list) => {
            let items = list.to_vec();
            nesting::level(depth, |depth| {
                items
                    .iter()
                    .map(|item| convert(item, depth))
                    .collect::<Result<_, _>>()
            })
            .map(Json::Array)?
        }
        Value::Map(map) => {
            let entries = map.entries();
            nesting::level(depth, |depth| {
                let entry = |(key, item): &(gotmpl::Str, Value)| {
                    Ok((key.text().into_owned(), convert(item, depth)?))
                };
                entries.iter().map(entry).collect::<Result<_, Error>>()
            })
            .map(Json::Object)?
        }
        Value::Object(object) => nesting::level(depth, |depth| convert(&object.marshal(), depth))?,
    })
}

pub(crate) fn unsupported(v: f64) -> Error {
    Error::call(format!(
        "json: unsupported value: {}",
        gotmpl::fmt::float_text(v)
    ))
}
