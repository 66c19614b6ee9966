//! Waiting for a rollout by watching, saying what it waits for, and ending early when the cause does not pass.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube_access::{Cluster, Error, Progress};
use tokio::time::Instant;

use crate::{
    diagnosis::{Diagnosis, Gravity, ProbeReader, diagnose},
    rollout::{Observed, Rollout, rollout},
    watch::Watch,
};

/// How long a grave finding must stay before it ends the wait: long enough for what mends itself with one retry.
const GRAVE_FOR: Duration = Duration::from_secs(7);

/// What to wait for.
#[derive(Debug, Clone)]
pub struct WaitFor {
    /// The Deployment.
    pub deployment: String,
    /// Generation that was applied; what is older does not count.
    pub generation: i64,
    /// Label selector of its pods.
    pub selector: String,
    /// When what is waited for was begun, by the API server's clock, if it is known; refusals from before end no wait.
    pub since: Option<Timestamp>,
    /// Reads what its probes say.
    pub reads_probe: ProbeReader,
}

/// Why a wait ended without success.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// It is not ready.
    #[error("{0}")]
    NotReady(Box<NotReady>),
    /// The API server refuses to tell.
    #[error(transparent)]
    Access(#[from] Error),
}

/// What was known of a workload when the wait for it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// Whether the time was over; otherwise it cannot become ready.
    pub timed_out: bool,
    /// What was waited for last.
    pub waiting: String,
    /// What is wrong with it, if that is known.
    pub finding: Option<Diagnosis>,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.finding.as_ref().map(|found| found.cause.as_str());
        f.write_str(cause.unwrap_or(&self.waiting))
    }
}

/// What the picture says about going on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Ready.
    Done,
    /// Not ready, for the reason told; the finding, if there is one.
    Wait(String, Option<Diagnosis>),
}

/// Waits until the rollout is complete; returns what is there then.
///
/// # Errors
/// [`WaitError::NotReady`] when the time is over, with what it waited for last, and as soon as it cannot become ready.
pub async fn until_rolled_out(
    cluster: &Cluster,
    wanted: &WaitFor,
    deadline: Instant,
    progress: &dyn Progress,
) -> Result<Observed, WaitError> {
    let (name, selector) = (&wanted.deployment, &wanted.selector);
    let mut watch = Watch::new(cluster, name, selector, wanted.since, progress);
    let mut told = String::new();
    let mut grave_since: Option<Instant> = None;
    let mut last: Option<(String, Option<Diagnosis>)> = None;
    loop {
        let give_up = grave_since.map_or(deadline, |since| deadline.min(since + GRAVE_FOR));
        tokio::select! {
            changed = watch.changed() => changed?,
            () = tokio::time::sleep_until(give_up) => {
                let untold = || ("the API server has not told its state".to_owned(), None);
                let (waiting, finding) = last.unwrap_or_else(untold);
                let timed_out = Instant::now() >= deadline;
                return Err(not_ready(timed_out, waiting, finding));
            }
        }
        match step(watch.observed(), wanted) {
            Step::Done => return Ok(watch.into_observed()),
            Step::Wait(text, finding) => {
                if text != told {
                    progress.waiting(text.clone());
                    told.clone_from(&text);
                }
                match finding.as_ref().map(|found| found.gravity) {
                    Some(Gravity::Fatal) => return Err(not_ready(false, text, finding)),
                    Some(Gravity::Grave) => {
                        grave_since = grave_since.or_else(|| Some(Instant::now()));
                    }
                    Some(Gravity::Waiting) | None => grave_since = None,
                }
                last = Some((text, finding));
            }
        }
    }
}

fn not_ready(timed_out: bool, waiting: String, finding: Option<Diagnosis>) -> WaitError {
    WaitError::NotReady(Box::new(NotReady {
        timed_out,
        waiting,
        finding,
    }))
}

fn step(observed: &Observed, wanted: &WaitFor) -> Step {
    let Some(deployment) = &observed.deployment else {
        return Step::Wait(
            format!("deployment {:?} to appear", wanted.deployment),
            None,
        );
    };
    if deployment.metadata.generation.unwrap_or(0) < wanted.generation {
        return Step::Wait("the deployment's change to be seen".to_owned(), None);
    }
    match rollout(deployment) {
        Rollout::Complete { .. } => Step::Done,
        Rollout::Unseen => Step::Wait("the deployment controller to begin".to_owned(), None),
        Rollout::Progressing {
            wanted: pods,
            available,
            old,
        } => {
            let finding = diagnose(observed, wanted.reads_probe);
            let counts = format!("{available} of {pods} pods ready");
            let text = match &finding {
                Some(found) => format!("{counts}: {}", found.cause),
                None if available >= pods && old > 0 => {
                    format!(
                        "{counts}, {old} other {} to end",
                        if old == 1 { "pod" } else { "pods" }
                    )
                }
                None => format!("{counts}: {}", stage(&observed.current_pods())),
            };
            Step::Wait(text, finding)
        }
    }
}

/// What healthy pods that are not ready are doing: the one that is furthest behind.
fn stage(pods: &[&Pod]) -> &'static str {
    let stages = pods.iter().map(|pod| {
        let Some(status) = &pod.status else { return 0 };
        let containers = || status.container_statuses.iter().flatten();
        let scheduled = status
            .conditions
            .iter()
            .flatten()
            .any(|c| c.type_ == "PodScheduled" && c.status == "True");
        let initialized = status
            .conditions
            .iter()
            .flatten()
            .any(|c| c.type_ == "Initialized" && c.status == "True");
        match () {
            () if !scheduled => 0,
            () if !initialized => 1,
            () if !containers().all(|c| c.state.as_ref().is_some_and(|s| s.running.is_some())) => 2,
            () if !containers().all(|c| c.ready) => 3,
            () => 4,
        }
    });
    match stages.min() {
        None => "making pods",
        Some(0) => "scheduling",
        Some(1) => "preparing the pod",
        Some(2) => "pulling the image, starting the container",
        Some(3) => "the server is starting",
        Some(_) => "almost there",
    }
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "json! literals read best as arguments"
)]
mod tests {
    use super::*;
    use crate::ProbeVerdict;
    use serde_json::{Value, json};

    fn observed(status: Value) -> Observed {
        Observed {
            deployment: serde_json::from_value(json!({
                "metadata": {"name": "demo", "uid": "d", "generation": 4,
                    "annotations": {"deployment.kubernetes.io/revision": "1"}},
                "spec": {"replicas": 2, "selector": {}, "template": {}},
                "status": status,
            }))
            .unwrap(),
            ..Observed::default()
        }
    }

    #[test]
    fn steps() {
        let wanted = |generation| WaitFor {
            deployment: "demo".into(),
            generation,
            selector: String::new(),
            since: None,
            reads_probe: |_| ProbeVerdict::MayStart,
        };
        let waits = |text: &str| Step::Wait(text.to_owned(), None);
        let done = json!({"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        assert_eq!(step(&observed(done.clone()), &wanted(4)), Step::Done);
        // A picture from before the apply is no success.
        assert_eq!(
            step(&observed(done), &wanted(5)),
            waits("the deployment's change to be seen")
        );
        assert_eq!(
            step(&observed(json!({"observedGeneration": 3})), &wanted(4)),
            waits("the deployment controller to begin")
        );
        assert_eq!(
            step(&Observed::default(), &wanted(4)),
            waits("deployment \"demo\" to appear")
        );
        assert_eq!(
            step(
                &observed(
                    json!({"observedGeneration": 4, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3})
                ),
                &wanted(4)
            ),
            waits("2 of 2 pods ready, 1 other pod to end")
        );
        assert_eq!(
            step(&observed(json!({"observedGeneration": 4})), &wanted(4)),
            waits("0 of 2 pods ready: making pods")
        );
    }

    #[test]
    fn stages() {
        let pod =
            |status: Value| -> Pod { serde_json::from_value(json!({"status": status})).unwrap() };
        let scheduled = json!({"type": "PodScheduled", "status": "True"});
        let initialized = json!({"type": "Initialized", "status": "True"});
        let container = |state: &str| json!([{"name": "s", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {state: {}}}]);
        let all = [
            pod(json!({})),
            pod(json!({"conditions": [scheduled]})),
            pod(
                json!({"conditions": [scheduled, initialized], "containerStatuses": container("waiting")}),
            ),
            pod(
                json!({"conditions": [scheduled, initialized], "containerStatuses": container("running")}),
            ),
        ];
        let texts: Vec<_> = all.iter().map(|p| stage(&[p])).collect();
        assert_eq!(
            texts,
            [
                "scheduling",
                "preparing the pod",
                "pulling the image, starting the container",
                "the server is starting"
            ]
        );
        assert_eq!(stage(&[&all[3], &all[1]]), "preparing the pod");
        assert_eq!(stage(&[]), "making pods");
    }
}
