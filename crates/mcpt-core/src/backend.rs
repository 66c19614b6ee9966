//! The [`Backend`] trait: what every place that can run a [`Plan`] offers, and the only seam the command line sees.

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{Failure, Plan, Progress, Revision, Server, ServerName};

/// The kinds of places where a server can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// A supervised process on this machine.
    Process,
    /// A Kubernetes cluster.
    Kubernetes,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Kubernetes => "kubernetes",
        })
    }
}

impl FromStr for BackendKind {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "process" => Ok(Self::Process),
            "kubernetes" => Ok(Self::Kubernetes),
            other => Err(format!("unknown backend {other:?}: process or kubernetes")),
        }
    }
}

/// How to deploy.
#[derive(Debug, Clone)]
pub struct DeployOptions {
    /// Return only when the server answers MCP requests.
    pub wait: bool,
    /// How long to wait at most.
    pub timeout: Duration,
    /// When it fails, put everything back as it was before.
    pub atomic: bool,
    /// Say what would happen and change nothing.
    pub dry_run: Option<DryRun>,
    /// Make the namespace when it is not there.
    pub create_namespace: bool,
    /// Chart values that win over those made from the plan, already merged from `-f`, `--profile` and `--set`;
    /// an empty object when there are none. Only for backends that render a chart.
    pub values: serde_json::Map<String, serde_json::Value>,
}

/// Which part of the work a dry run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// Render and check locally.
    Client,
    /// Let the API server check it too.
    Server,
}

/// What a deploy did.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The server afterwards. `None` after a dry run.
    pub server: Option<Server>,
    /// Revision that was made, on backends with a history.
    pub revision: Option<Revision>,
    /// What would be applied, secrets redacted; only after a dry run.
    pub manifest: Option<String>,
}

/// How to delete.
#[derive(Debug, Clone)]
pub struct DeleteOptions {
    /// Wait until everything is gone, at most this long; `None` returns once deletion was asked for.
    pub wait: Option<Duration>,
}

/// Which log lines to give.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Go on with new lines until the reader stops.
    pub follow: bool,
    /// Only the last lines of each instance.
    pub tail: Option<u32>,
    /// The previous run of each instance instead of the current one.
    pub previous: bool,
}

/// One line of a server's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// Instance it came from.
    pub replica: String,
    /// Text without the line end.
    pub text: String,
}

/// Lines of all instances as they come.
pub type LogStream = BoxStream<'static, Result<LogLine, Failure>>;

/// What keeps a [`Connection`]'s path open; dropping it closes the path.
pub trait Tunnel: Send + Sync + fmt::Debug {}

/// A way from this machine to a server's MCP endpoint.
#[derive(Debug)]
pub struct Connection {
    /// URL to speak streamable HTTP to, reachable from this process as long as the connection lives.
    pub url: String,
    /// The forwarded port or the like behind it, if any.
    pub tunnel: Option<Box<dyn Tunnel>>,
}

/// A place that can run servers. Every operation can be repeated: a killed caller leaves nothing that the same call
/// does not finish or undo.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Which kind it is.
    fn kind(&self) -> BackendKind;

    /// Makes the server or updates it in place.
    ///
    /// # Errors
    /// A [`Failure`] that names the cause; with `atomic` nothing is left behind.
    async fn deploy(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        progress: &dyn Progress,
    ) -> Result<Deployed, Failure>;

    /// All servers that mcpt deployed here, by name.
    ///
    /// # Errors
    /// When the backend cannot be asked.
    async fn list(&self) -> Result<Vec<Server>, Failure>;

    /// One server with its replicas.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name.
    async fn status(&self, name: &ServerName) -> Result<Server, Failure>;

    /// Its log lines.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name.
    async fn logs(&self, name: &ServerName, options: &LogOptions) -> Result<LogStream, Failure>;

    /// Ends the server gracefully and removes everything of it, and nothing else.
    ///
    /// # Errors
    /// [`crate::FailureKind::NotFound`] when there is none of that name.
    async fn delete(
        &self,
        name: &ServerName,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<(), Failure>;

    /// Opens a way to its MCP endpoint.
    ///
    /// # Errors
    /// [`crate::FailureKind::Unreachable`] when no instance can be reached.
    async fn connect(&self, name: &ServerName) -> Result<Connection, Failure>;
}
