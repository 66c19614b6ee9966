//! The servers of this machine for those who route to them: what the state folder holds, told whenever it changes.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_core::{Backend as _, Namespace, Server, ServerState, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, ServerKey, ServerSpec,
};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::{
    Processes,
    folder::StateFolder,
    watching::{calls_for_a_look, is_about_logs},
};

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
            servers: self.state().path().join("servers"),
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
            |(source, mut watcher, changed)| async {
                loop {
                    changed.notified().await;
                    if let Some(watcher) = &mut watcher {
                        watch_each(source.processes.state(), watcher);
                    }
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
fn watch(servers: &Path, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(servers)?;
    let mut watcher = notify::recommended_watcher(move |event| {
        if calls_for_a_look(&event) && !is_about_logs(&event) {
            changed.notify_one();
        }
    })?;
    watcher.watch(servers, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Watches the folders of the servers and of their runs, not the servers' working directories. Done before every look, since
/// a folder may be another one than that which had its name before.
fn watch_each(state: &StateFolder, watcher: &mut RecommendedWatcher) {
    let mut watch = |folder: &Path| {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            // Most likely it is gone, of which the folder above it tells.
            tracing::debug!(folder = %folder.display(), %error, "cannot watch");
        }
    };
    for name in state.names().unwrap_or_default() {
        let server = state.server(&name);
        watch(server.path());
        for run in server.runs().unwrap_or_default() {
            watch(run.path());
        }
    }
}
