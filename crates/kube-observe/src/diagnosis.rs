//! Why a workload is not ready, from what was observed of it. Pure: tables of statuses in, one sentence out.

mod container;
mod pod;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};

use crate::rollout::{Observed, Rollout, last_seen, rollout};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// It may pass by itself: shown, and told again when the time is over.
    Waiting,
    /// It hardly passes by itself: ends the wait when it stays for some seconds.
    Grave,
    /// It does not pass: ends the wait at once.
    Fatal,
}

/// A container whose log explains a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSource {
    /// Pod.
    pub pod: String,
    /// Container in it.
    pub container: String,
    /// Whether the run before the present one is meant.
    pub previous: bool,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// How bad it is.
    pub gravity: Gravity,
    /// The cause in one sentence fragment.
    pub cause: String,
    /// Log that explains it.
    pub log: Option<LogSource>,
    /// What mends it, when that is known.
    pub advice: Option<Advice>,
}

/// What mends the cause of a finding. The words are the caller's, who knows by which settings the workload was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// Requests or limits that a quota demands of each container.
    SetResources(Vec<Lacking>),
    /// Smaller requests or fewer pods, or a larger quota.
    FitQuota,
    /// Settings that the namespace's Pod Security level allows.
    FitPodSecurity,
    /// Another image name, or the right to pull it.
    CheckImage,
    /// The image is not on the node and may not be pulled.
    AllowPull,
    /// More memory.
    RaiseMemory,
    /// The server must listen on the pod's address.
    ListenOnAll,
    /// What answers is another kind of server than the one that is probed for.
    CheckServer,
    /// The claim and its storage class.
    CheckClaim,
    /// Smaller requests, or more nodes.
    FitNodes,
    /// The old pod must go before the new one, which alone may hold their volume.
    FreeVolume,
}

/// What a quota misses: `limits.cpu` of the container `server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The container.
    pub container: String,
    /// The field below its `resources`.
    pub field: String,
}

impl Lacking {
    /// Reads the quota's own words: `failed quota: q: must specify limits.cpu for: a,b; limits.memory for: a`.
    fn read(words: &str) -> Vec<Self> {
        let Some((_, all)) = words.split_once("must specify ") else {
            return Vec::new();
        };
        let fields = all.split(';').filter_map(|one| one.split_once(" for: "));
        let each = fields.flat_map(|(field, containers)| {
            containers.split(',').map(|container| Self {
                container: container.trim().to_owned(),
                field: field.trim().to_owned(),
            })
        });
        each.collect()
    }
}

/// What a probe's output says to who knows the program that probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// Nothing that counts on: the server may still start.
    MayStart,
    /// Something else answers than what is probed for; that will not change.
    AnotherServer,
    /// It answers on the pod's loopback alone, to nobody else; that will not change.
    LoopbackOnly,
}

/// Reads a probe's output.
pub type ProbeReader = fn(&str) -> ProbeVerdict;

impl Diagnosis {
    fn new(gravity: Gravity, cause: impl Into<String>) -> Self {
        Self {
            gravity,
            cause: cause.into(),
            log: None,
            advice: None,
        }
    }

    fn advice(mut self, advice: Advice) -> Self {
        self.advice = Some(advice);
        self
    }

    fn log(mut self, source: LogSource) -> Self {
        self.log = Some(source);
        self
    }
}

/// The gravest finding about the new pods, or about why there are none. `None` when nothing is known to be wrong.
pub fn diagnose(observed: &Observed, reads_probe: ProbeReader) -> Option<Diagnosis> {
    let pods = observed.current_pods();
    let of_pods = pods.iter().filter_map(|pod| {
        let events = pod
            .metadata
            .uid
            .as_deref()
            .map(|uid| observed.events_of(uid))
            .unwrap_or_default();
        pod::diagnose(pod, &events, observed, reads_probe)
    });
    // The first of the gravest: `max_by_key` would take the last.
    of_pods
        .chain(cannot_make_pods(observed))
        .chain(deadline_exceeded(observed))
        .reduce(|best, next| {
            if next.gravity > best.gravity {
                next
            } else {
                best
            }
        })
}

/// Pods that are wanted but cannot be created: quota, admission, limits.
///
/// The Deployment's own `ReplicaFailure` is a copy of any of its replica sets', an old one's too: what counts is the new one's.
fn cannot_make_pods(observed: &Observed) -> Option<Diagnosis> {
    let deployment = observed.deployment.as_ref()?;
    if matches!(
        rollout(deployment),
        Rollout::Complete { .. } | Rollout::Unseen
    ) {
        return None;
    }
    let (said, time) = match observed.current_replica_set() {
        Some(set) => refusal(observed, set)?,
        None => no_replica_set(deployment)?,
    };
    let mut found = refused_pods(&said);
    if time.is_some_and(|time| Some(time) < observed.since) {
        // Whoever asks the controller anew has not been answered yet.
        found.gravity = Gravity::Waiting;
    }
    Some(found)
}

/// What the controller of a replica set that lacks pods was told last, and when.
fn refusal(observed: &Observed, set: &ReplicaSet) -> Option<(String, Option<Timestamp>)> {
    let status = set.status.clone().unwrap_or_default();
    if status.replicas >= set.spec.replicas.unwrap_or(1) {
        return None;
    }
    // Each try that fails renews the event, but not the condition.
    let uid = set.metadata.uid.as_deref()?;
    let events = observed.events_of(uid);
    let mut events = events.iter().rev();
    let event = events.find(|e| e.reason.as_deref() == Some("FailedCreate"));
    let told = event.and_then(|event| Some((event.message.clone()?, last_seen(event))));
    let conditions = status.conditions.unwrap_or_default();
    let condition = conditions.iter().find(|c| {
        c.type_.as_deref() == Some("ReplicaFailure")
            && c.status.as_deref() == Some("True")
            && c.reason.as_deref() == Some("FailedCreate")
    });
    let condition = condition.and_then(|condition| {
        let time = condition.last_transition_time.as_ref().map(|time| time.0);
        Some((condition.message.clone()?, time))
    });
    match (told, condition) {
        (Some(told), Some(condition)) if told.1 < condition.1 => Some(condition),
        (told, condition) => told.or(condition),
    }
}

/// Why there is no replica set for the present template.
fn no_replica_set(deployment: &Deployment) -> Option<(String, Option<Timestamp>)> {
    let conditions = deployment.status.as_ref()?.conditions.as_deref();
    let failing = |c: &&DeploymentCondition| {
        is(c, "Progressing", "False") && c.reason.as_deref() == Some("ReplicaSetCreateError")
    };
    let condition = conditions.unwrap_or_default().iter().find(failing)?;
    let time = condition.last_update_time.as_ref().map(|time| time.0);
    Some((condition.message.clone()?, time))
}

fn is(condition: &DeploymentCondition, kind: &str, status: &str) -> bool {
    condition.type_.as_deref() == Some(kind) && condition.status.as_deref() == Some(status)
}

fn refused_pods(said: &str) -> Diagnosis {
    // `Error creating: pods "demo-5b-x7" is forbidden: exceeded quota: …`: the pod's name is random and says nothing.
    let words = said.strip_prefix("Error creating: ").unwrap_or(said);
    let words = match words.split_once("\" is forbidden: ") {
        Some((_, reason)) => reason,
        None => words,
    };
    let lacking = Lacking::read(words);
    if !lacking.is_empty() {
        let cause = format!("the namespace's quota does not allow the pods: {words}");
        Diagnosis::new(Gravity::Grave, cause).advice(Advice::SetResources(lacking))
    } else if words.contains("exceeded quota") || words.contains("failed quota") {
        Diagnosis::new(
            Gravity::Grave,
            format!("the namespace's quota does not allow the pods: {words}"),
        )
        .advice(Advice::FitQuota)
    } else if words.contains("violates PodSecurity") {
        Diagnosis::new(
            Gravity::Grave,
            format!("admission refuses the pods: {words}"),
        )
        .advice(Advice::FitPodSecurity)
    } else {
        Diagnosis::new(
            Gravity::Grave,
            format!("admission refuses the pods: {words}"),
        )
    }
}

fn deadline_exceeded(observed: &Observed) -> Option<Diagnosis> {
    let status = observed.deployment.as_ref()?.status.as_ref()?;
    let stuck = status
        .conditions
        .as_deref()
        .unwrap_or_default()
        .iter()
        .find(|c| {
            is(c, "Progressing", "False") && c.reason.as_deref() == Some("ProgressDeadlineExceeded")
        })?;
    let before = stuck.last_update_time.as_ref().map(|time| time.0);
    let is_old = before.is_some() && before < observed.since;
    let rolling = !is_old
        && !matches!(
            rollout(observed.deployment.as_ref()?),
            Rollout::Complete { .. } | Rollout::Unseen
        );
    rolling.then(|| {
        Diagnosis::new(
            Gravity::Grave,
            format!(
                "the Deployment made no progress: {}",
                stuck.message.clone().unwrap_or_default()
            ),
        )
    })
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "json! literals read best as arguments"
)]
mod tests;
