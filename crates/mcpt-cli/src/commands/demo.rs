//! `mcpt demo`: the demo MCP server inside the binary.

use clap::Args;

use super::listen::Listen;
use crate::{args::Global, ending::Ending, log, runtime};

/// Arguments of `mcpt demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    listen: Listen,
}

impl Demo {
    /// Serves until it is told to end.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        log::start_for_server(global.verbose);
        let address = self.listen.address();
        runtime::serve("the demo server failed", |shutdown| {
            mcpt_demo::run(address, shutdown)
        })
    }
}
