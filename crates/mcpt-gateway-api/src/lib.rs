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

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The process lives. At the listener for clients too, for load balancers in front.
pub const HEALTH_PATH: &str = "/healthz";
/// It knows all servers that its sources know, and does not end. At the listener for clients too.
pub const READY_PATH: &str = "/readyz";
/// Figures for Prometheus, as text.
pub const METRICS_PATH: &str = "/metrics";
/// A [`ServersPage`].
pub const SERVERS_PATH: &str = "/api/v1/servers";
/// An [`EndpointsPage`].
pub const ENDPOINTS_PATH: &str = "/api/v1/endpoints";
/// A [`SessionPage`] about the session whose id comes with the request, as header `Mcp-Session-Id`: it is a secret, and paths are
/// written down everywhere.
pub const SESSION_PATH: &str = "/api/v1/session";
/// Hashes of sessions, for the other replicas of a gateway; no promise to anybody else.
pub const SESSIONS_PATH: &str = "/api/v1/sessions";
/// Begin of the paths of [`RoundPage`]s; after it a slash and a hash of what an instance has handed out. What is posted there is
/// the next round of a call that this replica has. For the other replicas of a gateway; no promise to anybody else.
pub const ROUNDS_PATH: &str = "/api/v1/rounds";

/// Begin of the paths of what is known of sessions with many servers, sealed with the session key. For the other replicas of a
/// gateway; no promise to anybody else.
pub const LEGS_PATH: &str = "/api/v1/legs";
/// Where replicas of a gateway give each other of what their callers may still call.
pub const SHARES_PATH: &str = "/api/v1/shares";

/// Where replicas of a gateway pass on messages of clients of the older transport whose streams another one has.
pub const OLDER_PATH: &str = "/api/v1/older";

/// Where they pass on requests in sessions with servers of that transport, of which one replica has the stream.
pub const OLDER_SESSIONS_PATH: &str = "/api/v1/older/sessions";

/// Whether a gateway is the one whose number was asked for, at [`ROUNDS_PATH`]`/of/NUMBER`: calls that wait for their clients are
/// known to one replica each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundsPage {
    /// It is.
    pub here: bool,
}

/// Which instance waits for the next round of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundPage {
    /// Its id, if this gateway knows it.
    pub endpoint: Option<String>,
}

/// All servers that a gateway knows, by namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServersPage {
    /// They.
    pub servers: Vec<KnownServer>,
    /// Named sets of them, by name; gateways of before do not tell them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<KnownSet>,
}

/// A named set of servers, which clients see as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSet {
    /// Its name.
    pub name: String,
    /// Path of its MCP endpoint at the gateway.
    pub path: String,
    /// At which hosts it is shown, as `HOST[:PORT]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// The servers in it that the gateway knows now, as `NAMESPACE/NAME`.
    pub servers: Vec<String>,
}

/// A server as a gateway knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// What has become of requests that came by this gateway; gateways of before do not tell it.
    #[serde(default)]
    pub figures: Figures,
}

/// What has become of requests for a server since the gateway began: who wants rates takes differences.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests by how they ended; those that did not come are not there.
    pub outcomes: BTreeMap<String, u64>,
    /// Times until a good answer began, by upper bounds that grow; each counts those below too.
    pub latency: Vec<Bucket>,
}

/// A number of times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The longest of them in seconds; `None`: any.
    pub seconds: Option<f64>,
    /// How many there were.
    pub count: u64,
}

/// All endpoints of all servers, by namespace, server and id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointsPage {
    /// They.
    pub endpoints: Vec<KnownEndpoint>,
}

/// One instance of a server as a gateway knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownEndpoint {
    /// Namespace of its server.
    pub namespace: String,
    /// Name of its server.
    pub server: String,
    /// What stays the same as long as the sessions in it live: a pod's uid.
    pub id: String,
    /// Where the gateway reaches it.
    pub url: String,
    /// What may be sent to it.
    pub state: EndpointState,
    /// Since when that is so, as this gateway has seen it; RFC 3339.
    pub since: String,
    /// Sessions there that the gateway, or one of its other replicas, has seen lately.
    pub sessions: u32,
    /// Requests and open streams that come by this gateway.
    pub in_flight: u32,
    /// For so many more milliseconds others are preferred, since it could not be reached. 0: no.
    pub passed_over_ms: u64,
}

/// What may be sent to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndpointState {
    /// New sessions too.
    Ready,
    /// Nothing new: it is there, but does not answer, or not yet.
    Unready,
    /// Nothing new: it is about to end, and keeps what it has until then.
    Terminating,
    /// Nothing: it is gone, and what it held with it.
    Gone,
}

/// Where a session lives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPage {
    /// `None` when no gateway with these keys has made its id, or it was changed.
    pub session: Option<KnownSession>,
}

/// A session as its id tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownSession {
    /// When it began; RFC 3339.
    pub began: String,
    /// Whether its time is over.
    pub expired: bool,
    /// The sessions at servers that it stands for.
    pub places: Vec<SessionPlace>,
}

/// A session at one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionPlace {
    /// Namespace of the server.
    pub namespace: String,
    /// Name of the server.
    pub server: String,
    /// The endpoint that began it.
    pub endpoint: String,
    /// What is left of that.
    pub state: EndpointState,
    /// Since when that is so, if this gateway has seen it come; RFC 3339.
    pub since: Option<String>,
    /// Where the gateway reaches it.
    pub url: Option<String>,
    /// Whether the server is there.
    pub server_known: bool,
    /// Whether any other endpoint goes on with it, since the server keeps nothing for sessions.
    pub stateless: bool,
}
