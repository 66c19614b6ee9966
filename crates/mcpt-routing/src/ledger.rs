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
/// How long it is told that a session is over: so long that every other gateway asks meanwhile.
const ENDED_MS: u64 = 10_000;
/// Most sessions that are told so at once. One that is not is counted by others until it was idle for too long.
pub(crate) const MOST_ENDED: usize = 16_384;

/// Sessions by the hash of their id.
#[derive(Debug)]
pub struct SessionLedger<L> {
    shards: Vec<Mutex<Shard<L>>>,
    idle_ms: u64,
}

#[derive(Debug)]
struct Shard<L> {
    seen: HashMap<u64, LedgerEntry<L>>,
    /// When those ended that are over, for others that have seen them too.
    ended: HashMap<u64, u64>,
}

#[derive(Debug)]
struct LedgerEntry<L> {
    endpoint: Arc<Endpoint<L>>,
    last: u64,
}

impl<L> Shard<L> {
    fn empty() -> Self {
        Self {
            seen: HashMap::new(),
            ended: HashMap::new(),
        }
    }

    fn remove(&mut self, hash: u64) {
        if let Some(seen) = self.seen.remove(&hash) {
            seen.endpoint.session_ended();
        }
    }
}

impl<L> SessionLedger<L> {
    /// An empty one that forgets sessions after `idle_ms` milliseconds without a request.
    pub fn new(idle_ms: u64) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::empty())).collect(),
            idle_ms,
        }
    }

    /// Notes that a session was used at its endpoint.
    pub fn touch(&self, session: &[u8], endpoint: &Arc<Endpoint<L>>, now: u64) {
        let (hash, mut shard) = self.shard(session);
        match shard.seen.entry(hash) {
            Entry::Occupied(mut seen) => seen.get_mut().last = now,
            Entry::Vacant(place) => {
                endpoint.session_began();
                place.insert(LedgerEntry {
                    endpoint: Arc::clone(endpoint),
                    last: now,
                });
                shard.ended.remove(&hash);
            }
        }
    }

    /// Notes that a session is over, for a while also if it was only seen elsewhere.
    pub fn end(&self, session: &[u8], now: u64) {
        let (hash, mut shard) = self.shard(session);
        shard.remove(hash);
        if shard.ended.len() < MOST_ENDED / SHARDS {
            shard.ended.insert(hash, now);
        }
    }

    /// Forgets sessions that were idle for too long.
    pub fn sweep(&self, now: u64) {
        for shard in &self.shards {
            let mut shard = locked(shard);
            shard
                .ended
                .retain(|_, ended| ended.saturating_add(ENDED_MS) > now);
            shard.seen.retain(|_, seen| {
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
            locked(shard).seen.retain(|_, seen| {
                let gone = is_gone(&seen.endpoint);
                if gone {
                    seen.endpoint.session_ended();
                }
                !gone
            });
        }
    }

    fn shard(&self, session: &[u8]) -> (u64, MutexGuard<'_, Shard<L>>) {
        let hash = hash(session);
        (hash, self.shard_of(hash))
    }

    fn shard_of(&self, hash: u64) -> MutexGuard<'_, Shard<L>> {
        locked(&self.shards[hash as usize % SHARDS])
    }

    /// Whether a session with this hash was seen here.
    pub(crate) fn knows(&self, hash: u64) -> bool {
        self.shard_of(hash).seen.contains_key(&hash)
    }

    /// Notes that a session with this hash has ended elsewhere.
    pub(crate) fn forget_ended(&self, hash: u64) {
        self.shard_of(hash).remove(hash);
    }

    /// The hashes of sessions that have ended lately.
    pub(crate) fn ended(&self) -> Vec<u64> {
        let mut ended = Vec::new();
        for shard in &self.shards {
            ended.extend(locked(shard).ended.keys());
        }
        ended
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| locked(shard).seen.len())
            .sum()
    }

    /// Shows each session's hash and endpoint.
    pub(crate) fn each(&self, mut show: impl FnMut(u64, &Arc<Endpoint<L>>)) {
        for shard in &self.shards {
            for (hash, seen) in &locked(shard).seen {
                show(*hash, &seen.endpoint);
            }
        }
    }
}

/// FNV-1a, and its upper bits mixed in: the same in every gateway. What is hashed was sealed by one of them, so nobody can
/// choose it.
pub(crate) fn hash(session: &[u8]) -> u64 {
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
