//! `mcpt keep`: the process between the bridge and a server, which ends after all that the server starts. Started by the
//! bridge, never by hand.

use std::{ffi::OsString, process::ExitCode};

use crate::ending::Ending;
use clap::Args;
use mcpt_core::{Failure, FailureKind};

/// Arguments of `mcpt keep`.
#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// What a keeper is told: its parent, a grace in milliseconds, and the command
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "WORDS"
    )]
    words: Vec<OsString>,
}

/// How this binary is called to be a keeper: itself, also when there is a newer one in its place meanwhile.
pub(crate) fn own_words() -> [OsString; 2] {
    ["/proc/self/exe", "keep"].map(Into::into)
}

impl Keep {
    /// Keeps a server, and ends as it does.
    pub(crate) fn run(&self) -> Result<ExitCode, Ending> {
        process_tree::keep(&own_words(), &self.words).map_err(|error| {
            let failed = Failure::new(FailureKind::Failed, "cannot keep the server");
            failed.caused_by(&error).into()
        })
    }
}
