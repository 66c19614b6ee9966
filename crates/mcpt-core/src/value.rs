//! [`ServerValue`]: a value that a server was deployed with, and where it comes from.

use serde::Serialize;
use serde_json::{Map, Value};

/// One value. Its JSON is a contract of `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerValue {
    /// Its path, as `--set` takes it: `resources.limits.memory`.
    pub path: String,
    /// The value; a list is one. A secret is redacted.
    pub value: Value,
    /// Who said so: `default of the chart`, `template demo and its settings`, a file, an option.
    pub origin: String,
    /// Whether nobody said it but the chart.
    pub is_default: bool,
}

/// The values below a map that are no maps with something in them, each with its path. Dots in keys are escaped as `--set` has it.
#[must_use]
pub fn leaves(values: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    collect("", values, &mut found);
    found
}

fn collect<'a>(above: &str, values: &'a Map<String, Value>, found: &mut Vec<(String, &'a Value)>) {
    for (key, value) in values {
        let key = key.replace('\\', "\\\\").replace('.', "\\.");
        let path = if above.is_empty() {
            key
        } else {
            format!("{above}.{key}")
        };
        match value.as_object().filter(|below| !below.is_empty()) {
            Some(below) => collect(&path, below, found),
            None => found.push((path, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_leaves() {
        let values = json!({"a": {"b.c": 1, "d": {}}, "e": [1, {"f": 2}], "g": null});
        let found = leaves(values.as_object().unwrap());
        let found: Vec<_> = found
            .iter()
            .map(|(path, value)| format!("{path} {value}"))
            .collect();
        assert_eq!(found, ["a.b\\.c 1", "a.d {}", "e [1,{\"f\":2}]", "g null"]);
    }
}
