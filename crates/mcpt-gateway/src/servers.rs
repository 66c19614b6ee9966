//! `/api/v1/servers`: the servers that the gateway knows, as JSON. What `mcpt gateway status` shows.

use mcpt_core::Namespace;
use mcpt_routing::{Conditions, RoutingTable, Server};
use serde_json::{Value, json};

use crate::upstream::Upstream;

/// All servers, by namespace and name.
pub(crate) fn json(table: &RoutingTable<Upstream>, default_namespace: &Namespace) -> String {
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
