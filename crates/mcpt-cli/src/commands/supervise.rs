//! `mcpt supervise`: the process that stays with a server of the process backend. Started by `mcpt deploy`, never by hand.

use std::ffi::OsString;

use clap::Args;
use mcpt_core::{Failure, FailureKind};

use crate::ending::Ending;

/// Arguments of `mcpt supervise`.
#[derive(Debug, Args)]
pub(crate) struct Supervise {
    /// Process id of the supervisor that COMMAND belongs to
    #[arg(long, value_name = "PID", requires = "command")]
    parent: Option<u32>,
    /// Become this command, which ends with the supervisor
    #[arg(last = true, value_name = "COMMAND", requires = "parent")]
    command: Vec<OsString>,
}

impl Supervise {
    /// Supervises a server, or becomes one.
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let failed = |error: std::io::Error| {
            let what = if self.parent.is_some() {
                "cannot start the server"
            } else {
                "the supervisor failed"
            };
            Failure::new(FailureKind::Failed, what).caused_by(&error)
        };
        match self.parent {
            Some(parent) => Err(failed(mcpt_process::become_server(parent, &self.command)).into()),
            None => Ok(mcpt_process::supervise().map_err(failed)?),
        }
    }
}
