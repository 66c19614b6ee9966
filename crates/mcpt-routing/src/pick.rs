//! Choosing an endpoint for work that may begin anywhere.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use crate::{Conditions, Endpoint, EndpointId, InFlight, ledger, table::Server};

/// How new sessions are spread, and requests that belong to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// To the endpoint with the fewest sessions, and of those with as many to the one with the fewest requests; among equals
    /// in turn. Sessions come first: they stay, and every gateway knows of them, while requests end, or are streams on which
    /// a session waits, and are known where they came by. A request without a session goes where the fewest requests are.
    #[default]
    LeastLoaded,
    /// To the endpoint with the fewest requests and open streams, among equals in turn.
    LeastRequests,
    /// To one after the other.
    RoundRobin,
    /// Those with the same key to the same endpoint, in every gateway; when that goes, only its own move. (By the highest
    /// random weight, which needs no ring.) Those without a key as [`Policy::LeastLoaded`] says.
    Hash,
}

/// What an endpoint is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A session that will stay there.
    NewSession(Policy),
    /// One request that leaves nothing behind, where the server itself says nothing about how: only requests in progress
    /// count as load, among equals in turn.
    OneRequest,
}

/// An endpoint that can be picked.
type Candidate<'s, L> = (usize, &'s Arc<Endpoint<L>>);

impl<L> Server<L> {
    /// Picks an endpoint for what has no key, see [`Server::pick_for`].
    pub fn pick(&self, work: Work, tried: &[EndpointId], now: u64) -> Option<InFlight<L>> {
        self.pick_for(work, None, tried, now)
    }

    /// Picks an endpoint that is not among `tried` and counts the request as in flight there, by the server's own policy if it
    /// has one. Those with twice the weight get twice as much.
    ///
    /// Ready ones come first; among them those that could be reached lately. When none is ready, one that terminates
    /// but still serves is better than none (kube-proxy does the same). `None`: there is nobody to send this to.
    pub fn pick_for(
        &self,
        work: Work,
        key: Option<u64>,
        tried: &[EndpointId],
        now: u64,
    ) -> Option<InFlight<L>> {
        let turn = self.turn.fetch_add(1, Relaxed);
        let rank = |(endpoint, conditions): &(Arc<Endpoint<L>>, Conditions)| {
            let class = class(*conditions).filter(|_| !tried.contains(endpoint.id()))?;
            Some((class, endpoint.is_paused(now)))
        };
        let endpoints = self.endpoints();
        let best = endpoints.iter().filter_map(rank).min()?;
        let candidates = || {
            let all = endpoints.iter().enumerate();
            let best = all.filter(move |(_, endpoint)| rank(endpoint) == Some(best));
            best.map(|(index, (endpoint, _))| (index, endpoint))
        };
        let own = self.handling().balance.as_ref();
        let policy = match (own.map(|balance| balance.policy), work) {
            (Some(policy), _) | (None, Work::NewSession(policy)) => policy,
            (None, Work::OneRequest) if key.is_some() => Policy::Hash,
            (None, Work::OneRequest) => Policy::LeastRequests,
        };
        let picked = match (policy, key) {
            (Policy::RoundRobin, _) => in_turn(candidates, turn),
            (Policy::Hash, Some(key)) => by_key(candidates(), key),
            (Policy::LeastRequests, _) => least(candidates(), endpoints.len(), turn, |endpoint| {
                (0, endpoint.in_flight())
            }),
            (Policy::LeastLoaded | Policy::Hash, _) => {
                let session = matches!(work, Work::NewSession(_));
                least(candidates(), endpoints.len(), turn, |endpoint| {
                    let sessions = if session { endpoint.taken() } else { 0 };
                    (sessions, endpoint.in_flight())
                })
            }
        }?;
        Some(match work {
            Work::NewSession(_) => picked.begin_session(),
            Work::OneRequest => picked.begin(),
        })
    }
}

/// How gladly something new is sent there; `None`: not at all.
fn class(conditions: Conditions) -> Option<u8> {
    if conditions.take_new() {
        Some(0)
    } else {
        (conditions.serving && conditions.terminating).then_some(1)
    }
}

/// The one with the least load for its weight; of equals the first from this turn on, so that they come in turn.
fn least<'s, L: 's>(
    candidates: impl Iterator<Item = Candidate<'s, L>>,
    count: usize,
    turn: usize,
    load: impl Fn(&Endpoint<L>) -> (u32, u32),
) -> Option<&'s Arc<Endpoint<L>>> {
    let start = turn % count.max(1);
    // In thousandths, so that loads of different weights can be told apart.
    let weighed = |load: u32, weight: u32| u64::from(load) * 1000 / u64::from(weight);
    let least = candidates.min_by_key(|(index, endpoint)| {
        let (first, second) = load(endpoint);
        let weight = endpoint.weight().get();
        let turns = (index + count - start) % count.max(1);
        (weighed(first, weight), weighed(second, weight), turns)
    })?;
    Some(least.1)
}

/// The one whose turn it is.
fn in_turn<'s, L: 's, I: Iterator<Item = Candidate<'s, L>>>(
    candidates: impl Fn() -> I,
    turn: usize,
) -> Option<&'s Arc<Endpoint<L>>> {
    let weight = |endpoint: &Endpoint<L>| endpoint.weight().get() as usize;
    let all: usize = candidates().map(|(_, endpoint)| weight(endpoint)).sum();
    let mut place = turn % all.max(1);
    for (_, endpoint) in candidates() {
        match place.checked_sub(weight(endpoint)) {
            Some(left) => place = left,
            None => return Some(endpoint),
        }
    }
    None
}

/// The one that this key belongs to.
fn by_key<'s, L: 's>(
    candidates: impl Iterator<Item = Candidate<'s, L>>,
    key: u64,
) -> Option<&'s Arc<Endpoint<L>>> {
    let score = |endpoint: &Endpoint<L>| {
        let mut bytes = key.to_be_bytes().to_vec();
        bytes.extend_from_slice(endpoint.id().as_str().as_bytes());
        // Between 0 and 1, without either: the logarithm is negative.
        let drawn = ((ledger::hash(&bytes) >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
        f64::from(endpoint.weight().get()) / -drawn.ln()
    };
    let best = candidates.max_by(|(_, a), (_, b)| score(a).total_cmp(&score(b)))?;
    Some(best.1)
}

/// The key of those who belong together, as [`Policy::Hash`] tells them apart.
pub fn key_of(value: &[u8]) -> u64 {
    ledger::hash(value)
}
