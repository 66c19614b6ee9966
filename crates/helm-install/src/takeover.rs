//! Getting the right to work on a release: none, when another command works on it; by taking over, when that one is dead.

use futures_util::StreamExt;
use helm_release::{Info, Release, Status};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, core::PartialObjectMeta, runtime::WatchStreamExt};
use kube_access::{Cluster, Progress, refused};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Error, Result,
    records::{Record, Records, Work},
    tool::Tool,
    verdict::{Verdict, judge},
};

/// Field of a record's `info` with the status in which its command died, when no more is known of it.
const INTERRUPTED: &str = "interrupted";

/// Whether a command works on a record with this status, or died while it did.
pub fn under_way(status: Status) -> bool {
    status.is_pending() || status == Status::Uninstalling
}

/// The records of a release on which nobody works; a dead command's record is marked as failed first.
///
/// # Errors
/// When another command works on the release.
pub async fn settled(
    cluster: &Cluster,
    records: &Records,
    progress: &dyn Progress,
) -> Result<Vec<Record>> {
    let tool = records.tool();
    loop {
        let all = records.all().await?;
        let Some(last) = all
            .last()
            .filter(|record| under_way(record.release.info.status))
        else {
            return Ok(all);
        };
        match look(cluster, tool, last, progress).await? {
            HolderState::Busy => return Err(Error::Busy(Box::new(last.clone()))),
            HolderState::Changed => {}
            HolderState::Dead => {
                progress.warning(format!(
                    "revision {} was left {} by a command that was interrupted: taking over",
                    last.release.version, last.release.info.status
                ));
                // When its command lives after all, or another one takes over too, this is refused; look again then.
                let _taken = mark_failed(records, last, "").await?;
            }
        }
    }
}

/// Marks the record of a dead command as failed, with what else is known of it. False, and nothing is written, when it is not as
/// it was read any more: its command lives after all, or another one took over.
///
/// # Errors
/// When the API server refuses it for another reason.
pub async fn mark_failed(records: &Records, last: &Record, known: &str) -> Result<bool> {
    let mut release = last.release.clone();
    interrupt(&mut release.info, known);
    let version = last.resource_version();
    let marked = records.replace(last, release, Work::Done, version);
    Ok(marked.await?.is_some())
}

/// Writes down that the command died which was under way, and what else is known.
pub fn interrupt(info: &mut Info, known: &str) {
    info.description = format!("{} was interrupted{known}", info.status);
    if known.is_empty() {
        let status = Value::from(info.status.as_str());
        info.other.insert(INTERRUPTED.to_owned(), status);
    }
    info.status = Status::Failed;
}

/// Whether a record was taken over from a command that died while it had this status, and no more is known of it.
pub fn was_interrupted(release: &Release, status: Status) -> bool {
    let died = release.info.other.get(INTERRUPTED);
    let died = died.and_then(Value::as_str);
    release.info.status == Status::Failed && died == Some(status.as_str())
}

/// Whether the command that works on a pending record is dead.
///
/// # Errors
/// When the record cannot be watched.
pub async fn is_dead(
    cluster: &Cluster,
    tool: Tool,
    record: &Record,
    progress: &dyn Progress,
) -> Result<bool> {
    let seen = look(cluster, tool, record, progress).await?;
    Ok(matches!(seen, HolderState::Dead))
}

enum HolderState {
    Busy,
    Dead,
    /// It is done or gone by now.
    Changed,
}

/// Looks at a pending record until it is clear whether its command lives.
async fn look(
    cluster: &Cluster,
    tool: Tool,
    record: &Record,
    progress: &dyn Progress,
) -> Result<HolderState> {
    let first = record.heartbeat(tool);
    let begun = Instant::now();
    let judged = |current: Option<&str>| {
        judge(
            first,
            current,
            begun.elapsed(),
            Timestamp::now(),
            record.process_lives(tool),
        )
    };
    match judged(first) {
        Verdict::Busy => return Ok(HolderState::Busy),
        Verdict::Dead => return Ok(HolderState::Dead),
        Verdict::Watch(_) => {}
    }
    progress.waiting(format!(
        "revision {} is {}: looking whether its command still works",
        record.release.version, record.release.info.status
    ));
    let api: Api<PartialObjectMeta<Secret>> = cluster.api();
    let mut changes = kube::runtime::watcher::watch_object(api, &record.secret_name())
        .default_backoff()
        .boxed();
    let mut current = first.map(str::to_owned);
    let status = record.release.info.status.as_str();
    loop {
        let left = match judged(current.as_deref()) {
            Verdict::Busy => return Ok(HolderState::Busy),
            Verdict::Dead => return Ok(HolderState::Dead),
            Verdict::Watch(left) => left,
        };
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            change = changes.next() => match change {
                None | Some(Ok(None)) => return Ok(HolderState::Changed),
                Some(Ok(Some(now))) => {
                    let label = now.metadata.labels.as_ref().and_then(|l| l.get("status"));
                    if label.map(String::as_str) != Some(status) {
                        return Ok(HolderState::Changed);
                    }
                    current = now.metadata.annotations.and_then(|mut a| a.remove(tool.heartbeat));
                }
                // The API server may be away for a moment; only its refusal is final.
                Some(Err(error)) => {
                    let is_refused = refused(&error);
                    let error = cluster.watch_error(error);
                    if is_refused {
                        return Err(error.into());
                    }
                    tracing::debug!(%error, "watch of the record interrupted");
                }
            },
        }
    }
}
