//! Getting the right to work on a release: none, when another command works on it; by taking over, when that one is dead.

use futures_util::StreamExt;
use helm_release::{Info, Release, Status};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, core::PartialObjectMeta, runtime::WatchStreamExt};
use kube_access::refused;
use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent};
use tokio::time::Instant;

use crate::{
    cluster::Cluster,
    records::{Record, Records, Work},
    release_kind::ReleaseKind,
    takeover::{HEARTBEAT, Verdict, judge},
};

/// Whether a command works on a record with this status, or died while it did.
pub(crate) fn under_way(status: Status) -> bool {
    status.is_pending() || status == Status::Uninstalling
}

/// The records of a release on which nobody works; a dead command's record is marked as failed first.
///
/// # Errors
/// When another command works on the release.
pub(crate) async fn settled(
    cluster: &Cluster,
    records: &Records,
    what: &str,
    progress: &dyn Progress,
) -> Result<Vec<Record>, Failure> {
    loop {
        let all = records.all(what).await?;
        let Some(last) = all
            .last()
            .filter(|record| under_way(record.release.info.status))
        else {
            return Ok(all);
        };
        match look(cluster, last, what, progress).await? {
            Seen::Busy => return Err(busy(cluster, last, what)),
            Seen::Changed => {}
            Seen::Dead => {
                progress.event(ProgressEvent::Warning(format!(
                    "revision {} was left {} by a command that was interrupted: taking over",
                    last.release.version, last.release.info.status
                )));
                // When its command lives after all, or another one takes over too, this is refused; look again then.
                let _taken = mark_failed(records, last, "", what).await?;
            }
        }
    }
}

/// Marks the record of a dead command as failed, with what else is known of it. False, and nothing is written, when it is not as
/// it was read any more: its command lives after all, or another one took over.
///
/// # Errors
/// When the API server refuses it for another reason.
pub(crate) async fn mark_failed(
    records: &Records,
    last: &Record,
    known: &str,
    what: &str,
) -> Result<bool, Failure> {
    let mut release = last.release.clone();
    interrupt(&mut release.info, known);
    let version = last.resource_version();
    let marked = records.replace(last, release, Work::Done, version, what);
    Ok(marked.await?.is_some())
}

/// Writes down that the command died which was under way, and what else is known.
pub(crate) fn interrupt(info: &mut Info, known: &str) {
    info.description = interrupted(info.status) + known;
    info.status = Status::Failed;
}

/// Description of a record whose command died while it had this status.
fn interrupted(status: Status) -> String {
    format!("{status} was interrupted")
}

/// Whether a record was taken over from a command that died while it had this status, and no more is known of it.
pub(crate) fn was_interrupted(release: &Release, status: Status) -> bool {
    release.info.status == Status::Failed && release.info.description == interrupted(status)
}

/// Whether the command that works on a pending record is dead.
///
/// # Errors
/// When the record cannot be watched.
pub(crate) async fn is_dead(
    cluster: &Cluster,
    record: &Record,
    what: &str,
    progress: &dyn Progress,
) -> Result<bool, Failure> {
    let seen = look(cluster, record, what, progress).await?;
    Ok(matches!(seen, Seen::Dead))
}

/// Another command works on the release.
pub(crate) fn busy(cluster: &Cluster, record: &Record, what: &str) -> Failure {
    let facts = record.facts();
    let hint = if record.heartbeat().is_some() {
        let kind = record.kind().unwrap_or(ReleaseKind::Server);
        format!(
            "wait until it is done: {} shows it",
            kind.status_command(cluster, &facts.name)
        )
    } else {
        format!(
            "it is not one of mcpt: if it was interrupted, end it with helm rollback {} or helm uninstall {}",
            facts.name, facts.name
        )
    };
    Failure::new(FailureKind::Failed, what)
        .because(format!(
            "another operation is in progress ({} since {})",
            facts.status, facts.updated
        ))
        .hint(hint)
}

enum Seen {
    Busy,
    Dead,
    /// It is done or gone by now.
    Changed,
}

/// Looks at a pending record until it is clear whether its command lives.
async fn look(
    cluster: &Cluster,
    record: &Record,
    what: &str,
    progress: &dyn Progress,
) -> Result<Seen, Failure> {
    let first = record.heartbeat();
    let begun = Instant::now();
    let judged = |current: Option<&str>| {
        judge(
            first,
            current,
            begun.elapsed(),
            Timestamp::now(),
            record.process_lives(),
        )
    };
    match judged(first) {
        Verdict::Busy => return Ok(Seen::Busy),
        Verdict::Dead => return Ok(Seen::Dead),
        Verdict::Watch(_) => {}
    }
    progress.event(ProgressEvent::Waiting(format!(
        "revision {} is {}: looking whether its command still works",
        record.release.version, record.release.info.status
    )));
    let api: Api<PartialObjectMeta<Secret>> = cluster.api();
    let mut changes = kube::runtime::watcher::watch_object(api, &record.secret_name())
        .default_backoff()
        .boxed();
    let mut current = first.map(str::to_owned);
    let status = record.release.info.status.as_str();
    loop {
        let left = match judged(current.as_deref()) {
            Verdict::Busy => return Ok(Seen::Busy),
            Verdict::Dead => return Ok(Seen::Dead),
            Verdict::Watch(left) => left,
        };
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            change = changes.next() => match change {
                None | Some(Ok(None)) => return Ok(Seen::Changed),
                Some(Ok(Some(now))) => {
                    let label = now.metadata.labels.as_ref().and_then(|l| l.get("status"));
                    if label.map(String::as_str) != Some(status) {
                        return Ok(Seen::Changed);
                    }
                    current = now.metadata.annotations.and_then(|mut a| a.remove(HEARTBEAT));
                }
                // The API server may be away for a moment; only its refusal is final.
                Some(Err(error)) => {
                    let is_refused = refused(&error);
                    let failure = cluster.watch_failure(what, error);
                    if is_refused {
                        return Err(failure);
                    }
                    tracing::debug!(%failure, "watch of the record interrupted");
                }
            },
        }
    }
}
