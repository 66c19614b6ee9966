//! What a command and the supervisor that it started say to each other: the spec and orders on the supervisor's standard
//! input, events on its standard output, one JSON document a line.

use std::{collections::BTreeMap, env, ffi::OsString, fmt, iter, path::PathBuf};

use mcpt_core::{RecordedPlan, ServerName, Sessions, TemplateId};
use mcpt_workload::Endpoint;
use serde::{Deserialize, Serialize};

use crate::command;

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
    /// What was deployed, to be written down; supervisors of versions before did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Box<RecordedPlan>>,
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
    /// Whether the words behind the program refer to variables, so that `mcpt fill` starts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) refers: bool,
    /// The package whose program that is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) package: Option<InstalledPackage>,
    /// Environment that is not secret.
    pub(crate) env: BTreeMap<String, String>,
    /// Environment that is.
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) endpoint: Endpoint,
    /// Whether a session must stay with it.
    pub(crate) sessions: Sessions,
}

/// A package that a server runs from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstalledPackage {
    /// What was asked for.
    pub(crate) requested: String,
    /// What it is, with its exact version.
    pub(crate) source: String,
    /// The folder of the installed package, which is kept as long as a run names it.
    pub(crate) tree: PathBuf,
    /// How many words of the command are the package's; the server's arguments follow them.
    pub(crate) leading: usize,
    /// The folder of its programs, which goes first on the server's PATH.
    pub(crate) programs: PathBuf,
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

impl ServerSpec {
    /// What runs, for people: of a package what can be deployed to get it again.
    pub(crate) fn shown(&self) -> String {
        let Some(package) = &self.package else {
            return command::display(&self.command, self.refers);
        };
        let args = self.command.get(package.leading..).unwrap_or_default();
        if args.is_empty() {
            return package.source.clone();
        }
        let args = command::display(args, self.refers);
        format!("{} -- {args}", package.source)
    }

    /// PATH of a server that is a package: its own programs first, as `npx` and `uvx` have it.
    pub(crate) fn search_path(&self) -> Option<OsString> {
        let own = &self.package.as_ref()?.programs;
        let path = env::var_os("PATH").unwrap_or_default();
        let all = iter::once(own.clone()).chain(env::split_paths(&path));
        env::join_paths(all).ok()
    }
}

/// What a command orders after the spec. The end of the input before it means: undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Become the server: take the port, replace the predecessor, live on without the command.
    Commit,
}
