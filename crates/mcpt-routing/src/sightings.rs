//! [`Sightings`]: what gateways tell each other, so that each places new sessions by the load of all.
//!
//! A gateway sees only the sessions that come by it, and one that was just started none at all. By their hashes a session
//! that several have seen is counted once. Where there are very many sessions only every so manieth is told, chosen by its
//! hash and so the same ones everywhere.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{Address, Endpoint, RoutingTable, SessionLedger, ledger::MOST_ENDED};

/// About as many sessions are told at most: enough to tell loads apart by a percent, and less than half a megabyte.
const MOST_TOLD: usize = 16_384;
/// More than any gateway has to thin.
const MOST_THINNED: u32 = 32;
/// As many sessions are believed of one endpoint at most.
const MOST_AT_ENDPOINT: u64 = 1 << 20;

/// The sessions that one gateway has seen lately.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// Of two to the power of this many sessions one is told: those whose hash begins with as many zero bits.
    thinned: u32,
    /// Hashes of sessions, by `NAMESPACE/NAME` of the server and id of the endpoint.
    servers: BTreeMap<String, BTreeMap<String, Vec<u64>>>,
    /// Hashes of sessions that have ended lately, not thinned: others may have seen them too. Gateways of before this was
    /// told neither tell it nor count by it.
    #[serde(default)]
    ended: Vec<u64>,
    /// For how many milliseconds nobody has used each server that is stopped when nobody does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    idle_ms: BTreeMap<String, u64>,
}

impl Sightings {
    /// With what is known of the last use of servers, see [`crate::LastUse::told`].
    #[must_use]
    pub fn with_idle(mut self, idle_ms: BTreeMap<String, u64>) -> Self {
        self.idle_ms = idle_ms;
        self
    }

    /// What was told of the last use of servers.
    pub fn idle_ms(&self) -> &BTreeMap<String, u64> {
        &self.idle_ms
    }

    /// Whether a gateway can have told this. One that thins has still about [`MOST_TOLD`] hashes to tell, or half as many. All
    /// are thinned as much as the one that thins most, so one that only says so would make the sessions of all others
    /// count for nothing.
    fn is_credible(&self) -> bool {
        let endpoints = self.servers.values().flat_map(BTreeMap::values);
        let told: usize = endpoints.map(Vec::len).sum();
        self.thinned == 0 || (self.thinned <= MOST_THINNED && told >= MOST_TOLD / 4)
    }

    fn of(&self, server: &str, endpoint: &str) -> &[u64] {
        let endpoints = self.servers.get(server);
        let hashes = endpoints.and_then(|endpoints| endpoints.get(endpoint));
        hashes.map_or(&[], Vec::as_slice)
    }
}

impl<L: for<'a> From<&'a Address>> SessionLedger<L> {
    /// What this gateway has seen, to be told to others.
    pub fn sightings(&self, table: &RoutingTable<L>) -> Sightings {
        let thinned = thinning(self.len());
        let mut hashes = HashMap::<*const Endpoint<L>, Vec<u64>>::new();
        self.each(|hash, endpoint| {
            if is_told(hash, thinned) {
                let of_endpoint = hashes.entry(Arc::as_ptr(endpoint));
                of_endpoint.or_default().push(hash);
            }
        });
        let mut servers = BTreeMap::<_, BTreeMap<_, _>>::new();
        for server in table.current().iter() {
            for (endpoint, _) in server.endpoints() {
                if let Some(hashes) = hashes.remove(&Arc::as_ptr(endpoint)) {
                    let endpoints = servers.entry(server.key().to_string()).or_default();
                    endpoints.insert(endpoint.id().as_str().to_owned(), hashes);
                }
            }
        }
        Sightings {
            thinned,
            servers,
            ended: self.ended(),
            idle_ms: BTreeMap::new(),
        }
    }

    /// Takes in what other gateways have told last, all of them: sessions that none of them names any more and that this one
    /// has not seen are counted no more, nor those that one of them or this one knows to be over.
    pub fn merge(&self, table: &RoutingTable<L>, told: &[&Sightings]) {
        let told: Vec<_> = told.iter().filter(|told| told.is_credible()).collect();
        let thinned = told.iter().map(|told| told.thinned).max();
        let thinned = thinned.unwrap_or_default();
        let mut ended: HashSet<_> = told
            .iter()
            .flat_map(|told| told.ended.iter().take(MOST_ENDED).copied())
            .collect();
        for hash in &ended {
            self.forget_ended(*hash);
        }
        ended.extend(self.ended());
        for server in table.current().iter() {
            let key = server.key().to_string();
            for (endpoint, _) in server.endpoints() {
                let hashes: HashSet<_> = told
                    .iter()
                    .flat_map(|told| told.of(&key, endpoint.id().as_str()))
                    .filter(|hash| is_told(**hash, thinned))
                    .filter(|hash| !ended.contains(hash) && !self.knows(**hash))
                    .collect();
                let all = ((hashes.len() as u64) << thinned).min(MOST_AT_ENDPOINT);
                endpoint.set_elsewhere(all as u32);
            }
        }
    }
}

/// How much so many sessions must be thinned.
fn thinning(sessions: usize) -> u32 {
    sessions
        .div_ceil(MOST_TOLD)
        .next_power_of_two()
        .trailing_zeros()
}

fn is_told(hash: u64, thinned: u32) -> bool {
    hash.leading_zeros() >= thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sessions_are_thinned_by_powers_of_two() {
        for (sessions, thinned) in [
            (0, 0),
            (MOST_TOLD, 0),
            (MOST_TOLD + 1, 1),
            (2 * MOST_TOLD, 1),
            (5 * MOST_TOLD, 3),
        ] {
            assert_eq!(thinning(sessions), thinned, "{sessions}");
        }
    }
}
