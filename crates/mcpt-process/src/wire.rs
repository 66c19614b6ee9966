//! What a command and the supervisor that it started say to each other: the spec and orders on the supervisor's standard
//! input, events on its standard output, one JSON document a line.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use mcpt_core::{ServerName, Sessions, TemplateId};
use mcpt_workload::Endpoint;
use serde::{Deserialize, Serialize};

/// All that a supervisor must know. It holds secrets in the clear, so it is only ever written to a pipe.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    /// Folder of the run.
    pub(crate) run: PathBuf,
    /// Folder of the run that it replaces.
    pub(crate) predecessor: Option<PathBuf>,
    /// Port that clients use, to be kept if it can be had.
    pub(crate) keep_port: Option<u16>,
    /// Digest of the configuration.
    pub(crate) digest: String,
    /// How many seconds the server may take until it first answers.
    pub(crate) start_timeout: u64,
    pub(crate) server: ServerSpec,
}

/// The server itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerSpec {
    pub(crate) name: ServerName,
    pub(crate) template: TemplateId,
    pub(crate) template_version: String,
    /// Program and arguments; `mcpt` in first place is the running binary.
    pub(crate) command: Vec<String>,
    /// Environment that is not secret.
    pub(crate) env: BTreeMap<String, String>,
    /// Environment that is.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) endpoint: Endpoint,
    /// Whether a session must stay with it.
    pub(crate) sessions: Sessions,
}

/// Secrets must not be printed by accident.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// Secrets must not be printed by accident.
impl fmt::Debug for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSpec")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a command orders after the spec. The end of the input before it means: undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Become the server: take the port, replace the predecessor, live on without the command.
    Commit,
}
