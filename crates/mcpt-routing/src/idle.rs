//! [`LastUse`]: since when nobody has called a server, here or by way of another gateway.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Address, RoutingTable, Server, ServerKey, permit::Demand};

/// When the servers were last in use that are stopped once nobody has called them for long enough.
///
/// It learns by looking, as often as it is asked to: what began and ended between two looks counts as of the second.
#[derive(Debug, Default)]
pub struct LastUse {
    servers: Mutex<HashMap<ServerKey, Used>>,
}

#[derive(Debug)]
struct Used {
    seen: Demand,
    /// By the routing's clock, in milliseconds.
    at: u64,
}

impl LastUse {
    /// Looks at all servers. One that is new counts as used now, since nobody knows what was before.
    pub fn look<L: for<'a> From<&'a Address>>(&self, table: &RoutingTable<L>, now: u64) {
        let current = table.current();
        let mut servers = self.locked();
        servers.retain(|key, _| {
            let server = current.get(key.namespace.as_str(), key.name.as_str());
            server.is_some_and(|server| is_watched(server))
        });
        for server in current.iter().filter(|server| is_watched(server)) {
            let demand = server.demand();
            let used = servers.entry(server.key().clone()).or_insert(Used {
                seen: demand,
                at: now,
            });
            if demand.in_progress > 0 || demand.begun != used.seen.begun {
                used.at = now;
            }
            used.seen = demand;
        }
    }

    /// For how many milliseconds nobody has used each server, by `NAMESPACE/NAME`: for other gateways.
    pub fn told(&self, now: u64) -> BTreeMap<String, u64> {
        let servers = self.locked();
        let told = servers
            .iter()
            .map(|(key, used)| (key.to_string(), now.saturating_sub(used.at)));
        told.collect()
    }

    /// Takes in what another gateway tells.
    pub fn hear(&self, told: &BTreeMap<String, u64>, now: u64) {
        for (key, used) in self.locked().iter_mut() {
            if let Some(idle) = told.get(&key.to_string()) {
                used.at = used.at.max(now.saturating_sub(*idle));
            }
        }
    }

    /// For how many milliseconds nobody has used a server; `None` when that is not known.
    pub fn idle_ms(&self, key: &ServerKey, now: u64) -> Option<u64> {
        let at = self.locked().get(key)?.at;
        Some(now.saturating_sub(at))
    }

    /// Nothing is ever half done under the lock, so a panic elsewhere has left it whole.
    fn locked(&self) -> MutexGuard<'_, HashMap<ServerKey, Used>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_watched<L>(server: &Server<L>) -> bool {
    server.handling().idle_timeout.is_some()
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use mcpt_core::{Namespace, ServerName, Sessions};

    use super::*;
    use crate::{Asker, Change, Handling, ServerSpec};

    #[derive(Debug)]
    struct NoLink;

    impl From<&Address> for NoLink {
        fn from(_: &Address) -> Self {
            Self
        }
    }

    fn key() -> ServerKey {
        ServerKey {
            namespace: Namespace::new("ns").unwrap(),
            name: ServerName::new("demo").unwrap(),
        }
    }

    fn table(idle_timeout: Option<Duration>) -> RoutingTable<NoLink> {
        let table = RoutingTable::new(1);
        let handling = Handling {
            idle_timeout,
            ..Handling::default()
        };
        table.apply(
            0,
            Change::Set(ServerSpec {
                key: key(),
                sessions: Sessions::Stateful,
                handling,
                endpoints: Vec::new(),
            }),
        );
        table
    }

    #[test]
    fn calls_of_clients_count_and_those_of_gateways_do_not() {
        let (last, table) = (LastUse::default(), table(Some(Duration::from_secs(1))));
        let server = table.current().get("ns", "demo").unwrap().clone();
        last.look(&table, 100);
        assert_eq!(last.idle_ms(&key(), 300), Some(200));
        drop(server.place(NonZeroU32::MAX, Asker::Gateway));
        last.look(&table, 400);
        assert_eq!(last.idle_ms(&key(), 400), Some(300));
        // Over before anybody has looked.
        drop(server.place(NonZeroU32::MAX, Asker::Client));
        last.look(&table, 500);
        assert_eq!(last.idle_ms(&key(), 600), Some(100));
        let place = server.place(NonZeroU32::MAX, Asker::Client);
        for now in [700, 9000] {
            last.look(&table, now);
            assert_eq!(last.idle_ms(&key(), now), Some(0));
        }
        drop(place);
        last.look(&table, 9100);
        assert_eq!(last.idle_ms(&key(), 9500), Some(500));
    }

    #[test]
    fn what_others_tell_counts_too() {
        let (last, table) = (LastUse::default(), table(Some(Duration::from_secs(1))));
        last.look(&table, 1000);
        let other = LastUse::default();
        other.look(&table, 50_000);
        let told = other.told(50_700);
        assert_eq!(told["ns/demo"], 700);
        last.hear(&told, 5000);
        assert_eq!(last.idle_ms(&key(), 5000), Some(700));
        // It has been used later here.
        last.hear(&BTreeMap::from([("ns/demo".to_owned(), 3000)]), 5000);
        assert_eq!(last.idle_ms(&key(), 5000), Some(700));
    }

    #[test]
    fn only_servers_that_are_to_be_stopped_are_looked_at() {
        let last = LastUse::default();
        last.look(&table(None), 1000);
        assert_eq!(last.idle_ms(&key(), 2000), None);
        last.look(&table(Some(Duration::from_secs(1))), 3000);
        assert_eq!(last.idle_ms(&key(), 3000), Some(0));
        last.look(&table(None), 4000);
        assert!(last.told(5000).is_empty());
    }
}
