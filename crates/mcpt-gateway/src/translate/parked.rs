//! [`Parking`]: calls whose server waits for an answer of the client, while the client has been told what is asked.
//!
//! A parked call is its session and its open answer, in this replica. What the client gets to give back names it and the replica,
//! sealed: another replica passes the next round on to that one, see `passed.rs`.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mcpt_protocol::translate::Questions;
use mcpt_routing::{Carried, Permit, SealError, SessionKeys};

use super::{leases::Lease, messages::Messages, old_sessions::locked};

/// How long a client may take to answer.
const PATIENCE: Duration = Duration::from_mins(10);
/// Most calls that wait. Of more, those that have waited for the longest time are given up.
const MOST: usize = 512;
/// What a state of the gateway's own begins with; any other is the server's.
const OWN_STATE: &str = "mcpt.";

/// Which call it is, and which replica has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoundId {
    /// A number that each replica draws for itself.
    pub(super) replica: u64,
    number: u64,
}

/// A state that begins like one of the gateway's own is none that it has made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForeignState;

impl RoundId {
    /// What a client gives back with its answers.
    ///
    /// # Errors
    /// [`SealError`].
    pub(super) fn state(self, keys: &SessionKeys) -> Result<String, SealError> {
        let bytes = [self.replica.to_be_bytes(), self.number.to_be_bytes()].concat();
        let sealed = keys.seal_carried(Carried::Round, &bytes)?;
        Ok(format!("{OWN_STATE}{sealed}"))
    }

    /// Which one a state names; `None` when the state is a server's.
    ///
    /// # Errors
    /// [`ForeignState`].
    pub(super) fn of(state: &str, keys: &SessionKeys) -> Result<Option<Self>, ForeignState> {
        let Some(sealed) = state.strip_prefix(OWN_STATE) else {
            return Ok(None);
        };
        let bytes = keys.open_carried(Carried::Round, sealed.as_bytes());
        let bytes = bytes.ok_or(ForeignState)?;
        let (replica, number) = bytes.split_first_chunk().ok_or(ForeignState)?;
        let number = number.try_into().map_err(|_| ForeignState)?;
        Ok(Some(Self {
            replica: u64::from_be_bytes(*replica),
            number: u64::from_be_bytes(number),
        }))
    }
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) lease: Lease,
    pub(super) messages: Messages,
    /// The id of the call in its session.
    pub(super) id: u64,
    /// What the call is about: an answer to another one is none to this.
    pub(super) subject: String,
    pub(super) questions: Questions,
    /// Keeps its server running.
    pub(super) place: Option<Permit>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Parking {
    /// Of this replica.
    pub(super) replica: u64,
    by_number: Mutex<HashMap<u64, (Parked, Instant)>>,
    next: AtomicU64,
}

impl Default for Parking {
    fn default() -> Self {
        Self {
            replica: RandomState::new().hash_one(()),
            by_number: Mutex::default(),
            next: AtomicU64::default(),
        }
    }
}

impl Parking {
    /// Parks a call; which one it is, and one that had to make room for it.
    pub(super) fn park(&self, parked: Parked) -> (RoundId, Option<Parked>) {
        let number = self.next.fetch_add(1, Relaxed);
        let mut all = locked(&self.by_number);
        let full = all.len() >= MOST;
        let oldest = all
            .iter()
            .filter(|_| full)
            .min_by_key(|(_, (_, since))| *since);
        let oldest = oldest.map(|(number, _)| *number);
        let given_up = oldest.and_then(|oldest| all.remove(&oldest));
        all.insert(number, (parked, Instant::now()));
        let id = RoundId {
            replica: self.replica,
            number,
        };
        (id, given_up.map(|(parked, _)| parked))
    }

    /// Takes a call of this replica out if `is_it`.
    pub(super) fn take(&self, id: RoundId, is_it: impl Fn(&Parked) -> bool) -> Option<Parked> {
        let mut all = locked(&self.by_number);
        let known = all.get(&id.number).filter(|_| id.replica == self.replica);
        known.filter(|(parked, _)| is_it(parked))?;
        all.remove(&id.number).map(|(parked, _)| parked)
    }

    /// Takes out those whose clients have not answered.
    pub(super) fn too_old(&self) -> Vec<Parked> {
        let mut all = locked(&self.by_number);
        let old: Vec<_> = all
            .iter()
            .filter(|(_, (_, since))| since.elapsed() > PATIENCE)
            .map(|(number, _)| *number)
            .collect();
        old.iter()
            .filter_map(|number| all.remove(number))
            .map(|(parked, _)| parked)
            .collect()
    }
}
