//! Registries: JSON files of server entries, each with what runs and how it is deployed.
//!
//! The format is that of the original plan for a Kubernetes backend (`type`, `chart`, `namespace`, `replicas`, `resources`,
//! `service`, `env` with expressions), plus what other servers and places need. Its JSON Schema is
//! `schema/registry.schema.json`. [`Registry::read`] checks a file whole; [`compile_entry`] makes the plan and the chart
//! values of one entry.

mod chart;
mod compile;
mod expression;
mod read;
mod values;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use indexmap::IndexMap;
use mcpt_core::{BackendName, Failure, FailureKind, Image, Namespace, Resources, ServerName, near};
use mcpt_source::Source;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use self::{
    compile::{CompiledEntry, EntryChoices, check_entry, compile_entry},
    expression::EnvValue,
};
use crate::document::{FormatError, Report, escape};

/// A checked registry.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Its file.
    pub file: PathBuf,
    entries: IndexMap<ServerName, RegistryEntry>,
}

/// One server of a registry.
#[derive(Debug, Clone)]
pub struct RegistryEntry {
    /// Its name.
    pub name: ServerName,
    /// Backend that it is meant for, if the entry says so.
    pub backend: Option<BackendName>,
    /// Template whose defaults and settings it has: an id or a folder.
    pub template: Option<String>,
    /// Container image, instead of the template's.
    pub image: Option<Image>,
    /// How the server speaks, if the entry says so.
    pub transport: Option<EntryTransport>,
    /// Program and leading arguments, in a container and on this machine.
    pub command: Vec<String>,
    /// Package that it is, instead of the template's image and commands.
    pub package: Option<Source>,
    /// Arguments after the command.
    pub args: Vec<String>,
    /// Helm chart that it is deployed with.
    pub chart: ChartRef,
    /// Namespace that it is meant for, if the entry says so.
    pub namespace: Option<Namespace>,
    /// Number of instances.
    pub replicas: Option<u32>,
    /// Compute resources.
    pub resources: Resources,
    /// The Kubernetes Service.
    pub service: EntryService,
    /// Environment variables.
    pub env: BTreeMap<String, EnvValue>,
    /// How the number of instances follows the load.
    pub scaling: Option<Scaling>,
    /// Profile of the chart.
    pub profile: Option<String>,
    /// Labels of all objects.
    pub labels: BTreeMap<String, String>,
    /// Annotations of all objects.
    pub annotations: BTreeMap<String, String>,
    /// A volume that outlives pods.
    pub persistence: Option<Persistence>,
    /// Further chart values, verbatim.
    pub values: Map<String, Value>,
    place: EntryPosition,
}

/// Where an entry stands, so that what is found later can be told with its line.
#[derive(Clone)]
struct EntryPosition {
    file: PathBuf,
    text: Arc<str>,
}

impl fmt::Debug for EntryPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

/// How an entry's server speaks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EntryTransport {
    /// `http` or `stdio`.
    #[serde(rename = "type")]
    pub name: String,
    /// Port in a container.
    pub port: Option<u16>,
    /// Path of the MCP endpoint.
    pub path: Option<String>,
    /// Variable that tells the server its port; empty for none.
    pub port_env: Option<String>,
}

/// The chart of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRef {
    /// Where it is.
    pub source: ChartLocation,
    /// Constraint that its version must meet.
    pub version: Option<String>,
}

/// Where a chart is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartLocation {
    /// Part of the binary.
    BuiltIn,
    /// A folder or an archive.
    Path(PathBuf),
    /// In a registry of charts: `oci://…`.
    Registry(String),
}

impl fmt::Display for ChartRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            ChartLocation::BuiltIn => f.write_str(crate::chart::SERVER_CHART),
            ChartLocation::Path(path) => path.display().fmt(f),
            ChartLocation::Registry(address) => f.write_str(address),
        }
    }
}

/// The block `service` of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct EntryService {
    /// `ClusterIP`, `NodePort` or `LoadBalancer`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Port of the Service.
    pub port: Option<u16>,
}

/// The block `scaling` of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Scaling {
    /// Least number of instances.
    pub min: Option<u32>,
    /// Greatest number of instances.
    pub max: u32,
    /// Average CPU use to aim at, in percent of the request.
    pub cpu: Option<u32>,
    /// Average number of sessions to aim at.
    pub sessions: Option<u32>,
}

/// The block `persistence` of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Persistence {
    /// Folder in the container.
    pub path: Option<String>,
    /// Size to ask for.
    pub size: Option<String>,
    /// `StorageClass` of the volume.
    pub storage_class: Option<String>,
    /// How pods may share it.
    pub access_modes: Option<Vec<String>>,
    /// Claim to use instead of a new one.
    pub existing_claim: Option<String>,
    /// Whether it is left when the server is deleted.
    pub keep: Option<bool>,
}

/// Why a registry cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file cannot be read.
    #[error("cannot read the registry {}: {why}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        why: String,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// There is no entry of that name.
    #[error("unknown registry entry {name:?}{hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The registry.
        file: PathBuf,
        /// A near match in words, or nothing.
        hint: String,
    },
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Format(error) => error.into(),
            RegistryError::Read { file, why } => Self::new(
                FailureKind::Usage,
                format!("cannot read the registry {}", file.display()),
            )
            .because(why),
            RegistryError::Unknown { ref file, .. } => {
                let hint = format!("mcpt registry list {} shows the entries", file.display());
                Self::new(FailureKind::Usage, error.to_string()).hint(hint)
            }
        }
    }
}

/// An entry that cannot be deployed as it is meant to be, with everything that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryError {
    /// Name of the entry.
    pub name: ServerName,
    /// What is wrong, with places in the registry's file.
    pub faults: FormatError,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot use the registry entry {}\n{}",
            self.name, self.faults
        )
    }
}

impl std::error::Error for EntryError {}

impl From<EntryError> for Failure {
    fn from(error: EntryError) -> Self {
        let what = format!("cannot use the registry entry {}", error.name);
        let file = error.faults.file.display();
        error.faults.problems.iter().fold(
            Failure::new(FailureKind::Usage, what),
            |failure, problem| failure.because(format!("{file}:{problem}")),
        )
    }
}

impl Registry {
    /// The entry of that name.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`] with a near match when there is none.
    pub fn get(&self, name: &str) -> Result<&RegistryEntry, RegistryError> {
        self.find(name).ok_or_else(|| RegistryError::Unknown {
            name: name.to_owned(),
            file: self.file.clone(),
            hint: near::hint(name, self.entries.keys().map(ServerName::as_str)),
        })
    }

    /// The entry of that name, if there is one.
    pub fn find(&self, name: &str) -> Option<&RegistryEntry> {
        self.entries
            .values()
            .find(|entry| entry.name.as_str() == name)
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = &RegistryEntry> {
        self.entries.values()
    }
}

impl RegistryEntry {
    /// File that it stands in.
    pub fn file(&self) -> &Path {
        &self.place.file
    }

    /// Whether one of its expressions may read a value of the user by its first key; when in doubt, yes.
    pub fn may_read(&self, key: &str) -> bool {
        self.env.values().any(|value| match value {
            EnvValue::Expression(text) => expression::may_read(text, key),
            EnvValue::Text(_) => false,
        })
    }

    /// Collects what is wrong with this entry.
    fn faults(&self) -> Faults {
        Faults {
            name: self.name.clone(),
            file: self.place.file.clone(),
            report: Report::new(read::KIND, &self.place.file, &self.place.text),
        }
    }
}

/// What is wrong with one entry, field by field.
struct Faults {
    name: ServerName,
    file: PathBuf,
    report: Report,
}

impl Faults {
    /// Adds a fault of a field, given as a JSON pointer below the entry (`/env/TOKEN`), or of the entry itself.
    fn add(&mut self, field: &str, message: impl Into<String>) {
        let pointer = format!("/{}{field}", escape(self.name.as_str()));
        self.report.add(&pointer, message);
    }

    /// What was made, or what is wrong.
    fn end<T>(self, made: Option<T>) -> Result<T, EntryError> {
        let name = self.name;
        match (self.report.end(), made) {
            (Ok(()), Some(made)) => Ok(made),
            (Ok(()), None) => Err(EntryError {
                name,
                faults: FormatError {
                    kind: read::KIND,
                    file: self.file,
                    problems: Vec::new(),
                },
            }),
            (Err(faults), _) => Err(EntryError { name, faults }),
        }
    }
}
