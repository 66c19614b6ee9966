//! What an operation does with the records of its release.

use std::sync::{Arc, Mutex};

use helm_release::ReleaseSecret;
use mcpt_core::Silent;
use serde_json::json;

use super::*;
use crate::scripted;
use helm_install::scripted::history;

/// A release with these revisions, and how it goes back to the first.
fn change(text: &str) -> Change {
    let mut history = history(text);
    for record in &mut history {
        record.release.name = "demo".to_owned();
    }
    if let Some(last) = history.last_mut() {
        last.release.manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n".to_owned();
    }
    Change::back_to(&history[0].clone(), history, "x").unwrap()
}

fn stored(release: &Release) -> String {
    let secret = ReleaseSecret::create(release, &std::collections::BTreeMap::new(), 5);
    secret.unwrap().to_object().to_string()
}

async fn perform(cluster: &Cluster, change: &Change) -> (Failure, Reached) {
    let name = ServerName::new("demo").unwrap();
    let conduct = Conduct {
        wait: false,
        timeout: Duration::from_secs(1),
        atomic: false,
        force_conflicts: false,
    };
    let operation = Operation::new(cluster, &name, conduct, &Silent, "x".to_owned());
    let mut reached = Reached::Nothing;
    let failure = Box::pin(operation.perform(change, &mut reached))
        .await
        .unwrap_err();
    (failure, reached)
}

/// Others take over after 15 s without a beat; an answer may take longer.
#[tokio::test(start_paused = true)]
async fn an_operation_has_a_heartbeat_from_its_record_on() {
    let change = change("superseded deployed");
    let record = stored(&change.release);
    let cluster = scripted::cluster(move |request, _| match request.split_once(' ').unwrap() {
        ("POST", _) => (201, record.clone()),
        ("GET", path) if path.contains("demo.v3") => scripted::refusal(404, "NotFound"),
        ("GET", _) => scripted::NEVER,
        ("PATCH", _) => scripted::refusal(409, "Conflict"),
        _ => panic!("{request}"),
    });
    let (failure, reached) = perform(&cluster, &change).await;
    assert_eq!(failure.why, ["another command took the release over"]);
    assert_eq!(reached, Reached::Lost);
}

/// Failures leave no more records than successes do, and what runs keeps its own.
#[tokio::test]
async fn a_failure_forgets_the_oldest_revisions() {
    for (text, forgotten) in [
        (" failed".repeat(9), &[][..]),
        (" failed".repeat(12), &[1, 2, 3]),
        (format!("deployed{}", " failed".repeat(11)), &[2, 3, 4]),
        // A deletion that failed has left what ran.
        (format!("deployed/failed{}", " failed".repeat(9)), &[2]),
        (format!("failed deployed{}", " failed".repeat(8)), &[1]),
    ] {
        let change = change(&text);
        let last = stored(&change.history.last().unwrap().release);
        let (record, deleted) = (stored(&change.release), Arc::new(Mutex::new(Vec::new())));
        let forgets = Arc::clone(&deleted);
        let cluster = scripted::cluster(move |request, _| {
            match request.split_once(' ').unwrap() {
                ("POST", _) => (201, record.clone()),
                ("PUT", _) => (200, record.clone()),
                ("GET", path) if path.contains("helm.release") => (200, last.clone()),
                // An object of the last revision, which is to go.
                ("GET", _) => scripted::refusal(403, "Forbidden"),
                ("DELETE", path) => {
                    let name = path.split('?').next().unwrap();
                    let revision = name.rsplit_once(".v").unwrap().1;
                    forgets.lock().unwrap().push(revision.parse().unwrap());
                    (
                        200,
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})
                            .to_string(),
                    )
                }
                _ => panic!("{request}"),
            }
        });
        let (failure, reached) = perform(&cluster, &change).await;
        assert_eq!(reached, Reached::Record, "{failure:?}");
        let deleted: Vec<u32> = deleted.lock().unwrap().clone();
        assert_eq!(deleted, forgotten, "{text}: {failure:?}");
    }
}

/// As long as the autoscaler was there it may have begun to write another number, which comes when all else is done.
#[tokio::test(start_paused = true)]
async fn the_size_is_said_again_when_the_autoscaler_is_gone() {
    let deployment = |spec: &str| {
        format!("---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec: {spec}\n")
    };
    let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: d}\n\
        spec: {scaleTargetRef: {kind: Deployment, name: d}}\n";
    let mut history = history("superseded deployed");
    history[0].release.manifest = deployment("{replicas: 2}");
    history[1].release.manifest = format!("{}{scaler}", deployment("{}"));
    for record in &mut history {
        record.release.name = "demo".to_owned();
    }
    let change = Change::back_to(&history[0].clone(), history, "x").unwrap();
    let last = stored(&change.history[1].release);
    let (record, said) = (stored(&change.release), Arc::new(Mutex::new(Vec::new())));
    let says = Arc::clone(&said);
    let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "uid": "u",
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "ns"}},
        "spec": {"replicas": 2, "selector": {}, "template": {}}});
    let mut rescaled = live.clone();
    rescaled["spec"]["replicas"] = 3.into();
    let cluster = scripted::cluster(move |request, body| {
        let (method, path) = request.split_once(' ').unwrap();
        match method {
            "POST" => (201, record.clone()),
            "PUT" => (200, record.clone()),
            "GET" if path.contains("helm.release") => (200, last.clone()),
            "GET" if path.contains("autoscaling") => scripted::refusal(404, "NotFound"),
            "GET" if path.contains("watch=true") => scripted::NEVER,
            "GET" if path.contains("/deployments?") => {
                let list = json!({"metadata": {"resourceVersion": "1"}, "items": [rescaled]});
                (200, list.to_string())
            }
            "GET" if path.contains("/deployments/d") => (200, rescaled.to_string()),
            "PATCH" if !path.contains("dryRun") => {
                let mut said = says.lock().unwrap();
                said.push(body["spec"]["replicas"].clone());
                match said.len() {
                    1 | 2 => (200, live.to_string()),
                    _ => scripted::refusal(403, "Forbidden"),
                }
            }
            _ => (200, live.to_string()),
        }
    });
    let (failure, _) = perform(&cluster, &change).await;
    assert_eq!(*said.lock().unwrap(), [2, 2, 2], "{failure:?}");
}

/// One time for the whole command: also an API server that answers no check keeps it no longer.
#[tokio::test(start_paused = true)]
async fn the_time_is_that_of_the_command() {
    let cluster = scripted::cluster(|_, _| scripted::NEVER);
    let change = change("deployed");
    let begun = Instant::now();
    let (failure, reached) = perform(&cluster, &change).await;
    assert_eq!(failure.kind, FailureKind::TimedOut, "{failure:?}");
    assert_eq!(reached, Reached::Nothing);
    assert!(
        begun.elapsed() <= Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}
