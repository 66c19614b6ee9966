//! `mcpt chart template [NAME] CHART`: renders a chart and prints what comes out.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Component, Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use gotmpl::{MissingKey, TemplateSet, Value};
use helm_chart::{Capabilities, Chart, KubeVersion, PathGlob, Values};
use helm_install::action::PostRenderer;
use helm_render::{
    Hook, HookEvent, ReleaseOptions, Rendered, Sources, render_through, render_within,
    split_documents,
};
use mcpt_core::Failure;

use super::{
    failed,
    flags::{DnsFlag, RenderFlags, ValueFlags, WithoutEffect},
    install::invalid_name,
    is_release_name,
    location::{ChartFlags, UpdateFlag},
    post_rendering::PostRenderFlags,
    session::namespace,
};
use crate::{args::Global, ending::Ending, messages, output};

/// What a release is called when nobody says.
const DEFAULT_NAME: &str = "release-name";

/// Arguments of `mcpt chart template`.
#[derive(Debug, Args)]
pub(crate) struct Template {
    #[arg(
        required = true,
        num_args = 1..=2,
        value_name = "[NAME] CHART",
        help = "The release's name [default: release-name], and a folder, an archive, repository/chart or \
                oci://host/path/chart"
    )]
    names: Vec<String>,
    #[command(flatten)]
    values: ValueFlags,
    /// Only what this template renders, as templates/x.yaml or a pattern (several)
    #[arg(short, long, value_name = "TEMPLATE")]
    show_only: Vec<String>,
    /// The custom resource definitions too
    #[arg(long)]
    include_crds: bool,
    /// No hooks
    #[arg(long)]
    no_hooks: bool,
    /// No tests
    #[arg(long)]
    skip_tests: bool,
    /// Values are not checked against the chart's schema
    #[arg(long)]
    skip_schema_validation: bool,
    /// Render an upgrade instead of an installation
    #[arg(long)]
    is_upgrade: bool,
    /// API versions that the cluster has besides the usual ones (several, also with commas between)
    #[arg(short, long, value_name = "VERSIONS", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Version of Kubernetes to render for
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// Make up the release's name
    #[arg(short, long)]
    generate_name: bool,
    /// A template of the release's name
    #[arg(long = "name-template", value_name = "TEMPLATE")]
    name_from: Option<String>,
    /// Write files into this folder instead
    #[arg(long, value_name = "FOLDER")]
    output_dir: Option<PathBuf>,
    /// In a folder with the release's name there
    #[arg(long)]
    release_name: bool,
    #[command(flatten)]
    limits: RenderFlags,
    #[command(flatten)]
    dns: DnsFlag,
    #[command(flatten)]
    post_render: PostRenderFlags,
    #[command(flatten)]
    update: UpdateFlag,
    #[command(flatten)]
    from: ChartFlags,
    #[command(flatten)]
    _accepted: WithoutEffect,
}

impl Template {
    /// Renders and prints.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let (named, path) = match self.names.as_slice() {
            [name, chart] => (Some(name.as_str()), chart),
            [chart] => (None, chart),
            _ => return Err(failed("name a chart".to_owned()).into()),
        };
        let mut chart = self.from.load_whole(path, self.update)?;
        let user = self.values.merged()?;
        if self.skip_schema_validation {
            without_schemas(&mut chart);
        }
        let name = self.release_name(named, path)?;
        let release = ReleaseOptions {
            is_upgrade: self.is_upgrade,
            ..ReleaseOptions::install(&name, namespace(global)?)
        };
        let post_renderer = self.post_render.meant()?;
        let (limits, can) = (self.limits.limits(), self.capabilities()?);
        let sources = self.dns.sources();
        let rendered = match &post_renderer {
            Some(PostRenderer::OfAll(run)) => {
                let run = |text: &str| run(text);
                render_through(limits, &chart, &user, &release, &can, &sources, run)
            }
            _ => render_within(limits, &chart, &user, &release, &can, &sources),
        };
        let rendered = rendered.map_err(|error| failed(error.to_string()))?;
        for warning in &rendered.warnings {
            messages::warning(global, warning);
        }
        let crds = if self.include_crds {
            crds(chart, &user)?
        } else {
            Vec::new()
        };
        match &self.output_dir {
            None => {
                let text = self.text(&rendered, &crds, post_renderer.as_ref())?;
                output::yaml_document(&text)
            }
            Some(folder) if self.release_name => self.write(&folder.join(&name), &rendered, &crds),
            Some(folder) => self.write(folder, &rendered, &crds),
        }
    }

    fn capabilities(&self) -> Result<Capabilities, Failure> {
        let mut capabilities = Capabilities::default();
        if let Some(version) = &self.kube_version {
            capabilities.kube_version = KubeVersion::parse(version)
                .map_err(|error| failed(format!("invalid kube version '{version}': {error}")))?;
        }
        capabilities
            .api_versions
            .extend(self.api_versions.iter().cloned());
        Ok(capabilities)
    }

    fn release_name(&self, named: Option<&str>, chart: &str) -> Result<String, Failure> {
        if named.is_some() && self.generate_name {
            return Err(failed(
                "cannot set --generate-name and also specify a name".to_owned(),
            ));
        }
        let name = match (named, &self.name_from) {
            (Some(_), Some(_)) => {
                return Err(failed(
                    "cannot set --name-template and also specify a name".to_owned(),
                ));
            }
            (Some(name), None) => name.to_owned(),
            (None, Some(template)) => from_template(template)?,
            (None, None) if self.generate_name => generated(chart),
            (None, None) => DEFAULT_NAME.to_owned(),
        };
        if is_release_name(&name) {
            return Ok(name);
        }
        let why = invalid_name(&name);
        Err(failed(format!("release name check failed: {why}")))
    }

    fn hooks<'r>(&self, rendered: &'r Rendered) -> impl Iterator<Item = &'r Hook> {
        let (none, no_tests) = (self.no_hooks, self.skip_tests);
        rendered
            .hooks
            .iter()
            .filter(move |hook| !(none || no_tests && hook.events.contains(&HookEvent::Test)))
    }

    /// What helm prints.
    fn text(
        &self,
        rendered: &Rendered,
        crds: &[(String, String)],
        post_renderer: Option<&PostRenderer>,
    ) -> Result<String, Failure> {
        let mut manifest = String::new();
        for (path, text) in crds {
            manifest.push_str(&document(path, text));
        }
        manifest.push_str(&rendered.manifest_text());
        if let Some(PostRenderer::OfObjects(run)) = post_renderer {
            manifest = run(&manifest).map_err(|error| {
                failed(format!("error while running post render on files: {error}"))
            })?;
        }
        let mut all = format!("{}\n", manifest.trim());
        for hook in self.hooks(rendered) {
            all.push_str(&document(&hook.path, &hook.manifest));
        }
        if self.show_only.is_empty() {
            return Ok(all);
        }
        let mut shown = String::new();
        let documents = split_documents(&all);
        for wanted in &self.show_only {
            let glob = PathGlob::parse(wanted);
            let mut missing = true;
            for document in &documents {
                let source = source(document);
                if source.is_some_and(|source| glob.as_ref().is_some_and(|g| g.matches(source))) {
                    shown.push_str("---\n");
                    shown.push_str(document);
                    shown.push('\n');
                    missing = false;
                }
            }
            if missing {
                return Err(failed(format!("could not find template {wanted} in chart")));
            }
        }
        Ok(shown)
    }

    /// Writes a file for each template, and says so.
    fn write(
        &self,
        folder: &Path,
        rendered: &Rendered,
        crds: &[(String, String)],
    ) -> Result<(), Ending> {
        let mut written = BTreeSet::new();
        let manifests = rendered.manifests.iter().map(|m| (&m.source, &m.text));
        for (path, text) in crds
            .iter()
            .map(|(path, text)| (path, text))
            .chain(manifests)
        {
            let append = !written.insert(path);
            write_file(folder, path, text, append)?;
        }
        for hook in self.hooks(rendered) {
            // As helm does, also to what an earlier call has left.
            let append = folder.join(&hook.path).exists();
            write_file(folder, &hook.path, &hook.manifest, append)?;
        }
        output::yaml_document("\n")
    }
}

fn document(path: &str, text: &str) -> String {
    format!("---\n# Source: {path}\n{text}\n")
}

/// The template that a document says it comes from, below the chart.
fn source(document: &str) -> Option<&str> {
    let (_, after) = document.split_once("# Source: ")?;
    let line = after.lines().next()?;
    Some(line.split_once('/')?.1)
}

fn write_file(folder: &Path, path: &str, text: &str, append: bool) -> Result<(), Ending> {
    // Names of charts and files are part of it, and those are a stranger's.
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
    if !Path::new(path).components().all(inside) {
        return Err(failed(format!("{path} leads out of the folder")).into());
    }
    let file = folder.join(path);
    let failed = |error: std::io::Error| failed(format!("{}: {error}", file.display()));
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    OpenOptions::new()
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .open(&file)
        .and_then(|mut file| file.write_all(document(path, text).as_bytes()))
        .map_err(failed)?;
    output::line(&format!("wrote {}", file.display()))
}

/// The custom resource definitions of the chart and of those of its subcharts that take part.
fn crds(mut chart: Chart, user: &Values) -> Result<Vec<(String, String)>, Failure> {
    helm_chart::process_dependencies(&mut chart, user)
        .map_err(|error| failed(error.to_string()))?;
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    Ok(chart
        .crds()
        .into_iter()
        .map(|(path, file)| (path, text(&file.data)))
        .collect())
}

fn without_schemas(chart: &mut Chart) {
    chart.schema = None;
    chart.dependencies.iter_mut().for_each(without_schemas);
}

pub(super) fn from_template(template: &str) -> Result<String, Failure> {
    let functions = helm_funcs::functions(&Sources::system());
    let mut set = TemplateSet::new("name-template", functions, MissingKey::Default);
    set.parse("name-template", template)
        .and_then(|()| set.execute("name-template", &Value::Nil))
        .map(|name| gotmpl::text(&name).into_owned())
        .map_err(|error| failed(error.to_string()))
}

/// The chart's name and the time, as helm does it.
pub(super) fn generated(chart: &str) -> String {
    let name = Path::new(chart).file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    let name = name.split('.').next().unwrap_or_default();
    let name = if name.is_empty() { "chart" } else { name };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    format!("{name}-{}", now.map_or(0, |now| now.as_secs()))
}
