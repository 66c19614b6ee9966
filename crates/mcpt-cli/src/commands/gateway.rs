//! `mcpt gateway`: one address for all servers.

mod run;

use clap::{Args, Subcommand};

use crate::{args::Global, ending::Ending};

/// Arguments of `mcpt gateway`.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve all servers at one address, here and now
    Run(run::Run),
}

impl Gateway {
    /// Does what is asked for.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        match self.action {
            Action::Run(run) => run.run(global),
        }
    }
}
