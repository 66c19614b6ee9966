//! The seam to those who know which servers there are: a static list, a state folder, a cluster.

use futures_util::stream::BoxStream;

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

    /// Changes as they come. The stream ends when nothing will ever change any more.
    fn watch(self: Box<Self>) -> BoxStream<'static, Change>;
}
