//! `mcpt bridge`: a stdio MCP server as streamable HTTP.

use std::{ffi::OsString, time::Duration};

use clap::Args;
use mcpt_bridge::BridgeConfig;
use mcpt_core::{Failure, FailureKind};

use super::{keep, listen::Listen};
use crate::{args::Global, duration, ending::Ending, log, runtime};

/// Arguments of `mcpt bridge`.
#[derive(Debug, Args)]
#[command(
    after_help = "The MCP endpoint is at --path; clients of the older HTTP transport find it at /sse.
/healthz and /readyz tell how the bridge is.

Example:
  mcpt bridge --listen 127.0.0.1:9000 -- npx -y @modelcontextprotocol/server-everything"
)]
pub(crate) struct Bridge {
    #[command(flatten)]
    listen: Listen,
    /// Path of the MCP endpoint
    #[arg(long, value_name = "PATH", default_value = "/mcp")]
    path: String,
    /// How long the server may take to answer initialize: one that is fetched at its first start takes minutes
    #[arg(
        long,
        value_name = "TIME",
        value_parser = duration::parse,
        default_value = "5m",
        env = "MCPT_BRIDGE_START_TIMEOUT"
    )]
    start_timeout: Duration,
    /// Most sessions at once, that is processes of the server. With 1 it never runs twice, as one that locks a database must
    /// not
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        env = "MCPT_BRIDGE_MAX_SESSIONS"
    )]
    max_sessions: u32,
    /// Program and arguments of the stdio server; one is started for each session, and for requests that have none
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Bridge {
    /// Serves until it is told to end.
    pub(crate) fn run(self, global: &Global) -> Result<(), Ending> {
        log::start_for_server(global.verbose);
        let mut config = BridgeConfig::new(self.listen.address(), self.command).allow_from_env();
        config.path = self.path;
        config.initialize_timeout = self.start_timeout;
        config.max_sessions = self.max_sessions as usize;
        config.keeper = keep::own_words().to_vec();
        config.check().map_err(|error| {
            Failure::new(FailureKind::Usage, "cannot start the bridge").caused_by(&error)
        })?;
        runtime::serve("the bridge failed", |shutdown| {
            mcpt_bridge::run(config, shutdown)
        })
    }
}
