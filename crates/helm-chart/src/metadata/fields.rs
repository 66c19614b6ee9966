//! Fields of a YAML map on their way into a struct, with the rules of Go's decoder.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::Error;

/// The fields of a map on their way into a struct, with Go's rules: null leaves a field alone, scalars become text.
pub(super) struct Fields {
    map: Map<String, Value>,
    owner: &'static str,
}

impl Fields {
    pub(super) fn read(yaml: &str, owner: &'static str) -> Result<Self, Error> {
        match goyaml::from_str_typed(yaml)? {
            Value::Object(map) => Ok(Self { map, owner }),
            Value::Null => Ok(Self {
                map: Map::new(),
                owner,
            }),
            other => Err(Error::ValueType {
                found: kind(&other),
                wanted: owner,
            }),
        }
    }

    pub(super) fn of_item(
        item: &Value,
        list: &'static str,
        wanted: &'static str,
    ) -> Result<Self, Error> {
        match item {
            Value::Object(map) => Ok(Self {
                map: map.clone(),
                owner: list,
            }),
            Value::Null => {
                let message = format!("{list} must not contain empty or null nodes");
                Err(Error::Validation(message))
            }
            other => Err(Error::FieldType {
                found: kind(other),
                field: format!("Metadata.{list}"),
                wanted,
            }),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn mismatch(&self, name: &str, found: &Value, wanted: &'static str) -> Error {
        Error::FieldType {
            found: kind(found),
            field: format!("{}.{name}", self.owner),
            wanted,
        }
    }

    pub(super) fn text(&self, name: &str, field: &mut String) -> Result<(), Error> {
        if let Some(value) = self.get(name) {
            *field =
                goyaml::scalar_text(value).ok_or_else(|| self.mismatch(name, value, "string"))?;
        }
        Ok(())
    }

    pub(super) fn texts(&self, name: &str, field: &mut Vec<String>) -> Result<(), Error> {
        if let Some(items) = self.list(name, "[]string")? {
            *field = items
                .iter()
                .map(|item| match item {
                    Value::Null => Ok(String::new()),
                    item => {
                        goyaml::scalar_text(item).ok_or_else(|| self.mismatch(name, item, "string"))
                    }
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    pub(super) fn flag(&self, name: &str, field: &mut bool) -> Result<(), Error> {
        if let Some(value) = self.get(name) {
            *field = value
                .as_bool()
                .ok_or_else(|| self.mismatch(name, value, "bool"))?;
        }
        Ok(())
    }

    pub(super) fn list(
        &self,
        name: &str,
        wanted: &'static str,
    ) -> Result<Option<&Vec<Value>>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.mismatch(name, other, wanted)),
        }
    }

    pub(super) fn text_map(
        &self,
        name: &str,
        value: &Value,
    ) -> Result<BTreeMap<String, String>, Error> {
        let map = value
            .as_object()
            .ok_or_else(|| self.mismatch(name, value, "map[string]string"))?;
        map.iter()
            .map(|(key, value)| {
                let text = match value {
                    Value::Null => Some(String::new()),
                    value => goyaml::scalar_text(value),
                };
                let text = text.ok_or_else(|| self.mismatch(name, value, "string"))?;
                Ok((key.clone(), text))
            })
            .collect()
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
