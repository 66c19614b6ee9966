//! The log on standard error: of the servers inside the binary always, of other commands when `-v` asks for it.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::messages;

/// What the names of our own crates begin with that have something to tell.
const PARTS: [&str; 5] = [
    "helm_install",
    "kube_access",
    "kube_observe",
    "mcp_registry",
    "mcpt_",
];

/// Starts the log of a server: what it does is worth telling.
pub(crate) fn start_for_server(verbose: u8) {
    start(["info", "debug", "trace"], verbose);
}

/// Starts the log of a command, if it was asked for.
pub(crate) fn start_for_command(verbose: u8) {
    if verbose > 0 {
        start(["warn", "debug", "trace"], verbose);
    }
}

/// `levels` by the number of `-v`. `MCPT_LOG` wins: a level, or a filter like `mcpt_bridge=debug`.
fn start(levels: [&str; 3], verbose: u8) {
    let [usual, more, most] = levels;
    let level = match verbose {
        0 => usual,
        1 => more,
        _ => most,
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
    let parts = PARTS.map(|part| format!(",{part}={level}"));
    EnvFilter::new(format!("warn{}", parts.concat()))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn every_crate_of_ours_is_heard_and_no_library() {
        let log = tracing_subscriber::fmt()
            .with_env_filter(of_our_own("debug"))
            .with_writer(io::sink)
            .finish();
        tracing::subscriber::with_default(log, || {
            assert!(tracing::enabled!(target: "mcpt_kube::change", Level::DEBUG));
            assert!(tracing::enabled!(target: "mcpt_with_memory", Level::DEBUG));
            assert!(tracing::enabled!(target: "helm_install", Level::DEBUG));
            assert!(!tracing::enabled!(target: "mcpt_kube::change", Level::TRACE));
            assert!(!tracing::enabled!(target: "kube_client::client", Level::DEBUG));
            assert!(tracing::enabled!(target: "kube_client::client", Level::WARN));
        });
    }
}
