//! Helm releases on a cluster, for a program that installs them by itself: release records as Helm 3 and 4 read and write them,
//! the lock on a release and its heartbeat, taking over what a dead command left, and applying and removing objects so that
//! nothing is lost that others own.
//!
//! [`action`] has helm's commands for releases of any chart. The parts below it are for whoever has an order of work of his own.
//!
//! It knows nothing of what is installed. The caller says under which [`Tool`] it works, renders the chart, and waits for what
//! was applied by its own means.

pub mod action;
mod apply;
pub mod capabilities;
pub mod contents;
mod error;
mod field_managers;
mod heartbeat;
mod holder;
pub mod lookup;
pub mod manifest;
pub mod namespace;
pub mod readiness;
mod records;
pub mod removal;
mod revision_changes;
pub mod revisions;
#[cfg(any(test, feature = "scripted"))]
pub mod scripted;
mod stored;
pub mod takeover;
mod tool;
mod until_ready;
mod verdict;

pub use self::{
    apply::{Applier, Expected},
    error::{Denied, Error, Interruption, Result},
    heartbeat::Heartbeat,
    manifest::Object,
    records::{Record, Records, Work, custom_labels},
    revision_changes::RevisionChanges,
    stored::{Stored, Which, stored},
    tool::{FIELD_MANAGER, Tool},
    until_ready::{NotReady, until_ready},
};

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
