//! [`Permit`]: one of the requests that a server may have in progress at once, and what it is in use for.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A client: the server is in use.
    Client,
    /// The gateway itself, which wants to know something. A server that only it asks is idle.
    Gateway,
}

/// Requests in progress that count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Busy(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    all: AtomicU32,
    of_clients: AtomicU32,
    begun: AtomicU64,
}

/// Requests of clients, as of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Demand {
    pub(crate) in_progress: u32,
    /// How many have begun since the server is known.
    pub(crate) begun: u64,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub struct Permit {
    busy: Busy,
    asker: Asker,
    /// Whether it is one of so many.
    counts: bool,
}

impl Busy {
    /// Takes a place if one of so many is free.
    pub(crate) fn take(&self, most: NonZeroU32, asker: Asker) -> Option<Permit> {
        let before = self.0.all.fetch_add(1, Relaxed);
        if asker == Asker::Client {
            self.0.of_clients.fetch_add(1, Relaxed);
            self.0.begun.fetch_add(1, Relaxed);
        }
        // Given back when it is one too many.
        let place = Permit {
            busy: self.clone(),
            asker,
            counts: true,
        };
        (before < most.get()).then_some(place)
    }

    /// A place that is none of so many.
    pub(crate) fn keep(&self, asker: Asker) -> Permit {
        if asker == Asker::Client {
            self.0.of_clients.fetch_add(1, Relaxed);
            self.0.begun.fetch_add(1, Relaxed);
        }
        Permit {
            busy: self.clone(),
            asker,
            counts: false,
        }
    }

    pub(crate) fn demand(&self) -> Demand {
        Demand {
            in_progress: self.0.of_clients.load(Relaxed),
            begun: self.0.begun.load(Relaxed),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let counters = &self.busy.0;
        if self.counts {
            counters.all.fetch_sub(1, Relaxed);
        }
        if self.asker == Asker::Client {
            counters.of_clients.fetch_sub(1, Relaxed);
        }
    }
}
