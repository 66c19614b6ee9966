//! Counters, and their text for Prometheus.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use mcpt_routing::{RoutingTable, ServerKey};

use crate::upstream::Upstream;

/// How a request ended, as far as its first answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    ClientError,
    ServerError,
    UnknownSession,
    SessionGone,
    NoEndpoint,
    Unreachable,
    Overloaded,
    Refused,
}

/// All of them, in the order of their values.
const OUTCOMES: [&str; 9] = [
    "answered",
    "client_error",
    "server_error",
    "unknown_session",
    "session_gone",
    "no_endpoint",
    "unreachable",
    "overloaded",
    "refused",
];

/// Upper bounds of the histogram in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// Counters of all servers that were asked for and that exist.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    servers: ArcSwap<BTreeMap<ServerKey, Arc<ServerMetrics>>>,
    /// Requests for no server at all: wrong path, unknown name.
    nowhere: AtomicU64,
}

/// Counters of one server.
#[derive(Debug, Default)]
struct ServerMetrics {
    outcomes: [AtomicU64; OUTCOMES.len()],
    /// Requests per bucket, the last one beyond all bounds.
    latency: [AtomicU64; BOUNDS.len() + 1],
    latency_sum: AtomicU64,
}

impl ServerMetrics {
    fn record(&self, outcome: Outcome, latency: Option<Duration>) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
        if let Some(latency) = latency {
            let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
            let bucket = BOUNDS.partition_point(|bound| *bound < micros);
            self.latency[bucket].fetch_add(1, Relaxed);
            self.latency_sum.fetch_add(micros, Relaxed);
        }
    }
}

impl Metrics {
    /// Counts a request for a server; `latency` is the time until the server's answer began.
    pub(crate) fn record(&self, key: &ServerKey, outcome: Outcome, latency: Option<Duration>) {
        if let Some(metrics) = self.servers.load().get(key) {
            return metrics.record(outcome, latency);
        }
        let new = Arc::<ServerMetrics>::default();
        self.servers.rcu(|servers| {
            let mut servers = BTreeMap::clone(servers);
            servers
                .entry(key.clone())
                .or_insert_with(|| Arc::clone(&new));
            servers
        });
        // Another request may have been the first.
        let servers = self.servers.load();
        servers.get(key).unwrap_or(&new).record(outcome, latency);
    }

    /// Counts a request for no server.
    pub(crate) fn nowhere(&self) {
        self.nowhere.fetch_add(1, Relaxed);
    }

    /// All of it in Prometheus' text format, with the bytes of requests that are held.
    pub(crate) fn text(&self, table: &RoutingTable<Upstream>, held: usize) -> String {
        let mut text = Text::default();
        let servers = self.servers.load();
        text.family(
            "mcpt_gateway_requests_total",
            "counter",
            "Requests by server and outcome.",
        );
        for (key, metrics) in servers.iter() {
            for (outcome, count) in OUTCOMES.iter().zip(&metrics.outcomes) {
                text.sample("", key, &[("outcome", outcome)], count.load(Relaxed));
            }
        }
        text.family(
            "mcpt_gateway_unrouted_requests_total",
            "counter",
            "Requests for paths and servers that do not exist.",
        );
        text.plain(self.nowhere.load(Relaxed));
        text.family(
            "mcpt_gateway_held_request_bytes",
            "gauge",
            "Bytes of requests that are held until they are sent or, if they may be sent again, answered.",
        );
        text.plain(held as u64);
        text.family(
            "mcpt_gateway_answer_seconds",
            "histogram",
            "Time until a server's answer began.",
        );
        for (key, metrics) in servers.iter() {
            let mut total = 0;
            for (index, count) in metrics.latency.iter().enumerate() {
                total += count.load(Relaxed);
                let bound = BOUNDS.get(index).map_or("+Inf".to_owned(), |b| seconds(*b));
                text.sample("_bucket", key, &[("le", &bound)], total);
            }
            text.sample("_sum", key, &[], seconds(metrics.latency_sum.load(Relaxed)));
            text.sample("_count", key, &[], total);
        }
        Self::endpoints(&mut text, table);
        text.text
    }

    fn endpoints(text: &mut Text, table: &RoutingTable<Upstream>) {
        let current = table.current();
        let mut servers: Vec<_> = current.iter().collect();
        servers.sort_by_key(|server| server.key());
        text.family("mcpt_gateway_endpoints", "gauge", "Endpoints by condition.");
        for server in &servers {
            let count = |wanted: fn(&mcpt_routing::Conditions) -> bool| {
                server
                    .endpoints()
                    .iter()
                    .filter(|(_, conditions)| wanted(conditions))
                    .count()
            };
            for (condition, number) in [
                ("ready", count(|c| c.ready)),
                ("serving", count(|c| c.serving)),
                ("terminating", count(|c| c.terminating)),
            ] {
                text.sample("", server.key(), &[("condition", condition)], number);
            }
        }
        text.family(
            "mcpt_gateway_endpoint_sessions",
            "gauge",
            "Sessions per endpoint that this gateway has seen lately.",
        );
        for server in &servers {
            for (endpoint, _) in server.endpoints() {
                let label = [("endpoint", endpoint.id().as_str())];
                text.sample("", server.key(), &label, endpoint.sessions());
            }
        }
        text.family(
            "mcpt_gateway_endpoint_requests_in_flight",
            "gauge",
            "Requests and open streams per endpoint.",
        );
        for server in &servers {
            for (endpoint, _) in server.endpoints() {
                let label = [("endpoint", endpoint.id().as_str())];
                text.sample("", server.key(), &label, endpoint.in_flight());
            }
        }
    }
}

fn seconds(micros: u64) -> String {
    format!("{}", micros as f64 / 1e6)
}

/// Text in the making.
#[derive(Default)]
struct Text {
    text: String,
    family: &'static str,
}

// Writing to a `String` cannot fail, so its result says nothing.
impl Text {
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn plain(&mut self, value: u64) {
        let _ = writeln!(self.text, "{} {value}", self.family);
    }

    fn sample(
        &mut self,
        suffix: &str,
        key: &ServerKey,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        let (family, namespace, name) = (self.family, &key.namespace, &key.name);
        let _ = write!(
            self.text,
            "{family}{suffix}{{namespace=\"{namespace}\",server=\"{name}\""
        );
        for (label, text) in labels {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.text, ",{label}=\"{text}\"");
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

#[cfg(test)]
mod tests {
    use mcpt_core::{Namespace, ServerName};

    use super::*;

    #[test]
    fn the_histogram_adds_up() {
        let metrics = Metrics::default();
        let key = ServerKey {
            namespace: Namespace::new("ns").unwrap(),
            name: ServerName::new("demo").unwrap(),
        };
        for micros in [250, 251, 60_000_000] {
            let latency = Some(Duration::from_micros(micros));
            metrics.record(&key, Outcome::Answered, latency);
        }
        metrics.record(&key, Outcome::NoEndpoint, None);
        let text = metrics.text(&RoutingTable::new(0), 0);
        for line in [
            "mcpt_gateway_requests_total{namespace=\"ns\",server=\"demo\",outcome=\"answered\"} 3",
            "mcpt_gateway_requests_total{namespace=\"ns\",server=\"demo\",outcome=\"no_endpoint\"} 1",
            "mcpt_gateway_answer_seconds_bucket{namespace=\"ns\",server=\"demo\",le=\"0.00025\"} 1",
            "mcpt_gateway_answer_seconds_bucket{namespace=\"ns\",server=\"demo\",le=\"0.0005\"} 2",
            "mcpt_gateway_answer_seconds_bucket{namespace=\"ns\",server=\"demo\",le=\"+Inf\"} 3",
            "mcpt_gateway_answer_seconds_count{namespace=\"ns\",server=\"demo\"} 3",
            "mcpt_gateway_answer_seconds_sum{namespace=\"ns\",server=\"demo\"} 60.000501",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
