//! The log of the servers inside the binary (`bridge`, `demo`): lines on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

/// Starts the log. `-v` shows more, `MCPT_LOG` takes a filter like `mcpt_bridge=debug`.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("MCPT_LOG").unwrap_or_else(|_| {
        EnvFilter::new(format!(
            "warn,mcpt={level},mcpt_bridge={level},mcpt_demo={level}"
        ))
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .init();
}
