//! Tests of [`readiness`]: each kind at each step.

use serde_json::json;

use super::*;

fn at() -> Timestamp {
    "2026-01-01T00:01:00Z".parse().unwrap()
}

fn of(live: &Value) -> String {
    readiness(live, Until::Ready, at()).to_string()
}

fn progress(message: &str) -> String {
    format!("status: InProgress, message: {message}")
}

fn failure(message: &str) -> String {
    format!("status: Failed, message: {message}")
}

const CURRENT: &str = "status: Current, message: Resource is current";

#[test]
fn deployments() {
    let live = |generation: i64, numbers: [i64; 4], reason: &str, available: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"generation": 2}, "spec": {"replicas": 2, "progressDeadlineSeconds": 600},
            "status": {"observedGeneration": generation, "replicas": numbers[0], "updatedReplicas": numbers[1],
                "availableReplicas": numbers[2], "readyReplicas": numbers[3], "conditions": [
                    {"type": "Progressing", "status": "True", "reason": reason},
                    {"type": "Available", "status": available}]}})
    };
    let done = "NewReplicaSetAvailable";
    for (live, expected) in [
        (live(2, [2, 2, 2, 2], done, "True"), CURRENT.to_owned()),
        (
            live(1, [2, 2, 2, 2], done, "True"),
            progress("Deployment generation is 2, but latest observed generation is 1"),
        ),
        (
            live(2, [1, 2, 2, 2], done, "True"),
            progress("Replicas: 1/2"),
        ),
        (
            live(2, [2, 1, 2, 2], done, "True"),
            progress("Updated: 1/2"),
        ),
        (
            live(2, [3, 2, 2, 2], done, "True"),
            progress("Pending termination: 1"),
        ),
        (
            live(2, [2, 2, 1, 2], done, "True"),
            progress("Available: 1/2"),
        ),
        (live(2, [2, 2, 2, 1], done, "True"), progress("Ready: 1/2")),
        (
            live(2, [2, 2, 2, 2], "ReplicaSetUpdated", "True"),
            progress("ReplicaSet not Available"),
        ),
        (
            live(2, [2, 2, 2, 2], done, "False"),
            progress("Deployment not Available"),
        ),
        (
            live(2, [2, 2, 2, 2], "ProgressDeadlineExceeded", "True"),
            failure("Progress deadline exceeded"),
        ),
    ] {
        assert_eq!(of(&live), expected, "{live}");
    }
}

#[test]
fn sets() {
    let stateful = |status: Value, strategy: Value| {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "spec": {"replicas": 2, "updateStrategy": strategy}, "status": status})
    };
    let status = |update: &str| {
        json!({"replicas": 2, "readyReplicas": 2, "currentReplicas": 2, "updatedReplicas": 1,
            "currentRevision": "a", "updateRevision": update})
    };
    let daemon = |ready: i64| {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"generation": 1},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
                "updatedNumberScheduled": 2, "numberAvailable": 2, "numberReady": ready}})
    };
    let replica = |available: i64| {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "spec": {"replicas": 2},
            "status": {"replicas": 2, "fullyLabeledReplicas": 2, "availableReplicas": available, "readyReplicas": 2}})
    };
    let partition = |at: i64| json!({"rollingUpdate": {"partition": at}});
    for (live, expected) in [
        (stateful(status("a"), Value::Null), CURRENT.to_owned()),
        (
            stateful(status("b"), Value::Null),
            progress("Waiting for updated revision to match current"),
        ),
        (stateful(status("b"), partition(1)), CURRENT.to_owned()),
        (
            stateful(status("b"), partition(0)),
            progress("updated: 1/2"),
        ),
        (stateful(json!({}), Value::Null), progress("Replicas: 0/2")),
        (
            stateful(json!({}), json!({"type": "OnDelete"})),
            CURRENT.to_owned(),
        ),
        (daemon(2), CURRENT.to_owned()),
        (daemon(1), progress("Ready: 1/2")),
        (
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"generation": 1}}),
            progress("DaemonSet status.observedGeneration not found"),
        ),
        (replica(2), CURRENT.to_owned()),
        (replica(0), progress("Available: 0/2")),
    ] {
        assert_eq!(of(&live), expected, "{live}");
    }
}

#[test]
fn pods() {
    let pod = |phase: &str, condition: Value, containers: Value| {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:50Z"},
            "status": {"phase": phase, "conditions": [condition], "containerStatuses": containers}})
    };
    let refused = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"});
    let crashing = json!([{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]);
    let ready = json!({"type": "Ready", "status": "True"});
    for (live, expected) in [
        (
            pod("Succeeded", Value::Null, Value::Null),
            CURRENT.to_owned(),
        ),
        (pod("Failed", Value::Null, Value::Null), CURRENT.to_owned()),
        (pod("Running", ready, Value::Null), CURRENT.to_owned()),
        (
            pod("Running", Value::Null, crashing),
            failure("Containers in CrashLoop state: c"),
        ),
        (
            pod("Running", Value::Null, Value::Null),
            progress("Pod is running but is not Ready"),
        ),
        (
            pod("Pending", refused.clone(), Value::Null),
            progress("Pod has not been scheduled"),
        ),
        (
            pod("Pending", Value::Null, Value::Null),
            progress("Pod is in the Pending phase"),
        ),
        (
            pod("", Value::Null, Value::Null),
            progress("Pod phase not available"),
        ),
    ] {
        assert_eq!(of(&live), expected, "{live}");
    }
    let late = "2026-01-01T00:02:00Z".parse().unwrap();
    let lost = readiness(&pod("Pending", refused, Value::Null), Until::Ready, late);
    assert_eq!(lost.to_string(), failure("Pod could not be scheduled"));
}

#[test]
fn jobs_and_hooks() {
    let job = |condition: &str, started: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"completions": 3}, "status": {
            "startTime": started, "failed": 2, "conditions": [{"type": condition, "status": "True"}]}})
    };
    let pod = |phase: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"phase": phase}});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    let failed = failure("Job Failed. failed: 2/3");
    for (live, until, expected) in [
        (job("Complete", "t"), Until::Ready, CURRENT),
        (job("Failed", "t"), Until::Ready, &failed),
        (job("", "t"), Until::Ready, CURRENT),
        (job("", ""), Until::Ready, &progress("Job not started")),
        (job("", "t"), Until::JobsDone, &progress("Job in progress")),
        (job("", "t"), Until::HookDone, &progress("Job in progress")),
        (job("Failed", "t"), Until::HookDone, &failed),
        (job("Complete", "t"), Until::HookDone, CURRENT),
        (pod("Succeeded"), Until::HookDone, CURRENT),
        (pod("Failed"), Until::HookDone, &failure("pod p failed")),
        (
            pod("Running"),
            Until::HookDone,
            &progress("Pod in progress"),
        ),
        (map, Until::HookDone, CURRENT),
    ] {
        let found = readiness(&live, until, at()).to_string();
        assert_eq!(found, expected, "{live} {until:?}");
    }
}

#[test]
fn other_kinds() {
    let claim = |phase: Value| json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": phase}});
    let service = |address: &str| json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer", "clusterIP": address}});
    let custom = |condition: &str, status: &str| {
        json!({"apiVersion": "example.com/v1", "kind": "Thing",
            "status": {"conditions": [{"type": condition, "status": status, "message": "m"}]}})
    };
    let definition = |kind: &str, status: &str, reason: &str| {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "status": {"conditions": [{"type": kind, "status": status, "reason": reason, "message": "m"}]}})
    };
    for (live, expected) in [
        (claim(json!("Bound")), CURRENT.to_owned()),
        (
            claim(json!("Pending")),
            progress("PVC is not Bound. phase: Pending"),
        ),
        (
            claim(Value::Null),
            progress("PVC is not Bound. phase: unknown"),
        ),
        (service("1.2.3.4"), CURRENT.to_owned()),
        (
            service(""),
            progress("ClusterIP not set. Service type: LoadBalancer"),
        ),
        (custom("Ready", "True"), CURRENT.to_owned()),
        (custom("Ready", "False"), progress("m")),
        (custom("Ready", "Unknown"), progress("m")),
        (custom("Other", "False"), CURRENT.to_owned()),
        (custom("Stalled", "True"), failure("m")),
        (custom("Reconciling", "True"), progress("m")),
        (definition("Established", "True", ""), CURRENT.to_owned()),
        (
            definition("Established", "False", "Installing"),
            progress("Install in progress"),
        ),
        (definition("Established", "False", "x"), failure("m")),
        (definition("NamesAccepted", "False", "x"), failure("m")),
        (
            json!({"metadata": {"deletionTimestamp": "t"}}),
            "status: Terminating, message: Resource scheduled for deletion".to_owned(),
        ),
    ] {
        assert_eq!(of(&live), expected, "{live}");
    }
}
