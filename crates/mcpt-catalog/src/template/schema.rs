//! The JSON Schema of a template's settings: its `config_schema` without what only this format knows.

use serde_json::{Map, Value, json};

use super::{ConfigSchema, Property};

/// Keywords of the format that mean something else, or nothing, in JSON Schema.
const OWN_KEYWORDS: [&str; 4] = ["options", "choices", "file_mapping", "example"];

impl Property {
    /// Whether the setting itself says that it is required.
    fn is_required(&self) -> bool {
        self.schema.get("required") == Some(&Value::Bool(true))
    }

    /// Schema of the setting's values.
    pub(crate) fn json_schema(&self) -> Value {
        let mut schema: Map<String, Value> = self
            .schema
            .iter()
            .filter(|(key, _)| !OWN_KEYWORDS.contains(&key.as_str()) && !key.starts_with("x-"))
            .filter(|(key, value)| *key != "required" || value.is_array())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if let Some(choices) = self.choices() {
            schema.insert("enum".into(), json!(choices));
        }
        schema
            .entry("type")
            .or_insert_with(|| json!(self.type_name()));
        Value::Object(schema)
    }
}

impl ConfigSchema {
    /// Names of all settings that must be given whatever the others are.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        let inline = self
            .properties
            .iter()
            .filter(|(name, property)| property.is_required() && !self.required.contains(name))
            .map(|(name, _)| name.as_str());
        self.required.iter().map(String::as_str).chain(inline)
    }

    /// Schema of all settings together.
    pub(crate) fn json_schema(&self) -> Value {
        let properties: Map<_, _> = self
            .properties
            .iter()
            .map(|(name, property)| (name.clone(), property.json_schema()))
            .collect();
        let mut schema = self.conditions.clone();
        // Unknown settings are found before, with better words.
        schema.remove("additionalProperties");
        spread_rules(&mut schema);
        schema.insert("type".into(), json!("object"));
        schema.insert("properties".into(), Value::Object(properties));
        schema.insert(
            "required".into(),
            json!(self.required().collect::<Vec<_>>()),
        );
        Value::Object(schema)
    }
}

/// The original platform reads an `anyOf` whose branches are all `if`/`then` as independent rules that all hold, which
/// is `allOf` in JSON Schema: as `anyOf`, one rule that does not apply would switch off the others.
fn spread_rules(schema: &mut Map<String, Value>) {
    let all_rules = schema
        .get("anyOf")
        .and_then(Value::as_array)
        .is_some_and(|branches| branches.iter().all(|branch| branch.get("if").is_some()));
    if !all_rules {
        return;
    }
    if let Some(Value::Array(mut rules)) = schema.remove("anyOf") {
        let all = schema.entry("allOf").or_insert_with(|| json!([]));
        if let Value::Array(all) = all {
            all.append(&mut rules);
        }
    }
}
