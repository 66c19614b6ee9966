//! The sign of life on a pending release's record, and the record's version as the lock of the operation.

use std::time::Duration;

use helm_release::Status;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Error,
    api::{Patch, PatchParams},
};
use kube_access::Cluster;
use serde_json::json;
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

use crate::{
    Error as InstallError, Interruption, Result,
    records::Record,
    tool::Tool,
    verdict::{BEAT, GIVES_UP_AFTER},
};

/// Pause after a beat that failed.
const RETRY: Duration = Duration::from_secs(1);

/// The present time as the heartbeat writes it.
pub(crate) fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

/// Renews the heartbeat until it is stopped or dropped.
#[derive(Debug)]
pub struct Heartbeat {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<String, Interruption>>,
    record: Box<Record>,
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heartbeat {
    /// Begins for a record, as it is stored now.
    pub fn start(cluster: &Cluster, tool: Tool, record: &Record) -> Self {
        let (stop, stopped) = oneshot::channel();
        let beating = Beating {
            cluster: cluster.clone(),
            tool,
            api: cluster.api(),
            name: record.secret_name(),
            resource_version: record.resource_version(),
            working: record.release.info.status,
            beats: record
                .heartbeat(tool)
                .map(str::to_owned)
                .into_iter()
                .collect(),
        };
        Self {
            record: Box::new(record.clone()),
            stop: Some(stop),
            task: tokio::spawn(beating.run(stopped)),
        }
    }

    /// Runs `work` as long as the heart beats.
    ///
    /// # Errors
    /// When another command took the operation over; then `work` is dropped, and the record must not be written any more.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            done = work => Ok(done),
            ended = &mut self.task => match ended {
                Ok(Err(cause)) => Err(self.interrupted(cause)),
                // It ends without an error only when it is told to stop.
                Ok(Ok(_)) | Err(_) => Err(self.interrupted(Interruption::Stopped)),
            },
        }
    }

    /// Stops after the beat that is under way; returns the record's version then.
    ///
    /// # Errors
    /// When the operation was lost.
    pub async fn stop(mut self) -> Result<String> {
        drop(self.stop.take());
        match (&mut self.task).await {
            Ok(ended) => ended.map_err(|cause| self.interrupted(cause)),
            Err(_) => Err(self.interrupted(Interruption::Stopped)),
        }
    }

    fn interrupted(&self, cause: Interruption) -> InstallError {
        InstallError::Interrupted {
            record: self.record.clone(),
            cause,
        }
    }
}

struct Beating {
    cluster: Cluster,
    tool: Tool,
    api: Api<Secret>,
    name: String,
    resource_version: String,
    /// The release's status while the operation works.
    working: Status,
    /// The heartbeats of which the record may bear one: the last that is stored for certain, and those without an answer since.
    beats: Vec<String>,
}

impl Beating {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) -> Result<String, Interruption> {
        let mut last = Instant::now();
        // Whether a beat may be stored whose answer was lost. The record's version is not known then, and nothing can be written.
        let mut unsure = false;
        loop {
            tokio::select! {
                _told_to = &mut stopped, if !unsure => return Ok(self.resource_version),
                () = tokio::time::sleep_until(last + BEAT) => {}
            }
            let begun = Instant::now();
            // No beat may take longer: one that arrives late is as good as none.
            let answer = tokio::time::timeout_at(last + GIVES_UP_AFTER, self.beat()).await;
            match answer {
                Ok(Ok(true)) => {
                    unsure = false;
                    last = begun;
                }
                Ok(Ok(false)) => {
                    return Err(Interruption::TakenOver);
                }
                Ok(Err(error)) if begun + RETRY >= last + GIVES_UP_AFTER => {
                    return Err(Interruption::Unreachable(self.cluster.error(error)));
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "heartbeat failed, trying again");
                    unsure |= !matches!(&error, Error::Api(status) if status.code < 500);
                    tokio::time::sleep(RETRY).await;
                }
                Err(_) => {
                    let silent = kube_access::Error::Silent {
                        address: self.cluster.address.clone(),
                        waited: GIVES_UP_AFTER,
                    };
                    return Err(Interruption::Unreachable(silent));
                }
            }
        }
    }

    /// Renews the heartbeat; false when another command took over.
    async fn beat(&mut self) -> Result<bool, Error> {
        let beat = now();
        self.beats.push(beat.clone());
        let params = PatchParams {
            field_manager: Some(self.tool.name.into()),
            ..PatchParams::default()
        };
        loop {
            let body = json!({"metadata": {
                "annotations": {self.tool.heartbeat: beat},
                // Whoever took over has changed the record; then this is refused.
                "resourceVersion": self.resource_version,
            }});
            let patch = Patch::Merge(&body);
            match self.api.patch_metadata(&self.name, &params, &patch).await {
                Ok(record) => {
                    self.resource_version = record.metadata.resource_version.unwrap_or_default();
                    self.beats = vec![beat];
                    return Ok(true);
                }
                Err(Error::Api(status)) if status.is_conflict() => {
                    if !self.look_again().await? {
                        return Ok(false);
                    }
                }
                Err(Error::Api(status)) if status.is_not_found() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a record that changed is this operation's all the same: the answer to a beat was lost, or somebody has labelled it.
    /// Then it goes on from there. Whoever takes over writes another status, and a heartbeat of its own or none.
    async fn look_again(&mut self) -> Result<bool, Error> {
        let Some(found) = self.api.get_metadata_opt(&self.name).await? else {
            return Ok(false);
        };
        let metadata = found.metadata;
        let beat = metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(self.tool.heartbeat));
        let working = metadata.labels.as_ref().and_then(|l| l.get("status"));
        let mine = beat.is_some_and(|beat| self.beats.contains(beat))
            && working.is_some_and(|status| status == self.working.as_str());
        if mine {
            self.resource_version = metadata.resource_version.unwrap_or_default();
        }
        Ok(mine)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use helm_release::Release;
    use serde_json::Value;
    use tokio::sync::Notify;

    use super::*;
    use crate::tool::TESTED;
    use kube_access::scripted;

    /// A record of which the first beat is stored without an answer, while the operation ends; `then` changes what is stored after
    /// that. Returns the version that the operation goes on from.
    async fn unanswered(then: impl Fn(&mut Value) + Send + 'static) -> Result<String> {
        let metadata = json!({"name": "sh.helm.release.v1.demo.v1", "resourceVersion": "1",
            "labels": {"status": "pending-upgrade"}, "annotations": {TESTED.heartbeat: now()}});
        let mut release = Release {
            name: "demo".to_owned(),
            version: 1,
            ..Release::default()
        };
        release.info.status = Status::PendingUpgrade;
        let record = Record {
            release,
            metadata: serde_json::from_value(metadata.clone()).unwrap(),
        };
        let (mut stored, mut version) = (metadata, 1);
        let sent = Arc::new(Notify::new());
        let first = Arc::clone(&sent);
        let cluster = scripted::cluster(move |request, body| {
            let answer = |stored: &Value| (200, json!({"metadata": stored}).to_string());
            if request.starts_with("GET") {
                return answer(&stored);
            }
            assert!(request.starts_with("PATCH"), "{request}");
            if body["metadata"]["resourceVersion"] != stored["resourceVersion"] {
                return scripted::refusal(409, "Conflict");
            }
            version += 1;
            stored["resourceVersion"] = version.to_string().into();
            stored["annotations"] = body["metadata"]["annotations"].clone();
            if version > 2 {
                return answer(&stored);
            }
            then(&mut stored);
            first.notify_one();
            scripted::refusal(504, "Timeout")
        });
        let mut heartbeat = Heartbeat::start(&cluster, TESTED, &record);
        heartbeat.during(sent.notified()).await?;
        heartbeat.stop().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_whose_answer_was_lost_is_no_takeover() {
        assert_eq!(unanswered(|_| {}).await.unwrap(), "3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_another_command_wrote_is_lost() {
        let changes: [fn(&mut Value); 3] = [
            |stored| stored["annotations"] = json!({TESTED.heartbeat: "2026-01-01T00:00:00Z"}),
            |stored| stored["annotations"] = Value::Null,
            |stored| stored["labels"] = json!({"status": "failed"}),
        ];
        for change in changes {
            let version = unanswered(move |stored| {
                stored["resourceVersion"] = "7".into();
                change(stored);
            });
            let taken = version.await.unwrap_err().causes();
            assert_eq!(taken, ["another command took the release over"]);
        }
    }
}
