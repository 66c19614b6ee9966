//! What is asked of the API server when objects are checked and applied, and in which order.

use std::sync::{Arc, Mutex};

use super::*;
use kube_access::scripted;

const OURS: Expected = Expected {
    ours: true,
    by_update: false,
};

fn deployment(spec: &str) -> Object {
    let text =
        format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: demo}}\nspec: {spec}\n");
    manifest::parse(&text).unwrap().remove(0)
}

/// A controller that writes between the apply and what follows it must not leave the number to Helm.
#[tokio::test]
async fn nobody_owns_the_number_of_pods_whoever_writes_meanwhile() {
    let live = |version: u32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {
            "name": "demo", "namespace": "ns", "uid": "u", "resourceVersion": version.to_string(),
            "managedFields": [{"manager": "helm", "operation": "Apply", "apiVersion": "apps/v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}}}]}})
    };
    let left = Arc::new(Mutex::new(None));
    let released = Arc::clone(&left);
    let (mut version, mut applied) = (1, false);
    let cluster = scripted::cluster(move |request, body| {
        match request.split(' ').next().unwrap() {
            "GET" if applied => {}
            "GET" => return scripted::refusal(404, "NotFound"),
            _ if body["spec"].is_object() => applied = true,
            _ if body["metadata"]["resourceVersion"] != json!(version.to_string())
                || version < 3 =>
            {
                version += 1;
                return scripted::refusal(409, "Conflict");
            }
            _ => *released.lock().unwrap() = Some(body["metadata"]["managedFields"].clone()),
        }
        (200, live(version).to_string())
    });
    let applier = Applier::new(cluster, "demo".to_owned());
    let object = deployment("{replicas: 3, paused: true}");
    let _ = applier.apply(&object, OURS).await.unwrap();
    let left = left.lock().unwrap().take().unwrap();
    assert_eq!(left[0]["fieldsV1"], json!({"f:spec": {"f:paused": {}}}));
}

/// What its controller writes meanwhile costs no request.
#[tokio::test]
async fn the_number_of_pods_is_given_up_at_the_first_try() {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let helm = json!({"manager": "helm", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}}});
    let applied = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "demo",
        "namespace": "ns", "uid": "u", "resourceVersion": "1", "managedFields": [helm]}});
    let mut live = applied.clone();
    live["metadata"]["resourceVersion"] = json!("2");
    let left = Arc::new(Mutex::new(live));
    let server = Arc::clone(&left);
    let cluster = scripted::cluster(move |request, body| {
        let method = request.split(' ').next().unwrap();
        seen.lock().unwrap().push(method.to_owned());
        if body["spec"].is_object() {
            return (200, applied.to_string());
        }
        let mut live = server.lock().unwrap();
        let Ok(patch) = serde_json::from_value::<json_patch::Patch>(body.clone()) else {
            return scripted::refusal(409, "Conflict");
        };
        match json_patch::patch(&mut live, &patch) {
            Ok(()) => (200, live.to_string()),
            Err(_) => scripted::refusal(422, "Invalid"),
        }
    });
    let applier = Applier::new(cluster, "demo".to_owned());
    let object = deployment("{replicas: 3, paused: true}");
    let _ = applier.apply(&object, OURS).await.unwrap();
    assert_eq!(*requests.lock().unwrap(), ["PATCH", "PATCH"]);
    assert_eq!(
        left.lock().unwrap()["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {"f:paused": {}}})
    );
}

/// Requests that checking and applying a Deployment takes, when somebody else has scaled it, and when nobody has.
#[tokio::test]
async fn who_has_said_the_number_of_pods_is_asked_after_a_conflict() {
    let entry = |manager: &str, subresource: &str| {
        json!([{"manager": manager, "operation": "Update", "subresource": subresource, "apiVersion": "apps/v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}])
    };
    let sized = "{replicas: 3, paused: true}";
    let (dry, apply) = ("PATCH dry", "PATCH apply");
    let (look, give) = ("GET", "PATCH owners");
    for (spec, scaled, check, done) in [
        (sized, None, &[dry][..], &[apply][..]),
        (
            sized,
            Some(entry("kubectl", "scale")),
            &[dry, look, "PATCH dry forced"],
            &[apply, look, give, apply],
        ),
        // What is not Helm's or an autoscaler's is a conflict to the end.
        (
            sized,
            Some(entry("kubectl-edit", "")),
            &[dry, look],
            &[apply, look, apply, look, apply, look, apply],
        ),
        // Nobody is asked for what is not said, but what was said before must not go.
        ("{paused: true}", None, &[dry], &[look, apply]),
    ] {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let mut owners = scaled.clone();
        let cluster = scripted::cluster(move |request, body| {
            let (method, path) = request.split_once(' ').unwrap();
            let (dry, forced) = (path.contains("dryRun=All"), path.contains("force=true"));
            let what = match method {
                "GET" => "",
                _ if !body["spec"].is_object() => " owners",
                _ if dry && forced => " dry forced",
                _ if dry => " dry",
                _ => " apply",
            };
            seen.lock().unwrap().push(format!("{method}{what}"));
            if what == " owners" {
                owners = None;
            }
            if body["spec"].is_object() && !forced && owners.is_some() {
                return scripted::refusal(409, "Conflict");
            }
            let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "demo",
                "namespace": "ns", "uid": "u", "resourceVersion": "1", "managedFields": owners}});
            (200, live.to_string())
        });
        let applier = Applier::new(cluster, "demo".to_owned());
        let object = deployment(spec);
        let refused = check.last() == Some(&look);
        let objects = [(object, OURS)];
        let checked = applier.check(&objects).await;
        assert_eq!(checked.is_err(), refused, "{checked:?}");
        assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), check);
        let applied = applier.apply(&objects[0].0, OURS).await;
        assert_eq!(applied.is_err(), refused, "{applied:?}");
        assert_eq!(*asked.lock().unwrap(), done);
    }
}

/// One that is being deleted takes the apply. When it is gone right after that, whoever applied it has to see that it was going.
#[tokio::test]
async fn one_that_vanishes_under_the_apply_is_told_as_going() {
    let mut there = true;
    let cluster = scripted::cluster(move |_, body| {
        there &= body["spec"].is_object();
        if !there {
            return scripted::refusal(404, "NotFound");
        }
        let going = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "demo",
            "namespace": "ns", "uid": "u", "resourceVersion": "1", "deletionTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "helm", "operation": "Apply", "apiVersion": "apps/v1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]}});
        (200, going.to_string())
    });
    let applier = Applier::new(cluster, "demo".to_owned());
    let object = deployment("{replicas: 3}");
    let live = applier.apply(&object, OURS).await.unwrap();
    assert!(live.metadata.deletion_timestamp.is_some());
}

#[test]
fn a_cause_of_several_refusals_is_told_once() {
    let taken = |name: &str| InstallError::NotOfRelease {
        object: name.to_owned(),
        why: "of another".to_owned(),
    };
    let several = InstallError::Several(vec![taken("a"), taken("a"), taken("b")]);
    assert_eq!(
        several.causes(),
        [
            "a exists already: of another",
            "b exists already: of another"
        ]
    );
}

/// As the API server words it when `kubectl set image` was there before.
fn conflict() -> (u16, String) {
    let field = r#".spec.template.spec.containers[name="server"].image"#;
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 409, "reason": "Conflict",
        "message": format!("Apply failed with 1 conflict: conflict with \"kubectl-set\" using apps/v1: {field}"),
        "details": {"causes": [{"reason": "FieldManagerConflict", "field": field,
            "message": "conflict with \"kubectl-set\" using apps/v1"}]}});
    (409, status.to_string())
}

/// Without a word of the user another tool's change is kept, and its name is told; with it the field is taken over.
#[tokio::test]
async fn what_another_tool_changed_is_taken_over_only_when_it_is_said() {
    for force in [false, true] {
        let cluster = scripted::cluster(move |request, _| {
            let forced = request.contains("force=true");
            let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "demo", "uid": "u",
                "labels": {"app.kubernetes.io/managed-by": "Helm"}}});
            match request.split(' ').next().unwrap() {
                "PATCH" if !forced => conflict(),
                "GET" | "PATCH" => (200, live.to_string()),
                _ => panic!("{request}"),
            }
        });
        let applier = Applier::new(cluster, "demo".to_owned()).forced(force);
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: demo}\n";
        let object = manifest::parse(text).unwrap().remove(0);
        let checked = applier.check(&[(object.clone(), OURS)]).await;
        let applied = applier.apply(&object, OURS).await.map(drop);
        for outcome in [checked, applied] {
            match outcome {
                Ok(()) => assert!(force),
                Err(error) => {
                    assert!(!force, "{error:?}");
                    assert!(error.causes()[0].contains("containers[name="), "{error}");
                    let refused = match error {
                        InstallError::Several(mut all) => all.remove(0),
                        one => one,
                    };
                    let InstallError::Refused { owners, .. } = refused else {
                        panic!("{refused:?}");
                    };
                    assert_eq!(owners.unwrap(), ["kubectl-set"]);
                }
            }
        }
    }
}
