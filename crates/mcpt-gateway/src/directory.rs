//! [`Directory`]: which servers there are, as the sources tell it, and which sessions were seen at them.

mod standings;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mcpt_routing::{
    Change, Endpoint, EndpointId, LastUse, Pinned, RoutingTable, Server, ServerKey, SessionLedger,
    Sightings,
};
use tokio::sync::{Notify, futures::Notified};

use self::standings::Standings;
use crate::upstream::Upstream;

/// Servers, endpoints and sessions.
#[derive(Debug)]
pub(crate) struct Directory {
    table: RoutingTable<Upstream>,
    ledger: SessionLedger<Upstream>,
    last_use: LastUse,
    sources: Vec<SourceState>,
    /// Since when endpoints are as they are.
    pub(crate) standings: Standings,
    /// Wakes those who wait for a change of the table.
    changed: Notify,
    started: Instant,
}

/// What is known of a source.
#[derive(Debug)]
struct SourceState {
    name: &'static str,
    /// Whether it has told all that it knows.
    complete: AtomicBool,
}

impl Directory {
    /// An empty one, of sources with these names. A session without requests for `session_idle` counts as load no more.
    pub(crate) fn new(sources: impl Iterator<Item = &'static str>, session_idle: Duration) -> Self {
        let sources: Vec<_> = sources
            .map(|name| SourceState {
                name,
                complete: AtomicBool::new(false),
            })
            .collect();
        Self {
            table: RoutingTable::new(sources.len()),
            ledger: SessionLedger::new(session_idle.as_millis() as u64),
            last_use: LastUse::default(),
            sources,
            standings: Standings::default(),
            changed: Notify::new(),
            started: Instant::now(),
        }
    }

    /// The routing's clock: milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// The servers as they are now.
    pub(crate) fn table(&self) -> &RoutingTable<Upstream> {
        &self.table
    }

    /// One of them.
    pub(crate) fn server(&self, namespace: &str, name: &str) -> Option<Arc<Server<Upstream>>> {
        self.table.current().get(namespace, name).cloned()
    }

    /// An endpoint of a server, if both are there.
    pub(crate) fn endpoint(
        &self,
        key: &ServerKey,
        id: &EndpointId,
    ) -> Option<Arc<Endpoint<Upstream>>> {
        let server = self.server(key.namespace.as_str(), key.name.as_str())?;
        match server.pinned(id) {
            Pinned::Endpoint(endpoint, _) => Some(endpoint),
            Pinned::Gone => None,
        }
    }

    /// The same, awaited for as long as its server is there. Never completes if that stays so.
    pub(crate) async fn appears(
        &self,
        key: &ServerKey,
        id: &EndpointId,
    ) -> Option<Arc<Endpoint<Upstream>>> {
        loop {
            let changed = self.changed.notified();
            self.server(key.namespace.as_str(), key.name.as_str())?;
            if let Some(endpoint) = self.endpoint(key, id) {
                return Some(endpoint);
            }
            changed.await;
        }
    }

    /// Completes with the next change after this call, whether it was polled by then or not.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Takes in what a source says.
    pub(crate) fn apply(&self, source: usize, change: Change) {
        let complete = matches!(change, Change::Snapshot(_));
        let applied = self.table.apply(source, change);
        self.standings.take(&applied);
        for server in &applied.changed {
            let endpoints = server.endpoints().iter();
            for (endpoint, _) in endpoints.filter(|(_, conditions)| conditions.terminating) {
                endpoint.link().retire();
            }
            let ready = server.endpoints().iter().filter(|(_, c)| c.ready).count();
            let endpoints = server.endpoints().len();
            tracing::info!(server = %server.key(), endpoints, ready, "server changed");
        }
        for key in &applied.removed {
            tracing::info!(server = %key, "server removed");
        }
        for endpoint in &applied.gone {
            endpoint.link().leave();
        }
        if !applied.gone.is_empty() {
            self.ledger
                .forget(|endpoint| applied.gone.iter().any(|gone| Arc::ptr_eq(gone, endpoint)));
        }
        if complete && let Some(state) = self.sources.get(source) {
            state.complete.store(true, Relaxed);
        }
        self.changed.notify_waiters();
    }

    /// The sources that have not told yet what they know.
    pub(crate) fn awaited(&self) -> Vec<&'static str> {
        self.sources
            .iter()
            .filter(|source| !source.complete.load(Relaxed))
            .map(|source| source.name)
            .collect()
    }

    /// Waits until all sources have told what they know.
    pub(crate) async fn complete(&self) {
        loop {
            let changed = self.changed.notified();
            if self.awaited().is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Notes a request of a session, by its sealed id.
    pub(crate) fn session_used(&self, sealed: &[u8], endpoint: &Arc<Endpoint<Upstream>>) {
        self.ledger.touch(sealed, endpoint, self.now());
    }

    /// Notes the end of a session.
    pub(crate) fn session_ended(&self, sealed: &[u8]) {
        self.ledger.end(sealed, self.now());
    }

    /// Notes that an endpoint can have no sessions any more.
    pub(crate) fn sessions_lost(&self, endpoint: &Arc<Endpoint<Upstream>>) {
        if endpoint.sessions() > 0 {
            self.ledger.forget(|other| Arc::ptr_eq(other, endpoint));
        }
    }

    /// What other gateways are told of the sessions here, and of the last use of servers.
    pub(crate) fn sightings(&self) -> Sightings {
        self.note_use();
        let sightings = self.ledger.sightings(&self.table);
        sightings.with_idle(self.last_use.told(self.now()))
    }

    /// Looks which servers are in use.
    pub(crate) fn note_use(&self) {
        self.last_use.look(&self.table, self.now());
    }

    /// Takes in when another gateway has seen servers in use, as it says now.
    pub(crate) fn hear_use(&self, told: &Sightings) {
        self.last_use.hear(told.idle_ms(), self.now());
    }

    /// How long nobody has used a server; `None` when nobody cares.
    pub(crate) fn idle_for(&self, key: &ServerKey) -> Option<Duration> {
        self.last_use
            .idle_ms(key, self.now())
            .map(Duration::from_millis)
    }

    /// Counts the sessions that other gateways have seen.
    pub(crate) fn count_elsewhere(&self, reports: &[&Sightings]) {
        self.ledger.merge(&self.table, reports);
    }

    /// Forgets what was not used for a while.
    pub(crate) fn sweep(&self) {
        self.ledger.sweep(self.now());
        for server in self.table.current().iter() {
            for (endpoint, _) in server.endpoints() {
                endpoint.link().close_idle();
            }
        }
    }
}

/// Seconds since 1970, for tickets.
pub(crate) fn unix_time() -> u32 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX)
}
