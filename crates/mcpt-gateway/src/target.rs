//! The stage that says who is meant: one server of the directory.

use std::sync::Arc;

use mcpt_core::Namespace;
use mcpt_routing::Server;

use crate::{directory::Directory, refusal::Refusal, upstream::Upstream};

/// Finds the server that a path names.
#[derive(Debug)]
pub(crate) struct Targets {
    directory: Arc<Directory>,
    default_namespace: Namespace,
}

impl Targets {
    pub(crate) fn new(directory: Arc<Directory>, default_namespace: Namespace) -> Self {
        Self {
            directory,
            default_namespace,
        }
    }

    /// The server of a namespace, the default one if none is named.
    ///
    /// # Errors
    /// [`Refusal::UnknownServer`], or [`Refusal::Starting`] while a source may still name it: a client that is told 404 gives
    /// its session up, so not before it is certain.
    pub(crate) fn find(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Arc<Server<Upstream>>, Refusal> {
        let namespace = namespace.unwrap_or(self.default_namespace.as_str());
        if let Some(server) = self.directory.server(namespace, name) {
            return Ok(server);
        }
        Err(if self.directory.awaited().is_empty() {
            Refusal::UnknownServer(format!("{namespace}/{name}"))
        } else {
            Refusal::Starting
        })
    }
}
