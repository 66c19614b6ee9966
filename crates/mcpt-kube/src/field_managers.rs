//! Fields that an older Helm owns by client-side apply, given to the server-side apply of the same manager. Pure.
//!
//! Helm 3 changes objects by updates. Under the same name an apply is another manager, which would meet conflicts and could
//! never remove a field. As Helm 4 does, the fields are moved to the apply's entry once.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::{Map, Value};

use crate::cluster::FIELD_MANAGER;

/// The entries with all fields of Helm's updates in Helm's apply; `None` when there is nothing to move.
pub(crate) fn moved(entries: &[ManagedFieldsEntry]) -> Option<Vec<ManagedFieldsEntry>> {
    let helm = |e: &ManagedFieldsEntry, operation: &str| {
        e.manager.as_deref() == Some(FIELD_MANAGER)
            && e.operation.as_deref() == Some(operation)
            && e.subresource.as_deref().unwrap_or_default().is_empty()
    };
    let (updates, mut kept): (Vec<_>, Vec<_>) = entries
        .iter()
        .cloned()
        .partition(|entry| helm(entry, "Update"));
    let first = updates.first()?.clone();
    let at = kept
        .iter()
        .position(|entry| helm(entry, "Apply"))
        .unwrap_or_else(|| {
            let fresh = ManagedFieldsEntry {
                operation: Some("Apply".to_owned()),
                fields_v1: None,
                ..first
            };
            kept.push(fresh);
            kept.len() - 1
        });
    let target = kept.get_mut(at)?;
    let mut fields = target
        .fields_v1
        .take()
        .map_or_else(|| Value::Object(Map::new()), |f| f.0);
    for update in updates {
        if let Some(own) = update.fields_v1 {
            unite(&mut fields, own.0);
        }
    }
    target.fields_v1 = Some(FieldsV1(fields));
    Some(kept)
}

/// Union of two field sets: each is a tree of objects, whose leaves are empty objects.
fn unite(into: &mut Value, from: Value) {
    let (Value::Object(into), Value::Object(from)) = (into, from) else {
        return;
    };
    for (key, value) in from {
        match into.get_mut(&key) {
            Some(below) => unite(below, value),
            None => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entries(value: Value) -> Vec<ManagedFieldsEntry> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn updates_become_the_apply() {
        let before = entries(json!([
            {"manager": "helm", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:selector": {}}}},
            {"manager": "helm", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:replicas": {}}, "f:metadata": {"f:labels": {".": {}}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]));
        let after = moved(&before).unwrap();
        assert_eq!(after.len(), 2);
        assert_eq!(after[0].operation.as_deref(), Some("Apply"));
        assert_eq!(
            after[0].fields_v1.as_ref().unwrap().0,
            json!({"f:spec": {"f:selector": {}, "f:replicas": {}}, "f:metadata": {"f:labels": {".": {}}}})
        );
        assert_eq!(moved(&after), None);
    }

    #[test]
    fn without_an_apply_one_is_made() {
        let before = entries(
            json!([{"manager": "helm", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}]),
        );
        let after = moved(&before).unwrap();
        assert_eq!(after.len(), 1);
        assert_eq!(after[0].operation.as_deref(), Some("Apply"));
        assert_eq!(after[0].api_version.as_deref(), Some("v1"));
        assert_eq!(
            after[0].fields_v1.as_ref().unwrap().0,
            json!({"f:data": {}})
        );
    }
}
