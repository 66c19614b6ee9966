//! [`Endpoint`]: one instance of a server as the gateway sees it: how loaded it is and whether it could be reached.

use std::{
    num::NonZeroU32,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{Address, EndpointId, EndpointSpec, Permit};

/// How long an endpoint is passed over after its first failed connection; doubled for each further one.
const FIRST_PAUSE_MS: u64 = 250;
/// Longest such time.
const MAX_PAUSE_MS: u64 = 10_000;

/// One instance. It lives on across snapshots as long as id and address stay, and `link` (the transport's connections
/// to it) with it.
#[derive(Debug)]
pub struct Endpoint<L> {
    id: EndpointId,
    address: Address,
    weight: NonZeroU32,
    link: L,
    sessions: AtomicU32,
    elsewhere: AtomicU32,
    beginning: AtomicU32,
    in_flight: AtomicU32,
    failures: AtomicU32,
    paused_until: AtomicU64,
}

impl<L: for<'a> From<&'a Address>> Endpoint<L> {
    pub(crate) fn new(spec: &EndpointSpec) -> Self {
        Self {
            id: spec.id.clone(),
            weight: spec.weight,
            link: L::from(&spec.address),
            address: spec.address.clone(),
            sessions: AtomicU32::new(0),
            elsewhere: AtomicU32::new(0),
            beginning: AtomicU32::new(0),
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            paused_until: AtomicU64::new(0),
        }
    }
}

impl<L> Endpoint<L> {
    /// Its identity.
    pub fn id(&self) -> &EndpointId {
        &self.id
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How much it gets beside the others.
    pub fn weight(&self) -> NonZeroU32 {
        self.weight
    }

    /// What the transport keeps for it.
    pub fn link(&self) -> &L {
        &self.link
    }

    /// Sessions that this gateway has seen.
    pub fn sessions(&self) -> u32 {
        self.sessions.load(Relaxed)
    }

    /// Those, and the ones that only other gateways have seen, see [`crate::SessionLedger::merge`].
    pub fn all_sessions(&self) -> u32 {
        let elsewhere = self.elsewhere.load(Relaxed);
        self.sessions().saturating_add(elsewhere)
    }

    pub(crate) fn set_elsewhere(&self, sessions: u32) {
        self.elsewhere.store(sessions, Relaxed);
    }

    /// Requests that this gateway has sent and that are not answered to their end.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Sessions, and those that are about to be.
    pub(crate) fn taken(&self) -> u32 {
        let beginning = self.beginning.load(Relaxed);
        self.all_sessions().saturating_add(beginning)
    }

    pub(crate) fn session_began(&self) {
        self.sessions.fetch_add(1, Relaxed);
    }

    pub(crate) fn session_ended(&self) {
        self.sessions.fetch_sub(1, Relaxed);
    }

    /// Counts a request until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight<L> {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight {
            endpoint: Arc::clone(self),
            begins: false,
            place: None,
        }
    }

    /// Counts a request that is to begin a session.
    pub(crate) fn begin_session(self: &Arc<Self>) -> InFlight<L> {
        self.beginning.fetch_add(1, Relaxed);
        let mut request = self.begin();
        request.begins = true;
        request
    }

    /// No connection could be made: others are preferred for a while. `now` is any monotonic clock in milliseconds.
    pub fn unreachable(&self, now: u64) {
        let doublings = self.failures.fetch_add(1, Relaxed).min(16);
        let pause = (FIRST_PAUSE_MS << doublings).min(MAX_PAUSE_MS);
        self.paused_until.store(now + pause, Relaxed);
    }

    /// It answered: whatever was held against it is forgotten.
    pub fn answered(&self) {
        // Read first: this is on the path of each request, and a write would take the cache line from other threads.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
            self.paused_until.store(0, Relaxed);
        }
    }

    /// Whether it could not be reached lately, at `now` in milliseconds: others are better for now.
    pub fn is_paused(&self, now: u64) -> bool {
        self.passed_over(now) > 0
    }

    /// For how many milliseconds from `now` on others are preferred.
    pub fn passed_over(&self, now: u64) -> u64 {
        self.paused_until.load(Relaxed).saturating_sub(now)
    }
}

/// A request in progress at an endpoint.
#[derive(Debug)]
pub struct InFlight<L> {
    endpoint: Arc<Endpoint<L>>,
    begins: bool,
    place: Option<Permit>,
}

impl<L> InFlight<L> {
    /// The endpoint itself.
    pub fn endpoint(&self) -> &Arc<Endpoint<L>> {
        &self.endpoint
    }

    /// Keeps a place taken for as long as the request is in progress.
    pub fn hold(&mut self, place: Option<Permit>) {
        self.place = place;
    }

    /// Gives that place to whoever goes on with the request.
    pub fn release(&mut self) -> Option<Permit> {
        self.place.take()
    }

    /// The session that it was to begin is there, and counted as such, or never will be.
    pub fn begun(&mut self) {
        if std::mem::take(&mut self.begins) {
            self.endpoint.beginning.fetch_sub(1, Relaxed);
        }
    }
}

impl<L> Deref for InFlight<L> {
    type Target = Endpoint<L>;
    fn deref(&self) -> &Endpoint<L> {
        &self.endpoint
    }
}

impl<L> Drop for InFlight<L> {
    fn drop(&mut self) {
        self.begun();
        self.endpoint.in_flight.fetch_sub(1, Relaxed);
    }
}
