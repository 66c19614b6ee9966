//! The demo MCP server inside the mcpt binary: a first server to deploy that needs nothing else.
//!
//! It speaks streamable HTTP at `/mcp` in both protocol eras: sessions for clients up to 2025-11-25, no sessions for
//! those of 2026-07-28. `/healthz` answers 200 while the process lives.

mod http;
mod settings;
mod tools;

use std::{future::Future, io, net::SocketAddr};

use tokio::net::TcpListener;

pub use self::settings::DemoSettings;

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

/// Serves `/mcp` and `/healthz` on `listen`, with settings from the environment, until `shutdown` completes; then lets
/// calls in progress finish.
///
/// # Errors
/// [`DemoError`] when the address cannot be bound.
pub async fn run(
    listen: SocketAddr,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    let listener = mcpt_http::listen(listen)
        .and_then(TcpListener::from_std)
        .map_err(|source| DemoError::Listen {
            address: listen,
            source,
        })?;
    serve(listener, DemoSettings::from_env(listen), shutdown).await
}

/// Like [`run`], on a listener that is already bound and with given settings.
///
/// # Errors
/// [`DemoError`] when connections cannot be accepted.
pub async fn serve(
    listener: TcpListener,
    settings: DemoSettings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DemoError> {
    http::serve(listener, settings, shutdown)
        .await
        .map_err(DemoError::Serve)
}
