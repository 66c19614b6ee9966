//! Why a workload is not ready, from what was observed of it. Pure: tables of statuses in, one sentence out.

mod container;
mod pod;

use k8s_openapi::api::{
    apps::v1::{DeploymentCondition, ReplicaSet},
    core::v1::Event,
};

use crate::rollout::{Observed, Rollout, rollout};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gravity {
    /// It may pass by itself: shown, and told again when the time is over.
    Waiting,
    /// It hardly passes by itself: ends the wait when it stays for some seconds.
    Grave,
    /// It does not pass: ends the wait at once.
    Fatal,
}

/// A container whose log explains a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogSource {
    /// Pod.
    pub(crate) pod: String,
    /// Container in it.
    pub(crate) container: String,
    /// Whether the run before the present one is meant.
    pub(crate) previous: bool,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// How bad it is.
    pub(crate) gravity: Gravity,
    /// The cause in one sentence fragment.
    pub(crate) cause: String,
    /// Log that explains it.
    pub(crate) log: Option<LogSource>,
    /// What mends it, when that is known.
    pub(crate) hint: Option<&'static str>,
}

impl Diagnosis {
    fn new(gravity: Gravity, cause: impl Into<String>) -> Self {
        Self {
            gravity,
            cause: cause.into(),
            log: None,
            hint: None,
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn log(mut self, source: LogSource) -> Self {
        self.log = Some(source);
        self
    }
}

/// The gravest finding about the new pods, or about why there are none. `None` when nothing is known to be wrong.
pub(crate) fn diagnose(observed: &Observed) -> Option<Diagnosis> {
    let pods = observed.current_pods();
    let of_pods = pods.iter().filter_map(|pod| {
        let events = pod
            .metadata
            .uid
            .as_deref()
            .map(|uid| observed.events_of(uid))
            .unwrap_or_default();
        pod::diagnose(pod, &events, observed)
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
fn cannot_make_pods(observed: &Observed) -> Option<Diagnosis> {
    let deployment = observed.deployment.as_ref()?;
    if matches!(
        rollout(deployment),
        Rollout::Complete { .. } | Rollout::Unseen
    ) {
        return None;
    }
    let set = observed.current_replica_set();
    let conditions = deployment
        .status
        .as_ref()?
        .conditions
        .as_deref()
        .unwrap_or_default();
    let failing = |c: &&DeploymentCondition| {
        is(c, "ReplicaFailure", "True")
            || (is(c, "Progressing", "False")
                && c.reason.as_deref() == Some("ReplicaSetCreateError"))
    };
    let said = conditions
        .iter()
        .find(failing)
        .and_then(|c| c.message.clone())
        .or_else(|| newest_failed_create(observed, set?))?;
    Some(refused_pods(&said))
}

fn is(condition: &DeploymentCondition, kind: &str, status: &str) -> bool {
    condition.type_.as_deref() == Some(kind) && condition.status.as_deref() == Some(status)
}

/// What the controller said when it last failed to make a pod, if the replica set still lacks some.
fn newest_failed_create(observed: &Observed, set: &ReplicaSet) -> Option<String> {
    let made = set.status.as_ref().map_or(0, |status| status.replicas);
    if made >= set.spec.replicas.unwrap_or(1) {
        return None;
    }
    let uid = set.metadata.uid.as_deref()?;
    let events = observed.events_of(uid);
    let event: &&Event = events
        .iter()
        .rev()
        .find(|e| e.reason.as_deref() == Some("FailedCreate"))?;
    event.message.clone()
}

fn refused_pods(said: &str) -> Diagnosis {
    // `Error creating: pods "demo-5b-x7" is forbidden: exceeded quota: …`: the pod's name is random and says nothing.
    let words = said.strip_prefix("Error creating: ").unwrap_or(said);
    let words = match words.split_once("\" is forbidden: ") {
        Some((_, reason)) => reason,
        None => words,
    };
    if words.contains("exceeded quota") || words.contains("failed quota") {
        Diagnosis::new(Gravity::Grave, format!("the namespace's quota does not allow the pods: {words}"))
            .hint("lower the resources or replicas, or have the ResourceQuota raised: kubectl describe quota")
    } else if words.contains("violates PodSecurity") {
        Diagnosis::new(Gravity::Grave, format!("admission refuses the pods: {words}"))
            .hint("the namespace's Pod Security level forbids these settings: change them or the namespace's labels")
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
    let rolling = !matches!(
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
