//! The revisions of a release, and what may follow them.

use crate::{Error, Release, Status};

/// How many revisions Helm keeps if nobody says otherwise.
pub const DEFAULT_MAX_HISTORY: usize = 10;

/// The revisions of one release, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    name: String,
    revisions: Vec<Release>,
}

/// What a deploy has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<'a> {
    /// There is nothing yet, or nothing any more.
    Install {
        /// The number of the new revision.
        revision: u32,
    },
    /// There is something to lay the new revision over.
    Upgrade {
        /// The revision whose objects are in the cluster.
        current: &'a Release,
        /// The number of the new revision.
        revision: u32,
    },
}

impl History {
    /// The history of a release, from its revisions in any order.
    pub fn new(name: impl Into<String>, mut revisions: Vec<Release>) -> Self {
        revisions.sort_by_key(|release| release.version);
        Self {
            name: name.into(),
            revisions,
        }
    }

    /// All revisions, oldest first.
    pub fn revisions(&self) -> &[Release] {
        &self.revisions
    }

    /// The newest revision, whatever became of it.
    pub fn last(&self) -> Option<&Release> {
        self.revisions.last()
    }

    /// The newest revision that is deployed.
    pub fn deployed(&self) -> Option<&Release> {
        self.with_status(Status::Deployed).last()
    }

    /// A revision by its number.
    pub fn revision(&self, number: u32) -> Option<&Release> {
        self.revisions
            .iter()
            .find(|release| release.version == number)
    }

    fn with_status(&self, status: Status) -> impl DoubleEndedIterator<Item = &Release> {
        self.revisions
            .iter()
            .filter(move |release| release.info.status == status)
    }

    /// The number that a new revision gets.
    pub fn next_revision(&self) -> u32 {
        self.last().map_or(1, |last| last.version + 1)
    }

    /// What `helm upgrade --install` would do now.
    ///
    /// # Errors
    /// When something is under way or was interrupted, or the release has revisions but none to build on.
    pub fn next(&self) -> Result<Next<'_>, Error> {
        let revision = self.next_revision();
        let Some(last) = self.last() else {
            return Ok(Next::Install { revision });
        };
        let status = last.info.status;
        if status.is_pending() {
            return Err(Error::Pending {
                revision: last.version,
                status,
            });
        }
        if status == Status::Uninstalled {
            return Ok(Next::Install { revision });
        }
        // After a failure there may be nothing deployed; then the failed revision's objects are what there is.
        let usable = matches!(status, Status::Failed | Status::Superseded);
        let current = self.deployed().or_else(|| usable.then_some(last));
        current
            .map(|current| Next::Upgrade { current, revision })
            .ok_or_else(|| Error::NoDeployedRelease {
                name: self.name.clone(),
            })
    }

    /// The revisions that lose their place once `deployed` runs: every other one that says it is deployed.
    pub fn to_supersede(&self, deployed: u32) -> Vec<&Release> {
        self.with_status(Status::Deployed)
            .filter(|release| release.version != deployed)
            .collect()
    }

    /// The revisions to delete before one more is stored, so that `max` are left with it; the deployed one stays. With 0 all
    /// stay.
    pub fn to_prune(&self, max: usize) -> Vec<u32> {
        if max == 0 {
            return Vec::new();
        }
        let surplus = (self.revisions.len() + 1).saturating_sub(max);
        let deployed = self.deployed().map(|release| release.version);
        let numbers = self.revisions.iter().map(|release| release.version);
        numbers
            .filter(|number| Some(*number) != deployed)
            .take(surplus)
            .collect()
    }
}
