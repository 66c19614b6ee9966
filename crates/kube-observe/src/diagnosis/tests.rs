//! Table of statuses as real clusters report them, and the sentence for each.

use serde_json::{Value, json};

use super::{Advice, Diagnosis, Gravity, Lacking, ProbeVerdict, diagnose};
use crate::rollout::Observed;

/// As a program reads it whose probe says this.
fn diagnosed(observed: &Observed) -> Option<Diagnosis> {
    diagnose(observed, |output| {
        if output.contains("is not an MCP server") || output.contains("does not speak MCP") {
            ProbeVerdict::AnotherServer
        } else if output.contains("on the loopback only") {
            ProbeVerdict::LoopbackOnly
        } else {
            ProbeVerdict::MayStart
        }
    })
}

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
    diagnosed(&observed(status.clone(), events))
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
        assert_eq!(diagnosed(&observed(container(state), json!([]))), None);
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
    let again = |state: Value| {
        let mut pod = init(state);
        let failed = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        pod["initContainerStatuses"][0]["lastState"] = failed;
        found(pod, json!([]))
    };
    for state in [
        json!({"running": {}}),
        json!({"waiting": {"reason": "PodInitializing"}}),
    ] {
        let again = again(state);
        assert_eq!(again.cause, failed.cause);
        assert_eq!(again.gravity, Gravity::Grave);
        assert_eq!(again.log.map(|log| log.previous), Some(true));
    }
    let done = observed(
        init(json!({"terminated": {"exitCode": 0, "reason": "Completed"}})),
        json!([]),
    );
    assert_eq!(diagnosed(&done), None);
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
    let full = found(
        unscheduled("0/2 nodes are available: 2 Insufficient memory."),
        json!([]),
    );
    assert_eq!(full.gravity, Gravity::Waiting);
    assert_eq!(
        full.cause,
        "no node can take the pod: 0/2 nodes are available: 2 Insufficient memory."
    );
    assert!(full.advice == Some(Advice::FitNodes));
    let held = found(
        unscheduled(
            "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.",
        ),
        json!([]),
    );
    assert_eq!(held.advice, Some(Advice::FreeVolume));

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
        let refused = Refused {
            condition: Some(message),
            event: None,
        };
        let found = diagnosed(&refused.observed()).unwrap();
        assert_eq!(
            (found.cause.as_str(), found.gravity),
            (cause, Gravity::Grave)
        );
        // The event comes before the condition.
        let event = format!("Error creating: {message}");
        let refused = Refused {
            condition: None,
            event: Some(&event),
        };
        assert_eq!(diagnosed(&refused.observed()).unwrap().cause, cause);
    }
}

/// What is known of a replica set whose pod was refused: at 05 by its condition, at 00 by its event.
struct Refused<'a> {
    condition: Option<&'a str>,
    event: Option<&'a str>,
}

impl Refused<'_> {
    fn observed(&self) -> Observed {
        let mut none = observed(json!({}), json!([]));
        none.pods.clear();
        let status = none.deployment.as_mut().unwrap().status.as_mut().unwrap();
        status.updated_replicas = None;
        status.replicas = None;
        let set = none.replica_sets.get_mut("s").unwrap();
        let status = set.status.as_mut().unwrap();
        status.replicas = 0;
        status.conditions = self.condition.map(|message| {
            serde_json::from_value(json!([{"type": "ReplicaFailure", "status": "True",
                "reason": "FailedCreate", "message": message,
                "lastTransitionTime": "2026-01-01T00:00:05Z"}]))
            .unwrap()
        });
        if let Some(message) = self.event {
            let event = json!([{"involvedObject": {"kind": "ReplicaSet", "uid": "s"},
                "reason": "FailedCreate", "message": message}]);
            add_events(&mut none, event);
        }
        none
    }
}

/// The Deployment copies the failure of any of its replica sets; the new one's pods are only starting.
#[test]
fn an_old_replica_set_does_not_speak_for_the_new_one() {
    let starting = container(json!({"state": {"waiting": {"reason": "ContainerCreating"}}}));
    let mut mended = observed(starting, json!([]));
    let deployment = mended.deployment.as_mut().unwrap();
    deployment.status.as_mut().unwrap().conditions = serde_json::from_value(json!([
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "pods \"old-1\" is forbidden: failed quota: q: must specify limits.cpu for: server"},
    ]))
    .unwrap();
    assert_eq!(diagnosed(&mended), None);
}

/// The same template again, after the quota was raised: its replica set has not tried again yet.
#[test]
fn a_refusal_from_before_ends_no_wait() {
    let time = |second: u32| format!("2026-01-01T00:00:{second:02}Z").parse().ok();
    let by_condition = Refused {
        condition: Some("pods \"x\" is forbidden: exceeded quota: q"),
        event: None,
    };
    let by_event = Refused {
        condition: None,
        event: Some("Error creating: pods \"x\" is forbidden: exceeded quota: q"),
    };
    for (refused, since, gravity) in [
        (&by_condition, None, Gravity::Grave),
        (&by_condition, time(4), Gravity::Grave),
        (&by_condition, time(6), Gravity::Waiting),
        (&by_event, time(0), Gravity::Grave),
        (&by_event, time(1), Gravity::Waiting),
    ] {
        let mut observed = refused.observed();
        observed.since = since;
        assert_eq!(diagnosed(&observed).unwrap().gravity, gravity, "{since:?}");
    }
    let mut late = observed(json!({}), json!([]));
    late.pods.clear();
    let deployment = late.deployment.as_mut().unwrap();
    deployment.spec.replicas = Some(2);
    deployment.status.as_mut().unwrap().conditions = serde_json::from_value(json!([
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "m", "lastUpdateTime": "2026-01-01T00:00:05Z"},
    ]))
    .unwrap();
    assert!(diagnosed(&late).is_some());
    late.since = time(6);
    assert_eq!(diagnosed(&late), None);
}

#[test]
fn what_a_quota_misses_is_named() {
    let lacks = |container: &str, field: &str| Lacking {
        container: container.to_owned(),
        field: field.to_owned(),
    };
    let refused = Refused {
        condition: Some(
            "pods \"x\" is forbidden: failed quota: team: must specify limits.cpu for: install-mcpt,server; limits.memory for: server",
        ),
        event: None,
    };
    assert_eq!(
        diagnosed(&refused.observed()).unwrap().advice,
        Some(Advice::SetResources(vec![
            lacks("install-mcpt", "limits.cpu"),
            lacks("server", "limits.cpu"),
            lacks("server", "limits.memory"),
        ]))
    );
}

/// A claim that was deleted had the name of the one that the pod waits for.
#[test]
fn an_earlier_claim_does_not_speak_for_the_new_one() {
    let mut waiting = observed(
        unscheduled("0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
        json!([{"involvedObject": {"kind": "PersistentVolumeClaim", "name": "data", "uid": "c"},
            "reason": "ProvisioningFailed", "message": "old"}]),
    );
    let pod = waiting.pods.get_mut("p").unwrap();
    pod.metadata.creation_timestamp =
        serde_json::from_value(json!("2026-01-01T00:00:30Z")).unwrap();
    let found = diagnosed(&waiting).unwrap();
    assert!(!found.cause.contains("old"), "{}", found.cause);
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
    assert_eq!(diagnosed(&two).unwrap().gravity, Gravity::Fatal);
}

/// A pod that no node takes, in the words of the scheduler.
fn unscheduled(message: &str) -> Value {
    {
        json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]})
    }
}
