//! What is known of a running server, the same shape for every backend: `list` and `status` print it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{BackendName, Namespace, Revision, ServerName};

/// A deployed server as its backend sees it now. Its JSON is a contract of `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Name of server and release.
    pub name: ServerName,
    /// Where it runs.
    pub backend: BackendName,
    /// Namespace, on backends that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Template id it was deployed from, if its labels say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// `stdio` or `http`: what the server itself speaks.
    pub transport: String,
    /// State of the whole.
    pub state: ServerState,
    /// Why it is in that state, in one sentence, when it is not [`ServerState::Running`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Instances that should run.
    pub desired: u32,
    /// Instances that are ready.
    pub ready: u32,
    /// URL of its MCP endpoint as seen from where the server runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Current revision, on backends with a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Image or command.
    pub source: String,
    /// Last deployment, RFC 3339 in UTC.
    pub updated: String,
    /// File that its log is written to, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// How its number of instances follows the load, when it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Its instances; empty in `list`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Replica>,
    /// Non-secret environment, for `status`; secret names map to the redaction mark.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The last events of its objects, the oldest first; for `status`, on backends that record events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<ServerEvent>,
}

/// Bounds and aim of a number of instances that follows the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling {
    /// Least number of instances.
    pub min: u32,
    /// Greatest number of instances.
    pub max: u32,
    /// Average CPU use to aim at, in percent of what an instance requests; `None` leaves it as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Sessions of an instance to aim at; `None` leaves them as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
}

/// What an instance uses now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// CPU in thousandths of a core.
    pub cpu_millis: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
}

/// What one instance of a server uses now. Its JSON is a contract of `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceUsage {
    /// Name of the server.
    pub server: ServerName,
    /// The instance, as [`Replica::name`] has it.
    pub instance: String,
    /// What it uses; `None` when that is not measured yet.
    pub usage: Option<Usage>,
}

/// One revision of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionEntry {
    /// Its number.
    pub revision: Revision,
    /// When it was made, RFC 3339 in UTC.
    pub updated: String,
    /// State in Helm's words: `deployed`, `superseded`, `failed`, …
    pub status: String,
    /// Chart and its version, `mcp-server-0.1.0`.
    pub chart: String,
    /// Version of mcpt that the chart was made for.
    pub app_version: String,
    /// Image that it runs.
    pub source: String,
    /// What was done, or why it failed.
    pub description: String,
}

/// Something that the platform told about one of a server's objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerEvent {
    /// When it was last seen, RFC 3339 in UTC.
    pub time: String,
    /// Whether it warns of something.
    pub warning: bool,
    /// One word: `Scheduled`, `BackOff`, …
    pub reason: String,
    /// Object it is about, `Pod/demo-1`.
    pub object: String,
    /// In words.
    pub message: String,
    /// How often it was seen.
    pub count: u32,
}

/// Something that a dead command left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Garbage {
    /// What it is: `ConfigMap/demo`, `run 3 of demo`.
    pub object: String,
    /// Namespace, on backends that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// Why nobody needs it.
    pub reason: String,
}

/// State of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// A deployment is under way or its instances are not ready yet.
    Pending,
    /// All wanted instances are ready.
    Running,
    /// Some, not all, wanted instances are ready.
    Degraded,
    /// The last deployment failed, or no instance can run.
    Failed,
    /// Nothing is wanted, or the process is gone.
    Stopped,
}

/// One instance: a pod, a container or a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Pod name, container name or process id.
    pub name: String,
    /// Node that it runs on, where there are nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whether it answers.
    pub ready: bool,
    /// State in the platform's own words: `Running`, `CrashLoopBackOff`, …
    pub state: String,
    /// Restarts so far.
    pub restarts: u32,
    /// What it uses, where that is measured; for `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// When it started, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
}
