//! Performing a [`Change`]: check, record, apply, wait, speak, record again; and back when it fails. The one way for deploys,
//! scales and rollbacks.

mod rollout;
mod undo;

use std::time::Duration;

use helm_install::{
    Applier, Denied, Error as InstallError, Heartbeat, Object, Record, Records, Work, takeover,
};
use helm_release::{DEFAULT_MAX_HISTORY, History, Release, Status};
use mcpt_core::{ChangeOptions, Failure, FailureKind, Progress, ProgressEvent, Server, ServerName};
use tokio::time::Instant;

use self::rollout::{RolledOut, counted};
use crate::{
    change::Change,
    cluster::{Cluster, TOOL},
    failure::{OrFail as _, not_installed},
    progress::AsProgress,
    release_kind::ReleaseKind,
    server::{self, ReleaseFacts},
};

/// How far an operation came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// Nothing was written.
    Nothing,
    /// Its record was.
    Record,
    /// Another command works on the release, and what is there is that one's.
    Lost,
}

/// How an operation is carried out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conduct {
    /// Return only when the server answers.
    pub(crate) wait: bool,
    /// How long to wait at most.
    pub(crate) timeout: Duration,
    /// When it fails, put everything back as it was before.
    pub(crate) atomic: bool,
    /// Take over fields that others own.
    pub(crate) force_conflicts: bool,
}

impl From<ChangeOptions> for Conduct {
    fn from(options: ChangeOptions) -> Self {
        Self {
            wait: options.wait,
            timeout: options.timeout,
            atomic: false,
            force_conflicts: options.force_conflicts,
        }
    }
}

/// One operation on a release, and all that its steps need.
pub(crate) struct Operation<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: &'a ServerName,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) records: Records,
    pub(crate) what: String,
    /// What is not known of the namespace, since the user may not.
    pub(crate) denied: Option<Denied>,
    kind: ReleaseKind,
    applier: Applier,
    conduct: Conduct,
    /// When the time of the command is over.
    deadline: Instant,
}

impl<'a> Operation<'a> {
    /// `what` it cannot do, should it fail.
    pub(crate) fn new(
        cluster: &'a Cluster,
        name: &'a ServerName,
        conduct: Conduct,
        progress: &'a dyn Progress,
        what: String,
    ) -> Self {
        Self {
            cluster,
            name,
            progress,
            records: cluster.records(name.as_str()),
            applier: cluster
                .applier(name.as_str())
                .forced(conduct.force_conflicts),
            denied: None,
            kind: ReleaseKind::Server,
            deadline: Instant::now() + conduct.timeout,
            conduct,
            what,
        }
    }

    /// On a release of another kind than a server's.
    pub(crate) fn of(self, kind: ReleaseKind) -> Self {
        Self { kind, ..self }
    }

    /// The records of the release, when nobody works on it.
    ///
    /// # Errors
    /// When another command does.
    pub(crate) async fn settled(&self) -> Result<Vec<Record>, Failure> {
        let told = AsProgress(self.progress);
        let settled = takeover::settled(self.cluster, &self.records, &told);
        Box::pin(self.in_time(settled)).await
    }

    /// Lets the API server check a change.
    ///
    /// # Errors
    /// With all that it refuses.
    pub(crate) async fn check(&self, change: &Change) -> Result<(), Failure> {
        self.step(format!(
            "checking {} with the API server",
            counted(change.objects.len())
        ));
        let check = self.applier.check(&change.objects);
        Box::pin(self.in_time(check)).await
    }

    /// Does a part of the work, but not beyond the command's time.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, InstallError>>,
    ) -> Result<T, Failure> {
        let done = tokio::time::timeout_at(self.deadline, work).await;
        let done = done.map(|done| self.told(done));
        done.unwrap_or_else(|_| {
            let seconds = self.conduct.timeout.as_secs();
            let late = format!("{}: not done after {seconds} s", self.what);
            Err(Failure::new(FailureKind::TimedOut, late)
                .because("the API server takes too long for its answers"))
        })
    }

    /// Checks, then takes the lock by making the record, then works.
    ///
    /// # Errors
    /// A [`Failure`] that names the cause; `reached` says what it leaves.
    pub(crate) async fn perform(
        &self,
        change: &Change,
        reached: &mut Reached,
    ) -> Result<Server, Failure> {
        if self.conduct.atomic && !self.conduct.wait {
            let text = "whether it fails, and is put back then, is known when the pods are ready: they are waited for";
            self.progress.event(ProgressEvent::Warning(text.to_owned()));
        }
        self.check(change).await?;
        let created = self
            .records
            .create(change.release.clone(), &change.labels)
            .await;
        let Some(record) = self.told(created)? else {
            *reached = Reached::Lost;
            return Err(self.lost_race(change.release.version).await?);
        };
        *reached = Reached::Record;
        let mut heartbeat = Heartbeat::start(self.cluster, TOOL, &record);
        let work = Box::pin(async {
            // A deletion marks the last record and then looks for a newer one, as this looks back: at least one sees the other.
            match change.history.last() {
                Some(last) if !self.stands(last).await? => Ok(Err(last.release.version)),
                _ => self.roll_out(change, &record).await.map(Ok),
            }
        });
        let outcome = heartbeat.during(work).await;
        match self.told(outcome.inspect_err(|_| *reached = Reached::Lost))? {
            Ok(Ok(rolled_out)) => {
                let version = self.told(heartbeat.stop().await)?;
                self.succeed(change, &record, version, &rolled_out).await
            }
            Ok(Err(changed)) => {
                *reached = Reached::Lost;
                let _version = self.told(heartbeat.stop().await)?;
                let deleted = self.records.delete(change.release.version).await;
                self.told(deleted)?;
                Err(Failure::new(FailureKind::Failed, &self.what)
                    .because(format!(
                        "another command changed revision {changed} at the same time"
                    ))
                    .hint("try again"))
            }
            Err(failure) => Err(Box::pin(self.give_up(change, record, heartbeat, failure)).await),
        }
    }

    /// Whether a record is still as it was read.
    async fn stands(&self, record: &Record) -> Result<bool, Failure> {
        let now = self.told(self.records.get(record.release.version).await)?;
        Ok(
            now.is_some_and(|now| {
                now.metadata.resource_version == record.metadata.resource_version
            }),
        )
    }

    /// How many pods a workload of the release has; `None` when it is not there.
    ///
    /// # Errors
    /// When the API server refuses to tell.
    pub(crate) async fn replicas(&self, workload: &Object) -> Result<Option<i64>, Failure> {
        self.told(self.applier.replicas(workload).await)
    }

    /// Another command made this revision first.
    async fn lost_race(&self, revision: u32) -> Result<Failure, Failure> {
        let winner = self.told(self.records.get(revision).await)?;
        Ok(match winner {
            Some(record) if takeover::under_way(record.release.info.status) => {
                let busy = InstallError::Busy(Box::new(record));
                not_installed(self.cluster, &self.what, &busy)
            }
            _ => Failure::new(FailureKind::Failed, &self.what)
                .because(format!(
                    "another command made revision {revision} at the same time"
                ))
                .hint("try again"),
        })
    }

    async fn succeed(
        &self,
        change: &Change,
        record: &Record,
        version: String,
        rolled_out: &RolledOut,
    ) -> Result<Server, Failure> {
        let mut release = record.release.clone();
        release.info.status = Status::Deployed;
        release.info.description.clone_from(&change.done);
        let record = self.finish(record, release, version).await?;
        // The server runs and its record says so; what is left is tidied up by the next command as well.
        if let Err(failure) = self.supersede(change).await {
            self.progress.event(ProgressEvent::Warning(format!(
                "earlier revisions are not marked as superseded: {}",
                failure.why.join("; ")
            )));
        }
        self.forget_oldest(&change.history, None).await;
        let mut server = server::server(
            self.name.clone(),
            &self.cluster.namespace,
            Some(&ReleaseFacts::of(&record)),
            &rolled_out.observed,
            rolled_out.service.as_ref(),
        );
        server.env = server::env(&record.release.config);
        server.autoscaling = change.autoscaling();
        Ok(server)
    }

    /// Writes the end of an operation into its record.
    async fn finish(
        &self,
        record: &Record,
        release: Release,
        version: String,
    ) -> Result<Record, Failure> {
        let done = self
            .records
            .replace(record, release, Work::Done, version)
            .await;
        self.told(done)?.ok_or_else(|| {
            Failure::new(FailureKind::Failed, &self.what)
                .because("another command took the release over")
                .hint(format!(
                    "look at its state with: {}",
                    self.kind.status_command(self.cluster, self.name.as_str())
                ))
        })
    }

    /// Marks what ran before.
    async fn supersede(&self, change: &Change) -> Result<(), Failure> {
        for old in &change.history {
            // Helm marks one that was uninstalled, too.
            let status = old.release.info.status;
            if !matches!(status, Status::Deployed | Status::Uninstalled) {
                continue;
            }
            let mut release = old.release.clone();
            release.info.status = Status::Superseded;
            let version = old.resource_version();
            let superseded = self
                .records
                .replace(old, release, Work::Done, version)
                .await;
            if self.told(superseded)?.is_none() {
                tracing::debug!(
                    revision = old.release.version,
                    "record changed or gone, not superseded"
                );
            }
        }
        Ok(())
    }

    /// Forgets the oldest revisions now that one more is there, but not the one that runs.
    async fn forget_oldest(&self, history: &[Record], running: Option<&Record>) {
        let running = running.map(|record| record.release.version);
        for revision in surplus(history, running) {
            if let Err(error) = self.records.delete(revision).await {
                self.progress.event(ProgressEvent::Warning(format!(
                    "the record of revision {revision} is not removed: {error}"
                )));
                return;
            }
        }
    }

    /// What work on the release came to.
    pub(crate) fn told<T>(&self, done: Result<T, InstallError>) -> Result<T, Failure> {
        let namespace = self.cluster.namespace.as_str();
        done.map_err(|error| match &self.denied {
            Some(denied) => error.in_unknown(namespace, denied),
            None => error,
        })
        .or_fail(self.cluster, &self.what)
    }

    fn step(&self, text: String) {
        self.progress.event(ProgressEvent::Step(text));
    }
}

/// The revisions that Helm would forget for one that follows this history.
fn surplus(history: &[Record], running: Option<u32>) -> Vec<u32> {
    let revisions = history.iter().map(|record| {
        let version = record.release.version;
        let mut release = Release {
            version,
            ..Release::default()
        };
        release.info.status = if Some(version) == running {
            Status::Deployed
        } else {
            Status::Superseded
        };
        release
    });
    History::new("", revisions.collect()).to_prune(DEFAULT_MAX_HISTORY)
}

#[cfg(test)]
mod tests;
