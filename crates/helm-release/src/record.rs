//! The record of one revision, field for field as Helm writes it. Fields that this version does not know are kept.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{ChartRecord, Hook};

/// How objects get into the cluster, when the API server merges them. Releases of Helm 3 have no method, which means `csa`.
pub const APPLY_METHOD_SERVER_SIDE: &str = "ssa";

/// How a release says that Helm merged its objects itself; of older ones it is not said.
pub const APPLY_METHOD_CLIENT_SIDE: &str = "csa";

/// One revision of a release. Its values and objects may hold secrets, so they are no part of its `Debug` form.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    /// The name of the release.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// When, and how far it came.
    pub info: Info,
    /// The chart, without its subcharts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartRecord>,
    /// The values of the user, which lie over the chart's.
    #[serde(
        skip_serializing_if = "Map::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub config: Map<String, Value>,
    /// All objects, as YAML documents in the order in which they are installed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// The hooks.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub hooks: Vec<Hook>,
    /// The number of the revision, from 1.
    pub version: u32,
    /// The namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `ssa`, `csa` or nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub apply_method: String,
    /// What other versions of Helm write.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Release")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .field("version", &self.version)
            .field("status", &self.info.status)
            .finish_non_exhaustive()
    }
}

/// When a revision came to be, and how far it came. Times are RFC 3339. Notes may quote values, so they are no part of its
/// `Debug` form.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// When the release's first revision was installed.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub first_deployed: String,
    /// When this revision was installed.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub last_deployed: String,
    /// When it was deleted. Helm 3 writes an empty text as long as it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// A sentence for people, such as `Upgrade complete`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How far it came.
    pub status: Status,
    /// The chart's notes, rendered.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// What other versions of Helm write.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Info")
            .field("status", &self.status)
            .field("first_deployed", &self.first_deployed)
            .field("last_deployed", &self.last_deployed)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

/// How far a revision came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is what runs.
    Deployed,
    /// It is gone, its record was kept.
    Uninstalled,
    /// A later revision took its place.
    Superseded,
    /// It did not come to run.
    Failed,
    /// It is being removed.
    Uninstalling,
    /// The first revision is being installed.
    PendingInstall,
    /// A later revision is being installed.
    PendingUpgrade,
    /// An earlier revision is being installed again.
    PendingRollback,
    /// Nobody knows.
    #[default]
    #[serde(other)]
    Unknown,
}

impl Status {
    /// Helm's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
        }
    }

    /// Whether something is under way, or was interrupted.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Go writes null for what is empty, and means the same.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
