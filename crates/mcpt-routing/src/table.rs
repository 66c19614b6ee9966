//! [`RoutingTable`]: all servers and endpoints of all sources, read without a lock, changed as diffs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher as _, RandomState},
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
};

use arc_swap::ArcSwap;
use mcpt_core::Sessions;

use crate::{
    Address, Asker, Change, Conditions, Endpoint, EndpointId, Handling, Permit, ServerKey,
    ServerSpec,
    permit::{Busy, Demand},
};

/// Servers by namespace and name. `L` is what the transport keeps per endpoint.
#[derive(Debug)]
pub struct RoutingTable<L> {
    current: ArcSwap<Servers<L>>,
    /// What each source said last. Where several know the same server, [`best`] says whose it is.
    sources: Mutex<Vec<BTreeMap<ServerKey, ServerSpec>>>,
}

/// One state of the table.
#[derive(Debug)]
pub struct Servers<L> {
    by_namespace: HashMap<String, HashMap<String, Arc<Server<L>>>>,
}

/// One server in one state of the table.
#[derive(Debug)]
pub struct Server<L> {
    spec: ServerSpec,
    endpoints: Vec<(Arc<Endpoint<L>>, Conditions)>,
    by_id: HashMap<EndpointId, usize>,
    /// Whose turn it is among equals; wraps around.
    pub(crate) turn: Arc<AtomicUsize>,
    /// Requests in progress, where there may be only so many.
    busy: Busy,
}

/// Where a session lives.
#[derive(Debug)]
pub enum Pinned<L> {
    /// There; with what may be sent to it.
    Endpoint(Arc<Endpoint<L>>, Conditions),
    /// Its endpoint is gone, and the session with it.
    Gone,
}

/// What a change did.
#[derive(Debug)]
pub struct Applied<L> {
    /// Servers that are new or whose endpoints changed.
    pub changed: Vec<Arc<Server<L>>>,
    /// Servers that are gone.
    pub removed: Vec<ServerKey>,
    /// Endpoints that are gone, of both.
    pub gone: Vec<Arc<Endpoint<L>>>,
}

impl<L> Servers<L> {
    /// One server.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Server<L>>> {
        self.by_namespace.get(namespace)?.get(name)
    }

    /// All servers, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Server<L>>> {
        self.by_namespace.values().flat_map(HashMap::values)
    }
}

impl<L> Server<L> {
    /// Which server it is.
    pub fn key(&self) -> &ServerKey {
        &self.spec.key
    }

    /// Whether its sessions stay where they began.
    pub fn sessions(&self) -> Sessions {
        self.spec.sessions
    }

    /// How its requests are handled.
    pub fn handling(&self) -> &Handling {
        &self.spec.handling
    }

    /// Takes one of so many places for requests in progress.
    pub fn place(&self, most: NonZeroU32, asker: Asker) -> Option<Permit> {
        self.busy.take(most, asker)
    }

    /// A place for what is in progress without being one of the requests that a server may have at once: it keeps the server
    /// in use, as if it were asked all the time.
    pub fn keep(&self, asker: Asker) -> Permit {
        self.busy.keep(asker)
    }

    /// Requests of clients for which places were taken.
    pub(crate) fn demand(&self) -> Demand {
        self.busy.demand()
    }

    /// Whether it may be stopped for want of calls and now has no instance that takes new work: somebody must start it.
    pub fn must_be_started(&self) -> bool {
        let takes_new = |(_, conditions): &(_, Conditions)| conditions.take_new();
        self.handling().idle_timeout.is_some() && !self.endpoints.iter().any(takes_new)
    }

    /// Its endpoints with what may be sent to them.
    pub fn endpoints(&self) -> &[(Arc<Endpoint<L>>, Conditions)] {
        &self.endpoints
    }

    /// The endpoint that a session is bound to. It keeps its sessions as long as it is there, whatever its conditions:
    /// one that terminates or has stopped being ready may well go on answering.
    pub fn pinned(&self, id: &EndpointId) -> Pinned<L> {
        match self
            .by_id
            .get(id)
            .and_then(|index| self.endpoints.get(*index))
        {
            Some((endpoint, conditions)) => Pinned::Endpoint(Arc::clone(endpoint), *conditions),
            None => Pinned::Gone,
        }
    }
}

impl<L: for<'a> From<&'a Address>> RoutingTable<L> {
    /// An empty table for that many sources.
    pub fn new(sources: usize) -> Self {
        Self {
            current: ArcSwap::from_pointee(Servers {
                by_namespace: HashMap::new(),
            }),
            sources: Mutex::new(vec![BTreeMap::new(); sources]),
        }
    }

    /// The state as it is now.
    pub fn current(&self) -> arc_swap::Guard<Arc<Servers<L>>> {
        self.current.load()
    }

    /// Takes in what a source says. Endpoints that stay keep their load and their connections.
    pub fn apply(&self, source: usize, change: Change) -> Applied<L> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut touched = BTreeSet::new();
        if let Some(known) = sources.get_mut(source) {
            match change {
                Change::Snapshot(servers) => {
                    touched.extend(known.keys().cloned());
                    *known = servers.into_iter().map(|s| (s.key.clone(), s)).collect();
                    touched.extend(known.keys().cloned());
                }
                Change::Set(server) => {
                    touched.insert(server.key.clone());
                    known.insert(server.key.clone(), server);
                }
                Change::Remove(key) => {
                    known.remove(&key);
                    touched.insert(key);
                }
            }
        }
        // Still under the lock: two changes at once must not overwrite each other's state.
        self.rebuild(&sources, touched)
    }

    fn rebuild(
        &self,
        sources: &[BTreeMap<ServerKey, ServerSpec>],
        touched: BTreeSet<ServerKey>,
    ) -> Applied<L> {
        let old = self.current.load_full();
        let mut by_namespace = old.by_namespace.clone();
        let mut applied = Applied {
            changed: Vec::new(),
            removed: Vec::new(),
            gone: Vec::new(),
        };
        for key in touched {
            let before = old.get(key.namespace.as_str(), key.name.as_str());
            let now = best(sources.iter().filter_map(|source| source.get(&key)));
            match (before, now) {
                (None, None) => {}
                (Some(before), Some(now)) if before.spec == *now => {}
                (before, Some(now)) => {
                    let server = Arc::new(Server::new(now.clone(), before));
                    if let Some(before) = before {
                        applied.gone.extend(before.endpoints_not_in(&server));
                    }
                    by_namespace
                        .entry(key.namespace.as_str().to_owned())
                        .or_default()
                        .insert(key.name.as_str().to_owned(), Arc::clone(&server));
                    applied.changed.push(server);
                }
                (Some(before), None) => {
                    applied
                        .gone
                        .extend(before.endpoints.iter().map(|(e, _)| Arc::clone(e)));
                    if let Some(names) = by_namespace.get_mut(key.namespace.as_str()) {
                        names.remove(key.name.as_str());
                    }
                    applied.removed.push(key);
                }
            }
        }
        by_namespace.retain(|_, names| !names.is_empty());
        if !(applied.changed.is_empty() && applied.removed.is_empty()) {
            self.current.store(Arc::new(Servers { by_namespace }));
        }
        applied
    }
}

/// Of the same server as several sources know it, the lowest source first, the one that is served: the first that takes new
/// work, else the first that has any instance, else the first. So a server that moves to a source that comes first is served
/// where it was until its new instance is ready.
fn best<'a>(mut known: impl Iterator<Item = &'a ServerSpec> + Clone) -> Option<&'a ServerSpec> {
    let takes_new = |spec: &&ServerSpec| {
        // One that was stopped for want of calls is started by the next one.
        let sleeps = spec.endpoints.is_empty() && spec.handling.idle_timeout.is_some();
        sleeps || spec.endpoints.iter().any(|one| one.conditions.take_new())
    };
    let has_any = |spec: &&ServerSpec| !spec.endpoints.is_empty();
    let ready = known.clone().find(takes_new);
    ready
        .or_else(|| known.clone().find(has_any))
        .or_else(|| known.next())
}

impl<L: for<'a> From<&'a Address>> Server<L> {
    /// A server as its spec says, with the endpoints of the state before that are still the same.
    fn new(spec: ServerSpec, before: Option<&Arc<Self>>) -> Self {
        let mut endpoints = Vec::with_capacity(spec.endpoints.len());
        let mut by_id = HashMap::with_capacity(spec.endpoints.len());
        for endpoint in &spec.endpoints {
            if by_id.contains_key(&endpoint.id) {
                continue;
            }
            let kept = before
                .and_then(|before| before.endpoints.get(*before.by_id.get(&endpoint.id)?))
                .filter(|(old, _)| {
                    *old.address() == endpoint.address && old.weight() == endpoint.weight
                })
                .map(|(old, _)| Arc::clone(old));
            by_id.insert(endpoint.id.clone(), endpoints.len());
            let kept = kept.unwrap_or_else(|| Arc::new(Endpoint::new(endpoint)));
            endpoints.push((kept, endpoint.conditions));
        }
        let turn = before.map_or_else(random_turn, |before| Arc::clone(&before.turn));
        let busy = before.map_or_else(Busy::default, |before| before.busy.clone());
        Self {
            spec,
            endpoints,
            by_id,
            turn,
            busy,
        }
    }
}

/// Where the turns begin: elsewhere in every gateway, or the first session of each would go to the same endpoint.
fn random_turn() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(RandomState::new().hash_one(()) as usize))
}

impl<L> Server<L> {
    fn endpoints_not_in(&self, other: &Self) -> impl Iterator<Item = Arc<Endpoint<L>>> {
        self.endpoints
            .iter()
            .filter(|(endpoint, _)| {
                !other
                    .endpoints
                    .iter()
                    .any(|(kept, _)| Arc::ptr_eq(kept, endpoint))
            })
            .map(|(endpoint, _)| Arc::clone(endpoint))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mcpt_core::{Namespace, ServerName};

    use super::*;
    use crate::EndpointSpec;

    struct NoLink;

    impl From<&Address> for NoLink {
        fn from(_: &Address) -> Self {
            Self
        }
    }

    fn server(instances: &[(&str, Conditions)]) -> ServerSpec {
        let endpoint = |(id, conditions): &(&str, Conditions)| EndpointSpec {
            id: EndpointId::new(id),
            address: Address::new("host", 80, "/mcp").unwrap(),
            conditions: *conditions,
            weight: NonZeroU32::MIN,
        };
        ServerSpec {
            key: ServerKey {
                namespace: Namespace::new("ns").unwrap(),
                name: ServerName::new("demo").unwrap(),
            },
            sessions: Sessions::Stateless,
            handling: Handling::default(),
            endpoints: instances.iter().map(endpoint).collect(),
        }
    }

    /// Where a server of two sources is served.
    fn served(table: &RoutingTable<NoLink>) -> Vec<String> {
        let now = table.current();
        let endpoints = now.get("ns", "demo").unwrap().endpoints().iter();
        endpoints.map(|(one, _)| one.id().to_string()).collect()
    }

    #[test]
    fn a_server_is_served_where_it_is_ready_while_it_moves() {
        let table: RoutingTable<NoLink> = RoutingTable::new(2);
        let old = server(&[("old", Conditions::READY)]);
        table.apply(1, Change::Set(old.clone()));
        // Into the source that comes first: it is known there before an instance is, and that before it is ready.
        table.apply(0, Change::Set(server(&[])));
        assert_eq!(served(&table), ["old"]);
        let applied = table.apply(0, Change::Set(server(&[("new", Conditions::UNREADY)])));
        assert!(applied.gone.is_empty());
        assert_eq!(served(&table), ["old"]);
        let applied = table.apply(0, Change::Set(server(&[("new", Conditions::READY)])));
        assert_eq!(applied.gone.len(), 1);
        assert_eq!(served(&table), ["new"]);
        table.apply(1, Change::Remove(old.key.clone()));
        assert_eq!(served(&table), ["new"]);

        // And out of it.
        table.apply(1, Change::Set(old.clone()));
        table.apply(0, Change::Set(server(&[("new", Conditions::DRAINING)])));
        assert_eq!(served(&table), ["old"]);
    }

    #[test]
    fn where_none_is_ready_the_first_with_an_instance_counts_and_then_the_first() {
        let table: RoutingTable<NoLink> = RoutingTable::new(2);
        table.apply(0, Change::Set(server(&[])));
        table.apply(1, Change::Set(server(&[("other", Conditions::UNREADY)])));
        assert_eq!(served(&table), ["other"]);
        table.apply(0, Change::Set(server(&[("one", Conditions::UNREADY)])));
        assert_eq!(served(&table), ["one"]);
        // One that sleeps is started by the next call.
        table.apply(1, Change::Set(server(&[("other", Conditions::READY)])));
        assert_eq!(served(&table), ["other"]);
        let mut asleep = server(&[]);
        asleep.handling.idle_timeout = Some(Duration::from_secs(1));
        table.apply(0, Change::Set(asleep));
        assert_eq!(served(&table), [""; 0]);
    }
}
