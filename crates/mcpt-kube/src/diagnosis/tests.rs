//! Table of statuses as real clusters report them, and the sentence for each.

use serde_json::{Value, json};

use super::{Diagnosis, Gravity, diagnose};
use crate::rollout::Observed;

/// A Deployment with one new pod in the given state.
fn observed(pod_status: Value, events: Value) -> Observed {
    let owner = |kind: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": uid, "uid": uid}]);
    let mut all = Observed {
        deployment: serde_json::from_value(json!({
            "metadata": {"name": "demo", "uid": "d", "generation": 1,
                "annotations": {"deployment.kubernetes.io/revision": "1"}},
            "spec": {"replicas": 1, "selector": {}, "template": {}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
        }))
        .unwrap(),
        ..Observed::default()
    };
    let set = json!({
        "metadata": {"name": "demo-1", "uid": "s", "ownerReferences": owner("Deployment", "d"),
            "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {"replicas": 1, "selector": {}}, "status": {"replicas": 1},
    });
    all.replica_sets
        .insert("s".into(), serde_json::from_value(set).unwrap());
    let pod = json!({
        "metadata": {"name": "demo-1-x", "uid": "p", "ownerReferences": owner("ReplicaSet", "s")},
        "spec": {"containers": [{"name": "server", "image": "i", "resources": {"limits": {"memory": "32Mi"}}}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
        "status": pod_status,
    });
    all.pods
        .insert("p".into(), serde_json::from_value(pod).unwrap());
    add_events(&mut all, events);
    all
}

fn add_events(observed: &mut Observed, events: Value) {
    for (number, event) in events.as_array().unwrap().iter().enumerate() {
        let mut event = event.clone();
        let uid = format!("e{number}");
        event["metadata"] = json!({"name": uid});
        event["lastTimestamp"] = json!(format!("2026-01-01T00:00:{number:02}Z"));
        if event.get("involvedObject").is_none() {
            event["involvedObject"] = json!({"kind": "Pod", "uid": "p"});
        }
        observed
            .events
            .insert(uid, serde_json::from_value(event).unwrap());
    }
}

fn container(state: Value) -> Value {
    let mut container = json!({"name": "server", "image": "registry.example/x:1", "imageID": "", "ready": false, "restartCount": 0});
    container
        .as_object_mut()
        .unwrap()
        .extend(state.as_object().unwrap().clone());
    json!({"phase": "Pending", "containerStatuses": [container]})
}

fn found(status: Value, events: Value) -> Diagnosis {
    diagnose(&observed(status.clone(), events))
        .unwrap_or_else(|| panic!("nothing found in {status}"))
}

#[test]
fn containers() {
    let running = json!({"startedAt": "2026-01-01T00:00:00Z"});
    let ended =
        |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
    let unhealthy = |text: &str| json!([{"reason": "Unhealthy", "message": text}]);
    for (state, events, gravity, cause, log) in [
        (
            json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message":
                "Back-off pulling image \"registry.example/x:1\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"registry.example/x:1\": not found"}}}),
            json!([]),
            Gravity::Grave,
            r#"image "registry.example/x:1" cannot be pulled: failed to pull and unpack image "registry.example/x:1": not found"#,
            None,
        ),
        (
            json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"registry.example/x:1\""}}}),
            json!([{"reason": "Failed", "message": "Failed to pull image \"registry.example/x:1\": rpc error: code = Unknown desc = no such host"},
                {"reason": "Failed", "message": "Error: ImagePullBackOff"}]),
            Gravity::Grave,
            r#"image "registry.example/x:1" cannot be pulled: no such host"#,
            None,
        ),
        (
            json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"registry.example/x:1\": ErrImagePull: failed to resolve image: refused"}}}),
            json!([]),
            Gravity::Grave,
            r#"image "registry.example/x:1" cannot be pulled: failed to resolve image: refused"#,
            None,
        ),
        (
            json!({"state": {"waiting": {"reason": "ErrImageNeverPull", "message": "Container image \"registry.example/x:1\" is not present with pull policy of Never"}}}),
            json!([]),
            Gravity::Fatal,
            r#"image "registry.example/x:1" cannot be pulled: Container image "registry.example/x:1" is not present with pull policy of Never"#,
            None,
        ),
        (
            json!({"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"s\" not found"}}}),
            json!([]),
            Gravity::Grave,
            r#"container "server" cannot be configured: secret "s" not found"#,
            None,
        ),
        (
            json!({"state": {"waiting": {"reason": "RunContainerError", "message":
                "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nope\": executable file not found in $PATH"}}}),
            json!([]),
            Gravity::Grave,
            r#"container "server" cannot be started: unable to start container process: exec: "nope": executable file not found in $PATH"#,
            None,
        ),
        (
            json!({"state": ended(3, "Error")}),
            json!([]),
            Gravity::Grave,
            r#"container "server" ended with exit code 3"#,
            Some(false),
        ),
        (
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}, "lastState": ended(3, "Error"), "restartCount": 2}),
            json!([]),
            Gravity::Fatal,
            r#"container "server" ended with exit code 3, 2 restarts"#,
            Some(false),
        ),
        (
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended(0, "Completed"), "restartCount": 1}),
            json!([]),
            Gravity::Fatal,
            r#"container "server" ended with exit code 0 though it should go on running, 1 restart"#,
            Some(false),
        ),
        // It crashed once and runs again: it may still come up.
        (
            json!({"state": {"running": running}, "lastState": ended(1, "Error"), "restartCount": 1}),
            json!([]),
            Gravity::Waiting,
            r#"container "server" ended with exit code 1, 1 restart"#,
            Some(true),
        ),
        (
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended(137, "OOMKilled"), "restartCount": 1}),
            json!([]),
            Gravity::Fatal,
            r#"container "server" ran out of memory and was killed: its limit is 32Mi"#,
            Some(false),
        ),
        (
            json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 1,
                "lastState": {"terminated": {"exitCode": 128, "reason": "StartError", "message": "failed to start: exec: \"x\": permission denied"}}}),
            json!([]),
            Gravity::Fatal,
            r#"container "server" cannot be started: exec: "x": permission denied"#,
            None,
        ),
        (
            json!({"state": {"running": running}}),
            unhealthy(
                "Startup probe failed: error: the probe failed\n  - cannot connect to http://127.0.0.1:8080/mcp: connection refused\n",
            ),
            Gravity::Waiting,
            r#"container "server" does not answer its probe: cannot connect to http://127.0.0.1:8080/mcp: connection refused"#,
            Some(false),
        ),
        (
            json!({"state": {"running": running}}),
            unhealthy(
                "Startup probe failed: \nhttp://127.0.0.1:8080/mcp is not an MCP server: 404 Not Found, text/html\n",
            ),
            Gravity::Grave,
            r#"container "server" does not answer its probe: http://127.0.0.1:8080/mcp is not an MCP server: 404 Not Found, text/html"#,
            Some(false),
        ),
        (
            json!({"state": {"running": running}}),
            unhealthy(
                "Startup probe failed: error: http://127.0.0.1:8080/mcp listens on the loopback only: connections to 10.0.0.9 are refused\n",
            ),
            Gravity::Grave,
            r#"container "server" does not answer its probe: error: http://127.0.0.1:8080/mcp listens on the loopback only: connections to 10.0.0.9 are refused"#,
            Some(false),
        ),
        // The startup probe's allowance was used up.
        (
            json!({"state": {"running": running}, "lastState": ended(137, "Error"), "restartCount": 1}),
            unhealthy("Startup probe failed: connection refused"),
            Gravity::Fatal,
            r#"container "server" does not answer its probe: connection refused"#,
            Some(true),
        ),
    ] {
        let found = found(container(state.clone()), events);
        assert_eq!(found.cause, cause, "{state}");
        assert_eq!(found.gravity, gravity, "{state}");
        assert_eq!(found.log.map(|log| log.previous), log, "{state}");
    }
}

#[test]
fn nothing_is_wrong_while_a_container_is_made() {
    for state in [
        json!({"state": {"waiting": {"reason": "ContainerCreating"}}}),
        json!({"state": {"waiting": {"reason": "PodInitializing"}}}),
        json!({"state": {"running": {}}}),
    ] {
        assert_eq!(diagnose(&observed(container(state), json!([]))), None);
    }
}

#[test]
fn init_containers() {
    let init = |state: Value| {
        json!({"phase": "Pending", "initContainerStatuses": [{"name": "install-mcpt", "image": "localhost/mcpt:1",
            "imageID": "", "ready": false, "restartCount": 0, "state": state}]})
    };
    let failed = found(
        init(json!({"terminated": {"exitCode": 1, "reason": "Error"}})),
        json!([]),
    );
    assert_eq!(
        failed.cause,
        r#"init container "install-mcpt" ended with exit code 1"#
    );
    let done = observed(
        init(json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
        json!([]),
    );
    assert_eq!(diagnose(&done), None);
    let absent = found(
        init(json!({"waiting": {"reason": "ErrImagePull", "message": "not found"}})),
        json!([]),
    );
    assert_eq!(
        absent.cause,
        r#"image "localhost/mcpt:1" cannot be pulled: not found"#
    );
}

#[test]
fn scheduling_and_volumes() {
    let unscheduled = |message: &str| {
        json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]})
    };
    let full = found(
        unscheduled("0/2 nodes are available: 2 Insufficient memory."),
        json!([]),
    );
    assert_eq!(full.gravity, Gravity::Waiting);
    assert_eq!(
        full.cause,
        "no node can take the pod: 0/2 nodes are available: 2 Insufficient memory."
    );
    assert!(full.hint.unwrap().contains("requests"));

    let claim = found(
        unscheduled("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
        json!([{"involvedObject": {"kind": "PersistentVolumeClaim", "name": "data", "uid": "c"},
            "reason": "ProvisioningFailed", "message": "storageclass \"fast\" not found"}]),
    );
    assert_eq!(
        claim.cause,
        r#"volume claim "data" is not bound: storageclass "fast" not found"#
    );

    let mount = found(
        container(json!({"state": {"waiting": {"reason": "ContainerCreating"}}})),
        json!([{"reason": "FailedMount", "message": "MountVolume.SetUp failed: configmap \"c\" not found"}]),
    );
    assert_eq!(
        mount.cause,
        r#"a volume cannot be mounted: MountVolume.SetUp failed: configmap "c" not found"#
    );
}

#[test]
fn pods_that_cannot_be_made() {
    for (message, cause) in [
        (
            r#"pods "demo-1-y" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0"#,
            "the namespace's quota does not allow the pods: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
        ),
        (
            r#"pods "demo-1-y" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
            r#"admission refuses the pods: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
        ),
        (
            r#"admission webhook "w" denied the request: no"#,
            r#"admission refuses the pods: admission webhook "w" denied the request: no"#,
        ),
    ] {
        let mut none = observed(json!({}), json!([]));
        none.pods.clear();
        let mut by_event = none.clone();

        let status = none.deployment.as_mut().unwrap().status.as_mut().unwrap();
        status.updated_replicas = None;
        status.replicas = None;
        status.conditions = serde_json::from_value(json!([
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]))
        .unwrap();
        let found = diagnose(&none).unwrap();
        assert_eq!(
            (found.cause.as_str(), found.gravity),
            (cause, Gravity::Grave)
        );

        // The event comes before the condition.
        let status = by_event
            .deployment
            .as_mut()
            .unwrap()
            .status
            .as_mut()
            .unwrap();
        status.updated_replicas = None;
        by_event
            .replica_sets
            .get_mut("s")
            .unwrap()
            .status
            .as_mut()
            .unwrap()
            .replicas = 0;
        add_events(
            &mut by_event,
            json!([{"involvedObject": {"kind": "ReplicaSet", "uid": "s"}, "reason": "FailedCreate",
                "message": format!("Error creating: {message}")}]),
        );
        assert_eq!(diagnose(&by_event).unwrap().cause, cause);
    }
}

#[test]
fn the_gravest_pod_is_told() {
    let mut two = observed(
        container(
            json!({"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 1}}, "restartCount": 1}),
        ),
        json!([]),
    );
    let mut second = two.pods["p"].clone();
    second.metadata.uid = Some("q".into());
    second.metadata.name = Some("demo-1-z".into());
    second.status = serde_json::from_value(container(
        json!({"state": {"waiting": {"reason": "InvalidImageName", "message": "bad"}}}),
    ))
    .unwrap();
    two.pods.insert("q".into(), second);
    assert_eq!(diagnose(&two).unwrap().gravity, Gravity::Fatal);
}
