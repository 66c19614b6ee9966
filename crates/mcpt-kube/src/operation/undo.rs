//! When an operation fails: record it, and with `atomic` put everything back as it was.

use std::collections::BTreeSet;

use helm_install::{
    Heartbeat, Object, Record,
    removal::{self, Claims, Limit},
    revisions,
};
use helm_release::Status;
use mcpt_core::{Failure, Revision};

use super::{Conduct, Operation, Reached};
use crate::{change::Change, progress::AsProgress};

impl Operation<'_> {
    /// Ends a failed operation; returns the failure to report, with what undoing it did.
    pub(super) async fn give_up(
        &self,
        change: &Change,
        record: Record,
        mut heartbeat: Heartbeat,
        mut failure: Failure,
    ) -> Failure {
        if self.conduct.atomic && change.before().is_none() {
            self.step("removing what was made".to_owned());
            let removed = match heartbeat.during(self.remove(change, &record)).await {
                Ok(Ok(())) => self.forget(change, &record, heartbeat).await,
                Ok(Err(also)) => {
                    let told = self
                        .record_failure(change, &record, heartbeat, &failure)
                        .await;
                    Err(told.err().unwrap_or(also))
                }
                Err(lost) => self.told(Err(lost)),
            };
            if let Err(also) = removed {
                let why = also.why.join("; ");
                failure
                    .why
                    .push(format!("not all of it was removed: {why}"));
                let command = self.kind.removal_command(self.cluster, self.name.as_str());
                let hint = format!("remove the rest with: {command}");
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
        if self.conduct.atomic
            && let Some(back) = change.before()
        {
            let to = back.release.version;
            match Box::pin(self.put_back(back)).await {
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
        let version = self.told(heartbeat.stop().await)?;
        let mut release = record.release.clone();
        let operation = match release.info.status {
            Status::PendingUpgrade => "Upgrade",
            Status::PendingRollback => "Rollback",
            _ => "Release",
        };
        release.info.status = Status::Failed;
        let why = failure.why.join("; ");
        release.info.description = format!("{operation} {:?} failed: {why}", release.name);
        self.finish(record, release, version).await?;
        let history = &change.history;
        self.forget_oldest(history, revisions::running(history))
            .await;
        Ok(())
    }

    /// Removes all objects of a release of which no revision ever ran.
    async fn remove(&self, change: &Change, record: &Record) -> Result<(), Failure> {
        let mut objects: Vec<Object> = change
            .objects
            .iter()
            .map(|(object, _)| object.clone())
            .collect();
        objects.extend(change.gone.iter().cloned());
        // A claim that an earlier server of this name left holds its data.
        let claims = record.made().map_or(Claims::ByPolicy, Claims::MadeSince);
        let asked = removal::ask(&self.applier, &objects, claims, &BTreeSet::new()).await;
        let asked = self.told(asked)?;
        // What failed is undone even when the time of the command is over.
        let limit = Limit::from_now(self.conduct.timeout);
        let gone = removal::gone(
            &self.applier,
            &asked.going,
            limit,
            &AsProgress(self.progress),
        )
        .await;
        self.told(gone)
    }

    async fn forget(
        &self,
        change: &Change,
        record: &Record,
        heartbeat: Heartbeat,
    ) -> Result<(), Failure> {
        let _version = self.told(heartbeat.stop().await)?;
        for old in revisions::since_the_end(&change.history) {
            self.told(self.records.delete(old.release.version).await)?;
        }
        self.told(self.records.delete(record.release.version).await)
    }

    /// Makes an earlier revision run again.
    async fn put_back(&self, back: &Record) -> Result<Revision, Failure> {
        self.step(format!("going back to revision {}", back.release.version));
        let history = self.settled().await?;
        let change = Change::back_to(back, history, &self.what)?;
        let conduct = Conduct {
            // What failed before is put back as it was, and need not answer.
            wait: back.release.info.status == Status::Deployed,
            atomic: false,
            ..self.conduct
        };
        let what = self.what.clone();
        let rollback =
            Operation::new(self.cluster, self.name, conduct, self.progress, what).of(self.kind);
        Box::pin(rollback.perform(&change, &mut Reached::Nothing)).await?;
        Ok(Revision(change.release.version))
    }
}
