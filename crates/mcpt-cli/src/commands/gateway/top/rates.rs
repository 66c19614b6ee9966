//! Rates from two looks at counters that only grow.

use std::{collections::BTreeMap, time::Duration};

use mcpt_gateway_api::{Bucket, Figures, KnownServer, ServersPage};
use serde::Serialize;

/// The outcome of a request that a server has answered as it should.
const GOOD: &str = "answered";

/// What a server has to do. Its JSON is a contract of `-o json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Load {
    namespace: String,
    name: String,
    pub(super) calls_per_second: f64,
    /// Until good answers began; `None` when there were none.
    pub(super) p50_seconds: Option<f64>,
    pub(super) p99_seconds: Option<f64>,
    pub(super) errors_per_second: f64,
    pub(super) sessions: u32,
    pub(super) endpoints: u32,
    pub(super) ready: u32,
}

impl Load {
    /// `NAMESPACE/NAME`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// What happened between two looks, of each server that is there at the second. Replicas are told apart by their places.
pub(super) fn loads(before: &[ServersPage], now: &[ServersPage], time: Duration) -> Vec<Load> {
    let mut servers = BTreeMap::<(String, String), Vec<(Figures, &KnownServer)>>::new();
    for (replica, page) in now.iter().enumerate() {
        for server in &page.servers {
            let known = before
                .get(replica)
                .into_iter()
                .flat_map(|page| &page.servers);
            let mut same =
                known.filter(|old| old.namespace == server.namespace && old.name == server.name);
            let figures = since(same.next().map(|old| &old.figures), &server.figures);
            let key = (server.namespace.clone(), server.name.clone());
            servers.entry(key).or_default().push((figures, server));
        }
    }
    let loads = servers.into_iter();
    loads
        .map(|((namespace, name), replicas)| {
            let mut outcomes = BTreeMap::<&str, u64>::new();
            let mut latency = Vec::new();
            for (figures, _) in &replicas {
                for (outcome, count) in &figures.outcomes {
                    *outcomes.entry(outcome).or_default() += count;
                }
                add(&mut latency, &figures.latency);
            }
            let all: u64 = outcomes.values().sum();
            let good = outcomes.get(GOOD).copied().unwrap_or_default();
            let per_second = |count: u64| count as f64 / time.as_secs_f64().max(1e-9);
            // Each replica counts the sessions and instances of all.
            let most = |value: fn(&KnownServer) -> u32| {
                let values = replicas.iter().map(|(_, server)| value(server));
                values.max().unwrap_or_default()
            };
            Load {
                namespace,
                name,
                calls_per_second: per_second(all),
                p50_seconds: quantile(&latency, 0.5),
                p99_seconds: quantile(&latency, 0.99),
                errors_per_second: per_second(all - good),
                sessions: most(|server| server.sessions),
                endpoints: most(|server| server.endpoints),
                ready: most(|server| server.ready),
            }
        })
        .collect()
}

/// What was added. A gateway that was started anew counts from the beginning.
fn since(before: Option<&Figures>, now: &Figures) -> Figures {
    let Some(before) = before else {
        return now.clone();
    };
    let began_anew = before
        .outcomes
        .iter()
        .any(|(outcome, count)| now.outcomes.get(outcome).is_none_or(|now| now < count));
    if began_anew {
        return now.clone();
    }
    let outcomes = now.outcomes.iter().map(|(outcome, count)| {
        let old = before.outcomes.get(outcome).copied().unwrap_or_default();
        (outcome.clone(), count - old)
    });
    let latency = now.latency.iter().enumerate().map(|(place, bucket)| {
        let old = before.latency.get(place).map_or(0, |bucket| bucket.count);
        Bucket {
            seconds: bucket.seconds,
            count: bucket.count.saturating_sub(old),
        }
    });
    Figures {
        outcomes: outcomes.collect(),
        latency: latency.collect(),
    }
}

fn add(sum: &mut Vec<Bucket>, more: &[Bucket]) {
    if sum.is_empty() {
        more.clone_into(sum);
        return;
    }
    for (sum, more) in sum.iter_mut().zip(more) {
        sum.count += more.count;
    }
}

/// The time that this part of all stays below, by a straight line within its bucket; the last bound for what is beyond all.
fn quantile(latency: &[Bucket], part: f64) -> Option<f64> {
    let all = latency.last()?.count;
    if all == 0 {
        return None;
    }
    let wanted = part * all as f64;
    let (mut below, mut from) = (0, 0.0);
    for bucket in latency {
        let Some(to) = bucket.seconds else { break };
        if bucket.count as f64 >= wanted {
            let within = (bucket.count - below).max(1) as f64;
            return Some(from + (to - from) * (wanted - below as f64) / within);
        }
        (below, from) = (bucket.count, to);
    }
    Some(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(answered: u64, refused: u64, latency: [u64; 3]) -> ServersPage {
        let bounds = [Some(0.01), Some(0.1), None];
        let buckets = bounds.into_iter().zip(latency);
        ServersPage {
            sets: Vec::new(),
            servers: vec![KnownServer {
                namespace: "ns".to_owned(),
                name: "demo".to_owned(),
                path: "/mcp/demo".to_owned(),
                endpoints: 3,
                ready: 2,
                terminating: 0,
                sessions: 7,
                figures: Figures {
                    outcomes: [("answered", answered), ("refused", refused)]
                        .into_iter()
                        .filter(|(_, count)| *count > 0)
                        .map(|(name, count)| (name.to_owned(), count))
                        .collect(),
                    latency: buckets
                        .map(|(seconds, count)| Bucket { seconds, count })
                        .collect(),
                },
            }],
        }
    }

    #[test]
    fn replicas_are_added_and_what_was_before_is_not_counted() {
        let before = [page(100, 0, [100, 100, 100]), page(50, 1, [0, 0, 50])];
        let now = [page(110, 0, [110, 110, 110]), page(60, 3, [10, 10, 60])];
        let [load] = &*loads(&before, &now, Duration::from_secs(2)) else {
            unreachable!("one server")
        };
        assert_eq!(load.name(), "ns/demo");
        assert_eq!(load.calls_per_second.to_bits(), 11_f64.to_bits());
        assert_eq!(load.errors_per_second.to_bits(), 1_f64.to_bits());
        assert_eq!((load.sessions, load.ready, load.endpoints), (7, 2, 3));
        assert_eq!(load.p50_seconds, Some(0.005));
    }

    #[test]
    fn a_gateway_that_began_anew_counts_from_the_beginning() {
        let loads = loads(
            &[page(100, 0, [0; 3])],
            &[page(4, 0, [0, 4, 4])],
            Duration::from_secs(1),
        );
        assert_eq!(loads[0].calls_per_second.to_bits(), 4_f64.to_bits());
    }

    #[test]
    fn quantiles() {
        let latency = |counts: [u64; 3]| page(0, 0, counts).servers[0].figures.latency.clone();
        for (counts, part, wanted) in [
            ([0, 0, 0], 0.5, None),
            ([0, 10, 10], 0.5, Some(0.055)),
            ([10, 10, 10], 0.99, Some(0.0099)),
            ([0, 0, 10], 0.5, Some(0.1)),
        ] {
            let found = quantile(&latency(counts), part);
            let near = match (found, wanted) {
                (Some(found), Some(wanted)) => f64::abs(found - wanted) < 1e-9,
                (found, wanted) => found == wanted,
            };
            assert!(near, "{counts:?} {part}: {found:?}");
        }
    }
}
