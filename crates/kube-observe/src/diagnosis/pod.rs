//! What keeps one pod from being ready: scheduling, volumes, sandbox; then its containers.

use k8s_openapi::api::core::v1::{Event, Pod};

use kube_access::is_ready;

use super::{Advice, Diagnosis, Gravity, ProbeReader, container};
use crate::rollout::{Observed, last_seen};

/// The gravest finding about a pod. `events` are those about it, oldest first.
pub(super) fn diagnose(
    pod: &Pod,
    events: &[&Event],
    observed: &Observed,
    reads_probe: ProbeReader,
) -> Option<Diagnosis> {
    if is_ready(pod) {
        return None;
    }
    let status = pod.status.as_ref()?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if status.phase.as_deref() == Some("Failed") {
        let reason = status.reason.as_deref().unwrap_or("Failed");
        let message = status.message.as_deref().unwrap_or("no message");
        return Some(Diagnosis::new(
            Gravity::Waiting,
            format!("pod {name} failed: {reason}: {message}"),
        ));
    }
    if let Some(found) = unscheduled(pod, observed) {
        return Some(found);
    }
    let found = container::diagnose_all(pod, events, reads_probe);
    if found.as_ref().is_some_and(|d| d.gravity > Gravity::Waiting) {
        return found;
    }
    not_set_up(events, status).or(found)
}

fn unscheduled(pod: &Pod, observed: &Observed) -> Option<Diagnosis> {
    let conditions = pod
        .status
        .as_ref()?
        .conditions
        .as_deref()
        .unwrap_or_default();
    let condition = conditions
        .iter()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
    let words = condition
        .message
        .clone()
        .unwrap_or_else(|| "no reason given".to_owned());
    if let Some(claim) = unbound_claim(pod, observed) {
        return Some(Diagnosis::new(Gravity::Waiting, claim).advice(Advice::CheckClaim));
    }
    let found = Diagnosis::new(
        Gravity::Waiting,
        format!("no node can take the pod: {words}"),
    );
    Some(if words.contains("ReadWriteOncePod") {
        found.advice(Advice::FreeVolume)
    } else if words.contains("Insufficient") {
        found.advice(Advice::FitNodes)
    } else {
        found
    })
}

/// A claim of the pod about which the volume controllers complain.
fn unbound_claim(pod: &Pod, observed: &Observed) -> Option<String> {
    let volumes = pod.spec.as_ref()?.volumes.as_deref().unwrap_or_default();
    let claims: Vec<&str> = volumes
        .iter()
        .filter_map(|v| v.persistent_volume_claim.as_ref())
        .map(|c| c.claim_name.as_str())
        .collect();
    // An earlier claim of the name may have had words of its own.
    let made = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let about_it = observed.events.values().filter(|event| {
        let about = &event.involved_object;
        let named = about.name.as_deref();
        about.kind.as_deref() == Some("PersistentVolumeClaim")
            && named.is_some_and(|name| claims.contains(&name))
            && last_seen(event) >= made
    });
    let event = about_it.max_by_key(|event| last_seen(event))?;
    Some(format!(
        "volume claim {:?} is not bound: {}",
        event.involved_object.name.as_deref().unwrap_or_default(),
        event.message.as_deref().unwrap_or_default(),
    ))
}

/// Volumes and sandbox come before any container; while they fail, the containers only say `ContainerCreating`.
fn not_set_up(
    events: &[&Event],
    status: &k8s_openapi::api::core::v1::PodStatus,
) -> Option<Diagnosis> {
    let all = status
        .container_statuses
        .iter()
        .flatten()
        .chain(status.init_container_statuses.iter().flatten());
    let mut waiting = all
        .filter_map(|c| c.state.as_ref())
        .filter(|s| s.waiting.is_some());
    waiting.next()?;
    let event = events.iter().rev().find(|event| {
        matches!(
            event.reason.as_deref(),
            Some(
                "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" | "FailedCreatePodSandBox"
            )
        )
    })?;
    let what = match event.reason.as_deref() {
        Some("FailedCreatePodSandBox") => "the pod's sandbox cannot be made",
        _ => "a volume cannot be mounted",
    };
    Some(Diagnosis::new(
        Gravity::Waiting,
        format!(
            "{what}: {}",
            event.message.as_deref().unwrap_or_default().trim()
        ),
    ))
}
