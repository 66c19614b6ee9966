//! Helm releases as Helm itself stores them: one Secret per revision, which `helm list`, `status`, `get`, `upgrade`, `rollback` and
//! `uninstall` of Helm 3 and 4 read, and the rules of which revision may follow which.
//!
//! There is no I/O here: [`ReleaseSecret`] is what to write to a cluster and what was read from it; [`History`] says what may
//! be done next.

mod chart;
mod error;
mod history;
mod hook;
mod record;
mod secret;

pub use chart::{ChartFile, ChartRecord, as_helm_reads};
pub use error::Error;
pub use history::{DEFAULT_MAX_HISTORY, History, Next};
pub use hook::{Hook, HookEvent, HookExecution, HookPhase, hooks_for};
pub use record::{APPLY_METHOD_CLIENT_SIDE, APPLY_METHOD_SERVER_SIDE, Info, Release, Status};
pub use secret::{MAX_SECRET_BYTES, ReleaseSecret, SECRET_TYPE, secret_name};

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
