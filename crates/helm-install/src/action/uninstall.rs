//! [`Uninstall`]: the end of a release.

use std::{collections::BTreeSet, fmt::Write as _};

use helm_release::{Hook, HookEvent, Release, Status};
use helm_render::uninstall_order;
use kube::api::PropagationPolicy;

use super::{Action, ActionError, Result, Wait, install::done};
use crate::{
    Heartbeat, Object, Record, Work, manifest,
    removal::{self, Claims, DeletionRequests},
    revisions,
};

/// What becomes of the dependents of objects that are deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cascade {
    /// They go after it.
    #[default]
    Background,
    /// They go before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// Removes a release and what is of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uninstall {
    /// Keeps the records.
    pub keep_history: bool,
    /// What becomes of dependents.
    pub cascade: Cascade,
}

/// What was removed.
#[derive(Debug)]
pub struct Uninstalled {
    /// The last revision.
    pub release: Release,
    /// What stays and why, in helm's words; empty when nothing does.
    pub info: String,
}

/// What a removal has come to, besides errors that did not end it.
#[derive(Debug, Default)]
struct Removed {
    info: String,
    errors: Vec<ActionError>,
}

impl Uninstall {
    /// Removes it.
    ///
    /// # Errors
    /// When there is no such release, or a hook fails that comes before. What fails later is told when all is done.
    pub async fn run(&self, action: &Action<'_>) -> Result<Uninstalled> {
        let history = action.settled_or_foreign().await?;
        let Some(last) = history.last() else {
            return Err(ActionError::NotLoaded(action.name.to_owned()));
        };
        if last.release.info.status == Status::Uninstalled {
            return self.forget_what_is_gone(action, &history, last).await;
        }
        let mut release = last.release.clone();
        revisions::begin_deletion(&mut release.info);
        let version = last.resource_version();
        let records = &action.records;
        action.is_recorded();
        let marked = records.replace(last, release.clone(), Work::UnderWay, version);
        let record = marked.await?.ok_or(ActionError::Pending)?;
        // An upgrade makes its record and then looks at the last one, as this looks for a newer one: at least one sees the other.
        if records.get(last.release.version + 1).await?.is_some() {
            let (was, version) = (last.release.clone(), record.resource_version());
            records.replace(&record, was, Work::Done, version).await?;
            return Err(ActionError::Pending);
        }
        let mut heartbeat = Heartbeat::start(action.cluster, records.tool(), &record);
        let work = self.remove(action, &history, &mut release.hooks);
        let work = Box::pin(action.unless_cancelled(work));
        let removed = heartbeat.during(work).await?;
        let version = heartbeat.stop().await?;
        let mut removed = match removed {
            Ok(removed) => removed,
            Err(error) => {
                release.info.status = Status::Failed;
                release.info.description = format!("Deletion failed: {error}");
                action.finish(&record, release, version).await?;
                return Err(error);
            }
        };
        release.info.status = Status::Uninstalled;
        release.info.description = done(action, "Uninstallation complete");
        if self.keep_history {
            action.finish(&record, release.clone(), version).await?;
            self.supersede(action, &history).await?;
        } else if let Err(error) = forget(action, &history).await {
            removed.errors.push(error);
        }
        if !removed.errors.is_empty() {
            return Err(ActionError::Uninstalled(removed.errors));
        }
        Ok(Uninstalled {
            release,
            info: removed.info,
        })
    }

    /// What it would remove, and what it would keep.
    ///
    /// # Errors
    /// When there is no such release.
    pub async fn check(&self, action: &Action<'_>) -> Result<Uninstalled> {
        let history = action.records.all().await?;
        let last = history.last().ok_or(ActionError::NotFound)?;
        let objects = manifest::of_release(&last.release)?;
        let kept = kept_by_policy(&objects);
        Ok(Uninstalled {
            release: last.release.clone(),
            info: info(&kept, &[]),
        })
    }

    async fn forget_what_is_gone(
        &self,
        action: &Action<'_>,
        history: &[Record],
        last: &Record,
    ) -> Result<Uninstalled> {
        if self.keep_history {
            return Err(ActionError::AlreadyDeleted(action.name.to_owned()));
        }
        forget(action, history).await?;
        Ok(Uninstalled {
            release: last.release.clone(),
            info: String::new(),
        })
    }

    async fn remove(
        &self,
        action: &Action<'_>,
        history: &[Record],
        hooks: &mut [Hook],
    ) -> Result<Removed> {
        action.run_hooks(hooks, HookEvent::PreDelete).await?;
        let objects = objects(history)?;
        action.step(format!("deleting {} object(s)", objects.len()));
        let applier = action.applier.clone().with_dependents(match self.cascade {
            Cascade::Background => PropagationPolicy::Background,
            Cascade::Foreground => PropagationPolicy::Foreground,
            Cascade::Orphan => PropagationPolicy::Orphan,
        });
        let asked = removal::ask(&applier, &objects, Claims::ByPolicy, &BTreeSet::new()).await;
        let DeletionRequests {
            going,
            kept,
            foreign,
        } = asked.map_err(|error| ActionError::NotDeleted {
            name: action.name.to_owned(),
            source: Box::new(error),
        })?;
        let mut all_kept = kept_by_policy(&objects);
        let by_live = kept.iter().filter(|kept| !kept.is_kept());
        all_kept.extend(by_live);
        let mut removed = Removed {
            info: info(&all_kept, &foreign.iter().collect::<Vec<_>>()),
            errors: Vec::new(),
        };
        if action.conduct.wait != Wait::Hooks {
            let gone = removal::gone(&applier, &going, action.limit(), action.told.progress).await;
            removed.errors.extend(gone.err().map(ActionError::Install));
        }
        let ran = action.run_hooks(hooks, HookEvent::PostDelete).await;
        removed.errors.extend(ran.err());
        Ok(removed)
    }

    async fn supersede(&self, action: &Action<'_>, history: &[Record]) -> Result<()> {
        let older = history.split_last().map_or(&[][..], |(_, older)| older);
        for old in older {
            if old.release.info.status == Status::Deployed {
                let mut release = old.release.clone();
                release.info.status = Status::Superseded;
                let version = old.resource_version();
                let records = &action.records;
                records.replace(old, release, Work::Done, version).await?;
            }
        }
        Ok(())
    }
}

/// All that is of a release: the objects of its last revision, and those that earlier ones may have left.
fn objects(history: &[Record]) -> Result<Vec<Object>> {
    let mut all = Vec::new();
    for record in revisions::since_the_end(history).iter().rev() {
        let found = manifest::of_release(&record.release)?;
        if all.is_empty() {
            all = found;
        } else {
            let older = manifest::pruned(&found, &all);
            all.extend(older);
        }
    }
    Ok(all)
}

/// Deletes all records, the last one last: as long as it is there, another command takes the work up again.
async fn forget(action: &Action<'_>, history: &[Record]) -> Result<()> {
    for record in history {
        action.records.delete(record.release.version).await?;
    }
    Ok(())
}

fn kept_by_policy(objects: &[Object]) -> Vec<&Object> {
    let mut kept: Vec<&Object> = objects.iter().filter(|object| object.is_kept()).collect();
    kept.sort_by(|a, b| uninstall_order(&a.kind, &b.kind));
    kept
}

/// What stays, in helm's words.
fn info(kept: &[&Object], foreign: &[&Object]) -> String {
    let mut text = String::new();
    let list = |text: &mut String, objects: &[&Object]| {
        for object in objects {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "[{}] {}", object.kind, object.name);
        }
    };
    if !kept.is_empty() {
        text.push_str("These resources were kept due to the resource policy:\n");
        list(&mut text, kept);
    }
    if !foreign.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(
            text,
            "{} resource(s) were not deleted because they are not owned by this release:",
            foreign.len()
        );
        list(&mut text, foreign);
    }
    text
}
