//! `Chart.yaml` read strictly: no key twice, no field that Helm does not know.

use crate::{Fault, fault};
use serde_json::{Map, Value};

const METADATA: &[&str] = &[
    "name",
    "home",
    "sources",
    "version",
    "description",
    "keywords",
    "maintainers",
    "icon",
    "apiVersion",
    "condition",
    "tags",
    "appVersion",
    "deprecated",
    "annotations",
    "kubeVersion",
    "dependencies",
    "type",
];
const MAINTAINER: &[&str] = &["name", "email", "url"];
const DEPENDENCY: &[&str] = &[
    "name",
    "version",
    "repository",
    "condition",
    "tags",
    "enabled",
    "import-values",
    "alias",
];

/// The first mistake, in Go's words.
pub(crate) fn check(text: &str) -> Result<(), Fault> {
    let read = goyaml::from_str_strict(text).map_err(Fault::of)?;
    let Value::Object(fields) = read else {
        return Ok(());
    };
    // Go reads the keys in their order.
    let mut keys: Vec<&String> = fields.keys().collect();
    keys.sort();
    for key in keys {
        if !is_known(METADATA, key) {
            return fault(unknown(key));
        }
        let below = match key.as_str() {
            "maintainers" => MAINTAINER,
            "dependencies" => DEPENDENCY,
            _ => continue,
        };
        let items = fields[key].as_array().into_iter().flatten();
        items
            .filter_map(Value::as_object)
            .try_for_each(|item| check_item(item, below))?;
    }
    Ok(())
}

fn check_item(item: &Map<String, Value>, known: &[&str]) -> Result<(), Fault> {
    let mut keys: Vec<&String> = item.keys().collect();
    keys.sort();
    match keys.into_iter().find(|key| !is_known(known, key)) {
        Some(key) => fault(unknown(key)),
        None => Ok(()),
    }
}

/// Go matches names in any case.
fn is_known(known: &[&str], key: &str) -> bool {
    known.iter().any(|name| name.eq_ignore_ascii_case(key))
}

fn unknown(key: &str) -> String {
    let key = gotmpl::fmt::quote(key.as_bytes());
    format!("error unmarshaling JSON: while decoding JSON: json: unknown field {key}")
}
