//! Choosing an endpoint for work that may begin anywhere.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use crate::{Endpoint, EndpointId, InFlight, table::Server};

/// How new sessions are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// To the endpoint with the fewest sessions, and of those with as many to the one with the fewest requests; among equals
    /// in turn. Sessions come first: they stay, and every gateway knows of them, while requests end, or are streams on which
    /// a session waits, and are known where they came by.
    #[default]
    LeastLoaded,
    /// To one after the other.
    RoundRobin,
}

/// What an endpoint is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A session that will stay there.
    NewSession(Policy),
    /// One request that leaves nothing behind: only requests in progress count as load, among equals in turn.
    OneRequest,
}

impl<L> Server<L> {
    /// Picks an endpoint that is not among `tried` and counts the request as in flight there.
    ///
    /// Ready ones come first; among them those that could be reached lately. When none is ready, one that terminates
    /// but still serves is better than none (kube-proxy does the same). `None`: there is nobody to send this to.
    pub fn pick(&self, work: Work, tried: &[EndpointId], now: u64) -> Option<InFlight<L>> {
        let endpoints = self.endpoints();
        let count = endpoints.len();
        let start = self.turn.fetch_add(1, Relaxed) % count.max(1);
        let turned = (start..count).chain(0..start);
        let best = turned
            .filter_map(|index| {
                let (endpoint, conditions) = endpoints.get(index)?;
                let class = if conditions.take_new() {
                    0
                } else if conditions.serving && conditions.terminating {
                    1
                } else {
                    return None;
                };
                if tried.contains(endpoint.id()) {
                    return None;
                }
                Some((
                    endpoint,
                    (class, endpoint.is_paused(now), weight(work, endpoint)),
                ))
            })
            // The first of equals: they come in turn.
            .min_by_key(|(_, rank)| *rank)?;
        Some(match work {
            Work::NewSession(_) => best.0.begin_session(),
            Work::OneRequest => best.0.begin(),
        })
    }
}

fn weight<L>(work: Work, endpoint: &Arc<Endpoint<L>>) -> (u32, u32) {
    match work {
        Work::NewSession(Policy::LeastLoaded) => (endpoint.taken(), endpoint.in_flight()),
        Work::NewSession(Policy::RoundRobin) => (0, 0),
        Work::OneRequest => (0, endpoint.in_flight()),
    }
}
