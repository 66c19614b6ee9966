//! One revision more of a release: its record, its objects, and what of earlier revisions goes. Computed before anything is
//! written. Pure.
//!
//! A deploy and a scale render it from a chart, a rollback takes it from the history; how it is performed is the same for all.

use std::collections::BTreeMap;

use helm_install::{
    Expected, Object, Record, RevisionChanges, custom_labels, manifest,
    revisions::{self, ROLLBACK_REVISION},
};
use helm_release::{APPLY_METHOD_SERVER_SIDE, History, Info, Next, Release, Status};
use jiff::Timestamp;
use mcpt_core::{Autoscaling, Failure, FailureKind, Secret};
use serde_json::{Value, json};

use crate::{
    chart::{Prepared, Rendered, When},
    cluster::Cluster,
    recall,
    release_kind::ReleaseKind,
    server,
    trouble::Secrets,
    values,
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
    /// Secrets that it was rendered with, wherever its values have them.
    given: Vec<Secret>,
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
        let mut release = Release {
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
        values::record(&mut release, &prepared.origins);
        if let Some(plan) = &prepared.plan {
            recall::record(&mut release, plan);
        }
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
        let mut change = Self::over(history, release, all, done.to_owned(), what)?;
        change.given = prepared.secrets().to_vec();
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
        if let Some(kind) = ReleaseKind::of(target) {
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
        let RevisionChanges {
            objects,
            gone,
            running,
        } = RevisionChanges::of(&history, &release).map_err(|error| unusable(what, &error))?;
        let wanted = objects.iter().map(|(object, _)| object);
        let scalers = wanted.filter(|object| {
            let running = running.iter().find(|other| other.same(object));
            object.is_autoscaler()
                && running.is_none_or(|running| running.body["spec"] != object.body["spec"])
        });
        let bounded = scalers.filter_map(bound).collect();
        Ok(Self {
            objects,
            history,
            release,
            labels,
            gone,
            done,
            bounded,
            given: Vec::new(),
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

    /// What undoing goes back to: the revision that runs, else the last one. `None` when undoing means removing.
    pub(crate) fn before(&self) -> Option<&Record> {
        let there = revisions::running(&self.history).or(self.history.last());
        there.filter(|_| !revisions::is_first(&self.history))
    }

    /// Workloads that say a number of pods, and for which an autoscaler has said it until now.
    pub(crate) fn freed(&self) -> impl Iterator<Item = &(Object, Expected)> {
        let scalers = self.gone.iter().filter(|object| object.is_autoscaler());
        let targets: Vec<_> = scalers.filter_map(bound).collect();
        self.objects.iter().filter(move |(object, _)| {
            let is_target = |(kind, name, _): &_| *kind == object.kind && *name == object.name;
            object.replicas().is_some() && targets.iter().any(is_target)
        })
    }

    /// Whether its chart is a third party's.
    pub(crate) fn is_third_party(&self) -> bool {
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
        let named = secrets.into_iter().flat_map(serde_json::Map::values);
        let named = named.map(|value| Secret::new(text(value)));
        named.chain(self.given.iter().cloned()).collect()
    }
}

/// The workload of an autoscaler, and the least number of its pods.
fn bound(scaler: &Object) -> Option<(String, String, i64)> {
    let spec = &scaler.body["spec"];
    let target = |key: &str| spec["scaleTargetRef"][key].as_str().map(str::to_owned);
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    Some((target("kind")?, target("name")?, least))
}

/// A manifest that cannot be used.
pub(crate) fn unusable(what: &str, error: &manifest::ManifestError) -> Failure {
    Failure::new(FailureKind::Failed, what).because(format!(
        "the rendered chart cannot be used: {}",
        mcpt_core::chain(error)
    ))
}
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mcpt_catalog::ChartSource;
    use mcpt_core::{Plan, ServerName, TemplateId, Transport, redact};

    use super::*;
    use crate::{options::DeployOptions, scripted};
    use helm_install::scripted::history;

    fn object(kind: &str, name: &str, spec: &str) -> String {
        let group = match kind {
            "Deployment" => "apps/v1",
            "HorizontalPodAutoscaler" => "autoscaling/v2",
            _ => "v1",
        };
        format!(
            "---\napiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    }

    /// The change from a history, of which each revision has these objects, to others.
    fn change(text: &str, has: &str, wants: &str) -> Change {
        let mut history = history(text);
        for record in &mut history {
            record.release.manifest = has.to_owned();
            record.release.namespace = "n".to_owned();
            record.release.apply_method = APPLY_METHOD_SERVER_SIDE.to_owned();
        }
        let release = Release {
            manifest: wants.to_owned(),
            namespace: "n".to_owned(),
            ..Release::default()
        };
        Change::over(history, release, BTreeMap::new(), String::new(), "x").unwrap()
    }

    #[test]
    fn what_is_there_and_what_goes() {
        let kept = object("Service", "kept", "{}");
        let has = format!("{kept}{}", object("Service", "gone", "{}"));
        for (text, ours, gone, back) in [
            ("", false, false, None),
            ("deployed", true, true, Some(1)),
            ("failed", false, true, Some(1)),
            ("superseded deployed failed", true, true, Some(2)),
            // A deletion may have taken any of them.
            ("superseded deployed/failed", false, true, None),
            ("deployed failed/failed", false, true, None),
            ("deployed/failed failed", false, true, Some(1)),
            ("deployed/failed deployed", true, true, Some(2)),
            // Nothing of it is there, and what bears its name may be somebody's.
            ("uninstalled/helm", false, false, None),
            ("deployed uninstalled/helm", false, false, None),
            ("uninstalled/helm deployed", true, true, Some(2)),
            ("uninstalled/helm dead-pending-install", false, true, None),
        ] {
            let change = change(text, &has, &kept);
            let (_, expected) = &change.objects[0];
            let back_to = change.before().map(|record| record.release.version);
            assert_eq!(
                (expected.ours, !change.gone.is_empty(), back_to),
                (ours, gone, back),
                "{text}"
            );
        }
    }

    /// A chart that begins or stops to name the release's namespace means the same objects.
    #[test]
    fn a_namespace_that_is_named_is_no_change() {
        let bare = object("Service", "web", "{}");
        let named = bare.replace("name: web", "name: web, namespace: n");
        let elsewhere = bare.replace("name: web", "name: web, namespace: m");
        for (has, wants, stays) in [
            (&bare, &named, true),
            (&named, &bare, true),
            (&bare, &elsewhere, false),
            (&elsewhere, &named, false),
        ] {
            let change = change("deployed", has, wants);
            let ours = change.objects[0].1.ours;
            assert_eq!(
                (ours, change.gone.is_empty()),
                (stays, stays),
                "{has} to {wants}"
            );
        }
    }

    /// Of a chart of somebody else nobody knows where its values have secrets: those that it was given tell.
    #[tokio::test]
    async fn what_a_server_prints_of_its_secrets_is_not_told() {
        let plan = Plan {
            secrets: [("TOKEN".to_owned(), Secret::new("of-a-setting"))].into(),
            ..Plan::bare(
                ServerName::new("demo").unwrap(),
                TemplateId::new("demo").unwrap(),
                Transport::Stdio,
            )
        };
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
            ("templates/a.yaml", &object("Deployment", "d", "{}")),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let values = json!({"api": {"token": "of-a-setting"}, "secrets": {"PIN": 4711}});
        let options = DeployOptions {
            wait: true,
            timeout: Duration::from_secs(1),
            atomic: false,
            dry_run: None,
            create_namespace: false,
            force_conflicts: false,
            values: values.as_object().unwrap().clone(),
            chart: Some(ChartSource {
                origin: "c".to_owned(),
                files: files.into(),
                takes_plan: false,
                endpoint_known: false,
            }),
            own_image: None,
            origins: BTreeMap::new(),
            pull_secrets: Vec::new(),
        };
        let prepared = Prepared::new(&plan, &options, "x").unwrap();
        let cluster = scripted::cluster(|request, _| panic!("{request}"));
        let change = Change::rendered(&cluster, &prepared, Vec::new(), &[], "", "x").await;
        let secrets = change.unwrap().0.secrets();
        let shown = redact("token of-a-setting, pin 4711", &secrets);
        assert_eq!(shown, "token [redacted], pin [redacted]");
    }

    #[test]
    fn workloads_whose_autoscaler_goes() {
        let scaler = |target: &str| {
            let to =
                format!("{{scaleTargetRef: {{kind: Deployment, name: {target}}}, maxReplicas: 3}}");
            object("HorizontalPodAutoscaler", "s", &to)
        };
        let deployment = |spec: &str| object("Deployment", "d", spec);
        let (numbered, bare) = (deployment("{replicas: 2}"), deployment("{}"));
        for (has, wants, freed) in [
            (format!("{bare}{}", scaler("d")), numbered.clone(), true),
            // It says no number: the last one stays.
            (format!("{bare}{}", scaler("d")), bare.clone(), false),
            // It is another's, stays, or was never there.
            (format!("{bare}{}", scaler("e")), numbered.clone(), false),
            (
                format!("{bare}{}", scaler("d")),
                format!("{numbered}{}", scaler("d")),
                false,
            ),
            (bare.clone(), numbered.clone(), false),
        ] {
            let change = change("deployed", &has, &wants);
            assert_eq!(change.freed().next().is_some(), freed, "{has} to {wants}");
        }
    }
}
