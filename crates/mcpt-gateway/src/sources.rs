//! Where the gateway learns of servers from.

mod described;
mod fixed;

use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _, stream::BoxStream};
use mcpt_routing::{Change, Discovery};

pub use self::{
    described::{DescribedServers, InvalidServers},
    fixed::{InvalidStaticServer, StaticServer, StaticServers},
};
use crate::directory::Directory;

/// What a source says, after what it could say at once was taken in: a static list is known before the first request.
pub(crate) fn begin(
    index: usize,
    source: Box<dyn Discovery>,
    directory: &Directory,
) -> BoxStream<'static, Change> {
    let mut changes = source.watch();
    while let Some(Some(change)) = changes.next().now_or_never() {
        directory.apply(index, change);
    }
    changes
}

/// Follows a source for as long as it has something to say.
pub(crate) async fn follow(
    index: usize,
    mut changes: BoxStream<'static, Change>,
    directory: Arc<Directory>,
) {
    while let Some(change) = changes.next().await {
        directory.apply(index, change);
    }
}
