//! [`Conduct`]: how a command on a release works.

use std::{collections::BTreeMap, time::Duration};

use super::Method;

/// What a command waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wait {
    /// For hooks alone.
    #[default]
    Hooks,
    /// Until all objects are ready.
    Ready,
    /// And all jobs done.
    JobsDone,
}

/// How a command works. The default is helm's, but for the time, which is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conduct {
    /// What it waits for.
    pub wait: Wait,
    /// How long at most for each thing that is waited for.
    pub timeout: Duration,
    /// Runs no hooks.
    pub no_hooks: bool,
    /// Takes over fields that others own.
    pub force_conflicts: bool,
    /// Who decides between two who want the same field.
    pub method: Method,
    /// Puts objects in the place of those that are there, where they are not merged by the API server alone.
    pub force_replace: bool,
    /// Takes over objects that are there and of no release, or of another.
    pub take_ownership: bool,
    /// Puts everything back as it was when it fails.
    pub rollback_on_failure: bool,
    /// Deletes what an upgrade that failed has made.
    pub cleanup_on_fail: bool,
    /// What the record says, in place of helm's words.
    pub description: Option<String>,
    /// How many revisions are kept; 0 for all.
    pub max_history: usize,
    /// Labels of the record, besides those of the record before. The text `null` takes one away.
    pub labels: BTreeMap<String, String>,
}
