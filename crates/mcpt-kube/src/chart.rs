//! From a plan to the built-in chart rendered with its values. Nothing here needs a cluster.

use helm_chart::{Capabilities, Chart, Values, process_dependencies, values_for_rendering};
use helm_install::{
    Record, capabilities,
    lookup::{Answers, LookupResults, Query},
};
use helm_release::{ChartRecord, Release, as_helm_reads};
use helm_render::{Limits, ReleaseOptions, Sources};
use mcpt_catalog::ChartSource;
use mcpt_core::{
    CommandOption, Failure, FailureKind, Namespace, Plan, RecordedPlan, START_TIMEOUT, Secret,
    ServerName, Transport, chain, leaves, redact,
};
use serde_json::{Map, Value};

use std::{collections::BTreeSet, rc::Rc};

mod rendered;

pub(crate) use self::rendered::{Rendered, When};

use crate::{
    cluster::Cluster,
    failure::OrFail as _,
    options::DeployOptions,
    recall,
    release_kind::ReleaseKind,
    secrecy,
    third_party::{ThirdParty, refuse_hooks},
    values::{self, Origins},
};

/// Value that says how many pods run.
pub(crate) const REPLICAS: &str = "replicaCount";

/// Values that say how their number follows the load.
pub(crate) const AUTOSCALING: &str = "autoscaling";

/// The chart with values that its schema accepts.
#[derive(Debug)]
pub(crate) struct Prepared {
    name: String,
    what: String,
    chart: Chart,
    /// What is known of the server, when the chart is a third party's.
    third_party: Option<ThirdParty>,
    /// The user's values: those of the plan with the given ones over them.
    values: Values,
    /// Who said which of them.
    pub(crate) origins: Origins,
    /// What is deployed, where it came from a plan.
    pub(crate) plan: Option<RecordedPlan>,
    /// What no text that is shown may contain.
    secrets: Vec<Secret>,
}

impl Prepared {
    /// Makes the values and checks them.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] with everything that is wrong with the values.
    pub(crate) fn new(plan: &Plan, options: &DeployOptions, what: &str) -> Result<Self, Failure> {
        if let Some(source) = options.chart.as_ref().filter(|chart| !chart.takes_plan) {
            return Self::of_third_party(source, plan, options, what);
        }
        if plan.image.is_none() && !options.values.contains_key("image") {
            return Err(Failure::new(FailureKind::Usage, what)
                .because(format!(
                    "the template {} names no docker_image: it runs as a process only",
                    plan.template
                ))
                .hint(format!(
                    "give an image with {}, or leave {} kubernetes out",
                    CommandOption::Image,
                    CommandOption::Backend
                )));
        }
        let mut values = options.beneath(ReleaseKind::Server);
        let mut origins = Origins::new();
        values::note(&mut origins, &values, "configuration of mcpt");
        let mut of_plan = mcpt_catalog::chart_values(plan);
        if let (Some(wanted), Some(own)) = (&plan.image, &options.own_image)
            && wanted.reference() == mcpt_image::reference()
        {
            of_plan.insert(
                "image".to_owned(),
                serde_json::json!({ "repository": own.reference() }),
            );
        }
        lay_over(&mut values, &of_plan);
        let template = format!("template {} and its settings", plan.template);
        values::note(&mut origins, &of_plan, &template);
        if options.timeout > START_TIMEOUT
            && let Some(mcp) = values.get_mut("mcp")
        {
            mcp["startTimeoutSeconds"] = options.timeout.as_secs().into();
        }
        lay_over(&mut values, &options.values);
        origins.extend(options.said());
        let chart = match &options.chart {
            None => builtin_chart(ReleaseKind::Server, what)?,
            Some(source) => loaded(source, what)?,
        };
        // The values have the plan's secrets, unless something else replaces them.
        let mut secrets = secrecy::of_values(&values);
        secrets.extend(secrecy::of_plan(plan));
        let mut prepared =
            Self::checked(&plan.name, chart, None, (values, origins), what, secrets)?;
        // Its lock is among the values.
        prepared.plan = Some(RecordedPlan::of(plan).without_lock());
        Ok(prepared)
    }

    /// The built-in chart of a kind of release with the user's values, which are checked.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] with everything that is wrong with the values.
    pub(crate) fn builtin(
        kind: ReleaseKind,
        name: &ServerName,
        values: Values,
        what: &str,
    ) -> Result<Self, Failure> {
        let chart = builtin_chart(kind, what)?;
        let secrets = secrecy::of_values(&values);
        let values = (values, Origins::new());
        Self::checked(name, chart, None, values, what, secrets)
    }

    fn checked(
        name: &ServerName,
        chart: Chart,
        third_party: Option<ThirdParty>,
        (values, origins): (Values, Origins),
        what: &str,
        secrets: Vec<Secret>,
    ) -> Result<Self, Failure> {
        let prepared = Self {
            name: name.to_string(),
            what: what.to_owned(),
            chart,
            third_party,
            values,
            origins,
            plan: None,
            secrets,
        };
        prepared.check()?;
        Ok(prepared)
    }

    /// The chart of a third party, with the given values alone: what is made from a plan means nothing to it.
    fn of_third_party(
        source: &ChartSource,
        plan: &Plan,
        options: &DeployOptions,
        what: &str,
    ) -> Result<Self, Failure> {
        let path = match &plan.transport {
            Transport::Http { path, .. } if source.endpoint_known => Some(path.clone()),
            _ => None,
        };
        let third_party = Some(ThirdParty { path });
        let chart = loaded(source, what)?;
        let values = (options.values.clone(), options.said());
        let secrets = secrecy::disguised(secrecy::of_plan(plan));
        Self::checked(&plan.name, chart, third_party, values, what, secrets)
    }

    /// The chart and values of a revision, as Helm itself reads them to render anew.
    ///
    /// # Errors
    /// When the record does not hold the whole chart.
    pub(crate) fn of_release(release: &Release, what: &str) -> Result<Self, Failure> {
        let incomplete = |why: &str| {
            Failure::new(FailureKind::Failed, what)
                .because(why)
                .hint("deploy it again, with the change")
        };
        let record = release
            .chart
            .as_ref()
            .ok_or_else(|| incomplete("the record of its revision holds no chart"))?;
        if !record.metadata.dependencies.is_empty() {
            return Err(incomplete(
                "its chart has dependencies, which a release record does not hold",
            ));
        }
        let values = as_helm_reads(&release.config);
        Ok(Self {
            name: release.name.clone(),
            what: what.to_owned(),
            third_party: ReleaseKind::of_chart(&record.metadata.name)
                .is_none()
                .then(|| ThirdParty::of(&release.manifest)),
            chart: record.to_chart(),
            secrets: secrecy::of_values(&values),
            origins: values::recorded(release),
            plan: recall::recorded(release),
            values,
        })
    }

    /// Changes the values and checks them; `origin` is who changes them.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] with everything that is wrong with the values.
    pub(crate) fn change(
        &mut self,
        origin: &str,
        change: impl FnOnce(&mut Values),
    ) -> Result<(), Failure> {
        let before = self.values.clone();
        change(&mut self.values);
        let before = leaves(&before);
        let changed = leaves(&self.values).into_iter();
        let changed = changed.filter(|leaf| !before.contains(leaf));
        let changed = changed.map(|(path, _)| (path, origin.to_owned()));
        self.origins.extend(changed);
        self.check()
    }

    fn check(&self) -> Result<(), Failure> {
        let mut chart = self.chart.clone();
        process_dependencies(&mut chart, &self.values)
            .and_then(|_| values_for_rendering(&chart, &self.values))
            .map(drop)
            .map_err(|error| self.invalid(&error))
    }

    /// Whether the values of a running revision say the size as those of this one do: both must be of the same chart, and that
    /// one of mcpt's. Of the charts of others nobody knows what their values mean; their size is what they render, as with Helm.
    pub(crate) fn is_sized_as(&self, running: &Record) -> bool {
        let chart = self.chart.name();
        ReleaseKind::of_chart(chart).is_some() && running.chart() == chart
    }

    /// Whether the values name a number of pods.
    pub(crate) fn names_size(&self) -> bool {
        self.values.contains_key(REPLICAS)
    }

    /// Keeps how many pods run, and the autoscaling, of the revision that runs, unless the values name a number. Of a number
    /// that something else changed since, such as an autoscaler, `live` tells.
    pub(crate) fn keep_scale(&mut self, running: &Values, live: Option<i64>) {
        if self.names_size() {
            return;
        }
        // One that was stopped for want of calls is started again: what is deployed is to be seen running.
        let live = live.filter(|live| *live > 0 || !stops_when_idle(running));
        let kept = "what ran before";
        let number = live.map(Value::from);
        if let Some(number) = number.or_else(|| running.get(REPLICAS).cloned()) {
            self.values.insert(REPLICAS.to_owned(), number);
            self.origins.insert(REPLICAS.to_owned(), kept.to_owned());
        }
        if let Some(autoscaling) = running.get(AUTOSCALING) {
            let autoscaling = Map::from_iter([(AUTOSCALING.to_owned(), autoscaling.clone())]);
            let named_now = std::mem::take(&mut self.origins);
            values::note(&mut self.origins, &autoscaling, kept);
            self.origins.extend(named_now);
            let mut kept = autoscaling;
            let named = self.values.remove(AUTOSCALING);
            lay_over(
                &mut kept,
                &named
                    .map(|n| (AUTOSCALING.to_owned(), n))
                    .into_iter()
                    .collect(),
            );
            self.values.extend(kept);
        }
    }

    /// Name of the release.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What no text that is shown may contain.
    pub(crate) fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// The user's values, as Helm records them.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    /// The chart, as Helm records it.
    pub(crate) fn chart_record(&self) -> ChartRecord {
        ChartRecord::from(&self.chart)
    }

    /// Renders a first revision without a cluster.
    ///
    /// # Errors
    /// When a template fails.
    pub(crate) fn offline(
        &self,
        namespace: &Namespace,
        limits: Limits,
    ) -> Result<Rendered, Failure> {
        let first = When::Install { revision: 1 };
        let capabilities = Capabilities::default();
        let found = LookupResults::default();
        let (rendered, _) = self.render(first, namespace, limits, &capabilities, found);
        rendered
    }

    /// Renders a revision for a cluster: for its version and APIs, with what templates look up there.
    ///
    /// # Errors
    /// When a template fails, or the cluster does not tell what one looks for.
    pub(crate) async fn render_for(
        &self,
        cluster: &Cluster,
        when: When,
    ) -> Result<Rendered, Failure> {
        let can = capabilities::of(cluster, &self.chart, &self.values).await;
        let can = can.or_fail(cluster, &self.what)?;
        let mut found = LookupResults::default();
        loop {
            let Cluster {
                namespace, limits, ..
            } = cluster;
            let (rendered, missing) = self.render(when, namespace, *limits, &can, found.clone());
            if missing.is_empty() {
                return rendered;
            }
            let fetched = found.fetch(cluster, missing).await;
            fetched.or_fail(cluster, &self.what)?;
        }
    }

    /// Renders a revision with what is known of the cluster; tells also what templates looked for in vain.
    fn render(
        &self,
        when: When,
        namespace: &Namespace,
        limits: Limits,
        capabilities: &Capabilities,
        found: LookupResults,
    ) -> (Result<Rendered, Failure>, BTreeSet<Query>) {
        let answers = Rc::new(Answers::new(found));
        let sources = Sources {
            lookup: Rc::<Answers>::clone(&answers),
            ..Sources::system()
        };
        let rendered = self.render_with(when, namespace, limits, capabilities, &sources);
        (rendered, answers.missing())
    }

    /// # Errors
    /// When a template fails; [`FailureKind::Usage`], since what a template refuses are values.
    fn render_with(
        &self,
        when: When,
        namespace: &Namespace,
        limits: Limits,
        capabilities: &Capabilities,
        sources: &Sources,
    ) -> Result<Rendered, Failure> {
        let release = ReleaseOptions {
            name: self.name.clone(),
            namespace: namespace.to_string(),
            revision: when.revision().into(),
            is_upgrade: matches!(when, When::Upgrade { .. }),
        };
        let (chart, values) = (&self.chart, &self.values);
        let rendered =
            helm_render::render_within(limits, chart, values, &release, capabilities, sources)
                .map_err(|error| self.refused(&error))?;
        let mut manifest = rendered.manifest_text();
        let redacted = |warning: &String| redact(warning, &self.secrets);
        let mut warnings: Vec<String> = rendered.warnings.iter().map(redacted).collect();
        if let Some(third_party) = &self.third_party {
            let chart = self.chart.name();
            refuse_hooks(&rendered.hooks, chart).map_err(|error| self.refused(&error))?;
            manifest = third_party
                .mark(&manifest, &self.name, chart)
                .map_err(|error| self.refused(&error))?;
            let crds = self.chart.crds();
            if !crds.is_empty() {
                let files = crds
                    .iter()
                    .map(|(name, _)| name.as_str())
                    .collect::<Vec<_>>();
                warnings.push(format!(
                    "the chart {chart} brings CustomResourceDefinitions in {}, which mcpt leaves alone: kubectl apply -f installs them",
                    files.join(", ")
                ));
            }
        }
        Ok(Rendered {
            manifest,
            hooks: rendered.hooks,
            notes: rendered.notes,
            warnings,
        })
    }

    fn refused(&self, error: &dyn std::error::Error) -> Failure {
        // Charts refuse values in words of their own, which may quote them.
        Failure::new(FailureKind::Usage, &self.what).because(redact(&chain(error), &self.secrets))
    }

    /// What a schema refuses, one cause per value. Its words quote values.
    fn invalid(&self, error: &helm_chart::Error) -> Failure {
        let helm_chart::Error::Schema(schema) = error else {
            return self.refused(error);
        };
        let told = |p: &helm_chart::SchemaProblem| {
            let path = p.path.trim_start_matches('/').replace('/', ".");
            let place = if path.is_empty() {
                "values".to_owned()
            } else {
                format!("value {path}")
            };
            format!("{place}: {}", redact(&p.message, &self.secrets))
        };
        let mut failure = Failure::new(FailureKind::Usage, &self.what);
        failure.why = schema.problems.iter().map(told).collect();
        let chart = &self.chart.metadata.name;
        if ReleaseKind::of_chart(chart).is_some() {
            failure = failure.hint(format!("which values there are: charts/{chart}/README.md"));
        }
        failure
    }
}

/// Puts `over` over `base`: maps are merged, all else is replaced.
pub(crate) fn lay_over(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => lay_over(below, above),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

fn builtin_chart(kind: ReleaseKind, what: &str) -> Result<Chart, Failure> {
    let files = mcpt_catalog::builtin_chart(kind.chart())
        .into_iter()
        .flatten();
    let files = files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
    Chart::from_files(files).map_err(|error| broken(what, &error))
}

fn loaded(source: &ChartSource, what: &str) -> Result<Chart, Failure> {
    Chart::from_files(source.files.iter().cloned()).map_err(|error| {
        Failure::new(FailureKind::Usage, what).because(format!(
            "{}: {}",
            source.origin,
            chain(&error)
        ))
    })
}

fn broken(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(FailureKind::Failed, what)
        .because(format!("the built-in chart is broken: {}", chain(error)))
}

/// Whether by these values a server is stopped while nobody calls it.
fn stops_when_idle(values: &Values) -> bool {
    let seconds = values
        .get("idle")
        .and_then(|idle| idle.get("timeoutSeconds"));
    seconds
        .and_then(Value::as_f64)
        .is_some_and(|seconds| seconds > 0.0)
}

#[cfg(test)]
mod tests;
