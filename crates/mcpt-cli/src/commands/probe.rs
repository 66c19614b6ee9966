//! `mcpt probe`: whether an MCP server answers; the exec probe of pods, so it must start in milliseconds.

use std::{fmt, time::Duration};

use clap::Args;
use mcpt_core::Failure;

use crate::{ending::Ending, runtime};

/// Arguments of `mcpt probe`.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// URL of the MCP endpoint
    url: String,
    /// Succeed when a GET of the URL is answered with status 200, MCP or not
    #[arg(long)]
    http_get: bool,
    /// Ask at this machine's own address, as others reach it, though by the URL's host name: a server that listens on the
    /// loopback only does not answer there
    #[arg(long, conflicts_with = "http_get")]
    as_others: bool,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    timeout: f64,
}

impl Probe {
    /// Succeeds when the one exchange did.
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let timeout = Duration::from_secs_f64(self.timeout);
        runtime::run(async {
            let answered = if self.http_get {
                mcpt_client::http_get(&self.url, timeout).await.map(drop)
            } else if self.as_others {
                mcpt_client::probe_as_others(&self.url, timeout)
                    .await
                    .map(drop)
            } else {
                mcpt_client::probe(&self.url, timeout).await.map(drop)
            };
            answered.map_err(|error| Failure::new(error.kind(), error.to_string()).into())
        })
    }
}

/// The text is no number of seconds that can be waited.
#[derive(Debug, Clone, Copy)]
struct NoSeconds;

impl fmt::Display for NoSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected seconds above 0")
    }
}

impl std::error::Error for NoSeconds {}

fn seconds(text: &str) -> Result<f64, NoSeconds> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86_400.0 => Ok(seconds),
        _ => Err(NoSeconds),
    }
}
