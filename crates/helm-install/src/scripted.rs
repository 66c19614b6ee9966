//! For tests: histories of releases in short, and namespaces with what is in them.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests panic")]

use helm_release::{Release, Status};
use kube::core::ObjectMeta;
use kube_access::scripted::refusal;
use serde_json::json;

use crate::{
    Record,
    revisions::{ROLLBACK_REVISION, begin_deletion},
    takeover,
};

/// Revisions from 1 on, by their statuses. After a `/`: how the deletion ended that began then. After a `>`: where a rollback
/// that was interrupted went.
///
/// # Panics
/// When a status is none.
pub fn history(text: &str) -> Vec<Record> {
    let statuses = text.split_whitespace().zip(1..);
    let record = |(word, version): (&str, u32)| {
        let mut release = Release {
            version,
            ..Release::default()
        };
        let info = &mut release.info;
        let (status, end) = word.split_once('/').unwrap_or((word, ""));
        let (status, to) = status.split_once('>').unwrap_or((status, ""));
        let died = status.strip_prefix("dead-");
        let status = died.unwrap_or(status);
        info.status = serde_json::from_value(status.into()).unwrap();
        if died.is_some() {
            takeover::interrupt(info, "");
        }
        if let Ok(to) = to.parse::<u32>() {
            info.other.insert(ROLLBACK_REVISION.into(), json!(to));
        }
        match end {
            "" => {}
            "helm" => info.deleted = Some("2026-01-01T00:00:00Z".into()),
            failed => {
                begin_deletion(info);
                info.status = Status::Failed;
                info.description = failed.into();
            }
        }
        Record {
            release,
            metadata: ObjectMeta::default(),
        }
    };
    statuses.map(record).collect()
}

/// A namespace as it is read, with the commands that count on it.
pub fn marked(version: &str, mark: Option<&str>) -> String {
    let mut namespace = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "ns", "uid": "u", "resourceVersion": version}});
    if let Some(mark) = mark {
        namespace["metadata"]["annotations"] = json!({"mcpt.io/holder": mark});
    }
    namespace.to_string()
}

/// Answers what asks for the contents of the namespace: of secrets these, and stateful sets if they may be listed.
///
/// # Panics
/// When something else is asked for.
pub fn holding(path: &str, secrets: &[serde_json::Value], sets: bool) -> (u16, String) {
    let kind = |group: &str, kind: &str, resource: &str| {
        json!({"metadata": {"name": group}, "versions": [{"version": "v1", "freshness": "Current", "resources": [{
            "resource": resource, "singularResource": "one", "scope": "Namespaced", "verbs": ["delete", "list"],
            "responseKind": {"group": group, "version": "v1", "kind": kind}}]}]})
    };
    let kinds = |kinds: serde_json::Value| {
        let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": [kinds]});
        (200, list.to_string())
    };
    let list = |items: &[serde_json::Value]| {
        let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": items});
        (200, list.to_string())
    };
    match path.split('?').next().unwrap() {
        "/api" => kinds(kind("", "Secret", "secrets")),
        "/apis" => kinds(kind("apps", "StatefulSet", "statefulsets")),
        "/api/v1/namespaces/ns/secrets" => list(secrets),
        "/apis/apps/v1/namespaces/ns/statefulsets" if sets => list(&[]),
        "/apis/apps/v1/namespaces/ns/statefulsets" => refusal(403, "Forbidden"),
        _ => panic!("{path}"),
    }
}
