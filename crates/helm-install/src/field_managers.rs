//! Who owns which fields of an object, put right where Helm's ways meet others'. Pure.
//!
//! Helm 3 changes objects by updates. Under the same name an apply is another manager, which would meet conflicts and could
//! never remove a field. As Helm 4 does, the fields are moved to the apply's entry once.
//!
//! The number of pods has many masters: the release, an autoscaler, `kubectl scale`. An apply that no longer names a field that it
//! owned resets it to its default, here one pod; and it meets a conflict when another one changed it. So nobody owns it: the
//! last one who says a number is right.

use json_patch::Patch;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use serde_json::{Map, Value, json};

use crate::tool::FIELD_MANAGER;

/// Subresource through which autoscalers and `kubectl scale` set the number of pods.
const SCALE: &str = "scale";

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

/// Whether it is of Helm or of a scale subresource, which must not own the number of pods.
fn gives_up_replicas(entry: &ManagedFieldsEntry) -> bool {
    let subresource = entry.subresource.as_deref().unwrap_or_default();
    let helm = subresource.is_empty() && entry.manager.as_deref() == Some(FIELD_MANAGER);
    helm || subresource == SCALE
}

/// The entries where neither Helm nor a scale subresource owns `spec.replicas`; `None` when that is so already.
pub(crate) fn without_replicas(entries: &[ManagedFieldsEntry]) -> Option<Vec<ManagedFieldsEntry>> {
    let mut kept = entries.to_vec();
    for entry in kept.iter_mut().filter(|entry| gives_up_replicas(entry)) {
        let fields = entry.fields_v1.as_mut().and_then(|f| f.0.as_object_mut());
        let Some(fields) = fields else { continue };
        let spec = fields.get_mut("f:spec").and_then(Value::as_object_mut);
        if spec.is_some_and(|spec| spec.remove("f:replicas").is_some() && spec.is_empty()) {
            fields.remove("f:spec");
        }
    }
    kept.retain(|entry| {
        entry
            .fields_v1
            .as_ref()
            .is_none_or(|f| f.0 != Value::Object(Map::new()))
    });
    (kept != entries).then_some(kept)
}

/// The same as a JSON patch (RFC 6902) that is right of any version of the object in which these entries stand where they are
/// now: what a controller writes meanwhile is no conflict. `None` as well for what it cannot say, an entry that would be left
/// without fields.
pub(crate) fn replicas_given_up(uid: &str, entries: &[ManagedFieldsEntry]) -> Option<Patch> {
    let mut steps = vec![json!({"op": "test", "path": "/metadata/uid", "value": uid})];
    for (at, entry) in entries.iter().enumerate() {
        let fields = entry.fields_v1.as_ref().map(|f| &f.0["f:spec"]);
        let spec = fields.and_then(Value::as_object);
        let Some(spec) = spec.filter(|s| gives_up_replicas(entry) && s.contains_key("f:replicas"))
        else {
            continue;
        };
        if spec.len() == 1 {
            return None;
        }
        let place = format!("/metadata/managedFields/{at}");
        let known = [("manager", &entry.manager), ("operation", &entry.operation)];
        for (name, value) in known {
            steps.push(json!({"op": "test", "path": format!("{place}/{name}"), "value": value}));
        }
        steps.push(json!({"op": "remove", "path": format!("{place}/fieldsV1/f:spec/f:replicas")}));
    }
    if steps.len() == 1 {
        return None;
    }
    serde_json::from_value(Value::Array(steps)).ok()
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
    fn nobody_owns_the_number_of_pods() {
        let before = entries(json!([
            {"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:selector": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
                "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]));
        let after = without_replicas(&before).unwrap();
        let managers: Vec<_> = after.iter().map(|e| e.manager.clone().unwrap()).collect();
        assert_eq!(
            managers,
            ["helm", "kubectl-edit", "kube-controller-manager"]
        );
        assert_eq!(
            after[0].fields_v1.as_ref().unwrap().0,
            json!({"f:spec": {"f:selector": {}}})
        );
        assert_eq!(after[1..], [before[2].clone(), before[3].clone()]);
        assert_eq!(without_replicas(&after), None);
    }

    #[test]
    fn the_number_is_given_up_of_any_version_with_the_same_owners() {
        let helm = json!({"manager": "helm", "operation": "Apply", "time": "2026-01-01T00:00:00Z",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:selector": {}}}});
        let controller = json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
            "fieldsV1": {"f:status": {}}});
        let other = json!({"manager": "another", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}}});
        let patch = replicas_given_up("u", &entries(json!([helm]))).unwrap();
        for (uid, before, taken) in [
            ("u", json!([helm]), true),
            ("u", json!([helm, controller]), true),
            ("u", json!([other, helm]), false),
            ("v", json!([helm]), false),
            ("u", json!([controller]), false),
        ] {
            let mut live = json!({"metadata": {"uid": uid, "managedFields": before}});
            let patched = json_patch::patch(&mut live, &patch);
            assert_eq!(patched.is_ok(), taken, "{before}");
            let after = entries(live["metadata"]["managedFields"].take());
            let wanted = without_replicas(&entries(before.clone())).filter(|_| taken);
            assert_eq!(after, wanted.unwrap_or_else(|| entries(before)));
        }
        // Nothing to say, and what it cannot say.
        let alone = json!({"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
        for of in [json!([controller]), json!([other]), json!([helm, alone])] {
            assert_eq!(replicas_given_up("u", &entries(of)), None);
        }
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
