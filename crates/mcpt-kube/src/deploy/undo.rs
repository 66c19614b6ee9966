//! When a deploy fails: record it, and with `atomic` put everything back as it was.

use helm_release::{APPLY_METHOD_SERVER_SIDE, Release, Status};
use jiff::Timestamp;
use mcpt_core::Failure;
use serde_json::json;
use tokio::time::Instant;

use super::{Change, Deploy, unusable};
use crate::{
    apply::Expected,
    claim,
    heartbeat::Heartbeat,
    manifest::{self, Object},
    records::Record,
    removal,
};

impl Deploy<'_> {
    /// Ends a failed operation; returns the failure to report, with what undoing it did.
    pub(super) async fn give_up(
        &self,
        change: &Change,
        record: Record,
        mut heartbeat: Heartbeat,
        mut failure: Failure,
    ) -> Failure {
        if self.options.atomic && change.is_first() {
            self.step("removing what was made".to_owned());
            let removed = match heartbeat.during(self.remove(change)).await {
                Ok(Ok(())) => self.forget(change, &record, heartbeat).await,
                Ok(Err(also)) => {
                    let told = self
                        .record_failure(change, &record, heartbeat, &failure)
                        .await;
                    Err(told.err().unwrap_or(also))
                }
                Err(lost) => Err(lost),
            };
            if let Err(also) = removed {
                let why = also.why.join("; ");
                failure
                    .why
                    .push(format!("not all of it was removed: {why}"));
                let hint = format!("remove the rest with: mcpt delete {}", self.plan.name);
                failure.hint = Some(hint);
            }
            return failure;
        }
        if let Err(also) = self
            .record_failure(change, &record, heartbeat, &failure)
            .await
        {
            failure.why.push(format!(
                "its record was not written: {}",
                also.why.join("; ")
            ));
            return failure;
        }
        if self.options.atomic
            && let Some(back) = change.deployed()
        {
            let to = back.release.version;
            match Box::pin(self.roll_back(change, back, record.release.version + 1)).await {
                Ok(revision) => {
                    failure.why.push(format!(
                        "revision {to} was put back, as revision {revision}"
                    ));
                }
                Err(also) => {
                    failure.why.push(format!(
                        "revision {to} was not put back: {}",
                        also.why.join("; ")
                    ));
                }
            }
        }
        failure
    }

    async fn record_failure(
        &self,
        change: &Change,
        record: &Record,
        heartbeat: Heartbeat,
        failure: &Failure,
    ) -> Result<(), Failure> {
        let version = heartbeat.stop().await?;
        let mut release = record.release.clone();
        release.info.status = Status::Failed;
        let name = &release.name;
        release.info.description = if change.history.is_empty() {
            format!("Release {name:?} failed: {}", failure.why.join("; "))
        } else {
            format!("Upgrade {name:?} failed: {}", failure.why.join("; "))
        };
        self.finish(record, release, version).await.map(drop)
    }

    /// Removes all objects of a release of which no revision ever ran.
    async fn remove(&self, change: &Change) -> Result<(), Failure> {
        let mut objects: Vec<Object> = change
            .objects
            .iter()
            .map(|(object, _)| object.clone())
            .collect();
        objects.extend(change.gone.iter().cloned());
        let asked = removal::ask(&self.applier, &objects, &self.what).await?;
        let timeout = self.options.timeout;
        removal::gone(&self.applier, &asked, timeout, &self.what, self.progress).await
    }

    async fn forget(
        &self,
        change: &Change,
        record: &Record,
        heartbeat: Heartbeat,
    ) -> Result<(), Failure> {
        let _version = heartbeat.stop().await?;
        for old in change
            .history
            .iter()
            .filter(|r| r.release.info.status == Status::Failed)
        {
            self.records.delete(old.release.version, &self.what).await?;
        }
        self.records
            .delete(record.release.version, &self.what)
            .await
    }

    /// Applies an earlier revision again as a new one, as `helm rollback` does.
    async fn roll_back(
        &self,
        change: &Change,
        back: &Record,
        revision: u32,
    ) -> Result<u32, Failure> {
        let to = back.release.version;
        self.step(format!("going back to revision {to}"));
        let mut release: Release = back.release.clone();
        release.version = revision;
        release.info.status = Status::PendingRollback;
        release.info.last_deployed = Timestamp::now().to_string();
        release.info.description = format!("Rollback to {to}");
        release
            .info
            .other
            .insert("rollback_revision".to_owned(), json!(to));

        let parse =
            |text: &str| manifest::parse(text).map_err(|error| unusable(&self.what, &error));
        let by_update = release.apply_method != APPLY_METHOD_SERVER_SIDE;
        APPLY_METHOD_SERVER_SIDE.clone_into(&mut release.apply_method);
        let mut objects = parse(&release.manifest)?;
        for object in &mut objects {
            object.claim(&release.name, &release.namespace);
        }
        let newer: Vec<Object> = change
            .objects
            .iter()
            .map(|(object, _)| object.clone())
            .collect();
        let gone = manifest::pruned(&newer, &objects);
        let expected = if by_update {
            Expected::OursByUpdate
        } else {
            Expected::Ours
        };
        let objects: Vec<_> = objects
            .into_iter()
            .map(|object| (object, expected))
            .collect();

        let labels = crate::records::custom_labels(&back.metadata);
        let Some(record) = self.records.create(release, &labels, &self.what).await? else {
            return Err(match self.records.get(revision, &self.what).await? {
                Some(other) => claim::busy(&other, &self.what),
                None => Failure::new(mcpt_core::FailureKind::Failed, &self.what)
                    .because("another command works on the release"),
            });
        };
        let mut heartbeat = Heartbeat::start(
            self.cluster,
            record.secret_name(),
            record.resource_version(),
        );
        let work = async {
            let mut rolled_out = self.apply(&objects).await?;
            let deadline = Instant::now() + self.options.timeout;
            self.wait(&mut rolled_out, deadline).await?;
            self.prune(&gone).await
        };
        let outcome = heartbeat.during(Box::pin(work)).await?;
        let version = heartbeat.stop().await?;
        let mut release = record.release.clone();
        match outcome {
            Ok(()) => {
                release.info.status = Status::Deployed;
                let record = self.finish(&record, release, version).await?;
                self.supersede(change, &record).await?;
                Ok(revision)
            }
            Err(failure) => {
                release.info.status = Status::Failed;
                release.info.description = format!(
                    "Rollback {:?} failed: {}",
                    release.name,
                    failure.why.join("; ")
                );
                self.finish(&record, release, version).await?;
                Err(failure)
            }
        }
    }
}
