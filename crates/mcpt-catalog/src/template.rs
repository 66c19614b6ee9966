//! The template format: what `template.json` says about one MCP server.
//!
//! The format is that of the original MCP Template Platform, read as it is, plus what a process and a cluster need
//! (`local_command`, `sessions`, `resources`, and the parts of `transport` beyond its port). Its JSON Schema is
//! `schema/template.schema.json`.

mod check;
mod property;
mod schema;

use std::{collections::BTreeMap, path::Path};

use indexmap::IndexMap;
use mcpt_core::{Capabilities, Capability, Image, Resources, Sessions, TemplateId};
use mcpt_source::Source;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::check::packaged;
pub use self::property::{CommandArg, Property};
use crate::document::FormatError;

/// A checked template.
#[derive(Debug, Clone)]
pub struct Template {
    /// Id: the name of its folder.
    pub id: TemplateId,
    /// Name for people.
    pub name: String,
    /// What the server is for.
    pub description: String,
    /// Version of the template; `latest` when it says none.
    pub version: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// Subject for sorting lists.
    pub category: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Hosts that the server must reach, `*` for any: for people, and for who writes network rules.
    pub hosts: Vec<String>,
    /// Container image, if there is one.
    pub image: Option<Image>,
    /// Program and leading arguments in the container; empty for the image's entrypoint.
    pub command: Vec<String>,
    /// Program and leading arguments on the local machine; empty when it cannot run there.
    pub local_command: Vec<String>,
    /// Package that is run where there are no images; then there is no local command.
    pub package: Option<Source>,
    /// How the server speaks.
    pub transport: TransportSpec,
    /// Whether a session must stay on one instance.
    pub sessions: Sessions,
    /// Compute resources.
    pub resources: Resources,
    /// Fixed environment variables.
    pub environment: BTreeMap<String, Value>,
    /// Its settings.
    pub config: ConfigSchema,
    /// Tools that it says the server has.
    pub tools: Vec<Value>,
}

/// The block `transport` of a template.
#[derive(Debug, Clone, Deserialize)]
pub struct TransportSpec {
    /// Transport that is used when the user names none.
    pub default: String,
    /// All transports of the server; just the default one when not given.
    #[serde(default)]
    pub supported: Vec<String>,
    /// Port in a container.
    #[serde(default = "default_port")]
    pub port: u16,
    /// Path of the MCP endpoint.
    #[serde(default = "default_path")]
    pub path: String,
    /// Environment variable for the port; `None` is the original platform's `MCP_PORT`, an empty text is none at all.
    pub port_env: Option<String>,
    /// Environment variable for the transport; `None` is `MCP_TRANSPORT` where there are several transports.
    pub transport_env: Option<String>,
    /// Arguments after the command, by transport.
    #[serde(default)]
    pub args: BTreeMap<String, Vec<String>>,
}

impl Default for TransportSpec {
    /// What the original platform assumes of a template that does not say.
    fn default() -> Self {
        Self {
            default: "stdio".to_owned(),
            supported: vec!["stdio".to_owned()],
            port: default_port(),
            path: default_path(),
            port_env: None,
            transport_env: None,
            args: BTreeMap::new(),
        }
    }
}

impl TransportSpec {
    /// A server that names no transports supports the default one.
    fn completed(mut self) -> Self {
        if self.supported.is_empty() {
            self.supported = vec![self.default.clone()];
        }
        self
    }
}

fn default_port() -> u16 {
    8080
}

fn default_path() -> String {
    "/mcp".to_owned()
}

/// The block `config_schema` of a template.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ConfigSchema {
    /// Settings by name, in the template's order.
    #[serde(default)]
    pub properties: IndexMap<String, Property>,
    /// Names of settings that must be given.
    #[serde(default)]
    pub required: Vec<String>,
    /// The other keywords: conditions over several settings.
    #[serde(flatten)]
    pub conditions: Map<String, Value>,
}

/// `template.json` as it is written.
#[derive(Deserialize)]
struct Raw {
    name: String,
    description: String,
    version: Option<String>,
    author: Option<String>,
    category: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    local_command: Vec<String>,
    package: Option<String>,
    program: Option<String>,
    #[serde(default)]
    transport: TransportSpec,
    sessions: Option<Sessions>,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    environment_variables: BTreeMap<String, Value>,
    #[serde(default)]
    config_schema: ConfigSchema,
    #[serde(default)]
    tools: Vec<Value>,
}

impl Template {
    /// The package that a backend with these capabilities runs of it, if that is what it runs.
    #[must_use]
    pub fn package_for(&self, can: Capabilities) -> Option<&Source> {
        let image = can.has(Capability::Images) && self.image.is_some();
        self.package
            .as_ref()
            .filter(|_| can.has(Capability::Packages) && !image)
    }

    /// Whether a backend with these capabilities can run it.
    #[must_use]
    pub fn runs_on(&self, can: Capabilities) -> bool {
        if can.has(Capability::Images) {
            self.image.is_some() || self.package_for(can).is_some()
        } else {
            !self.local_command.is_empty() || self.package_for(can).is_some()
        }
    }

    /// Reads and checks the text of a `template.json`; `file` is its name in reports.
    ///
    /// # Errors
    /// [`FormatError`] with all problems at once, each with its place.
    pub fn parse(id: TemplateId, file: &Path, text: &str) -> Result<Self, FormatError> {
        let checked = check::read(file, text)?;
        let raw = checked.raw;
        Ok(Self {
            id,
            name: raw.name,
            description: raw.description,
            version: raw.version.unwrap_or_else(|| "latest".to_owned()),
            author: raw.author,
            category: raw.category,
            tags: raw.tags,
            hosts: raw.hosts,
            image: checked.image,
            command: raw.command,
            local_command: raw.local_command,
            package: checked.package,
            transport: raw.transport.completed(),
            sessions: raw.sessions.unwrap_or(Sessions::Stateful),
            resources: raw.resources,
            environment: raw.environment_variables,
            config: raw.config_schema,
            tools: raw.tools,
        })
    }
}
