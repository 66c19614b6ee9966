//! The options of commands that remove a release.

use std::time::Duration;

use clap::Args;
use mcpt_core::DeleteOptions;

use crate::duration;

/// How it is removed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Deletion {
    /// Also its namespace, if nothing else is in it
    #[arg(
        long = "delete-namespace",
        conflicts_with = "no_wait",
        id = "delete_namespace"
    )]
    and_namespace: bool,
    /// Return once the deletion has begun
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long to wait for its end
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    timeout: Duration,
}

impl Deletion {
    /// For the backend: with the volumes that were to stay, or without.
    pub(crate) fn options(&self, purge_data: bool) -> DeleteOptions {
        DeleteOptions {
            wait: (!self.no_wait).then_some(self.timeout),
            purge_data,
            keep_work: false,
            delete_namespace: self.and_namespace,
        }
    }
}
