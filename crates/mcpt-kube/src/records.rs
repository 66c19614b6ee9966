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
use mcpt_core::{Failure, FailureKind, chain};
use serde_json::json;

use crate::{
    cluster::{Cluster, FIELD_MANAGER},
    heartbeat,
    holder::{self, HOLDER},
    release_kind::ReleaseKind,
    server::ReleaseFacts,
    takeover::HEARTBEAT,
};

/// A record as it was stored last.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// What Helm records.
    pub(crate) release: Release,
    /// The Secret's metadata.
    pub(crate) metadata: ObjectMeta,
}

impl Record {
    /// Its facts, with the description.
    pub(crate) fn facts(&self) -> ReleaseFacts {
        let read = ReleaseFacts::read(&self.metadata);
        ReleaseFacts {
            description: Some(self.release.info.description.clone()),
            ..read.unwrap_or_else(|| ReleaseFacts {
                name: self.release.name.clone(),
                revision: self.release.version,
                status: self.release.info.status.to_string(),
                updated: self.release.info.last_deployed.clone(),
                description: None,
                of_mcpt: false,
            })
        }
    }

    /// Name of the chart.
    pub(crate) fn chart(&self) -> &str {
        let chart = self.release.chart.as_ref();
        chart.map_or("", |chart| chart.metadata.name.as_str())
    }

    /// What it is a release of, if it is one of mcpt's: as the label says that mcpt gave it, else by its chart, which stock Helm
    /// may have installed.
    pub(crate) fn kind(&self) -> Option<ReleaseKind> {
        let labels = self.metadata.labels.as_ref();
        let labelled = |kind: &ReleaseKind| labels.is_some_and(|l| l.contains_key(kind.label()));
        let mut kinds = ReleaseKind::ALL.into_iter();
        let named = kinds.clone().find(|kind| kind.chart() == self.chart());
        kinds.find(labelled).or(named)
    }

    /// When its command last gave a sign of life, if it is one of mcpt's.
    pub(crate) fn heartbeat(&self) -> Option<&str> {
        self.metadata
            .annotations
            .as_ref()?
            .get(HEARTBEAT)
            .map(String::as_str)
    }

    /// Whether the process that works on it lives, if that can be seen from here.
    pub(crate) fn process_lives(&self) -> Option<bool> {
        holder::alive(self.metadata.annotations.as_ref()?.get(HOLDER)?)
    }

    /// When the API server stored it first.
    pub(crate) fn made(&self) -> Option<Timestamp> {
        Some(self.metadata.creation_timestamp.as_ref()?.0)
    }

    /// Name of its Secret.
    pub(crate) fn secret_name(&self) -> String {
        secret_name(&self.release.name, self.release.version)
    }

    /// Version of its Secret.
    pub(crate) fn resource_version(&self) -> String {
        self.metadata.resource_version.clone().unwrap_or_default()
    }
}

/// Whether a record is written while its command works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// It bears a heartbeat.
    UnderWay,
    /// It bears none.
    Done,
}

/// The records of one release.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    cluster: Cluster,
    release: String,
}

impl Records {
    /// Of a release in the cluster's namespace.
    pub(crate) fn new(cluster: Cluster, release: &str) -> Self {
        Self {
            cluster,
            release: release.to_owned(),
        }
    }

    fn api(&self) -> Api<Secret> {
        self.cluster.api()
    }

    /// All records, the oldest revision first.
    ///
    /// # Errors
    /// When they cannot be listed, or one cannot be read.
    pub(crate) async fn all(&self, what: &str) -> Result<Vec<Record>, Failure> {
        let params = ListParams::default().labels(&format!("owner=helm,name={}", self.release));
        let secrets = self
            .cluster
            .answer(self.api().list(&params))
            .await
            .map_err(|error| self.cluster.failure(what, error))?;
        let mut records = Vec::new();
        for secret in secrets {
            records.push(read(secret).map_err(|why| broken(what, &why))?);
        }
        records.sort_by_key(|record| record.release.version);
        Ok(records)
    }

    /// The record of one revision; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be had or read.
    pub(crate) async fn get(&self, revision: u32, what: &str) -> Result<Option<Record>, Failure> {
        let name = secret_name(&self.release, revision);
        let secret = self
            .cluster
            .answer(self.api().get_opt(&name))
            .await
            .map_err(|error| self.cluster.failure(what, error))?;
        secret
            .map(|secret| read(secret).map_err(|why| broken(what, &why)))
            .transpose()
    }

    /// Makes a new record under way; with it the revision, and the right to work on the release, is this command's alone.
    /// `None` when another command was first.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub(crate) async fn create(
        &self,
        release: Release,
        labels: &BTreeMap<String, String>,
        what: &str,
    ) -> Result<Option<Record>, Failure> {
        let secret = ReleaseSecret::create(&release, labels, Timestamp::now().as_second());
        let secret = write(secret, Work::UnderWay, None).map_err(|why| broken(what, &why))?;
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
            Err(error) => Err(self.cluster.failure(what, error)),
        }
    }

    /// Writes a record anew if its Secret still has version `resource_version`. `None` when another command changed it.
    ///
    /// # Errors
    /// When the API server refuses it for another reason.
    pub(crate) async fn replace(
        &self,
        record: &Record,
        release: Release,
        work: Work,
        resource_version: String,
        what: &str,
    ) -> Result<Option<Record>, Failure> {
        let labels = custom_labels(&record.metadata);
        let secret = ReleaseSecret::update(&release, &labels, Timestamp::now().as_second());
        let secret =
            write(secret, work, Some(resource_version)).map_err(|why| broken(what, &why))?;
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
            Err(error) => Err(self.cluster.failure(what, error)),
        }
    }

    /// Removes the record of a revision; it may be gone already.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub(crate) async fn delete(&self, revision: u32, what: &str) -> Result<(), Failure> {
        let name = secret_name(&self.release, revision);
        match self
            .cluster
            .answer(self.api().delete(&name, &DeleteParams::default()))
            .await
        {
            Ok(_) => Ok(()),
            Err(Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(self.cluster.failure(what, error)),
        }
    }
}

fn params() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    }
}

fn broken(what: &str, error: &RecordError) -> Failure {
    Failure::new(FailureKind::Failed, what).because(chain(error))
}

/// A Secret and a record that do not fit together.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("a release record cannot be used")]
    Release(#[from] helm_release::Error),
    #[error("a release record is no Secret")]
    Secret(#[from] serde_json::Error),
}

fn read(secret: Secret) -> Result<Record, RecordError> {
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
    work: Work,
    resource_version: Option<String>,
) -> Result<Secret, RecordError> {
    let mut secret: Secret = serde_json::from_value(secret?.to_object())?;
    secret.metadata.resource_version = resource_version;
    if work == Work::UnderWay {
        let marks = [
            (HEARTBEAT, Some(heartbeat::now())),
            (HOLDER, holder::this()),
        ];
        let marks = marks
            .into_iter()
            .filter_map(|(key, mark)| Some((key.to_owned(), mark?)));
        secret.metadata.annotations = Some(marks.collect());
    }
    Ok(secret)
}

/// Labels of a record's Secret that are not Helm's own: it keeps them from revision to revision.
pub(crate) fn custom_labels(metadata: &ObjectMeta) -> BTreeMap<String, String> {
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
        let secret = write(made, Work::UnderWay, Some("7".into())).unwrap();
        let record = read(secret).unwrap();
        assert_eq!(record.release, release);
        assert_eq!(record.secret_name(), "sh.helm.release.v1.demo.v3");
        assert_eq!(record.resource_version(), "7");
        assert!(record.heartbeat().unwrap().parse::<Timestamp>().is_ok());
        assert_eq!(custom_labels(&record.metadata), labels);
        let done = write(
            ReleaseSecret::update(&release, &labels, 6),
            Work::Done,
            None,
        )
        .unwrap();
        assert_eq!(read(done).unwrap().heartbeat(), None);
    }

    #[test]
    fn releases_of_other_charts_are_told_apart() {
        let record = |chart: &str, label: bool| {
            let mut release = Release {
                name: "demo".into(),
                version: 1,
                ..Release::default()
            };
            let mut record = helm_release::ChartRecord::default();
            record.metadata.name = chart.to_owned();
            release.chart = Some(record);
            let labels = if label {
                vec![("mcpt.io/server".to_owned(), "demo".to_owned())]
            } else {
                Vec::new()
            };
            let secret = ReleaseSecret::create(&release, &labels.into_iter().collect(), 5);
            read(write(secret, Work::Done, None).unwrap()).unwrap()
        };
        for (chart, label, kind) in [
            ("nginx", false, None),
            ("nginx", true, Some(ReleaseKind::Server)),
            ("mcp-server", false, Some(ReleaseKind::Server)),
            ("mcpt-gateway", false, Some(ReleaseKind::Gateway)),
        ] {
            assert_eq!(record(chart, label).kind(), kind, "{chart} {label}");
        }
    }
}
