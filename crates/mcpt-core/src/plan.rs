//! The [`Plan`]: all that a backend must know to run one MCP server, and nothing about where the facts came from.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Arg, Image, Package, Secret, ServerName, TemplateId};

/// One MCP server to run. Compiled by `mcpt-catalog` from a template and the user's settings; backends only execute it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the server and of its release.
    pub name: ServerName,
    /// Template it came from; of what comes from none, a word for what it is.
    pub template: TemplateId,
    /// Version of that template; empty when there is none.
    pub template_version: String,
    /// How clients reach the server's own endpoint.
    pub transport: Transport,
    /// Package that the server is, if it is one: its program is run with [`Self::args`], and there are no commands.
    pub package: Option<Package>,
    /// What the package's installer is told about registries where it does not run on this machine: texts of files and values of
    /// variables, by their names.
    pub package_settings: BTreeMap<String, Secret>,
    /// Container image, of a package the one that it is installed and run in; `None` when the template can only run as a local
    /// process.
    pub image: Option<Image>,
    /// Program and leading arguments inside the image; empty means the image's own entrypoint.
    /// Never empty for [`Transport::Stdio`] with an image, since the bridge must start it.
    pub container_command: Vec<String>,
    /// Program and leading arguments on the local machine; empty when the template cannot run as a local process.
    /// The word `mcpt` in first place stands for the running binary itself.
    pub local_command: Vec<String>,
    /// Arguments after the command, on every backend.
    pub args: Vec<Arg>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are secret.
    pub secrets: BTreeMap<String, Secret>,
    /// Folders that the server works on.
    pub mounts: Vec<Mount>,
    /// Number of instances; `None` leaves it to the backend's default (1) or to what is running.
    pub replicas: Option<u32>,
    /// Compute resources; empty fields mean the backend's default.
    pub resources: Resources,
    /// Whether a session must stay on one instance.
    pub sessions: Sessions,
}

impl Plan {
    /// Whether arguments refer to variables, so that somebody must fill them in: `mcpt fill`, which becomes the server then.
    #[must_use]
    pub fn has_secret_arguments(&self) -> bool {
        self.args.iter().any(|arg| matches!(arg, Arg::Secret(_)))
    }

    /// A server of which no more is known than what it is called, what it is and how it speaks. Its sessions stay where they began.
    #[must_use]
    pub fn bare(name: ServerName, template: TemplateId, transport: Transport) -> Self {
        Self {
            name,
            template,
            template_version: String::new(),
            transport,
            package: None,
            package_settings: BTreeMap::new(),
            image: None,
            container_command: Vec::new(),
            local_command: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            mounts: Vec::new(),
            replicas: None,
            resources: Resources::default(),
            sessions: Sessions::Stateful,
        }
    }
}

/// How the server itself speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Transport {
    /// Newline-delimited JSON on standard input and output; served to clients by `mcpt bridge`.
    Stdio,
    /// Streamable HTTP.
    Http {
        /// TCP port that it listens on (in a container; a local process is told a free one by `port_env`).
        port: u16,
        /// Path of the MCP endpoint, with a leading slash.
        path: String,
        /// Environment variable that tells the server its port, if it reads one.
        port_env: Option<String>,
    },
}

/// A folder that the server works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Setting of the template that names it.
    pub setting: String,
    /// Folder on this machine, if the user named one.
    pub host: Option<PathBuf>,
    /// Absolute path inside a container.
    pub container: String,
    /// Whether the server may not write there.
    pub read_only: bool,
}

/// Compute resources in Kubernetes' notation (`100m`, `128Mi`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// What the scheduler reserves: `cpu`, `memory`, …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// What the kernel allows at most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

/// Whether the server keeps state per MCP session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sessions {
    /// A session must stay on the instance that began it.
    Stateful,
    /// Any instance answers any request.
    Stateless,
    /// An instance has one session at a time, which must stay on it: the server can exist once only, as it locks a database,
    /// say. Others are told to come later. For [`Transport::Stdio`] alone.
    Single,
}
