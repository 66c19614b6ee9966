//! The servers of this machine for those who route to them: what the state folder holds, told whenever it changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::DirBuilder,
    num::NonZeroU32,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use mcpt_core::{Failure, Namespace, ServerName, ServerState, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, Handling, InvalidAddress,
    ServerKey, ServerSpec,
};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::{
    Processes,
    folder::StateFolder,
    state::RunState,
    watching::{calls_for_a_look, is_about_logs},
};

/// A source of the servers of one state folder. It watches the folder; a supervisor that was killed is noticed too, since
/// the file that it held open for writing is then closed.
#[derive(Debug)]
pub struct ProcessDiscovery {
    processes: Processes,
    servers: PathBuf,
    namespace: Namespace,
    known: LastLook,
}

impl Processes {
    /// The servers of this machine as a source, all of them in one namespace.
    pub fn discovery(self, namespace: &Namespace) -> ProcessDiscovery {
        ProcessDiscovery {
            servers: self.state().path().join("servers"),
            processes: self,
            namespace: namespace.clone(),
            known: LastLook::default(),
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
            |(mut source, mut watcher, changed)| async {
                loop {
                    changed.notified().await;
                    if let Some(watcher) = &mut watcher {
                        watch_each(source.processes.state(), watcher);
                    }
                    if let Some(specs) = source.look() {
                        return Some((Change::Snapshot(specs), (source, watcher, changed)));
                    }
                }
            },
        )
        .boxed()
    }
}

/// Why a server cannot be read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{}", .0.why.join("; "))]
    Server(#[source] Failure),
    /// It runs, but no address of it is known; the reason is its own.
    #[error("{0}")]
    NoAddress(String),
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error(transparent)]
    State(#[from] std::io::Error),
}

impl ProcessDiscovery {
    /// What is there now; `None` when that cannot be told, and all that is known holds.
    fn look(&mut self) -> Option<Vec<ServerSpec>> {
        let names = match self.processes.state().names() {
            Ok(names) => names,
            Err(error) => {
                if !std::mem::replace(&mut self.known.blind, true) {
                    tracing::warn!(folder = %self.servers.display(), %error, "cannot be read: what is known of the servers holds");
                }
                return None;
            }
        };
        self.known.blind = false;
        let looks = names.into_iter().map(|name| {
            let look = self.look_at(&name);
            (name, look)
        });
        let looks = looks.collect();
        for (server, why) in self.known.take(looks) {
            tracing::warn!(%server, %why, "cannot be read: what is known of it holds");
        }
        Some(self.known.specs.values().cloned().collect())
    }

    /// One server, if there is one of that name and it runs.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn look_at(&self, name: &ServerName) -> Result<Option<ServerSpec>, Unread> {
        let found = self.processes.find(name).map_err(Unread::Server)?;
        let Some((run, server)) = found else {
            return Ok(None);
        };
        let conditions = match server.state {
            ServerState::Running | ServerState::Degraded => Conditions::READY,
            ServerState::Pending | ServerState::Failed => Conditions::UNREADY,
            ServerState::Stopped => return Ok(None),
        };
        let Some(url) = server.url else {
            return Err(Unread::NoAddress(server.reason.unwrap_or_default()));
        };
        let mut address = Address::parse(&url)?;
        let state = RunState::read(&run)?;
        if let Some(host) = state.as_ref().and_then(RunState::host) {
            address = address.called(host);
        }
        Ok(Some(ServerSpec {
            key: ServerKey {
                namespace: self.namespace.clone(),
                name: server.name,
            },
            sessions: state.map_or(Sessions::Stateful, |state| state.sessions),
            handling: Handling::default(),
            endpoints: vec![EndpointSpec {
                id: EndpointId::new(&address.identity()),
                address,
                conditions,
                weight: NonZeroU32::MIN,
            }],
        }))
    }
}

/// What was found at the last look.
#[derive(Debug, Default)]
struct LastLook {
    specs: BTreeMap<ServerName, ServerSpec>,
    /// Servers that could not be read.
    unreadable: BTreeSet<ServerName>,
    /// Whether not even their names could.
    blind: bool,
}

impl LastLook {
    /// Takes what was found of each server. What cannot be read stays as it was known; tells which those are that could be read
    /// before, and why they cannot now.
    fn take(
        &mut self,
        looks: Vec<(ServerName, Result<Option<ServerSpec>, Unread>)>,
    ) -> Vec<(ServerName, Unread)> {
        let mut before = std::mem::take(self);
        let mut fresh = Vec::new();
        for (name, look) in looks {
            let spec = look.unwrap_or_else(|why| {
                if !before.unreadable.contains(&name) {
                    fresh.push((name.clone(), why));
                }
                self.unreadable.insert(name.clone());
                before.specs.remove(&name)
            });
            if let Some(spec) = spec {
                self.specs.insert(name, spec);
            }
        }
        fresh
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use serde_json::json;

    use crate::{folder::RunFolder, lock::AliveLock};

    /// The run of a server that is ready.
    fn run(root: &Path, name: &str) -> (RunFolder, AliveLock) {
        let state = StateFolder::new(root.to_owned());
        let name = ServerName::new(name).unwrap();
        let folder = state.server(&name);
        folder.create().unwrap();
        let run = folder.create_run().unwrap();
        let state = json!({
            "name": name, "template": "demo", "templateVersion": "", "transport": "http", "source": "", "env": {}, "digest": "",
            "deployed": "", "supervisor": 1, "port": 1, "url": "http://127.0.0.1:1/mcp", "phase": "ready", "restarts": 0,
        });
        let state: RunState = serde_json::from_value(state).unwrap();
        state.write(&run).unwrap();
        let alive = AliveLock::take(&run).unwrap();
        folder.set_current(&run).unwrap();
        (run, alive)
    }

    #[test]
    fn a_server_is_there_during_its_updates() {
        let root = tempfile::tempdir().unwrap();
        let mut old = run(root.path(), "demo");
        let processes = Processes::in_folder(StateFolder::new(root.path().to_owned()));
        let name = ServerName::new("demo").unwrap();
        std::thread::scope(|scope| {
            let updates = scope.spawn(|| {
                for _ in 0..100 {
                    let new = run(root.path(), "demo");
                    let (run, alive) = std::mem::replace(&mut old, new);
                    drop(alive);
                    run.remove().unwrap();
                }
            });
            while !updates.is_finished() {
                let (_, server) = processes.find(&name).unwrap().unwrap();
                assert_eq!(server.state, ServerState::Running);
            }
        });
    }

    #[test]
    fn a_server_that_cannot_be_read_hides_no_others() {
        let root = tempfile::tempdir().unwrap();
        let (_, _alive) = run(root.path(), "good");
        let (spoilt, _lives) = run(root.path(), "spoilt");
        let never = root.path().join("servers/never");
        fs::write(&never, "no folder").unwrap();
        let processes = Processes::in_folder(StateFolder::new(root.path().to_owned()));
        let mut source = processes.discovery(&Namespace::new("here").unwrap());
        let mut names = || -> Vec<String> {
            let specs = source.look().unwrap();
            let names = specs.iter().map(|spec| spec.key.name.to_string());
            names.collect()
        };
        assert_eq!(names(), ["good", "spoilt"]);
        fs::write(spoilt.state_file(), "{").unwrap();
        assert_eq!(names(), ["good", "spoilt"], "what was known holds");
        spoilt.server().remove().unwrap();
        fs::remove_file(&never).unwrap();
        assert_eq!(names(), ["good"]);
    }

    #[test]
    fn sessions_are_what_the_template_says() {
        let root = tempfile::tempdir().unwrap();
        let (run, _alive) = run(root.path(), "demo");
        let processes = Processes::in_folder(StateFolder::new(root.path().to_owned()));
        let mut source = processes.discovery(&Namespace::new("here").unwrap());
        let mut sessions = || source.look().unwrap().remove(0).sessions;
        assert_eq!(sessions(), Sessions::Stateful, "of an older version");
        let mut state = RunState::read(&run).unwrap().unwrap();
        state.sessions = Sessions::Stateless;
        state.write(&run).unwrap();
        assert_eq!(sessions(), Sessions::Stateless);
    }

    #[test]
    fn what_cannot_be_read_is_told_once() {
        let name = || ServerName::new("demo").unwrap();
        let mut known = LastLook::default();
        let spoilt = || vec![(name(), Err(Unread::NoAddress("spoilt".to_owned())))];
        for (looks, told) in [
            (spoilt(), 1),
            (spoilt(), 0),
            (vec![(name(), Ok(None))], 0),
            (spoilt(), 1),
        ] {
            assert_eq!(known.take(looks).len(), told);
        }
    }
}
