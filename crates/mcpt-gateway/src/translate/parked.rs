//! [`Parking`]: calls whose server waits for an answer of the client, while the client has been told what is asked.
//!
//! A parked call is its session and its open answer, in this replica. What the client gets to give back names it, sealed; a
//! retry that comes to another replica does not find it.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mcpt_protocol::translate::new::Question;

use super::{leases::Lease, messages::Messages, old_sessions::locked};

/// How long a client may take to answer.
const PATIENCE: Duration = Duration::from_mins(10);
/// Most calls that wait. Of more, those that have waited for the longest time are given up.
const MOST: usize = 512;

/// A call that waits.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) lease: Lease,
    pub(super) messages: Messages,
    /// The id of the call in its session.
    pub(super) id: u64,
    /// What the call is about: an answer to another one is none to this.
    pub(super) subject: String,
    /// Questions by the keys that the client knows them by.
    pub(super) questions: Vec<(String, Question)>,
    /// How many questions it has had.
    pub(super) asked: usize,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Parking {
    by_number: Mutex<HashMap<u64, (Parked, Instant)>>,
    next: AtomicU64,
}

impl Parking {
    /// Parks a call; the number that it has, and one that had to make room for it.
    pub(super) fn park(&self, parked: Parked) -> (u64, Option<Parked>) {
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
        (number, given_up.map(|(parked, _)| parked))
    }

    /// Takes a call out if `is_it`.
    pub(super) fn take(&self, number: u64, is_it: impl Fn(&Parked) -> bool) -> Option<Parked> {
        let mut all = locked(&self.by_number);
        all.get(&number).filter(|(parked, _)| is_it(parked))?;
        all.remove(&number).map(|(parked, _)| parked)
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
