//! The servers of this machine for those who route to them: what the state folder holds, told whenever it changes.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt as _, path::PathBuf, sync::Arc};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_core::{Backend as _, Namespace, Server, ServerState, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, ServerKey, ServerSpec,
};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;

use crate::Processes;

/// A source of the servers of one state folder. It watches the folder; a supervisor that was killed is noticed too, since
/// the file that it held open for writing is then closed.
#[derive(Debug)]
pub struct ProcessDiscovery {
    processes: Processes,
    servers: PathBuf,
    namespace: Namespace,
}

impl Processes {
    /// The servers of this machine as a source, all of them in one namespace.
    pub fn discovery(self, namespace: &Namespace) -> ProcessDiscovery {
        ProcessDiscovery {
            servers: self.state_path().join("servers"),
            processes: self,
            namespace: namespace.clone(),
        }
    }
}

impl Discovery for ProcessDiscovery {
    fn name(&self) -> &'static str {
        "servers of this machine"
    }

    fn watch(self: Box<Self>) -> BoxStream<'static, Change> {
        let changed = Arc::new(Notify::new());
        // The first look needs no change.
        changed.notify_one();
        let watcher = match watch(&self.servers, Arc::clone(&changed)) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::error!(folder = %self.servers.display(), %error, "cannot watch for servers: only those that are there now are known");
                None
            }
        };
        stream::unfold(
            (self, watcher, changed),
            |(source, watcher, changed)| async {
                loop {
                    changed.notified().await;
                    match source.processes.list().await {
                        Ok(servers) => {
                            let specs =
                                servers.into_iter().filter_map(|s| source.spec(s)).collect();
                            return Some((Change::Snapshot(specs), (source, watcher, changed)));
                        }
                        // A file may be half gone while its server is deleted; the next change tells.
                        Err(error) => tracing::debug!(%error, "cannot list the servers"),
                    }
                }
            },
        )
        .boxed()
    }
}

impl ProcessDiscovery {
    /// `None` for servers that do not run and those whose URL nobody could forward to.
    fn spec(&self, server: Server) -> Option<ServerSpec> {
        let conditions = match server.state {
            ServerState::Running | ServerState::Degraded => Conditions::READY,
            ServerState::Pending | ServerState::Failed => Conditions::UNREADY,
            ServerState::Stopped => return None,
        };
        let address = Address::parse(&server.url?).ok()?;
        Some(ServerSpec {
            key: ServerKey {
                namespace: self.namespace.clone(),
                name: server.name,
            },
            sessions: Sessions::Stateful,
            endpoints: vec![EndpointSpec {
                id: EndpointId::new(&address.to_string()),
                address,
                conditions,
            }],
        })
    }
}

/// Watches the folder of all servers, which is made if it is not there yet.
fn watch(servers: &PathBuf, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(servers)?;
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // A look opens files, which must not lead to the next look. What cannot be told calls for a look as well.
        let own = event.is_ok_and(|event| match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => true,
            _ => false,
        });
        if !own {
            changed.notify_one();
        }
    })?;
    watcher.watch(servers, RecursiveMode::Recursive)?;
    Ok(watcher)
}
