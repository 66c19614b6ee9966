//! A stdio MCP server as streamable HTTP.
//!
//! Each session of a client has a child process of its own, which its `initialize` started; so requests, notifications
//! and the server's own requests have one owner, and the state of one client is never seen by another. What the bridge
//! changes in a message are request ids and progress tokens, exactly and back; all else passes as it is. Requests of
//! 2026-07-28, which have no session, go to one child that all of them share, if the server speaks that version; else each
//! becomes what it is in a session, in a child that the bridge begins for it.
//!
//! In the place of a child there may be a server of the older HTTP transport ([`OlderServer`]): then each session has a stream
//! of its own there. [`Adapter`] is that within another process.

mod adapter;
mod begin;
mod child;
mod config;
mod error;
mod http;
mod lines;
mod older;
mod readiness;
mod reaper;
mod replay;
mod session;
mod sessions;
mod sse;
mod stateless;

use std::{future::Future, sync::Arc};

use tokio::net::TcpListener;

pub use self::{
    adapter::{Adapter, Unreached},
    config::BridgeConfig,
    error::BridgeError,
    older::{OlderReply, OlderServer, OlderStream},
};

/// Serves the command of `config` until `shutdown` completes, then drains: no new sessions, requests in progress
/// finish within the grace, children are ended. Meant to be all that its process does: it also takes in and reaps the
/// orphans that children leave behind, as process 1 of a container must.
///
/// # Errors
/// [`BridgeError`] when the configuration is not usable, the address cannot be bound, or the first look at the command finds
/// that it cannot be executed at all. One that fails otherwise is tried again for ever: `/readyz` tells why.
pub async fn run(
    config: BridgeConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BridgeError> {
    let listener = mcpt_http::listen(config.listen)
        .and_then(TcpListener::from_std)
        .map_err(|source| BridgeError::Listen {
            address: config.listen,
            source,
        })?;
    let reaper = reaper::start_reaper().map_err(BridgeError::Reaper)?;
    let served = serve(listener, config, shutdown).await;
    reaper.finish().await;
    served
}

/// Like [`run`], on a listener that is already bound and without taking in orphans, so that it can be one part of a
/// process among others.
///
/// # Errors
/// As [`run`].
pub async fn serve(
    listener: TcpListener,
    config: BridgeConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BridgeError> {
    config.check()?;
    http::serve(listener, Arc::new(config), shutdown).await
}
