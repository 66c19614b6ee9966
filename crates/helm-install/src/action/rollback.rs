//! [`Rollback`]: an earlier revision of a release again, as a new one.

use helm_release::{HookEvent, Info, Release, Status};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Action, ActionError, HookPoint, Result,
    performing::{Revision, UPDATE},
};
use crate::{Record, custom_labels, revisions::ROLLBACK_REVISION};

/// Longest description, in characters.
pub const LONGEST_DESCRIPTION: usize = 512;

/// Goes back to an earlier revision.
#[derive(Debug, Clone, Copy)]
pub struct Rollback {
    /// Its number; 0 for the one before the last.
    pub to: i64,
    /// Whether the description that was given is this one's; else it is another command's, which this one undoes.
    pub describes: bool,
}

impl Rollback {
    /// Goes back.
    ///
    /// # Errors
    /// When there is no such revision, an object is refused, a hook fails, or what is waited for is not ready in time.
    pub async fn run(&self, action: &Action<'_>) -> Result<()> {
        let history = action.settled_or_foreign().await?;
        let revision = self.revision(action, history)?;
        let checked = action.checked(revision, UPDATE).await?;
        let name = action.name.to_owned();
        let done = Box::pin(action.perform(checked)).await?;
        done.map(drop).map_err(|broken| match broken.error {
            error @ ActionError::NotReady(_) => ActionError::RollbackFailed {
                name,
                source: Box::new(error),
            },
            other => other,
        })
    }

    /// Whether it could be done.
    ///
    /// # Errors
    /// When there is no such revision.
    pub async fn check(&self, action: &Action<'_>) -> Result<()> {
        let history = action.records.all().await?;
        self.revision(action, history).map(drop)
    }

    fn revision(&self, action: &Action<'_>, history: Vec<Record>) -> Result<Revision> {
        let last = history.last().ok_or(ActionError::NotFound)?;
        let last = &last.release;
        let to = match self.to {
            number if number < 0 => return Err(ActionError::InvalidRevision),
            0 => i64::from(last.version) - 1,
            number => number,
        };
        let mut all = history.iter();
        let target = all.find(|record| i64::from(record.release.version) == to);
        let target = target.ok_or(ActionError::NoRevision(to))?;
        let own = action.conduct.description.clone();
        let description = own
            .filter(|_| self.describes)
            .unwrap_or_else(|| format!("Rollback to {to}"));
        let mut info = Info {
            first_deployed: last.info.first_deployed.clone(),
            last_deployed: Timestamp::now().to_string(),
            status: Status::PendingRollback,
            notes: target.release.info.notes.clone(),
            description: description.clone(),
            ..Info::default()
        };
        info.other.insert(ROLLBACK_REVISION.to_owned(), json!(to));
        let release = Release {
            version: last.version + 1,
            namespace: last.namespace.clone(),
            apply_method: action.conduct.method.recorded(Some(&target.release)),
            info,
            ..target.release.clone()
        };
        action.refuse_both(&release)?;
        Ok(Revision {
            release,
            labels: custom_labels(&target.metadata),
            history,
            over: None,
            done: description,
            keeps: action.conduct.max_history,
            hooks: [
                (HookEvent::PreRollback, HookPoint::Other),
                (HookEvent::PostRollback, HookPoint::Other),
            ],
        })
    }
}
