//! Counters, and their text for Prometheus.

mod histogram;
mod operations;
mod text;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use mcpt_gateway_api::{Bucket, Figures};
use mcpt_protocol::Subject;
use mcpt_routing::{Conditions, Endpoint, RoutingTable, Server, ServerKey};

use self::{histogram::Histogram, operations::Operations, text::Text};
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
    Late,
    Limited,
    Refused,
    Cancelled,
}

/// All of them, in the order of their values.
const OUTCOMES: [&str; 12] = [
    "answered",
    "client_error",
    "server_error",
    "unknown_session",
    "session_gone",
    "no_endpoint",
    "unreachable",
    "overloaded",
    "late",
    "limited",
    "refused",
    "cancelled",
];

/// Upper bounds of the histogram in microseconds.
const BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

impl Outcome {
    /// Its name in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        OUTCOMES[self as usize]
    }

    /// What kept an operation from a good answer, if anything did.
    pub(crate) fn error(self) -> Option<&'static str> {
        (self != Self::Answered).then(|| self.name())
    }
}

/// Lines that were lost; `None` of what is not written at all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lost {
    pub(crate) access_log: Option<u64>,
    pub(crate) audit: Option<u64>,
}

/// Bytes that are held: of requests, and of answers that are read whole.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeldBytes {
    pub(crate) requests: usize,
    pub(crate) answers: usize,
}

/// Counters of all servers that were asked for and that exist.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    servers: ArcSwap<BTreeMap<ServerKey, Arc<ServerMetrics>>>,
    /// Requests for no server at all: wrong path, unknown name.
    nowhere: AtomicU64,
}

/// Counters of one server.
#[derive(Debug)]
pub(crate) struct ServerMetrics {
    outcomes: [AtomicU64; OUTCOMES.len()],
    /// Times until answers began.
    latency: Histogram<{ BOUNDS.len() }>,
    operations: Operations,
}

impl ServerMetrics {
    fn new() -> Self {
        Self {
            outcomes: [const { AtomicU64::new(0) }; OUTCOMES.len()],
            latency: Histogram::new(&BOUNDS),
            operations: Operations::default(),
        }
    }

    /// Counts a request; `latency` is the time until the server's answer began.
    pub(crate) fn record(&self, outcome: Outcome, latency: Option<Duration>) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
        if let Some(latency) = latency {
            self.latency.record(latency);
        }
    }

    /// Counts an operation of MCP whose answer is at its end, after `time`; `error` says what kept it from a good one.
    pub(crate) fn operation(&self, subject: &Subject, error: Option<&'static str>, time: Duration) {
        self.operations.record(subject, error, time);
    }
}

impl Metrics {
    /// The counters of a server.
    pub(crate) fn of(&self, key: &ServerKey) -> Arc<ServerMetrics> {
        if let Some(metrics) = self.servers.load().get(key) {
            return Arc::clone(metrics);
        }
        let new = Arc::new(ServerMetrics::new());
        self.servers.rcu(|servers| {
            let mut servers = BTreeMap::clone(servers);
            servers
                .entry(key.clone())
                .or_insert_with(|| Arc::clone(&new));
            servers
        });
        // Another request may have been the first.
        let servers = self.servers.load();
        Arc::clone(servers.get(key).unwrap_or(&new))
    }

    /// Counts a request for no server.
    pub(crate) fn nowhere(&self) {
        self.nowhere.fetch_add(1, Relaxed);
    }

    /// What is known of a server's requests, for others to take differences of.
    pub(crate) fn figures(&self, key: &ServerKey) -> Figures {
        let servers = self.servers.load();
        let Some(metrics) = servers.get(key) else {
            return Figures::default();
        };
        let outcomes = OUTCOMES.iter().zip(&metrics.outcomes);
        let outcomes = outcomes.map(|(name, count)| ((*name).to_owned(), count.load(Relaxed)));
        let latency = metrics.latency.cumulative();
        Figures {
            outcomes: outcomes.filter(|(_, count)| *count > 0).collect(),
            latency: latency
                .map(|(seconds, count)| Bucket { seconds, count })
                .collect(),
        }
    }

    /// All of it in Prometheus' text format, with the bytes that are held, and the lines that logs have lost.
    pub(crate) fn text(
        &self,
        table: &RoutingTable<Upstream>,
        held: HeldBytes,
        lost: Lost,
    ) -> String {
        let mut text = Text::default();
        let servers = self.servers.load();
        text.family(
            "mcpt_gateway_requests_total",
            "counter",
            "Requests by server and outcome.",
        );
        for (key, metrics) in servers.iter() {
            for (outcome, count) in OUTCOMES.iter().zip(&metrics.outcomes) {
                let [namespace, server] = of(key);
                let labels = [namespace, server, ("outcome", outcome)];
                text.sample(&labels, count.load(Relaxed));
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
        text.plain(held.requests as u64);
        text.family(
            "mcpt_gateway_held_answer_bytes",
            "gauge",
            "Bytes of answers and of messages between replicas that are read whole before they go on.",
        );
        text.plain(held.answers as u64);
        for (name, help, lost) in [
            (
                "mcpt_gateway_access_log_lost_total",
                "Lines of the access log that were not written, since its reader or disk did not keep up.",
                lost.access_log,
            ),
            (
                "mcpt_gateway_audit_lost_total",
                "Lines of the audit log that were not written, since its reader or disk did not keep up.",
                lost.audit,
            ),
        ] {
            if let Some(lost) = lost {
                text.family(name, "counter", help);
                text.plain(lost);
            }
        }
        text.family(
            "mcpt_gateway_answer_seconds",
            "histogram",
            "Time until a server's answer began.",
        );
        for (key, metrics) in servers.iter() {
            text.histogram(&of(key), &metrics.latency);
        }
        text.family(
            "mcp_server_operation_duration_seconds",
            "histogram",
            "Time until the end of the answer to a message, by method and tool where the message was seen whole.",
        );
        for (key, metrics) in servers.iter() {
            metrics.operations.write(&mut text, &of(key));
        }
        endpoints(&mut text, table);
        text.into_string()
    }
}

/// The labels that say which server.
fn of(key: &ServerKey) -> [(&str, &str); 2] {
    [
        ("namespace", key.namespace.as_str()),
        ("server", key.name.as_str()),
    ]
}

fn endpoints(text: &mut Text, table: &RoutingTable<Upstream>) {
    let current = table.current();
    let mut servers: Vec<_> = current.iter().collect();
    servers.sort_by_key(|server| server.key());
    text.family("mcpt_gateway_endpoints", "gauge", "Endpoints by condition.");
    for server in &servers {
        let [namespace, name] = of(server.key());
        let count = |wanted: fn(&Conditions) -> bool| {
            let endpoints = server.endpoints().iter();
            endpoints
                .filter(|(_, conditions)| wanted(conditions))
                .count()
        };
        for (condition, number) in [
            ("ready", count(|c| c.ready)),
            ("serving", count(|c| c.serving)),
            ("terminating", count(|c| c.terminating)),
        ] {
            text.sample(&[namespace, name, ("condition", condition)], number);
        }
    }
    let mut each = |name, help, value: fn(&Endpoint<Upstream>) -> u32| {
        text.family(name, "gauge", help);
        for server in &servers {
            of_endpoints(text, server, value);
        }
    };
    each(
        "mcpt_gateway_endpoint_sessions",
        "Sessions per endpoint that this gateway has seen lately.",
        Endpoint::sessions,
    );
    each(
        "mcpt_gateway_endpoint_all_sessions",
        "Sessions per endpoint that this gateway or one of its other replicas has seen lately.",
        Endpoint::all_sessions,
    );
    each(
        "mcpt_gateway_endpoint_requests_in_flight",
        "Requests and open streams per endpoint.",
        Endpoint::in_flight,
    );
}

fn of_endpoints(text: &mut Text, server: &Server<Upstream>, value: fn(&Endpoint<Upstream>) -> u32) {
    let [namespace, name] = of(server.key());
    for (endpoint, _) in server.endpoints() {
        let labels = [namespace, name, ("endpoint", endpoint.id().as_str())];
        text.sample(&labels, value(endpoint));
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
            metrics.of(&key).record(Outcome::Answered, latency);
        }
        metrics.of(&key).record(Outcome::NoEndpoint, None);
        let text = metrics.text(&RoutingTable::new(0), HeldBytes::default(), Lost::default());
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
