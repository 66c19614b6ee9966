//! [`Standings`]: since when endpoints are as they are, and when those went that are gone, for people who ask.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use mcpt_routing::{Applied, Conditions, EndpointId, ServerKey};

use crate::upstream::Upstream;

/// As many endpoints that are gone are remembered.
const MOST_GONE: usize = 4096;

/// Endpoints by server, with the moments of their last changes.
#[derive(Debug, Default)]
pub(crate) struct Standings(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    there: HashMap<ServerKey, HashMap<EndpointId, (Conditions, SystemTime)>>,
    /// The latest last.
    gone: VecDeque<(ServerKey, EndpointId, SystemTime)>,
}

impl Standings {
    /// Takes in what a change did.
    pub(super) fn take(&self, applied: &Applied<Upstream>) {
        let now = SystemTime::now();
        let mut all = self.locked();
        for server in &applied.changed {
            let mut before = all.there.remove(server.key()).unwrap_or_default();
            let endpoints = server.endpoints().iter();
            let there = endpoints.map(|(endpoint, conditions)| {
                let since = match before.remove(endpoint.id()) {
                    Some((same, since)) if same == *conditions => since,
                    _ => now,
                };
                (endpoint.id().clone(), (*conditions, since))
            });
            let there = there.collect();
            all.there.insert(server.key().clone(), there);
            all.leave(server.key(), before.into_keys(), now);
        }
        for key in &applied.removed {
            let before = all.there.remove(key).unwrap_or_default();
            all.leave(key, before.into_keys(), now);
        }
    }

    /// Since when an endpoint is as it is.
    pub(crate) fn since(&self, server: &ServerKey, endpoint: &EndpointId) -> Option<SystemTime> {
        let all = self.locked();
        let (_, since) = all.there.get(server)?.get(endpoint)?;
        Some(*since)
    }

    /// When an endpoint went, if it was seen here and not too many have gone since.
    pub(crate) fn gone_since(
        &self,
        server: &ServerKey,
        endpoint: &EndpointId,
    ) -> Option<SystemTime> {
        let all = self.locked();
        let mut latest = all.gone.iter().rev();
        let found = latest.find(|(of, id, _)| of == server && id == endpoint)?;
        Some(found.2)
    }

    fn locked(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn leave(
        &mut self,
        server: &ServerKey,
        endpoints: impl Iterator<Item = EndpointId>,
        now: SystemTime,
    ) {
        for endpoint in endpoints {
            if self.gone.len() >= MOST_GONE {
                self.gone.pop_front();
            }
            self.gone.push_back((server.clone(), endpoint, now));
        }
    }
}
