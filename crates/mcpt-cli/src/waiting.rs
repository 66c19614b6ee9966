//! The options of commands that wait for what they changed.

use std::time::Duration;

use clap::Args;
use mcpt_core::ChangeOptions;

use crate::duration;

/// Whether and how long to wait.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Waiting {
    /// Return when all wanted instances are ready and it answers; this is the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return as soon as the change has begun
    #[arg(long)]
    no_wait: bool,
    /// How long to wait at most
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
}

/// The options of commands that change what is configured, too.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Changing {
    #[command(flatten)]
    waiting: Waiting,
    /// Take over fields that another tool changed since, such as kubectl set image (Kubernetes)
    #[arg(long)]
    force_conflicts: bool,
}

impl Waiting {
    /// For the backend.
    pub(crate) fn options(self) -> ChangeOptions {
        ChangeOptions {
            wait: !self.no_wait,
            timeout: self.timeout,
            force_conflicts: false,
        }
    }
}

impl Changing {
    /// For the backend.
    pub(crate) fn options(self) -> ChangeOptions {
        ChangeOptions {
            force_conflicts: self.force_conflicts,
            ..self.waiting.options()
        }
    }
}
