//! `mcpt bridge`: a stdio MCP server as streamable HTTP.

use std::ffi::OsString;

use clap::Args;
use mcpt_bridge::BridgeConfig;
use mcpt_core::{Failure, FailureKind};

use super::listen::Listen;
use crate::{args::Global, ending::Ending, log, runtime};

/// Arguments of `mcpt bridge`.
#[derive(Debug, Args)]
#[command(
    after_help = "The MCP endpoint is at --path; /healthz and /readyz tell how the bridge is.

Example:
  mcpt bridge --listen 127.0.0.1:9000 -- npx -y @modelcontextprotocol/server-everything"
)]
pub(crate) struct Bridge {
    #[command(flatten)]
    listen: Listen,
    /// Path of the MCP endpoint
    #[arg(long, value_name = "PATH", default_value = "/mcp")]
    path: String,
    /// Program and arguments of the stdio server; one is started for each session
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Bridge {
    /// Serves until it is told to end.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        log::start_for_server(global.verbose);
        let mut config = BridgeConfig::new(self.listen.address(), self.command).allow_from_env();
        config.path = self.path;
        config.check().map_err(|error| {
            Failure::new(FailureKind::Usage, "cannot start the bridge").caused_by(&error)
        })?;
        runtime::serve("the bridge failed", |shutdown| {
            mcpt_bridge::run(config, shutdown)
        })
    }
}
