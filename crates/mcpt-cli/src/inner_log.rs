//! The log of the servers inside the binary (`bridge`, `demo`, `gateway`): lines on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::messages;

/// Starts the log. `-v` shows more; `MCPT_LOG` takes a level, or a filter like `mcpt_bridge=debug`.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "info",
        1 => "debug",
        _ => "trace",
    };
    let wanted = std::env::var("MCPT_LOG").unwrap_or_default();
    let filter = match wanted.as_str() {
        "" => of_our_own(level),
        "error" | "warn" | "info" | "debug" | "trace" => of_our_own(&wanted),
        filter => EnvFilter::new(filter),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(messages::styled())
        .init();
}

/// A level for our own parts; of libraries only what is wrong.
fn of_our_own(level: &str) -> EnvFilter {
    EnvFilter::new(format!(
        "warn,mcpt_bridge={level},mcpt_demo={level},mcpt_gateway={level}"
    ))
}
