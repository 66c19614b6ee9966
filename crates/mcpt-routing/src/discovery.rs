//! The seam to those who know which servers there are: a static list, a state folder, a cluster.

use std::sync::Arc;

use futures_util::{future::BoxFuture, stream::BoxStream};

use crate::{ServerKey, ServerSpec};

/// What a source says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// All that the source knows: what is not in it is gone. Its first one makes the source ready, and one comes again
    /// whenever a watch had to begin anew.
    Snapshot(Vec<ServerSpec>),
    /// A server appeared or changed; its endpoints are complete.
    Set(ServerSpec),
    /// A server is gone.
    Remove(ServerKey),
}

/// A source of servers. It watches, heals its own failures and goes on: as long as it has nothing to say, what it said
/// last holds.
pub trait Discovery: Send + std::fmt::Debug {
    /// What it is, for logs: `static servers`, `cluster`.
    fn name(&self) -> &'static str;

    /// What starts and stops its servers, if it can do that. To be asked for before [`Discovery::watch`], which tells it of them.
    fn starter(&self) -> Option<Arc<dyn Starter>> {
        None
    }

    /// Changes as they come. The stream ends when nothing will ever change any more.
    fn watch(self: Box<Self>) -> BoxStream<'static, Change>;
}

/// Starts and stops all instances of servers, for those that are stopped while nobody calls them.
pub trait Starter: Send + Sync + std::fmt::Debug {
    /// Begins to start a server that has no instances; one that has some is left as it is. That an instance is ready is told by
    /// the source. `false`: the server is none of this source, or not to be started.
    fn start<'s>(&'s self, server: &'s ServerKey) -> BoxFuture<'s, Result<bool, StartError>>;

    /// Begins to stop all instances of a server. `false` as for [`Starter::start`].
    fn stop<'s>(&'s self, server: &'s ServerKey) -> BoxFuture<'s, Result<bool, StartError>>;
}

/// Why a server can be neither started nor stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Whoever runs this may not do it. It stays so until somebody changes rights.
    #[error("not permitted: {0}")]
    Refused(String),
    /// The platform does not do it now.
    #[error("{0}")]
    Failed(String),
}
