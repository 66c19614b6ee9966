//! What a chart is rendered for and what it becomes.

use helm_release::{Hook, Status};
use mcpt_core::{Progress, ProgressEvent};

/// Which revision a chart is rendered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// The first.
    Install {
        /// Its number.
        revision: u32,
    },
    /// One over another.
    Upgrade {
        /// Its number.
        revision: u32,
    },
}

impl When {
    /// Number of the revision.
    pub(crate) fn revision(self) -> u32 {
        match self {
            Self::Install { revision } | Self::Upgrade { revision } => revision,
        }
    }

    /// Status while it is worked on.
    pub(crate) fn pending(self) -> Status {
        match self {
            Self::Install { .. } => Status::PendingInstall,
            Self::Upgrade { .. } => Status::PendingUpgrade,
        }
    }

    /// Helm's description of the beginning.
    pub(crate) fn begun(self) -> &'static str {
        match self {
            Self::Install { .. } => "Initial install underway",
            Self::Upgrade { .. } => "Preparing upgrade",
        }
    }
}

/// What a chart became.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rendered {
    /// Objects in install order, as one YAML stream.
    pub(crate) manifest: String,
    /// Hooks.
    pub(crate) hooks: Vec<Hook>,
    /// Notes.
    pub(crate) notes: String,
    /// What Helm would log on the way.
    pub(crate) warnings: Vec<String>,
}

impl Rendered {
    /// Tells what Helm would log.
    pub(crate) fn warn(&self, progress: &dyn Progress) {
        for warning in &self.warnings {
            progress.event(ProgressEvent::Warning(warning.clone()));
        }
    }
}
