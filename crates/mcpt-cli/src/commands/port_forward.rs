//! `mcpt port-forward NAME`: a port of this machine that leads to a server elsewhere.

use clap::Args;
use mcpt_core::{Capability, ServerName};
use serde::Serialize;

use crate::{
    args::{Format, Global},
    ending::Ending,
    output, place, runtime,
    user_config::UserConfig,
};

/// Arguments of `mcpt port-forward`.
#[derive(Debug, Args)]
#[command(
    after_help = "The first line is the URL. The port leads to one ready instance, and to another one when that is gone: it stays over restarts and \
        updates. Ctrl-C ends it. Servers of other backends have a URL of this machine already: mcpt status.

Examples:
  mcpt -b kubernetes port-forward demo
  mcpt -b kubernetes port-forward demo --port 8931"
)]
pub(crate) struct PortForward {
    /// Name of the server
    name: ServerName,
    /// Port of this machine [default: a free one]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    port: u16,
}

/// What is forwarded. Its JSON is a contract of `-o json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Forwarded<'a> {
    name: &'a ServerName,
    /// URL of the server's MCP endpoint on this machine.
    url: &'a str,
}

impl PortForward {
    /// Forwards until it is interrupted.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        runtime::run(async {
            let what = format!("cannot forward a port to {}", self.name);
            let needed = Capability::Forwarding;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            let way = backend.forward(&self.name, self.port).await?;
            let forwarded = Forwarded {
                name: &self.name,
                url: &way.url,
            };
            match global.output {
                Format::Json => output::json_line(&forwarded)?,
                Format::Yaml => output::yaml(&forwarded)?,
                Format::Table | Format::Wide | Format::Name => output::line(&way.url)?,
            }
            // Whoever interrupts it ends it; the way is open as long as it is held.
            std::future::pending::<Result<(), Ending>>().await
        })
        .map_err(|ending| ending.silent_when_followed(true))
    }
}
