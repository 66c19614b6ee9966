//! The sign of life on a pending release's record, and the record's version as the lock of the operation.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Error,
    api::{Patch, PatchParams},
};
use mcpt_core::{Failure, FailureKind};
use serde_json::json;
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use crate::{
    cluster::Cluster,
    failure::silent,
    records::Record,
    release_kind::ReleaseKind,
    takeover::{BEAT, GIVES_UP_AFTER, HEARTBEAT},
};

/// Field manager of the heartbeat, told apart from that of the record itself.
const MANAGER: &str = "mcpt";

/// Pause after a beat that failed.
const RETRY: Duration = Duration::from_secs(1);

/// The present time as the heartbeat writes it.
pub(crate) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// Renews the heartbeat until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<String, Failure>>,
    /// The command that shows the release.
    status: String,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heartbeat {
    /// Begins for a record, as it is stored now.
    pub(crate) fn start(cluster: &Cluster, record: &Record) -> Self {
        let (stop, stopped) = oneshot::channel();
        let kind = record.kind().unwrap_or(ReleaseKind::Server);
        let status = kind.status_command(cluster, &record.release.name);
        let beating = Beating {
            cluster: cluster.clone(),
            api: cluster.api(),
            name: record.secret_name(),
            resource_version: record.resource_version(),
            status: status.clone(),
        };
        Self {
            status,
            stop: Some(stop),
            task: tokio::spawn(beating.run(stopped)),
        }
    }

    /// Runs `work` as long as the heart beats.
    ///
    /// # Errors
    /// When another command took the operation over; then `work` is dropped, and the record must not be written any more.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            done = work => Ok(done),
            ended = &mut self.task => match ended {
                Ok(Err(failure)) => Err(failure),
                // It ends without an error only when it is told to stop.
                Ok(Ok(_)) | Err(_) => Err(lost("the heartbeat stopped", &self.status)),
            },
        }
    }

    /// Stops after the beat that is under way; returns the record's version then.
    ///
    /// # Errors
    /// When the operation was lost.
    pub(crate) async fn stop(mut self) -> Result<String, Failure> {
        drop(self.stop.take());
        match (&mut self.task).await {
            Ok(ended) => ended,
            Err(_) => Err(lost("the heartbeat stopped", &self.status)),
        }
    }
}

fn lost(why: &str, status: &str) -> Failure {
    Failure::new(FailureKind::Failed, "the operation was interrupted")
        .because(why)
        .hint(format!("look at its state with: {status}"))
}

struct Beating {
    cluster: Cluster,
    api: Api<Secret>,
    name: String,
    resource_version: String,
    status: String,
}

impl Beating {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Result<String, Failure> {
        let mut last = Instant::now();
        loop {
            tokio::select! {
                _told_to = &mut stopped => return Ok(self.resource_version),
                () = tokio::time::sleep_until(last + BEAT) => {}
            }
            let body = json!({"metadata": {
                "annotations": {HEARTBEAT: now()},
                // Whoever took over has changed the record; then this is refused.
                "resourceVersion": self.resource_version,
            }});
            let params = PatchParams {
                field_manager: Some(MANAGER.into()),
                ..PatchParams::default()
            };
            let begun = Instant::now();
            // No beat may take longer: one that arrives late is as good as none.
            let answer = tokio::time::timeout_at(
                last + GIVES_UP_AFTER,
                self.api
                    .patch_metadata(&self.name, &params, &Patch::Merge(&body)),
            )
            .await;
            match answer {
                Ok(Ok(record)) => {
                    self.resource_version = record.metadata.resource_version.unwrap_or_default();
                    last = begun;
                }
                Ok(Err(Error::Api(status))) if status.is_conflict() || status.is_not_found() => {
                    return Err(lost("another command took the release over", &self.status));
                }
                Ok(Err(error)) if begun + RETRY >= last + GIVES_UP_AFTER => {
                    return Err(self
                        .cluster
                        .failure("the operation was interrupted", &error));
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "heartbeat failed, trying again");
                    tokio::time::sleep(RETRY).await;
                }
                Err(_) => {
                    return Err(silent(&self.cluster.address, GIVES_UP_AFTER.as_secs())
                        .failure("the operation was interrupted"));
                }
            }
        }
    }
}
