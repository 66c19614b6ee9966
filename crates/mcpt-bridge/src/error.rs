//! Why the bridge could not run.

use std::{io, net::SocketAddr};

/// Failure of the bridge as a whole; faults of single sessions are answered to their clients.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// No program was named.
    #[error("no command given for the stdio server")]
    NoCommand,
    /// The endpoint's path is not usable.
    #[error(
        "path {0:?} must begin with '/', have only characters of a URL's path, and be none of /, /healthz and /readyz"
    )]
    BadPath(String),
    /// The command cannot be executed at all.
    #[error("{0}")]
    Command(String),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system does not let us watch for orphans.
    #[error("cannot take in orphaned processes")]
    Reaper(#[source] io::Error),
    /// Accepting connections failed for good.
    #[error("cannot serve HTTP")]
    Serve(#[source] io::Error),
}
