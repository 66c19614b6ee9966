//! What no text that is shown may contain: secrets of plans and of charts' values, in the forms in which texts quote them.
//! Pure.

use mcpt_core::{Plan, Secret};
use serde_json::{Map, Value};

/// Where the built-in charts have secrets in their values.
const PLACES: [&[&str]; 2] = [&["secrets"], &["sessionKeys", "keys"]];

/// Those of a plan.
pub(crate) fn of_plan(plan: &Plan) -> Vec<Secret> {
    let secrets = plan.secrets.values();
    secrets.flat_map(|secret| forms(secret.expose())).collect()
}

/// Those in values as the built-in charts have them. Whatever is wrong with the values, no shape of them is taken for granted.
pub(crate) fn of_values(values: &Map<String, Value>) -> Vec<Secret> {
    let mut found = Vec::new();
    for place in PLACES {
        let mut steps = place.iter();
        let first = steps.next().and_then(|step| values.get(*step));
        let value = steps.fold(first, |value, step| value?.get(step));
        if let Some(value) = value {
            collect(value, &mut found);
        }
    }
    found
}

fn collect(value: &Value, found: &mut Vec<Secret>) {
    match value {
        Value::String(text) => found.extend(forms(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// As it is, as it stands inside JSON, and as Helm's schema validator puts it between single quotes.
fn forms(text: &str) -> [Secret; 3] {
    let json = Value::from(text).to_string();
    let inside = json.get(1..json.len() - 1).unwrap_or_default();
    let quoted = inside.replace("\\\"", "\"").replace('\'', "\\'");
    [text, inside, &quoted].map(Secret::new)
}
