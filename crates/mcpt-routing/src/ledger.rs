//! [`SessionLedger`]: which sessions this gateway has seen lately, so that load can be counted without a store.
//!
//! It is no truth: a session works without being in it. One that begins elsewhere is noted when its first request comes
//! by; one that nobody uses any more is forgotten after a while, since clients rarely end their sessions.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Endpoint;

/// Parts with a lock each, so that requests of different sessions seldom meet.
const SHARDS: usize = 64;

/// Sessions by the hash of their id.
#[derive(Debug)]
pub struct SessionLedger<L> {
    shards: Vec<Mutex<HashMap<u64, Seen<L>>>>,
    idle_ms: u64,
}

#[derive(Debug)]
struct Seen<L> {
    endpoint: Arc<Endpoint<L>>,
    last: u64,
}

impl<L> SessionLedger<L> {
    /// An empty one that forgets sessions after `idle_ms` milliseconds without a request.
    pub fn new(idle_ms: u64) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            idle_ms,
        }
    }

    /// Notes that a session was used at its endpoint.
    pub fn touch(&self, session: &[u8], endpoint: &Arc<Endpoint<L>>, now: u64) {
        let (hash, mut shard) = self.shard(session);
        match shard.entry(hash) {
            Entry::Occupied(mut seen) => seen.get_mut().last = now,
            Entry::Vacant(place) => {
                endpoint.session_began();
                place.insert(Seen {
                    endpoint: Arc::clone(endpoint),
                    last: now,
                });
            }
        }
    }

    /// Notes that a session is over.
    pub fn end(&self, session: &[u8]) {
        let (hash, mut shard) = self.shard(session);
        if let Some(seen) = shard.remove(&hash) {
            seen.endpoint.session_ended();
        }
    }

    /// Forgets sessions that were idle for too long.
    pub fn sweep(&self, now: u64) {
        for shard in &self.shards {
            locked(shard).retain(|_, seen| {
                let keep = seen.last.saturating_add(self.idle_ms) > now;
                if !keep {
                    seen.endpoint.session_ended();
                }
                keep
            });
        }
    }

    /// Forgets the sessions of endpoints for which `is_gone`, which can have none.
    pub fn forget(&self, is_gone: impl Fn(&Arc<Endpoint<L>>) -> bool) {
        for shard in &self.shards {
            locked(shard).retain(|_, seen| {
                let gone = is_gone(&seen.endpoint);
                if gone {
                    seen.endpoint.session_ended();
                }
                !gone
            });
        }
    }

    fn shard(&self, session: &[u8]) -> (u64, MutexGuard<'_, HashMap<u64, Seen<L>>>) {
        let hash = hash(session);
        (hash, self.shard_of(hash))
    }

    fn shard_of(&self, hash: u64) -> MutexGuard<'_, HashMap<u64, Seen<L>>> {
        locked(&self.shards[hash as usize % SHARDS])
    }

    /// Whether a session with this hash was seen here.
    pub(crate) fn knows(&self, hash: u64) -> bool {
        self.shard_of(hash).contains_key(&hash)
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }

    /// Shows each session's hash and endpoint.
    pub(crate) fn each(&self, mut show: impl FnMut(u64, &Arc<Endpoint<L>>)) {
        for shard in &self.shards {
            for (hash, seen) in locked(shard).iter() {
                show(*hash, &seen.endpoint);
            }
        }
    }
}

/// FNV-1a, and its upper bits mixed in: the same in every gateway. What is hashed was sealed by one of them, so nobody can
/// choose it.
fn hash(session: &[u8]) -> u64 {
    let hash = session.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

/// Nothing is ever half done under the lock, so a panic elsewhere has left it whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
