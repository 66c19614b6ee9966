//! What a gateway tells about itself at its admin listener: paths of its pages, and the types of those that are JSON.
//!
//! Whoever asks (the command line, later a web page) reads with the same types that the gateway writes with. Fields that are
//! added later are left out of account by those who do not know them.
//!
//! ```
//! let page: mcpt_gateway_api::ServersPage = serde_json::from_str(r#"{"servers": [], "later": 1}"#)?;
//! assert!(page.servers.is_empty());
//! # Ok::<_, serde_json::Error>(())
//! ```

use serde::{Deserialize, Serialize};

/// The process lives. At the listener for clients too, for load balancers in front.
pub const HEALTH_PATH: &str = "/healthz";
/// It knows all servers that its sources know, and does not end. At the listener for clients too.
pub const READY_PATH: &str = "/readyz";
/// Figures for Prometheus, as text.
pub const METRICS_PATH: &str = "/metrics";
/// A [`ServersPage`].
pub const SERVERS_PATH: &str = "/api/v1/servers";
/// Hashes of sessions, for the other replicas of a gateway; no promise to anybody else.
pub const SESSIONS_PATH: &str = "/api/v1/sessions";
/// Begin of the paths of [`RoundPage`]s; after it a slash and a hash of what an instance has handed out. For the other
/// replicas of a gateway; no promise to anybody else.
pub const ROUNDS_PATH: &str = "/api/v1/rounds";

/// Which instance waits for the next round of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundPage {
    /// Its id, if this gateway knows it.
    pub endpoint: Option<String>,
}

/// All servers that a gateway knows, by namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServersPage {
    /// They.
    pub servers: Vec<KnownServer>,
}

/// A server as a gateway knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownServer {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Path of its MCP endpoint at the gateway.
    pub path: String,
    /// Instances behind it.
    pub endpoints: u32,
    /// Those that take new sessions.
    pub ready: u32,
    /// Those that are about to end.
    pub terminating: u32,
    /// Sessions that the gateway, or one of its other replicas, has seen lately.
    pub sessions: u32,
}
