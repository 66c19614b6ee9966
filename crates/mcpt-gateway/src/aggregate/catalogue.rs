//! [`Catalogue`]: what all servers have, asked for in the background: no client waits for a server that does not answer, and none
//! of it is asked for before somebody wants it.

mod keeper;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry, hash_map},
    ops::Deref,
    sync::{Arc, Mutex, Once, PoisonError},
    time::Duration,
};

use mcpt_access::Permission;
use mcpt_aggregate::{Chosen, ListKind, Listing, Merged, ServerLabel, ServerSet};
use mcpt_core::Namespace;
use mcpt_routing::{Server, ServerKey};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::viewer::Viewer;
use crate::{exchange::Exchange, upstream::Upstream};

/// How long a client waits for the lists of a server that has only just come.
const SETTLES_WITHIN: Duration = Duration::from_secs(1);

/// How long a call waits that is of a server's whose lists have never come: longer than they may take.
const HEARD_WITHIN: Duration = Duration::from_secs(25);

/// Most different views of the lists that are kept.
const MOST_VIEWS: usize = 256;

/// The lists of all servers.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) exchange: Arc<Exchange>,
    default_namespace: Namespace,
    state: watch::Sender<State>,
    parts: Mutex<Views>,
    begun: Once,
    closing: CancellationToken,
}

/// What those may know who may not know all of it, by what they may at each server, as of one version.
#[derive(Debug, Default)]
struct Views {
    version: u64,
    by: HashMap<View, Arc<State>>,
}

/// What tells views apart: the set, and what somebody may at each server.
type View = (Option<Arc<ServerSet>>, Vec<Permission>);

/// What is known now.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Another one with each change.
    version: u64,
    servers: BTreeMap<ServerLabel, ServerLists>,
    pub(super) merged: Arc<Merged>,
    /// The set that it is of; `None`: all servers.
    pub(super) set: Option<Arc<ServerSet>>,
}

/// What somebody may know of that.
pub(super) enum VisibleServers<'a> {
    /// All of it. To be let go of before anything is awaited.
    All(watch::Ref<'a, State>),
    /// A part.
    Part(Arc<State>),
}

impl Deref for VisibleServers<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        match self {
            Self::All(state) => state,
            Self::Part(state) => state,
        }
    }
}

/// What is known of a server.
#[derive(Debug, Clone)]
struct ServerLists {
    key: ServerKey,
    since: Instant,
    /// Whether its first lists have come, or failed to.
    tried: bool,
    /// Whether its lists have come once.
    listed: bool,
    listing: Arc<Listing>,
    instructions: Option<String>,
    /// Why its lists are not what they are now.
    fault: Option<String>,
    /// Wakes who asks for them.
    again: Arc<Notify>,
    gone: CancellationToken,
}

impl Catalogue {
    pub(super) fn new(
        exchange: Arc<Exchange>,
        default_namespace: Namespace,
        closing: CancellationToken,
    ) -> Self {
        Self {
            exchange,
            default_namespace,
            state: watch::Sender::default(),
            parts: Mutex::default(),
            begun: Once::new(),
            closing,
        }
    }

    /// Sees to it that the lists are known, from now on.
    pub(super) fn begin(self: &Arc<Self>) {
        self.begun.call_once(|| {
            self.take_in_servers();
            let this = Arc::clone(self);
            tokio::spawn(async move {
                let closing = this.closing.clone();
                closing.run_until_cancelled(this.follow()).await;
            });
        });
    }

    /// What somebody may know of what is known now.
    pub(super) fn seen_by(&self, viewer: &Viewer) -> VisibleServers<'_> {
        let state = self.state.borrow();
        if viewer.sees_all() {
            return VisibleServers::All(state);
        }
        VisibleServers::Part(self.part_of(&state, viewer))
    }

    /// What somebody may know of the lists, as of a moment at which they were others.
    pub(super) fn lists_of(&self, viewer: &Viewer) -> Arc<Merged> {
        Arc::clone(&self.seen_by(viewer).merged)
    }

    /// The part that somebody may know of: made once for all who may the same.
    fn part_of(&self, state: &State, viewer: &Viewer) -> Arc<State> {
        let caller = viewer.caller.as_ref();
        let permission = |known: &ServerLists| match caller {
            Some(caller) => caller.permission(&known.key),
            None => Permission::Everything,
        };
        let view: View = (
            viewer.set.clone(),
            state.servers.values().map(permission).collect(),
        );
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.version != state.version || parts.by.len() >= MOST_VIEWS {
            *parts = Views {
                version: state.version,
                by: HashMap::new(),
            };
        }
        let part = match parts.by.entry(view) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(place) => {
                let (set, permissions) = place.key();
                let part = Arc::new(state.part(set.as_ref(), permissions));
                place.insert(part)
            }
        };
        Arc::clone(part)
    }

    /// Waits until each server has been heard or has had time enough.
    pub(super) async fn settled(&self) {
        self.heard_within(SETTLES_WITHIN).await;
    }

    /// The same with all the time that a server may take for its lists.
    pub(super) async fn heard(&self) {
        self.heard_within(HEARD_WITHIN).await;
    }

    async fn heard_within(&self, time: Duration) {
        let mut states = self.state.subscribe();
        loop {
            let until = {
                let state = self.state.borrow();
                let pending = state.servers.values().filter(|known| !known.tried);
                let until = pending.map(|known| known.since + time).max();
                match until.filter(|until| *until > Instant::now()) {
                    Some(until) => until,
                    None => return,
                }
            };
            let changed = states.changed();
            drop(tokio::time::timeout_at(until, changed).await);
        }
    }

    /// Tells of each change.
    pub(super) fn changes(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Which server a label means.
    pub(super) fn server(&self, label: &ServerLabel) -> Option<Arc<Server<Upstream>>> {
        let namespace = label.namespace().unwrap_or(self.default_namespace.as_str());
        self.exchange.directory.server(namespace, label.name())
    }

    /// The same, if it is there for somebody: to others it is as if there were none.
    pub(super) fn server_for(
        &self,
        label: &ServerLabel,
        viewer: &Viewer,
    ) -> Option<Arc<Server<Upstream>>> {
        let server = self.server(label)?;
        viewer.has(server.key()).then_some(server)
    }

    /// How a server is told from others.
    pub(super) fn label(&self, key: &ServerKey) -> ServerLabel {
        let foreign = key.namespace != self.default_namespace;
        ServerLabel::new(foreign.then_some(key.namespace.as_str()), key.name.as_str())
    }

    /// Asks a server again: it has said that its lists are others.
    pub(super) fn ask_again(&self, label: &ServerLabel) {
        if let Some(known) = self.state.borrow().servers.get(label) {
            known.again.notify_one();
        }
    }

    async fn follow(self: Arc<Self>) {
        loop {
            let changed = self.exchange.directory.changed();
            self.take_in_servers();
            changed.await;
        }
    }

    /// Begins to ask servers that are new, and forgets those that are gone.
    fn take_in_servers(self: &Arc<Self>) {
        let table = self.exchange.directory.table().current();
        let keys: BTreeSet<&ServerKey> = table.iter().map(|server| server.key()).collect();
        let mut new = Vec::new();
        self.state.send_if_modified(|state| {
            let before = state.servers.len();
            state.servers.retain(|_, known| {
                let stays = keys.contains(&known.key);
                if !stays {
                    known.gone.cancel();
                }
                stays
            });
            let mut changed = state.servers.len() != before;
            for key in keys {
                let label = self.label(key);
                if let Entry::Vacant(place) = state.servers.entry(label.clone()) {
                    let known =
                        place.insert(ServerLists::new(key.clone(), self.closing.child_token()));
                    new.push((label, Arc::clone(&known.again), known.gone.clone()));
                    changed = true;
                }
            }
            if changed {
                state.merge();
                state.changed();
            }
            changed
        });
        for (label, again, gone) in new {
            let keeper = keeper::Keeper {
                catalogue: Arc::clone(self),
                label,
                again,
            };
            tokio::spawn(async move { gone.run_until_cancelled(keeper.keep()).await });
        }
    }
}

impl State {
    /// Servers whose lists are not what they are now, each with the reason.
    pub(super) fn unavailable(&self) -> BTreeMap<String, String> {
        let servers = self.servers.iter();
        let missing = servers.filter_map(|(label, known)| {
            let cut = known
                .listing
                .is_cut()
                .then_some("it has more than is listed");
            let fault = known.fault.as_deref().or(cut);
            let waits = (!known.tried).then_some("it has not answered yet");
            Some((label.to_string(), fault.or(waits)?.to_owned()))
        });
        missing.collect()
    }

    /// What servers tell models about themselves.
    pub(super) fn instructions(&self) -> impl Iterator<Item = (&ServerLabel, &str)> {
        let servers = self.servers.iter();
        servers.filter_map(|(label, known)| Some((label, known.instructions.as_deref()?)))
    }

    /// The part that somebody may know of who may this at each server, and has come to this set. What things are called in it
    /// does not depend on the rest.
    fn part(&self, set: Option<&Arc<ServerSet>>, permissions: &[Permission]) -> Self {
        let mut part = Self {
            set: set.cloned(),
            ..Self::default()
        };
        for ((label, known), permission) in self.servers.iter().zip(permissions) {
            let mut known = known.clone();
            if let Some(set) = set {
                let Some(chosen) = known.chosen_of(set) else {
                    continue;
                };
                let listing = Arc::make_mut(&mut known.listing);
                listing.retain(ListKind::Tools, |tool| chosen.has_tool(tool));
            }
            match permission {
                Permission::Nothing => continue,
                Permission::Everything => {}
                Permission::Tools(_) => {
                    let listing = Arc::make_mut(&mut known.listing);
                    listing.retain(ListKind::Tools, |tool| permission.may_call(tool));
                }
            }
            part.servers.insert(label.clone(), known);
        }
        part.merge();
        part
    }

    fn merge(&mut self) {
        let listings = self.servers.iter();
        let listings = listings.map(|(label, known)| (label.clone(), Arc::clone(&known.listing)));
        let set = self.set.as_ref();
        let chosen = self.servers.iter().filter_map(|(label, known)| {
            let chosen = known.chosen_of(set?)?;
            Some((label.clone(), chosen))
        });
        self.merged = Arc::new(Merged::in_set(&listings.collect(), &chosen.collect()));
    }

    /// Something is known otherwise.
    fn changed(&mut self) {
        self.version += 1;
    }
}

/// What tells that lists are others, each kind of notification once.
pub(super) fn differences(now: &Merged, before: &Merged) -> BTreeSet<&'static str> {
    let kinds = ListKind::ALL.into_iter();
    let changed = kinds.filter(|kind| now.list(*kind) != before.list(*kind));
    changed.map(ListKind::changed).collect()
}

impl ServerLists {
    /// What a set has of it.
    fn chosen_of<'s>(&self, set: &'s ServerSet) -> Option<&'s Chosen> {
        set.of_server(self.key.namespace.as_str(), self.key.name.as_str())
    }

    fn new(key: ServerKey, gone: CancellationToken) -> Self {
        Self {
            key,
            since: Instant::now(),
            tried: false,
            listed: false,
            listing: Arc::default(),
            instructions: None,
            fault: None,
            again: Arc::default(),
            gone,
        }
    }
}
