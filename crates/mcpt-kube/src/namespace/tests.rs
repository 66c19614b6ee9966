//! Whose a namespace is, and when it goes.

use std::sync::{Arc, Mutex};

use mcpt_core::Silent;

use super::*;
use crate::scripted;

#[test]
fn a_namespace_with_releases_or_deployments_or_claims_is_in_use() {
    let record: PartialObjectMeta<Secret> = serde_json::from_value(json!({"metadata": {
        "name": "sh.helm.release.v1.other.v1", "labels": {"owner": "helm", "name": "other"},
    }}))
    .unwrap();
    let deployment: PartialObjectMeta<Deployment> =
        serde_json::from_value(json!({"metadata": {"name": "web"}})).unwrap();
    let records = [record];
    let deployments = [deployment];
    let claim = |metadata: serde_json::Value| -> PartialObjectMeta<PersistentVolumeClaim> {
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    };
    let claims = [
        claim(json!({"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"})),
        claim(json!({"name": "data"})),
    ];
    let data = Some("persistentvolumeclaim \"data\"");
    for (records, deployments, claims, user) in [
        (&records[..0], &deployments[..0], &claims[..0], None),
        (&records[..0], &deployments[..0], &claims[..1], None),
        (&records[..0], &deployments[..0], &claims[..], data),
        (
            &records[..],
            &deployments[..],
            &claims[..],
            Some("release \"other\""),
        ),
        (
            &records[..0],
            &deployments[..],
            &claims[..],
            Some("deployment \"web\""),
        ),
    ] {
        assert_eq!(named(records, deployments, claims).as_deref(), user);
    }
}

/// A namespace as it is read, with the commands that count on it.
fn marked(version: &str, mark: Option<&str>) -> String {
    let mut namespace = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "ns", "uid": "u", "resourceVersion": version}});
    if let Some(mark) = mark {
        namespace["metadata"]["annotations"] = json!({HOLDER: mark});
    }
    namespace.to_string()
}

fn no_objects() -> String {
    let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": []});
    list.to_string()
}

/// Between the look at who counts on it and its deletion, another command begins to.
#[tokio::test]
async fn a_namespace_that_another_command_enters_is_left_to_it() {
    let other = format!("boot/pid:[1]/7/9@{}", Timestamp::now());
    let (both, left) = (format!("{},{other}", me()), Arc::new(Mutex::new(None)));
    let (mut entered, written) = (false, Arc::clone(&left));
    let cluster = scripted::cluster(move |request, body| {
        let (method, path) = request.split_once(' ').unwrap();
        match method {
            "GET" if path.starts_with("/api/v1/namespaces/ns?") || path.ends_with("/ns") => {
                if entered {
                    (200, marked("2", Some(&both)))
                } else {
                    (200, marked("1", Some(&me())))
                }
            }
            "GET" => (200, no_objects()),
            "DELETE" => {
                assert_eq!(
                    body["preconditions"],
                    json!({"uid": "u", "resourceVersion": "1"})
                );
                entered = true;
                scripted::refusal(409, "Conflict")
            }
            "PATCH" => {
                assert_eq!(body["metadata"]["resourceVersion"], "2");
                let mark = body["metadata"]["annotations"][HOLDER].as_str();
                *written.lock().unwrap() = mark.map(str::to_owned);
                (200, marked("3", mark))
            }
            _ => panic!("{request}"),
        }
    });
    let user = leave(&cluster, Duration::from_secs(1), "cannot deploy x").await;
    assert_eq!(user.unwrap(), None);
    let left = left.lock().unwrap().take().unwrap();
    assert!(
        left.starts_with("boot/pid:[1]/7/9@") && !left.contains(','),
        "{left}"
    );
}

/// What a command writes is refused when something was written since it looked; then it looks again.
#[tokio::test]
async fn counting_on_a_namespace_is_noted_on_what_was_seen() {
    let other = format!("boot/pid:[1]/7/9@{}", Timestamp::now());
    for (second, patches, counts) in [(Some(other.clone()), 2, true), (None, 1, false)] {
        let (first, seen) = (other.clone(), Arc::new(Mutex::new(0)));
        let written = Arc::clone(&seen);
        let cluster = scripted::cluster(move |request, body| {
            let mut patches = written.lock().unwrap();
            if request.starts_with("GET") && *patches == 0 {
                return (200, marked("1", Some(&first)));
            } else if request.starts_with("GET") {
                return (200, marked("2", second.as_deref()));
            }
            assert!(request.starts_with("PATCH"), "{request}");
            *patches += 1;
            if *patches == 1 {
                return scripted::refusal(409, "Conflict");
            }
            let mark = body["metadata"]["annotations"][HOLDER].as_str().unwrap();
            assert!(
                mark.starts_with("boot/pid:[1]/7/9@") && mark.contains(&me()),
                "{mark}"
            );
            (200, marked("3", Some(mark)))
        });
        let entered = enter(&cluster, false, "cannot deploy x", &Silent).await;
        assert_eq!(entered.unwrap().is_some(), counts);
        assert_eq!(*seen.lock().unwrap(), patches);
    }
}

/// Of several deployments at once the first that counts on it does so for all.
#[tokio::test]
async fn a_process_counts_on_a_namespace_once() {
    let cluster = scripted::cluster(|request, _| {
        assert!(request.starts_with("GET"), "{request}");
        (200, marked("1", Some(&me())))
    });
    let entered = enter(&cluster, true, "cannot deploy x", &Silent).await;
    assert!(entered.unwrap().is_none());
}

#[test]
fn what_holds_a_namespace() {
    let namespace: Namespace = serde_json::from_value(json!({"status": {"conditions": [
        {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "deleted"},
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "x in 1 resource instances"},
    ]}}))
    .unwrap();
    assert_eq!(holds(&namespace), ["x in 1 resource instances"]);
    assert!(holds(&Namespace::default()).is_empty());
}
