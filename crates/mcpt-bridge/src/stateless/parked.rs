//! [`Parking`]: calls whose server waits for an answer of its client, while the client has been told what is asked.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::Mutex,
    time::Duration,
};

use mcpt_protocol::translate::Questions;
use tokio::{sync::mpsc, time::Instant};

use super::{Lease, Sharing, shared::locked};
use crate::{session::GivenUpWithThis, sessions::new_id, sse::Event};

/// How long a client may take to answer.
const PATIENCE: Duration = Duration::from_mins(10);
/// Most calls that wait. Of more, the one that has waited for longest is given up.
const MOST: usize = 512;
/// What a state of the bridge's own begins with; any other is the server's.
const OWN_STATE: &str = "mcpt-bridge.";

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) lease: Lease,
    pub(crate) events: mpsc::Receiver<Event>,
    /// Digest of what the call is about: an answer to another one is none to this.
    pub(crate) subject: u64,
    pub(crate) questions: Questions,
    /// The child is told when nobody waits any more.
    pub(crate) under_way: GivenUpWithThis,
}

/// A request answers questions that nobody has asked, or no longer waits for.
#[derive(Debug, thiserror::Error)]
#[error("requestState is of no call that waits here: call again without it")]
pub(crate) struct UnknownRound;

/// All of them, by the states that their clients have got.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    calls: Mutex<HashMap<String, (Parked, Instant)>>,
    hasher: RandomState,
}

impl Parking {
    /// A digest of what a call is about.
    pub(crate) fn digest(&self, subject: &str) -> u64 {
        self.hasher.hash_one(subject)
    }

    /// Parks a call; what its client must give back.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(crate) fn park(&self, parked: Parked) -> Result<String, getrandom::Error> {
        let state = format!("{OWN_STATE}{}", new_id()?);
        let mut all = locked(&self.calls);
        if all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, (_, since))| *since);
            if let Some(oldest) = oldest.map(|(state, _)| state.clone()) {
                all.remove(&oldest);
            }
        }
        all.insert(state.clone(), (parked, Instant::now()));
        Ok(state)
    }

    /// The call that a request with this state is the next round of; `None` if the state is not of the bridge.
    ///
    /// # Errors
    /// [`UnknownRound`] when it is, but no such call of this identity waits.
    pub(crate) fn take(
        &self,
        state: &str,
        subject: &str,
        sharing: &Sharing,
    ) -> Result<Option<Parked>, UnknownRound> {
        if !state.starts_with(OWN_STATE) {
            return Ok(None);
        }
        let mut all = locked(&self.calls);
        let is_it = |(parked, _): &&(Parked, Instant)| {
            parked.subject == self.digest(subject)
                && parked.lease.sharing.is_of_same_identity(sharing)
        };
        all.get(state).filter(is_it).ok_or(UnknownRound)?;
        Ok(all.remove(state).map(|(parked, _)| parked))
    }

    /// Gives up those whose clients have not answered.
    pub(super) fn sweep(&self) {
        locked(&self.calls).retain(|_, (_, since)| since.elapsed() < PATIENCE);
    }
}
