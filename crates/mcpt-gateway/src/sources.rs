//! Where the gateway learns of servers from.

mod fixed;

use std::sync::Arc;

use futures_util::StreamExt as _;
use mcpt_routing::Discovery;

pub use self::fixed::{InvalidStaticServer, StaticServer, StaticServers};
use crate::shared::Shared;

/// Follows a source for as long as it has something to say.
pub(crate) async fn follow(index: usize, source: Box<dyn Discovery>, shared: Arc<Shared>) {
    let name = source.name();
    let mut changes = source.watch();
    while let Some(change) = changes.next().await {
        shared.apply(index, change);
    }
    tracing::debug!(name, "source has nothing more to say");
}
