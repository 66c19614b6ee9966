//! Whose a namespace is, and when it goes.

use std::sync::{Arc, Mutex};

use kube_access::{Silent, scripted};

use super::*;
use crate::{
    scripted::{holding, marked},
    tool::TESTED,
};

/// Whatever came into a namespace that a deploy made, the failure of that deploy does not take it.
#[tokio::test]
async fn only_an_empty_namespace_is_removed() {
    let secret = |metadata: serde_json::Value| json!({"metadata": metadata});
    let pull = secret(json!({"name": "pull"}));
    let going = secret(json!({"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}));
    let owned = secret(json!({"name": "token", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x", "uid": "x"}]}));
    let unknown = "whether it has any StatefulSet is not known";
    for (secrets, sets, stays, changes) in [
        (vec![], true, None, &["DELETE"][..]),
        (vec![going, owned], true, None, &["DELETE"]),
        // It is the user's now.
        (vec![pull], true, Some("secret \"pull\""), &["PATCH"]),
        (vec![], false, Some(unknown), &[]),
    ] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let methods = Arc::clone(&asked);
        let cluster = scripted::cluster(move |request, _| {
            let (method, path) = request.split_once(' ').unwrap();
            match method {
                "GET" if path.starts_with("/api/v1/namespaces/ns/") => {
                    holding(path, &secrets, sets)
                }
                "GET" if path.starts_with("/api/v1/namespaces") => (200, marked("1", Some(&me()))),
                "GET" => holding(path, &secrets, sets),
                _ => {
                    methods.lock().unwrap().push(method.to_owned());
                    scripted::refusal(403, "Forbidden")
                }
            }
        });
        let left = leave(&cluster, TESTED, Duration::from_secs(1), &Silent).await;
        assert_eq!(*asked.lock().unwrap(), changes, "{left:?}");
        let Some(stays) = stays else { continue };
        let why = left.unwrap_or_else(|error| error.causes());
        assert!(why.iter().any(|why| why == stays), "{why:?}");
    }
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
            "GET" => holding(path, &[], true),
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
                let mark = body["metadata"]["annotations"][TESTED.holder].as_str();
                *written.lock().unwrap() = mark.map(str::to_owned);
                (200, marked("3", mark))
            }
            _ => panic!("{request}"),
        }
    });
    let others = leave(&cluster, TESTED, Duration::from_secs(1), &Silent).await;
    assert!(others.unwrap().is_empty());
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
            let mark = body["metadata"]["annotations"][TESTED.holder]
                .as_str()
                .unwrap();
            assert!(
                mark.starts_with("boot/pid:[1]/7/9@") && mark.contains(&me()),
                "{mark}"
            );
            (200, marked("3", Some(mark)))
        });
        let entered = enter(&cluster, TESTED, false, &Silent).await.unwrap();
        let expected = match entered {
            Entered::Counted(_) => counts,
            Entered::Unmarked => !counts,
            Entered::Marked | Entered::Unknown(_) => false,
        };
        assert!(expected, "{entered:?}");
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
    let entered = enter(&cluster, TESTED, true, &Silent).await;
    assert!(matches!(entered.unwrap(), Entered::Marked));
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

/// Who may neither read namespaces nor make them may deploy into one that is there all the same.
#[tokio::test]
async fn who_may_do_nothing_with_namespaces_goes_on() {
    let cluster = scripted::cluster(|_, _| scripted::refusal(403, "Forbidden"));
    let entered = enter(&cluster, TESTED, true, &Silent).await;
    assert!(matches!(entered, Ok(Entered::Unknown(_))), "{entered:?}");
    // It may be read, and is not there: making it is what was asked for.
    let cluster = scripted::cluster(|request, _| match request.split(' ').next().unwrap() {
        "GET" => scripted::refusal(404, "NotFound"),
        _ => scripted::refusal(403, "Forbidden"),
    });
    let entered = enter(&cluster, TESTED, true, &Silent).await;
    assert!(entered.is_err());
}
