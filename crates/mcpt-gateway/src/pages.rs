//! The pages about the gateway itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use hyper::{Response, StatusCode};
use mcpt_core::Namespace;
use mcpt_routing::{Conditions, RoutingTable, Server};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    directory::Directory, exchange::BodyBudget, metrics::Metrics, peers, refusal::page,
    relay::GatewayBody, upstream::Upstream,
};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// `/healthz`: the process lives.
    Health,
    /// `/readyz`: it knows all servers that its sources know, and does not end.
    Ready,
    /// `/metrics`, for Prometheus.
    Metrics,
    /// `/api/v1/servers`: what it knows, as JSON.
    Servers,
    /// `/api/v1/sessions`: hashes of the sessions it has seen, for its peers.
    Sessions,
}

impl Page {
    pub(crate) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/api/v1/servers" => Self::Servers,
            peers::PATH => Self::Sessions,
            _ => return None,
        })
    }

    /// Whether those ask for it who know the gateway by its address alone.
    pub(crate) fn is_for_probes(self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// What the pages tell of.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) directory: Arc<Directory>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bodies: Arc<BodyBudget>,
    pub(crate) default_namespace: Namespace,
    /// Whether the peers were asked at least once, if there can be any.
    pub(crate) peers_heard: Arc<AtomicBool>,
    pub(crate) closing: CancellationToken,
}

impl Pages {
    /// The page.
    pub(crate) fn show(&self, shown: Page) -> Response<GatewayBody> {
        let json = "application/json";
        match shown {
            Page::Health => page(StatusCode::OK, "text/plain", "ok\n"),
            Page::Ready => match self.unready() {
                None => page(StatusCode::OK, "text/plain", "ok\n"),
                Some(why) => page(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "text/plain",
                    format!("{why}\n"),
                ),
            },
            Page::Metrics => {
                let text = self
                    .metrics
                    .text(self.directory.table(), self.bodies.held());
                page(StatusCode::OK, "text/plain; version=0.0.4", text)
            }
            Page::Servers => {
                let text = servers(self.directory.table(), &self.default_namespace);
                page(StatusCode::OK, json, text)
            }
            Page::Sessions => {
                let text = json!(self.directory.sightings()).to_string();
                page(StatusCode::OK, json, text)
            }
        }
    }

    /// Why nothing should be sent here now.
    fn unready(&self) -> Option<String> {
        let awaited = self.directory.awaited();
        if self.closing.is_cancelled() {
            Some("shutting down".to_owned())
        } else if !awaited.is_empty() {
            Some(format!("waiting for {}", awaited.join(", ")))
        } else if !self.peers_heard.load(Relaxed) {
            // With its first sessions it would take the fullest instances for empty.
            Some("waiting for peers".to_owned())
        } else {
            None
        }
    }
}

/// All servers, by namespace and name.
fn servers(table: &RoutingTable<Upstream>, default_namespace: &Namespace) -> String {
    let current = table.current();
    let mut servers: Vec<_> = current.iter().collect();
    servers.sort_by_key(|server| server.key());
    let servers: Vec<Value> = servers
        .into_iter()
        .map(|server| one(server, default_namespace))
        .collect();
    json!({ "servers": servers }).to_string()
}

fn one(server: &Server<Upstream>, default_namespace: &Namespace) -> Value {
    let (key, endpoints) = (server.key(), server.endpoints());
    let count = |wanted: fn(&Conditions) -> bool| {
        let matching = endpoints
            .iter()
            .filter(|(_, conditions)| wanted(conditions));
        matching.count()
    };
    let sessions: u64 = endpoints
        .iter()
        .map(|(endpoint, _)| u64::from(endpoint.all_sessions()))
        .sum();
    let path = if key.namespace == *default_namespace {
        format!("/mcp/{}", key.name)
    } else {
        format!("/mcp/{}/{}", key.namespace, key.name)
    };
    json!({
        "namespace": key.namespace,
        "name": key.name,
        "path": path,
        "endpoints": endpoints.len(),
        "ready": count(|c| c.ready),
        "terminating": count(|c| c.terminating),
        // Those that this gateway or one of its peers has seen lately.
        "sessions": sessions,
    })
}
