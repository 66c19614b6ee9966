//! One more revision of a release: take the lock by making its record, hooks, apply, delete what goes, wait, hooks, record again;
//! and what comes after a failure. The one way for installs, upgrades and rollbacks.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use helm_release::{History, Hook, HookEvent, Release, Status};
use kube::{api::DynamicObject, core::ObjectMeta};

use super::{Action, ActionError, HookPoint, Result, Wait, failure_of};
use crate::{
    Error, Expected, Heartbeat, Object, Record, RevisionChanges, Work,
    manifest::ownership_faults,
    readiness::Until,
    removal::{self, Claims},
    revisions, until_ready,
};

/// What helm calls an installation, and what every other revision is, where an object is in the way.
pub(super) const INSTALL: &str = "install";
pub(super) const UPDATE: &str = "update";

/// Live objects that are looked at at once.
const AT_ONCE: usize = 8;

/// A revision that is to be made.
pub(super) struct Revision {
    /// As it is recorded while it is worked on.
    pub(super) release: Release,
    /// Labels of its record besides Helm's own.
    pub(super) labels: BTreeMap<String, String>,
    /// Records before it, the oldest first.
    pub(super) history: Vec<Record>,
    /// The revision that it lies over: once this one runs that one is superseded, whatever it was.
    pub(super) over: Option<u32>,
    /// What the record says in the end.
    pub(super) done: String,
    /// How many revisions stay in all; 0 for all.
    pub(super) keeps: usize,
    /// Hooks before and after, and how their failure is told.
    pub(super) hooks: [(HookEvent, HookPoint); 2],
}

/// A revision that is compared with what is there.
pub(super) struct Checked {
    revision: Revision,
    objects: Vec<(Object, Expected)>,
    gone: Vec<Object>,
    /// Objects that were not there.
    made: Vec<Object>,
}

/// A revision that failed after its record was made, which says so.
pub(super) struct Broken {
    pub(super) error: ActionError,
    /// Whether the record is this command's still.
    pub(super) recorded: bool,
}

impl Action<'_> {
    /// Compares a revision with what is there. `command` is helm's word for what is done.
    ///
    /// # Errors
    /// When an object is there and of no release, or of another one.
    pub(super) async fn checked(
        &self,
        revision: Revision,
        command: &'static str,
    ) -> Result<Checked> {
        let RevisionChanges {
            mut objects, gone, ..
        } = RevisionChanges::of(&revision.history, &revision.release)?;
        let said_before = match revision.release.info.status {
            Status::PendingUpgrade => "",
            Status::PendingRollback => {
                "unable to build kubernetes objects from new release manifest: "
            }
            _ => "unable to build kubernetes objects from release manifest: ",
        };
        self.served(&objects, said_before).await?;
        let unsure = objects.iter().filter(|(_, expected)| !expected.ours);
        let looks: Vec<_> = unsure
            .map(|(object, _)| self.applier.live(object))
            .collect();
        let lives: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let mut made = Vec::new();
        let unsure = objects.iter_mut().filter(|(_, expected)| !expected.ours);
        for ((object, expected), live) in unsure.zip(lives) {
            match live {
                Ok(None) => made.push(object.clone()),
                Ok(Some(_)) if self.conduct.take_ownership => expected.by_update = true,
                Ok(Some(live)) => {
                    self.owned(object, &live, command).await?;
                    expected.by_update = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Checked {
            revision,
            objects,
            gone,
            made,
        })
    }

    /// Finds out whether the cluster serves the kinds of all objects, before the first of them is made.
    pub(super) async fn served(
        &self,
        objects: &[(Object, Expected)],
        said_before: &'static str,
    ) -> Result<()> {
        let mut unserved = Vec::new();
        for (object, _) in objects {
            match self.applier.namespace(object).await {
                Ok(_) => {}
                Err(Error::UnknownKind { .. }) => unserved.push(object.clone()),
                Err(error) => return Err(error.into()),
            }
        }
        if unserved.is_empty() {
            return Ok(());
        }
        Err(ActionError::Unserved {
            said_before,
            objects: unserved,
        })
    }

    async fn owned(&self, object: &Object, live: &ObjectMeta, command: &'static str) -> Result<()> {
        let faults = ownership_faults(live, self.name, &self.cluster.namespace);
        if faults.is_empty() {
            return Ok(());
        }
        let namespace = self.applier.namespace(object).await?;
        Err(ActionError::NotOwned {
            command,
            object: format!(
                "{} {:?} in namespace {namespace:?}",
                object.kind, object.name
            ),
            why: faults.join("; "),
        })
    }

    /// Makes the revision.
    ///
    /// # Errors
    /// Before its record is made the error alone; after that [`Broken`].
    pub(super) async fn perform(&self, checked: Checked) -> Result<Result<Release, Broken>> {
        let Checked { revision, .. } = &checked;
        let Revision {
            release, labels, ..
        } = revision;
        self.is_recorded();
        let Some(record) = self.records.create(release.clone(), labels).await? else {
            return Err(ActionError::LostRace(release.version));
        };
        let mut release = release.clone();
        let mut heartbeat = Heartbeat::start(self.cluster, self.records.tool(), &record);
        let work = Box::pin(async {
            // A deletion marks the last record and then looks for a newer one, as this looks back: at least one sees the other.
            if let Some(last) = revision.history.last()
                && !self.stands(last).await?
            {
                return Ok(None);
            }
            // Only now: this may forget the last one too, by which the look back tells whether it stands.
            self.forget_oldest(revision).await?;
            let action = self.made_by(&revision.release);
            let work = action.roll_out(&checked, &mut release.hooks);
            Ok(Some(self.unless_cancelled(work).await))
        });
        let outcome = heartbeat.during(work).await.and_then(|outcome| outcome);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                return Ok(Err(Broken {
                    error: error.into(),
                    recorded: false,
                }));
            }
        };
        let version = heartbeat.stop().await?;
        match outcome {
            None => {
                self.records.delete(release.version).await?;
                Err(ActionError::Pending)
            }
            Some(Ok(())) => {
                release.info.status = Status::Deployed;
                release.info.description.clone_from(&revision.done);
                self.finish(&record, release.clone(), version).await?;
                self.supersede(revision).await?;
                Ok(Ok(release))
            }
            Some(Err(mut error)) => {
                let goes_back = release.info.status == Status::PendingRollback;
                let command = if goes_back { "rollback" } else { "upgrade" };
                let half_applied = matches!(
                    error,
                    ActionError::Apply { .. } | ActionError::Conflict { .. }
                );
                release.info.description = failure_of(&release, &error);
                release.info.status = Status::Failed;
                let recorded = self.finish(&record, release, version).await;
                if let Err(error) = &recorded {
                    let text = format!("that it failed is not recorded: {error}");
                    self.told.progress.warning(text);
                }
                // As Helm has it: some of what ran is replaced by now.
                if goes_back
                    && half_applied
                    && recorded.is_ok()
                    && let Some(last) = revision.history.last()
                {
                    self.mark_superseded(last, None).await?;
                }
                if self.conduct.cleanup_on_fail
                    && let Err(also) = self.clean_up(&checked.made).await
                {
                    error = ActionError::NotCleanedUp {
                        command,
                        source: Box::new(error),
                        also: Box::new(also),
                    };
                }
                Ok(Err(Broken {
                    error,
                    recorded: recorded.is_ok(),
                }))
            }
        }
    }

    /// Whether a record is still as it was read.
    async fn stands(&self, record: &Record) -> Result<bool, Error> {
        let now = self.records.get(record.release.version).await?;
        Ok(now.is_some_and(|now| now.resource_version() == record.resource_version()))
    }

    async fn roll_out(&self, checked: &Checked, hooks: &mut [Hook]) -> Result<()> {
        let [(before, at_begin), (after, at_end)] = checked.revision.hooks;
        let ran = self.run_hooks(hooks, before).await;
        ran.map_err(|error| error.at(at_begin))?;
        if !checked.objects.is_empty() {
            self.step(format!("applying {} object(s)", checked.objects.len()));
        }
        let mut applied = BTreeSet::new();
        for (object, expected) in &checked.objects {
            let live = self.apply_one(object, *expected).await?;
            applied.extend(live.metadata.uid);
        }
        let asked = removal::ask(&self.applier, &checked.gone, Claims::ByPolicy, &applied);
        asked.await?;
        let objects = checked.objects.iter().map(|(object, _)| object.clone());
        self.wait(&objects.collect::<Vec<_>>()).await?;
        let ran = self.run_hooks(hooks, after).await;
        ran.map_err(|error| error.at(at_end))
    }

    /// Waits for objects, if that is wanted.
    pub(super) async fn wait(&self, objects: &[Object]) -> Result<()> {
        let until = match self.conduct.wait {
            Wait::Hooks if !self.conduct.rollback_on_failure => return Ok(()),
            Wait::Hooks | Wait::Ready => Until::Ready,
            Wait::JobsDone => Until::JobsDone,
        };
        self.step("waiting until all is ready".to_owned());
        let (timeout, progress) = (self.conduct.timeout, self.told.progress);
        let ready = until_ready(&self.applier, objects, until, timeout, progress);
        Ok(ready.await??)
    }

    /// Applies one object.
    pub(super) async fn apply_one(
        &self,
        object: &Object,
        expected: Expected,
    ) -> Result<DynamicObject> {
        let waits = || {
            let text = format!(
                "{} is being deleted: waiting until it is gone",
                object.label()
            );
            self.told.progress.waiting(text);
        };
        let applied = self
            .applier
            .apply_anew(object, expected, self.limit(), waits);
        let error = match Box::pin(applied).await {
            Ok(live) => return Ok(live),
            Err(error) => error,
        };
        let Error::Refused { owners, .. } = &error else {
            return Err(error.into());
        };
        let namespace = self.applier.namespace(object).await?;
        let conflict = owners.is_some();
        let (name, kind, version) = (&object.name, &object.kind, &object.api_version);
        // Go writes the core group as nothing before the slash.
        let core = if version.contains('/') { "" } else { "/" };
        let object = format!("{namespace}/{name} {core}{version}, Kind={kind}");
        let source = Box::new(error);
        Err(if conflict {
            ActionError::Conflict { object, source }
        } else {
            ActionError::Apply { object, source }
        })
    }

    /// Writes the end of the work into its record.
    pub(super) async fn finish(
        &self,
        record: &Record,
        release: Release,
        version: String,
    ) -> Result<Record> {
        let records = &self.records;
        let done = records.replace(record, release, Work::Done, version);
        done.await?.ok_or(ActionError::TakenOver)
    }

    /// Marks what ran before.
    async fn supersede(&self, revision: &Revision) -> Result<()> {
        for old in &revision.history {
            match old.release.info.status {
                Status::Deployed => self.mark_superseded(old, None).await?,
                Status::Uninstalled => {
                    self.mark_superseded(old, Some("superseded by new release"))
                        .await?;
                }
                _ if revision.over == Some(old.release.version) => {
                    self.mark_superseded(old, None).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn mark_superseded(&self, old: &Record, description: Option<&str>) -> Result<()> {
        let mut release = old.release.clone();
        if let Some(description) = description {
            description.clone_into(&mut release.info.description);
        }
        release.info.status = Status::Superseded;
        let (records, version) = (&self.records, old.resource_version());
        let superseded = records.replace(old, release, Work::Done, version).await?;
        if superseded.is_none() {
            tracing::debug!(revision = old.release.version, "changed, not superseded");
        }
        Ok(())
    }

    /// Makes room for one revision more. What runs stays.
    async fn forget_oldest(&self, revision: &Revision) -> Result<(), Error> {
        let releases = revision.history.iter().map(|r| r.release.clone()).collect();
        let history = History::new(self.name, releases);
        for number in history.to_prune(revision.keeps) {
            self.records.delete(number).await?;
        }
        Ok(())
    }

    /// Deletes what a revision that failed has made.
    async fn clean_up(&self, made: &[Object]) -> Result<()> {
        let none = BTreeSet::new();
        let asked = removal::ask(&self.applier, made, Claims::ByPolicy, &none).await?;
        let gone = removal::gone(
            &self.applier,
            &asked.going,
            self.limit(),
            self.told.progress,
        );
        Ok(gone.await?)
    }
}

/// The newest of these revisions that came to its end.
pub(super) fn last_success(history: &[Record]) -> Option<&Record> {
    let mut newest = history.iter().rev();
    newest.find(|record| {
        let status = record.release.info.status;
        matches!(status, Status::Superseded | Status::Deployed)
    })
}

/// The revision whose objects are there, as helm upgrade looks for it.
///
/// # Errors
/// When there is none, or another command works on the release.
pub(super) fn current<'r>(name: &str, history: &'r [Record]) -> Result<&'r Record> {
    let none = || ActionError::NoDeployedRelease(name.to_owned());
    let last = history.last().ok_or_else(none)?;
    if last.release.info.status.is_pending() {
        return Err(ActionError::Pending);
    }
    if let Some(running) = revisions::running(history) {
        return Ok(running);
    }
    let status = last.release.info.status;
    let usable = matches!(status, Status::Failed | Status::Superseded);
    usable.then_some(last).ok_or_else(none)
}
