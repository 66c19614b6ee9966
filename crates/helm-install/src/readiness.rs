//! How far an object is that was applied: what Helm 4 waits for, by the rules of kstatus that it uses. Pure.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How long a pod may find no node before it counts as one that none takes.
const SCHEDULING: SignedDuration = SignedDuration::from_secs(15);

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It is what it should be.
    Current,
    /// It is on its way.
    InProgress(String),
    /// It will not come to be without somebody's help.
    Failed(String),
    /// It is being deleted.
    Terminating,
    /// It is not there.
    NotFound,
}

impl Readiness {
    /// Whether waiting longer is in vain or not needed.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Current | Self::Failed(_))
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, message) = match self {
            Self::Current => ("Current", "Resource is current"),
            Self::InProgress(message) => ("InProgress", message.as_str()),
            Self::Failed(message) => ("Failed", message.as_str()),
            Self::Terminating => ("Terminating", "Resource scheduled for deletion"),
            Self::NotFound => ("NotFound", "Resource not found"),
        };
        write!(f, "status: {status}, message: {message}")
    }
}

/// What is waited for of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It is ready; a job has begun.
    Ready,
    /// The same, but jobs are done.
    JobsDone,
    /// A hook has done its work: a job or a pod has ended well. All else has by being there.
    HookDone,
}

/// How far a live object is at a time.
pub fn readiness(live: &Value, until: Until, now: Timestamp) -> Readiness {
    let kind = live["kind"].as_str().unwrap_or_default();
    let group = live["apiVersion"].as_str().and_then(|v| v.split_once('/'));
    let group = group.map_or("", |(group, _)| group);
    match (until, group, kind) {
        (Until::HookDone | Until::JobsDone, "batch", "Job") => return job(live, true),
        (Until::HookDone, "", "Pod") => return pod_of_hook(live),
        (Until::HookDone, ..) => return Readiness::Current,
        _ => {}
    }
    if let Some(general) = general(live, kind) {
        return general;
    }
    match (group, kind) {
        ("apps" | "extensions", "Deployment") => deployment(live),
        ("apps", "StatefulSet") => stateful_set(live),
        ("apps" | "extensions", "DaemonSet") => daemon_set(live),
        ("apps" | "extensions", "ReplicaSet") => replica_set(live),
        ("batch", "Job") => job(live, false),
        ("", "Pod") => pod(live, now),
        ("", "PersistentVolumeClaim") => claim(live),
        ("", "Service") => service(live),
        ("", "ConfigMap" | "Secret") | ("batch", "CronJob") | ("policy", "PodDisruptionBudget") => {
            Readiness::Current
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(live),
        _ => by_condition(live),
    }
}

/// Whether an object of a kind is ready as soon as it is there, so that nothing needs to be watched.
pub(crate) fn is_always_ready(api_version: &str, kind: &str) -> bool {
    matches!(
        (api_version, kind),
        (
            "v1",
            "ConfigMap" | "Secret" | "ServiceAccount" | "Namespace"
        ) | ("batch/v1", "CronJob")
            | ("rbac.authorization.k8s.io/v1", _)
    )
}

fn number(live: &Value, pointer: &str, default: i64) -> i64 {
    live.pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or(default)
}

fn text<'v>(live: &'v Value, pointer: &str) -> &'v str {
    live.pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A condition of its status.
fn condition<'v>(live: &'v Value, wanted: &str) -> Option<&'v Value> {
    let mut all = live.pointer("/status/conditions")?.as_array()?.iter();
    all.find(|condition| condition["type"] == wanted)
}

fn is_true(condition: Option<&Value>) -> bool {
    condition.is_some_and(|condition| condition["status"] == "True")
}

fn message(condition: &Value) -> String {
    condition["message"].as_str().unwrap_or_default().to_owned()
}

/// `ready` of `wanted`, when it is fewer.
fn lacks(what: &str, is: i64, wanted: i64) -> Option<Readiness> {
    (is < wanted).then(|| Readiness::InProgress(format!("{what}: {is}/{wanted}")))
}

fn pending_termination(is: i64, wanted: i64) -> Option<Readiness> {
    let surplus = is - wanted;
    (surplus > 0).then(|| Readiness::InProgress(format!("Pending termination: {surplus}")))
}

/// The first that is still to come; current when nothing is.
fn first<const N: usize>(steps: [Option<Readiness>; N]) -> Readiness {
    let mut steps = steps.into_iter().flatten();
    steps.next().unwrap_or(Readiness::Current)
}

/// What holds of objects of any kind.
fn general(live: &Value, kind: &str) -> Option<Readiness> {
    if !text(live, "/metadata/deletionTimestamp").is_empty() {
        return Some(Readiness::Terminating);
    }
    let generation = live.pointer("/metadata/generation").and_then(Value::as_i64);
    let observed = live
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    if let (Some(generation), Some(observed)) = (generation, observed)
        && generation != observed
    {
        return Some(Readiness::InProgress(format!(
            "{kind} generation is {generation}, but latest observed generation is {observed}"
        )));
    }
    if let Some(reconciling) = condition(live, "Reconciling").filter(|c| is_true(Some(c))) {
        return Some(Readiness::InProgress(message(reconciling)));
    }
    let stalled = condition(live, "Stalled").filter(|c| is_true(Some(c)));
    stalled.map(|stalled| Readiness::Failed(message(stalled)))
}

fn by_condition(live: &Value) -> Readiness {
    match condition(live, "Ready") {
        Some(ready) if ready["status"] == "False" || ready["status"] == "Unknown" => {
            Readiness::InProgress(message(ready))
        }
        _ => Readiness::Current,
    }
}

fn deployment(live: &Value) -> Readiness {
    let progressing = condition(live, "Progressing");
    if progressing.is_some_and(|c| c["reason"] == "ProgressDeadlineExceeded") {
        return Readiness::Failed("Progress deadline exceeded".to_owned());
    }
    // Without a deadline the controller says nothing of progress.
    let endless = i64::from(i32::MAX);
    let has_deadline = number(live, "/spec/progressDeadlineSeconds", endless) != endless;
    let new_is_there = is_true(progressing)
        && progressing.is_some_and(|c| c["reason"] == "NewReplicaSetAvailable");
    let wanted = number(live, "/spec/replicas", 1);
    let status = |field: &str| number(live, &format!("/status/{field}"), 0);
    let (all, updated) = (status("replicas"), status("updatedReplicas"));
    first([
        lacks("Replicas", all, wanted),
        lacks("Updated", updated, wanted),
        pending_termination(all, wanted),
        lacks("Available", status("availableReplicas"), updated),
        lacks("Ready", status("readyReplicas"), wanted),
        (has_deadline && !new_is_there)
            .then(|| Readiness::InProgress("ReplicaSet not Available".to_owned())),
        (!is_true(condition(live, "Available")))
            .then(|| Readiness::InProgress("Deployment not Available".to_owned())),
    ])
}

fn stateful_set(live: &Value) -> Readiness {
    if text(live, "/spec/updateStrategy/type") == "OnDelete" {
        return Readiness::Current;
    }
    let wanted = number(live, "/spec/replicas", 1);
    let status = |field: &str| number(live, &format!("/status/{field}"), 0);
    let all = status("replicas");
    let partition = number(live, "/spec/updateStrategy/rollingUpdate/partition", -1);
    let revisions = (
        text(live, "/status/currentRevision"),
        text(live, "/status/updateRevision"),
    );
    let rolled_out = if partition == -1 {
        lacks("current", status("currentReplicas"), wanted).or_else(|| {
            (revisions.0 != revisions.1).then(|| {
                Readiness::InProgress("Waiting for updated revision to match current".to_owned())
            })
        })
    } else {
        lacks("updated", status("updatedReplicas"), wanted - partition)
    };
    first([
        lacks("Replicas", all, wanted),
        lacks("Ready", status("readyReplicas"), wanted),
        pending_termination(all, wanted),
        rolled_out,
    ])
}

fn daemon_set(live: &Value) -> Readiness {
    for (pointer, name) in [
        ("/metadata/generation", "metadata.generation"),
        ("/status/observedGeneration", "status.observedGeneration"),
    ] {
        if live.pointer(pointer).is_none() {
            return Readiness::InProgress(format!("DaemonSet {name} not found"));
        }
    }
    let status = |field: &str| number(live, &format!("/status/{field}"), 0);
    let wanted = number(live, "/status/desiredNumberScheduled", -1);
    if wanted == -1 {
        let missing = "Missing .status.desiredNumberScheduled";
        return Readiness::InProgress(missing.to_owned());
    }
    first([
        lacks("Current", status("currentNumberScheduled"), wanted),
        lacks("Updated", status("updatedNumberScheduled"), wanted),
        lacks("Available", status("numberAvailable"), wanted),
        lacks("Ready", status("numberReady"), wanted),
    ])
}

fn replica_set(live: &Value) -> Readiness {
    if is_true(condition(live, "ReplicaFailure")) {
        let failure = "Replica Failure condition. Check Pods";
        return Readiness::InProgress(failure.to_owned());
    }
    let wanted = number(live, "/spec/replicas", 1);
    let status = |field: &str| number(live, &format!("/status/{field}"), 0);
    first([
        lacks("Labelled", status("fullyLabeledReplicas"), wanted),
        lacks("Available", status("availableReplicas"), wanted),
        lacks("Ready", status("readyReplicas"), wanted),
        pending_termination(status("replicas"), wanted),
    ])
}

fn job(live: &Value, to_its_end: bool) -> Readiness {
    if is_true(condition(live, "Complete")) {
        return Readiness::Current;
    }
    if is_true(condition(live, "Failed")) {
        let wanted = number(
            live,
            "/spec/completions",
            number(live, "/spec/parallelism", 1),
        );
        let failed = number(live, "/status/failed", 0);
        return Readiness::Failed(format!("Job Failed. failed: {failed}/{wanted}"));
    }
    if to_its_end {
        return Readiness::InProgress("Job in progress".to_owned());
    }
    if text(live, "/status/startTime").is_empty() {
        return Readiness::InProgress("Job not started".to_owned());
    }
    Readiness::Current
}

fn pod_of_hook(live: &Value) -> Readiness {
    let name = text(live, "/metadata/name");
    match text(live, "/status/phase") {
        "Succeeded" => Readiness::Current,
        "Failed" => Readiness::Failed(format!("pod {name} failed")),
        _ => Readiness::InProgress("Pod in progress".to_owned()),
    }
}

fn pod(live: &Value, now: Timestamp) -> Readiness {
    match text(live, "/status/phase") {
        "Succeeded" | "Failed" => Readiness::Current,
        "Running" if is_true(condition(live, "Ready")) => Readiness::Current,
        "Running" => match crashing(live).as_slice() {
            [] => Readiness::InProgress("Pod is running but is not Ready".to_owned()),
            names => Readiness::Failed(format!(
                "Containers in CrashLoop state: {}",
                names.join(",")
            )),
        },
        "Pending" => {
            let scheduled = condition(live, "PodScheduled");
            let is_refused =
                scheduled.is_some_and(|c| c["status"] == "False" && c["reason"] == "Unschedulable");
            let made = text(live, "/metadata/creationTimestamp").parse::<Timestamp>();
            let is_young = made.is_ok_and(|made| now.duration_since(made) < SCHEDULING);
            match (is_refused, is_young) {
                (true, true) => Readiness::InProgress("Pod has not been scheduled".to_owned()),
                (true, false) => Readiness::Failed("Pod could not be scheduled".to_owned()),
                _ => Readiness::InProgress("Pod is in the Pending phase".to_owned()),
            }
        }
        _ => Readiness::InProgress("Pod phase not available".to_owned()),
    }
}

/// Containers that start again and again.
fn crashing(live: &Value) -> Vec<&str> {
    let statuses = live.pointer("/status/containerStatuses");
    let statuses = statuses.and_then(Value::as_array).into_iter().flatten();
    let crashing = statuses.filter(|s| s["state"]["waiting"]["reason"] == "CrashLoopBackOff");
    crashing.filter_map(|s| s["name"].as_str()).collect()
}

fn claim(live: &Value) -> Readiness {
    match text(live, "/status/phase") {
        "Bound" => Readiness::Current,
        phase => {
            let phase = if phase.is_empty() { "unknown" } else { phase };
            Readiness::InProgress(format!("PVC is not Bound. phase: {phase}"))
        }
    }
}

fn service(live: &Value) -> Readiness {
    let is_balanced = text(live, "/spec/type") == "LoadBalancer";
    if is_balanced && text(live, "/spec/clusterIP").is_empty() {
        let lacks = "ClusterIP not set. Service type: LoadBalancer";
        return Readiness::InProgress(lacks.to_owned());
    }
    Readiness::Current
}

fn definition(live: &Value) -> Readiness {
    let refused = condition(live, "NamesAccepted").filter(|c| c["status"] == "False");
    if let Some(refused) = refused {
        return Readiness::Failed(message(refused));
    }
    match condition(live, "Established") {
        Some(established) if established["status"] == "True" => Readiness::Current,
        Some(established)
            if established["status"] == "False" && established["reason"] != "Installing" =>
        {
            Readiness::Failed(message(established))
        }
        _ => Readiness::InProgress("Install in progress".to_owned()),
    }
}

#[cfg(test)]
mod tests;
