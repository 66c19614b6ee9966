//! What is known of a running server, the same shape for every backend: `list` and `status` print it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{BackendKind, Namespace, Revision, ServerName};

/// A deployed server as its backend sees it now. Its JSON is a contract of `-o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Name of server and release.
    pub name: ServerName,
    /// Where it runs.
    pub backend: BackendKind,
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
    /// Its instances; empty in `list`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Replica>,
    /// Non-secret environment, for `status`; secret names map to the redaction mark.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
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
    /// When it started, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
}
