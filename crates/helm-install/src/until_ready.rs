//! Waiting until objects that were applied are what they should be.

use std::{fmt, time::Duration};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use jiff::Timestamp;
use kube::{
    api::DynamicObject,
    core::TypeMeta,
    runtime::{WatchStreamExt, watcher, watcher::watch_object},
};
use kube_access::{Progress, refused};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Error, Result,
    apply::Applier,
    manifest::Object,
    readiness::{Readiness, Until, is_always_ready, readiness},
};

/// Objects that are not ready, in helm's words: one line for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// Each as `Kind/namespace/name`, and how far it is.
    pub objects: Vec<(String, Readiness)>,
    /// Whether the time was over; else waiting longer was in vain.
    pub timed_out: bool,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.objects.iter();
        let lines = lines.map(|(object, how)| format!("resource {object} not ready. {how}"));
        let late = self
            .timed_out
            .then(|| "context deadline exceeded".to_owned());
        f.write_str(&lines.chain(late).collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for NotReady {}

/// What an object did, by its place among those that are waited for.
type Change = (usize, Result<Option<DynamicObject>, watcher::Error>);

/// Waits until all objects are ready; those that failed are waited for no longer. A deployment that is paused is passed over.
///
/// # Errors
/// When they cannot be watched. That some are not ready is no error but the answer.
pub async fn until_ready(
    applier: &Applier,
    objects: &[Object],
    until: Until,
    timeout: Duration,
    progress: &dyn Progress,
) -> Result<Result<(), NotReady>> {
    let deadline = Instant::now() + timeout;
    let watched: Vec<&Object> = objects
        .iter()
        .filter(|object| !is_passed_over(object, until))
        .collect();
    let mut names = Vec::new();
    let mut changes: Vec<BoxStream<'_, Change>> = Vec::new();
    for (at, object) in watched.iter().enumerate() {
        names.push(applier.identity(object).await?);
        let api = applier.api(object).await?;
        let live = watch_object(api, &object.name).default_backoff();
        changes.push(live.map(move |change| (at, change)).boxed());
    }
    let mut changes = stream::select_all(changes);
    let mut states = vec![Readiness::NotFound; watched.len()];
    while !states.iter().all(Readiness::is_settled) {
        let next = tokio::time::timeout_at(deadline, changes.next()).await;
        let Ok(Some((at, change))) = next else {
            break;
        };
        match change {
            Ok(live) => {
                let judge = |live| judged(watched[at], live, until);
                states[at] = live.map_or(Ok(Readiness::NotFound), judge)?;
                if let Some(behind) = states.iter().position(|state| !state.is_settled()) {
                    progress.waiting(format!("{}: {}", names[behind], states[behind]));
                }
            }
            Err(error) if refused(&error) => return Err(applier.watch_error(error)),
            Err(error) => tracing::debug!(%error, "watch interrupted"),
        }
    }
    let timed_out = !states.iter().all(Readiness::is_settled);
    let late = names.into_iter().zip(states);
    let late: Vec<_> = late
        .filter(|(_, state)| *state != Readiness::Current)
        .collect();
    if late.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err(NotReady {
        objects: late,
        timed_out,
    }))
}

fn judged(object: &Object, mut live: DynamicObject, until: Until) -> Result<Readiness> {
    // Watches may leave it out.
    live.types = Some(TypeMeta {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
    });
    let live = serde_json::to_value(live).map_err(|error| Error::Record(error.to_string()))?;
    Ok(readiness(&live, until, Timestamp::now()))
}

fn is_passed_over(object: &Object, until: Until) -> bool {
    let is_job_or_pod = matches!(object.kind.as_str(), "Job" | "Pod");
    match until {
        Until::HookDone => !is_job_or_pod,
        Until::Ready | Until::JobsDone => {
            let is_paused = object.body.pointer("/spec/paused") == Some(&Value::Bool(true));
            object.kind == "Deployment" && is_paused
                || is_always_ready(&object.api_version, &object.kind)
        }
    }
}
