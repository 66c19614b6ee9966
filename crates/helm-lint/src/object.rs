//! The documents of a rendered file, and what is looked at of each.

use crate::{Fault, fault};
use serde_json::{Map, Value};

/// Kind and name of an object.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// The documents of a stream; `None` is one that says nothing. Nothing follows a mistake.
pub(crate) fn documents(text: &str) -> Vec<Result<Option<Head>, Fault>> {
    let documents = match goyaml::documents(text) {
        Ok(documents) => documents,
        Err(error) => {
            let error = error.to_string();
            let error = error.strip_prefix("error reading yaml document: ");
            return vec![fault(error.unwrap_or("no YAML").to_owned())];
        }
    };
    let mut heads = Vec::new();
    for document in documents {
        let head = head(document);
        let is_last = head.is_err();
        heads.push(head);
        if is_last {
            break;
        }
    }
    heads
}

fn head(document: &str) -> Result<Option<Head>, Fault> {
    let read = goyaml::from_str_typed(document).map_err(Fault::of)?;
    let fields = match read {
        Value::Null => return Ok(None),
        Value::Object(fields) => fields,
        other => {
            return Err(mismatch(&other, "Go value of type rules.k8sYamlStruct"));
        }
    };
    let mut head = Head {
        api_version: text(&fields, "apiVersion", "k8sYamlStruct.apiVersion")?,
        kind: text(&fields, "kind", "k8sYamlStruct.Kind")?,
        name: String::new(),
    };
    match fields.get("metadata") {
        None | Some(Value::Null) => {}
        Some(Value::Object(metadata)) => {
            head.name = text(metadata, "name", "k8sYamlMetadata.Metadata.Name")?;
            text(metadata, "namespace", "k8sYamlMetadata.Metadata.Namespace")?;
        }
        Some(other) => {
            let place = "Go struct field k8sYamlStruct.Metadata of type rules.k8sYamlMetadata";
            return Err(mismatch(other, place));
        }
    }
    Ok(Some(head))
}

fn text(fields: &Map<String, Value>, key: &str, place: &str) -> Result<String, Fault> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(value) => goyaml::scalar_text(value)
            .ok_or_else(|| mismatch(value, &format!("Go struct field {place} of type string"))),
    }
}

fn mismatch(found: &Value, place: &str) -> Fault {
    let found = match found {
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        _ => "number",
    };
    Fault(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into {place}"
    ))
}

/// Helm keeps no object within a list, whatever its annotation says.
pub(crate) fn list_keeps_nothing(head: &Head, text: &str) -> Result<(), Fault> {
    if head.kind != "List" {
        return Ok(());
    }
    let list =
        goyaml::from_str(text).map_err(|error| Fault(format!("unable to parse YAML: {error}")))?;
    let items = list.get("items").and_then(Value::as_array);
    let keeps = |item: &Value| {
        item.pointer("/metadata/annotations/helm.sh~1resource-policy")
            .is_some()
    };
    if items.into_iter().flatten().any(keeps) {
        return fault(
            "annotation 'helm.sh/resource-policy' within List objects are ignored".to_owned(),
        );
    }
    Ok(())
}
