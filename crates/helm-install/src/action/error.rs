//! [`ActionError`]: why a command on a release failed, in helm's words.

use crate::{Error, NotReady, Object, manifest::ManifestError};

/// When hooks failed: how helm says it depends on the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookPoint {
    /// `failed pre-install: …`
    Install(&'static str),
    /// `pre-upgrade hooks failed: …`
    Upgrade(&'static str),
    /// The error alone.
    Other,
}

impl HookPoint {
    fn prefix(self) -> String {
        match self {
            Self::Install(event) => format!("failed {event}: "),
            Self::Upgrade(event) => format!("{event} hooks failed: "),
            Self::Other => String::new(),
        }
    }
}

/// Why a command on a release failed. The words are those of Helm 4 where it fails for the same reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// A release of that name is there.
    #[error("release name check failed: cannot reuse a name that is still in use")]
    NameInUse,
    /// There is none.
    #[error("release: not found")]
    NotFound,
    /// There is none, and the command says which.
    #[error("uninstall: Release not loaded: {0}: release: not found")]
    NotLoaded(String),
    /// It was uninstalled before.
    #[error("the release named {0:?} is already deleted")]
    AlreadyDeleted(String),
    /// Nothing of it runs.
    #[error("{0:?} has no deployed releases")]
    NoDeployedRelease(String),
    /// Another command works on it.
    #[error("another operation (install/upgrade/rollback) is in progress")]
    Pending,
    /// Another command was first.
    #[error("release revision {0} already exists: another command made it at the same time")]
    LostRace(u32),
    /// There is no such revision.
    #[error("release has no {0} version")]
    NoRevision(i64),
    /// A revision below nothing.
    #[error("invalid release revision")]
    InvalidRevision,
    /// Objects cannot be replaced that the API server is to merge.
    #[error("invalid operation: cannot use server-side apply and force replace together")]
    ReplacedAndMerged,
    /// The chart cannot be rendered.
    #[error(transparent)]
    Render(#[from] helm_render::Error),
    /// The chart's values cannot be laid over one another.
    #[error(transparent)]
    Values(#[from] helm_chart::Error),
    /// What was rendered are no objects.
    #[error("unable to build kubernetes objects from release manifest: {}", kube_access::chain(.0))]
    Manifest(#[from] ManifestError),
    /// The cluster does not serve the kinds of objects. Nothing was made.
    #[error("{said_before}{}", unserved(.objects))]
    Unserved {
        /// What helm says before it: of an upgrade nothing.
        said_before: &'static str,
        /// Those objects, of which there is one at least.
        objects: Vec<Object>,
    },
    /// A definition of a kind could not be installed.
    #[error("failed to install CRD {file}: {source}")]
    Definition {
        /// The file in the chart.
        file: String,
        /// Why.
        source: Box<ActionError>,
    },
    /// An object is there and not of the release.
    #[error(
        "unable to continue with {command}: {object} exists and cannot be imported into the current release: invalid ownership metadata; {why}"
    )]
    NotOwned {
        /// `install` or `update`.
        command: &'static str,
        /// `ConfigMap "a" in namespace "b"`
        object: String,
        /// What its marks lack.
        why: String,
    },
    /// An object of the name of a hook is there, and no hook made it.
    #[error("{object} exists, and was not made by a hook: it is not replaced")]
    NoHook {
        /// The object.
        object: String,
    },
    /// An object was refused.
    #[error("server-side apply failed for object {object}: {source}")]
    Apply {
        /// `namespace/name group/version, Kind=Kind`
        object: String,
        /// Why.
        source: Box<Error>,
    },
    /// Fields of an object are another manager's.
    #[error("conflict occurred while applying object {object}: {source}")]
    Conflict {
        /// As above.
        object: String,
        /// Whose.
        source: Box<Error>,
    },
    /// Objects were not ready in time, or failed.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// A hook failed.
    #[error("{}{source}", point.prefix())]
    Hook {
        /// In which command.
        point: HookPoint,
        /// Why.
        source: Box<ActionError>,
    },
    /// It failed and was undone.
    #[error(
        "release {name} failed, and has been {undone} due to rollback-on-failure being set: {source}"
    )]
    Undone {
        /// The release.
        name: String,
        /// `uninstalled` or `rolled back`
        undone: &'static str,
        /// Why it failed.
        source: Box<ActionError>,
    },
    /// It failed, and could not be undone.
    #[error(
        "an error occurred while {undoing} the release. original {command} error: {source}: {also}"
    )]
    NotUndone {
        /// `uninstalling` or `rolling back`
        undoing: &'static str,
        /// `install` or `upgrade`
        command: &'static str,
        /// Why it failed.
        source: Box<ActionError>,
        /// Why that could not be undone.
        also: Box<ActionError>,
    },
    /// It failed, and what it had made could not be deleted.
    #[error(
        "an error occurred while cleaning up resources. original {command} error: {source}: {also}"
    )]
    NotCleanedUp {
        /// `upgrade` or `rollback`
        command: &'static str,
        /// Why it failed.
        source: Box<ActionError>,
        /// Why that could not be deleted.
        also: Box<ActionError>,
    },
    /// It failed, and nothing ran before.
    #[error(
        "unable to find a previously successful release when attempting to rollback. original upgrade error: {0}"
    )]
    NothingToRollBackTo(Box<ActionError>),
    /// A release failed after a rollback.
    #[error("release {name} failed: {source}")]
    RollbackFailed {
        /// The release.
        name: String,
        /// Why.
        source: Box<ActionError>,
    },
    /// All is gone, but something failed on the way.
    #[error("uninstallation completed with {} error(s): {}", .0.len(), joined(.0))]
    Uninstalled(Vec<ActionError>),
    /// Not all could be deleted.
    #[error("failed to delete release: {name}: {source}")]
    NotDeleted {
        /// The release.
        name: String,
        /// Why.
        source: Box<Error>,
    },
    /// The work was ended from outside, and Helm says so as Go does.
    #[error("context canceled")]
    Cancelled,
    /// The record of the work was taken over by another command.
    #[error("another command took the release over")]
    TakenOver,
    /// The cluster refuses, or cannot be asked.
    #[error(transparent)]
    Install(#[from] Error),
}

fn joined(errors: &[ActionError]) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    errors.join("; ")
}

/// What the API machinery says of objects whose kinds nobody serves, several as Go joins them.
fn unserved(objects: &[Object]) -> String {
    let mut all: Vec<String> = Vec::new();
    for object in objects {
        let text = format!(
            "resource mapping not found for name: {:?} namespace: {:?} from \"\": no matches for kind {:?} in version {:?}\n\
             ensure CRDs are installed first",
            object.name,
            object.namespace.as_deref().unwrap_or_default(),
            object.kind,
            object.api_version
        );
        if !all.contains(&text) {
            all.push(text);
        }
    }
    match all.as_slice() {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

impl ActionError {
    /// Whether the work was ended from outside.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled => true,
            Self::NotCleanedUp { source, .. } => source.is_cancelled(),
            _ => false,
        }
    }

    /// In a hook of a command.
    pub(super) fn at(self, point: HookPoint) -> Self {
        Self::Hook {
            point,
            source: Box::new(self),
        }
    }
}
