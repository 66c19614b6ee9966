//! One revision more of a release: its record, its objects, and what of earlier revisions goes. Computed before anything is
//! written. Pure.
//!
//! A deploy and a scale render it from a chart, a rollback takes it from the history; how it is performed is the same for all.

use std::collections::BTreeMap;

use helm_release::{APPLY_METHOD_SERVER_SIDE, History, Info, Next, Release, Status};
use jiff::Timestamp;
use mcpt_core::{Autoscaling, Failure, FailureKind, Secret};
use serde_json::{Value, json};

use crate::{
    apply::Expected,
    chart::{Prepared, Rendered, When},
    claim,
    cluster::Cluster,
    log_tail::Secrets,
    manifest::{self, Object},
    records::{Record, custom_labels},
    release_kind::ReleaseKind,
    server,
};

/// What is to become of a release.
pub(crate) struct Change {
    /// Records on which nobody works, the oldest first.
    pub(crate) history: Vec<Record>,
    /// The new revision, as it is recorded while it is worked on.
    pub(crate) release: Release,
    /// Labels of its record besides Helm's own.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its objects, in the order of the manifest, and what is known of each.
    pub(crate) objects: Vec<(Object, Expected)>,
    /// Objects of older revisions that it does not have any more.
    pub(crate) gone: Vec<Object>,
    /// Its description once it is done.
    pub(crate) done: String,
    /// Workloads that an autoscaler is new for, or wants other bounds of, by kind and name, and the least number of pods.
    bounded: Vec<(String, String, i64)>,
}

impl Change {
    /// A revision rendered from a chart. `labels` go over those of the last record, and `done` describes the revision, if it is
    /// not the first.
    ///
    /// # Errors
    /// When no revision can follow, or the chart cannot be rendered or its manifest not read.
    pub(crate) async fn rendered(
        cluster: &Cluster,
        prepared: &Prepared,
        history: Vec<Record>,
        labels: &[(&str, &str)],
        done: &str,
        what: &str,
    ) -> Result<(Self, Rendered), Failure> {
        let name = prepared.name();
        let releases = History::new(name, history.iter().map(|r| r.release.clone()).collect());
        let next = releases
            .next()
            .map_err(|error| Failure::new(FailureKind::Failed, what).caused_by(&error))?;
        let (when, first_deployed) = match next {
            Next::Install { revision } => (When::Install { revision }, None),
            Next::Upgrade { current, revision } => (
                When::Upgrade { revision },
                Some(current.info.first_deployed.clone()),
            ),
        };
        let rendered = prepared.render_for(cluster, when).await?;
        let now = Timestamp::now().to_string();
        let release = Release {
            name: name.to_owned(),
            namespace: cluster.namespace.to_string(),
            version: when.revision(),
            chart: Some(prepared.chart_record()),
            config: prepared.values().clone(),
            manifest: rendered.manifest.clone(),
            hooks: rendered.hooks.clone(),
            apply_method: APPLY_METHOD_SERVER_SIDE.to_owned(),
            info: Info {
                first_deployed: first_deployed.unwrap_or_else(|| now.clone()),
                last_deployed: now,
                description: when.begun().to_owned(),
                status: when.pending(),
                notes: rendered.notes.clone(),
                ..Info::default()
            },
            ..Release::default()
        };
        let mut all = history
            .last()
            .map(|last| custom_labels(&last.metadata))
            .unwrap_or_default();
        all.extend(
            labels
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        let done = match when {
            When::Install { .. } => "Install complete",
            When::Upgrade { .. } => done,
        };
        let change = Self::over(history, release, all, done.to_owned(), what)?;
        Ok((change, rendered))
    }

    /// An earlier revision again as a new one, as `helm rollback` makes it: chart, values, manifest, hooks and labels are its.
    ///
    /// # Errors
    /// When its manifest cannot be read.
    pub(crate) fn back_to(
        target: &Record,
        history: Vec<Record>,
        what: &str,
    ) -> Result<Self, Failure> {
        let to = target.release.version;
        let last = history.last().unwrap_or(target);
        let description = format!("Rollback to {to}");
        let mut release = Release {
            version: last.release.version + 1,
            apply_method: APPLY_METHOD_SERVER_SIDE.to_owned(),
            info: Info {
                first_deployed: last.release.info.first_deployed.clone(),
                last_deployed: Timestamp::now().to_string(),
                description: description.clone(),
                status: Status::PendingRollback,
                notes: target.release.info.notes.clone(),
                ..Info::default()
            },
            ..target.release.clone()
        };
        let other = &mut release.info.other;
        other.insert(ROLLBACK_REVISION.to_owned(), json!(to));
        let mut labels = custom_labels(&target.metadata);
        if let Some(kind) = target.kind() {
            labels.insert(kind.label().to_owned(), release.name.clone());
        }
        Self::over(history, release, labels, description, what)
    }

    /// Compares a new revision with what is there.
    fn over(
        history: Vec<Record>,
        release: Release,
        labels: BTreeMap<String, String>,
        done: String,
        what: &str,
    ) -> Result<Self, Failure> {
        let mut objects = parse(&release.manifest, what)?;
        for object in &mut objects {
            object.claim(&release.name, &release.namespace);
        }
        // What the deployed revision has is known to be there and ours. Revisions after it failed: some of their objects may
        // be there, and are removed or taken over.
        let since = history
            .iter()
            .rposition(|r| r.release.info.status == Status::Deployed)
            .unwrap_or(0);
        let mut ours = Vec::new();
        let mut by_update = false;
        let mut old = Vec::new();
        for record in &history[since..] {
            let found = parse(&record.release.manifest, what)?;
            by_update |= record.release.apply_method != APPLY_METHOD_SERVER_SIDE;
            if record.release.info.status == Status::Deployed {
                ours.clone_from(&found);
            }
            old.extend(found);
        }
        let gone = manifest::pruned(&old, &objects);
        let scalers = objects.iter().filter(|object| {
            let running = ours.iter().find(|other| other.same(object));
            object.is_autoscaler()
                && running.is_none_or(|running| running.body["spec"] != object.body["spec"])
        });
        let bounded = scalers.filter_map(bound).collect();
        let expect = |object: Object| {
            let ours = ours.iter().any(|other| other.same(&object));
            (object, Expected { ours, by_update })
        };
        Ok(Self {
            objects: objects.into_iter().map(expect).collect(),
            history,
            release,
            labels,
            gone,
            done,
            bounded,
        })
    }

    /// How many pods a workload must have at least from now on, when an autoscaler begins to say so: one that finds none would
    /// leave it at that.
    pub(crate) fn least(&self, workload: &Object) -> Option<i64> {
        let bounded = self.bounded.iter();
        let of = |(kind, name, _): &&(String, String, i64)| {
            *kind == workload.kind && *name == workload.name
        };
        bounded.filter(of).map(|(.., least)| *least).max()
    }

    /// How the number of pods follows the load.
    pub(crate) fn autoscaling(&self) -> Option<Autoscaling> {
        let mut objects = self.objects.iter().map(|(object, _)| object);
        let scaler = objects.find(|object| object.is_autoscaler())?;
        let scaler = serde_json::from_value(scaler.body.clone()).ok()?;
        server::autoscaling(&scaler)
    }

    /// The revision that runs; nothing to go back to when there is none.
    pub(crate) fn deployed(&self) -> Option<&Record> {
        deployed(&self.history)
    }

    /// Whether undoing means removing: no command before this one came to its end, or the last one was to delete everything.
    /// What a deploy that failed left may well run, and is put back.
    pub(crate) fn is_first(&self) -> bool {
        is_first(&self.history)
    }

    /// What undoing goes back to: the revision that runs, else the last one that a command came to the end of.
    pub(crate) fn before(&self) -> Option<&Record> {
        self.deployed().or(self.history.last())
    }

    /// Whether its chart is somebody else's.
    pub(crate) fn is_foreign(&self) -> bool {
        let chart = self.release.chart.as_ref();
        chart.is_some_and(|chart| ReleaseKind::of_chart(&chart.metadata.name).is_none())
    }

    /// The server's secrets, which it may print.
    pub(crate) fn secrets(&self) -> Secrets {
        let secrets = self
            .release
            .config
            .get("secrets")
            .and_then(Value::as_object);
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        secrets
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), Secret::new(text(value))))
            .collect()
    }
}

/// The workload of an autoscaler, and the least number of its pods.
fn bound(scaler: &Object) -> Option<(String, String, i64)> {
    let spec = &scaler.body["spec"];
    let target = |key: &str| spec["scaleTargetRef"][key].as_str().map(str::to_owned);
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    Some((target("kind")?, target("name")?, least))
}

/// Field of a record's `info` in which Helm 4 keeps what was rolled back to.
pub(crate) const ROLLBACK_REVISION: &str = "rollback_revision";

fn is_first(history: &[Record]) -> bool {
    let was_deleted = |last: &Record| {
        last.release
            .info
            .deleted
            .as_deref()
            .is_some_and(|time| !time.is_empty())
    };
    let interrupted =
        |record: &Record| claim::was_interrupted(&record.release, Status::PendingInstall);
    deployed(history).is_none()
        && (history.last().is_some_and(was_deleted) || history.iter().all(interrupted))
}

/// The newest revision that runs.
pub(crate) fn deployed(history: &[Record]) -> Option<&Record> {
    history
        .iter()
        .rev()
        .find(|record| record.release.info.status == Status::Deployed)
}

fn parse(text: &str, what: &str) -> Result<Vec<Object>, Failure> {
    manifest::parse(text).map_err(|error| unusable(what, &error))
}

/// A manifest that cannot be used.
pub(crate) fn unusable(what: &str, error: &manifest::ManifestError) -> Failure {
    Failure::new(FailureKind::Failed, what).because(format!(
        "the rendered chart cannot be used: {}",
        crate::failure::chain(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::ObjectMeta;

    #[test]
    fn undoing_removes_only_what_no_command_finished() {
        let record = |text: &str| {
            let (status, description) = text.split_once(':').unwrap_or((text, ""));
            let mut release = Release::default();
            release.info.status = serde_json::from_value(status.into()).unwrap();
            release.info.description = description.into();
            release.info.deleted = description
                .starts_with("Deletion")
                .then(|| "2026-01-01T00:00:00Z".to_owned());
            Record {
                release,
                metadata: ObjectMeta::default(),
            }
        };
        let interrupted = "failed:pending-install was interrupted";
        for (history, first) in [
            (&[][..], true),
            (&[interrupted], true),
            (&["deployed"], false),
            // It timed out; its pods may have become ready since.
            (&["failed:timed out"], false),
            (&[interrupted, "failed:timed out"], false),
            (&["deployed", "failed:Deletion failed"], false),
            (&["superseded", "failed:Deletion failed"], true),
        ] {
            let records: Vec<Record> = history.iter().map(|text| record(text)).collect();
            assert_eq!(is_first(&records), first, "{history:?}");
        }
    }
}
