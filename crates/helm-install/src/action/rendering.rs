//! Rendering a chart for a release: for the cluster, with what its templates look up there, or without one.

use std::rc::Rc;

use helm_chart::{Capabilities, Chart, Values, process_dependencies};
use helm_release::{ChartRecord, Hook};
use helm_render::{
    Limits, Manifest, ReleaseOptions, Rendered, Sources, read_objects, render_through,
    render_within,
};
use kube_access::Cluster;

use super::{PostRenderer, Result};
use crate::{
    Error, capabilities,
    lookup::{Answers, LookupResults},
};

/// A chart with the values of the user.
#[derive(Debug, Clone)]
pub struct Source {
    /// The chart.
    pub chart: Chart,
    /// The user's values.
    pub values: Values,
    /// What its templates may use.
    pub limits: Limits,
    /// Does not check the values against the chart's schema.
    pub skip_schema: bool,
    /// The notes of the charts in it belong to its own.
    pub subchart_notes: bool,
    /// Who tells templates the address of a host, if they may ask for it.
    pub resolver: Option<fn(&str) -> String>,
    /// What changes the objects before they are installed.
    pub post_renderer: Option<PostRenderer>,
}

/// What a chart became.
#[derive(Debug)]
pub struct Rendering {
    /// The objects, in the order in which they are installed.
    pub manifests: Vec<Manifest>,
    /// All of them as one text, as records hold it.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// The chart's notes.
    pub notes: String,
    /// What helm logs on the way.
    pub warnings: Vec<String>,
}

impl From<Rendered> for Rendering {
    fn from(rendered: Rendered) -> Self {
        Self {
            manifest: rendered.manifest_text(),
            manifests: rendered.manifests,
            hooks: rendered.hooks,
            notes: rendered.notes,
            warnings: rendered.warnings,
        }
    }
}

impl Source {
    /// The chart as a record holds it: with what its dependencies brought into its values.
    ///
    /// # Errors
    /// When the values do not fit the dependencies.
    pub(super) fn record(&self) -> Result<ChartRecord> {
        let mut chart = self.chart.clone();
        process_dependencies(&mut chart, &self.values)?;
        Ok(ChartRecord::from(&chart))
    }

    /// Renders it: for a cluster, or for none.
    ///
    /// # Errors
    /// When it cannot be rendered, or the cluster does not tell what a template looks for.
    pub(super) async fn render(
        &self,
        cluster: Option<&Cluster>,
        release: &ReleaseOptions,
    ) -> Result<Rendering> {
        let chart = self.checked_chart();
        let Some(cluster) = cluster else {
            let can = Capabilities::default();
            let rendered = self.once(&chart, release, &can, &self.sources());
            return self.changed(rendered, &chart, release, &can, &self.sources());
        };
        let can = capabilities::of(cluster, &chart, &self.values).await?;
        let mut found = LookupResults::default();
        loop {
            let missing = {
                let answers = Rc::new(Answers::new(found.clone()));
                let sources = Sources {
                    lookup: Rc::<Answers>::clone(&answers),
                    ..self.sources()
                };
                let rendered = self.once(&chart, release, &can, &sources);
                let missing = answers.missing();
                if missing.is_empty() {
                    return self.changed(rendered, &chart, release, &can, &sources);
                }
                missing
            };
            found.fetch(cluster, missing).await?;
        }
    }

    fn once(
        &self,
        chart: &Chart,
        release: &ReleaseOptions,
        can: &Capabilities,
        sources: &Sources,
    ) -> Result<Rendered> {
        let rendered = render_within(self.limits, chart, &self.values, release, can, sources)?;
        Ok(self.with_notes(rendered))
    }

    /// What was rendered last, as the user's program changes it: only then, and so once.
    fn changed(
        &self,
        rendered: Result<Rendered>,
        chart: &Chart,
        release: &ReleaseOptions,
        can: &Capabilities,
        sources: &Sources,
    ) -> Result<Rendering> {
        let rendered = rendered?;
        Ok(match &self.post_renderer {
            None => rendered.into(),
            Some(PostRenderer::OfAll(run)) => {
                let (limits, values) = (self.limits, &self.values);
                let run = |text: &str| run(text);
                let changed = render_through(limits, chart, values, release, can, sources, run)?;
                self.with_notes(changed).into()
            }
            Some(PostRenderer::OfObjects(run)) => {
                let manifest = run(&rendered.manifest_text()).map_err(|reason| {
                    let reason = format!("error while running post render on files: {reason}");
                    helm_render::Error::PostRender { reason }
                })?;
                Rendering {
                    manifests: read_objects(&manifest)?,
                    manifest,
                    ..rendered.into()
                }
            }
        })
    }

    fn with_notes(&self, mut rendered: Rendered) -> Rendered {
        if self.subchart_notes {
            let own = Some(rendered.notes).filter(|notes| !notes.is_empty());
            let all = own.into_iter().chain(rendered.subchart_notes.drain(..));
            rendered.notes = all.collect::<Vec<_>>().join("\n");
        }
        rendered
    }

    fn sources(&self) -> Sources {
        let sources = Sources::system();
        match self.resolver {
            Some(resolver) => sources.asking(resolver),
            None => sources,
        }
    }

    /// The chart with the schemas that its values are checked against.
    fn checked_chart(&self) -> Chart {
        fn without_schemas(chart: &mut Chart) {
            chart.schema = None;
            chart.dependencies.iter_mut().for_each(without_schemas);
        }
        let mut chart = self.chart.clone();
        if self.skip_schema {
            without_schemas(&mut chart);
        }
        chart
    }
}

/// The objects of a rendering as one text in which Secrets are not shown, as helm prints it.
pub fn hidden_secrets(manifests: &[Manifest]) -> String {
    let document = |m: &Manifest| {
        if m.kind == "Secret" && m.api_version == "v1" {
            format!(
                "---\n# Source: {}\n# HIDDEN: The Secret output has been suppressed\n",
                m.source
            )
        } else {
            format!("---\n# Source: {}\n{}\n", m.source, m.text)
        }
    };
    manifests.iter().map(document).collect()
}

impl From<kube_access::Error> for super::ActionError {
    fn from(error: kube_access::Error) -> Self {
        Self::Install(Error::Access(error))
    }
}
