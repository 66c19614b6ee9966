//! Release records as Secrets of the namespace: the same that Helm reads and writes.

use std::collections::BTreeMap;

use helm_release::{Release, ReleaseSecret, secret_name};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Error,
    api::{DeleteParams, ListParams, PostParams},
    core::ObjectMeta,
};
use kube_access::{Cluster, chain};
use serde_json::json;

use crate::{
    Error as InstallError, Result, heartbeat, holder,
    tool::{FIELD_MANAGER, Tool},
};

/// A record as it was stored last.
#[derive(Debug, Clone)]
pub struct Record {
    /// What Helm records.
    pub release: Release,
    /// The Secret's metadata.
    pub metadata: ObjectMeta,
}

impl Record {
    /// Last change, RFC 3339, as the labels of its Secret tell it.
    pub fn updated(&self) -> String {
        updated(&self.metadata).map_or_else(
            || self.release.info.last_deployed.clone(),
            |time| time.to_string(),
        )
    }

    /// Name of the chart.
    pub fn chart(&self) -> &str {
        let chart = self.release.chart.as_ref();
        chart.map_or("", |chart| chart.metadata.name.as_str())
    }

    /// When its command last gave a sign of life, if it is one of the tool's.
    pub fn heartbeat(&self, tool: Tool) -> Option<&str> {
        self.metadata
            .annotations
            .as_ref()?
            .get(tool.heartbeat)
            .map(String::as_str)
    }

    /// Whether the process that works on it lives, if that can be seen from here.
    pub(crate) fn process_lives(&self, tool: Tool) -> Option<bool> {
        holder::alive(self.metadata.annotations.as_ref()?.get(tool.holder)?)
    }

    /// When the API server stored it first.
    pub fn made(&self) -> Option<Timestamp> {
        Some(self.metadata.creation_timestamp.as_ref()?.0)
    }

    /// Name of its Secret.
    pub fn secret_name(&self) -> String {
        secret_name(&self.release.name, self.release.version)
    }

    /// Version of its Secret.
    pub fn resource_version(&self) -> String {
        self.metadata.resource_version.clone().unwrap_or_default()
    }
}

/// Whether a record is written while its command works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It bears a heartbeat.
    UnderWay,
    /// It bears none.
    Done,
}

/// The records of one release.
#[derive(Debug, Clone)]
pub struct Records {
    cluster: Cluster,
    tool: Tool,
    release: String,
}

impl Records {
    /// Of a release in the cluster's namespace.
    pub fn new(cluster: Cluster, tool: Tool, release: &str) -> Self {
        Self {
            cluster,
            tool,
            release: release.to_owned(),
        }
    }

    /// The program that works on them.
    pub fn tool(&self) -> Tool {
        self.tool
    }

    fn api(&self) -> Api<Secret> {
        self.cluster.api()
    }

    /// All records, the oldest revision first.
    ///
    /// # Errors
    /// When they cannot be listed, or one cannot be read.
    pub async fn all(&self) -> Result<Vec<Record>> {
        let params = ListParams::default().labels(&format!("owner=helm,name={}", self.release));
        let secrets = self
            .cluster
            .answer(self.api().list(&params))
            .await
            .map_err(|error| self.cluster.error(error))?;
        let mut records = Vec::new();
        for secret in secrets {
            records.push(read(secret).map_err(|why| broken(&why))?);
        }
        records.sort_by_key(|record| record.release.version);
        Ok(records)
    }

    /// The record of one revision; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be had or read.
    pub async fn get(&self, revision: u32) -> Result<Option<Record>> {
        let name = secret_name(&self.release, revision);
        let secret = self
            .cluster
            .answer(self.api().get_opt(&name))
            .await
            .map_err(|error| self.cluster.error(error))?;
        secret
            .map(|secret| read(secret).map_err(|why| broken(&why)))
            .transpose()
    }

    /// Makes a new record under way; with it the revision, and the right to work on the release, is this command's alone.
    /// `None` when another command was first.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create(
        &self,
        release: Release,
        labels: &BTreeMap<String, String>,
    ) -> Result<Option<Record>> {
        let secret = ReleaseSecret::create(&release, labels, Timestamp::now().as_second());
        let secret = write(secret, self.tool, Work::UnderWay, None).map_err(|why| broken(&why))?;
        match self
            .cluster
            .answer(self.api().create(&params(), &secret))
            .await
        {
            Ok(stored) => Ok(Some(Record {
                release,
                metadata: stored.metadata,
            })),
            Err(Error::Api(status)) if status.is_already_exists() => Ok(None),
            Err(error) => Err(self.cluster.error(error).into()),
        }
    }

    /// Writes a record anew if its Secret still has version `resource_version`. `None` when another command changed it.
    ///
    /// # Errors
    /// When the API server refuses it for another reason.
    pub async fn replace(
        &self,
        record: &Record,
        release: Release,
        work: Work,
        resource_version: String,
    ) -> Result<Option<Record>> {
        let labels = custom_labels(&record.metadata);
        let secret = ReleaseSecret::update(&release, &labels, Timestamp::now().as_second());
        let secret =
            write(secret, self.tool, work, Some(resource_version)).map_err(|why| broken(&why))?;
        match self
            .cluster
            .answer(
                self.api()
                    .replace(&record.secret_name(), &params(), &secret),
            )
            .await
        {
            Ok(stored) => Ok(Some(Record {
                release,
                metadata: stored.metadata,
            })),
            Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(None),
            Err(error) => Err(self.cluster.error(error).into()),
        }
    }

    /// Removes the record of a revision; it may be gone already.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn delete(&self, revision: u32) -> Result<()> {
        let name = secret_name(&self.release, revision);
        match self
            .cluster
            .answer(self.api().delete(&name, &DeleteParams::default()))
            .await
        {
            Ok(_) => Ok(()),
            Err(Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(self.cluster.error(error).into()),
        }
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

fn broken(error: &RecordError) -> InstallError {
    InstallError::Record(chain(error))
}

/// When a record was written last, by the labels that Helm gives its Secret.
fn updated(metadata: &ObjectMeta) -> Option<Timestamp> {
    let labels = metadata.labels.as_ref()?;
    let stamp = |key: &str| Timestamp::from_second(labels.get(key)?.parse().ok()?).ok();
    let created = || Some(metadata.creation_timestamp.as_ref()?.0);
    stamp("modifiedAt")
        .or_else(|| stamp("createdAt"))
        .or_else(created)
}

/// A Secret and a record that do not fit together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("a release record cannot be used")]
    Release(#[from] helm_release::Error),
    #[error("a release record is no Secret")]
    Secret(#[from] serde_json::Error),
}

pub(crate) fn read(secret: Secret) -> Result<Record, RecordError> {
    let mut object = serde_json::to_value(&secret)?;
    // Lists leave it out.
    object["type"] = json!(secret.type_);
    let release = ReleaseSecret::from_object(&object)?.decode()?;
    Ok(Record {
        release,
        metadata: secret.metadata,
    })
}

fn write(
    secret: Result<ReleaseSecret, helm_release::Error>,
    tool: Tool,
    work: Work,
    resource_version: Option<String>,
) -> Result<Secret, RecordError> {
    let mut secret: Secret = serde_json::from_value(secret?.to_object())?;
    secret.metadata.resource_version = resource_version;
    if work == Work::UnderWay {
        let marks = [
            (tool.heartbeat, Some(heartbeat::now())),
            (tool.holder, holder::this()),
        ];
        let marks = marks
            .into_iter()
            .filter_map(|(key, mark)| Some((key.to_owned(), mark?)));
        secret.metadata.annotations = Some(marks.collect());
    }
    Ok(secret)
}

/// Labels of a record's Secret that are not Helm's own: it keeps them from revision to revision.
pub fn custom_labels(metadata: &ObjectMeta) -> BTreeMap<String, String> {
    let secret = ReleaseSecret {
        name: String::new(),
        namespace: String::new(),
        labels: metadata.labels.clone().unwrap_or_default(),
        release: String::new(),
    };
    secret.custom_labels()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::TESTED;

    #[test]
    fn records_survive_the_way_through_a_secret() {
        let release = Release {
            name: "demo".into(),
            version: 3,
            namespace: "ns".into(),
            ..Release::default()
        };
        let labels = BTreeMap::from([("mcpt.io/server".to_owned(), "demo".to_owned())]);
        let made = ReleaseSecret::create(&release, &labels, 5);
        let secret = write(made, TESTED, Work::UnderWay, Some("7".into())).unwrap();
        let record = read(secret).unwrap();
        assert_eq!(record.release, release);
        assert_eq!(record.secret_name(), "sh.helm.release.v1.demo.v3");
        assert_eq!(record.resource_version(), "7");
        assert!(
            record
                .heartbeat(TESTED)
                .unwrap()
                .parse::<Timestamp>()
                .is_ok()
        );
        assert_eq!(custom_labels(&record.metadata), labels);
        let done = write(
            ReleaseSecret::update(&release, &labels, 6),
            TESTED,
            Work::Done,
            None,
        )
        .unwrap();
        assert_eq!(read(done).unwrap().heartbeat(TESTED), None);
    }
}
