//! Chart and values to manifests, hooks and notes, as `helm template` of Helm 4.3.1 does.
//!
//! ```no_run
//! use helm_chart::{Capabilities, Chart, Overrides};
//! use helm_render::{ReleaseOptions, Sources, render};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let chart = Chart::from_dir("charts/mcp-server".as_ref())?;
//! let overrides = Overrides { set: vec!["replicaCount=2".into()], ..Overrides::default() };
//! let release = ReleaseOptions::install("demo", "mcp-servers");
//! let capabilities = Capabilities::default();
//! let rendered =
//!     render(&chart, &overrides.merge()?, &release, &capabilities, &Sources::system())?;
//! // Byte for byte what `helm template demo charts/mcp-server -n mcp-servers --set …` prints:
//! print!("{}", rendered.template_text());
//! // What an installer needs:
//! for manifest in &rendered.manifests {
//!     println!("{} {}: {}", manifest.kind, manifest.name, manifest.object);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`render`] applies the chart's dependencies, coalesces the values, checks them against the
//! schemas, renders all templates in Helm's order, and sorts what comes out. The cluster, the
//! clock and randomness are behind [`Sources`]; there is no other I/O.

mod capabilities;
mod engine;
mod error;
mod files;
mod glob;
mod kinds;
mod manifests;
mod post_render;
mod scope;
mod values;

use std::collections::BTreeMap;
use std::fmt::Write;

pub use gotmpl::limits::Limits;
use helm_chart::{Capabilities, Chart, Constraint, Values, Version};
pub use helm_funcs::{FunctionError, Lookup, NoLookup, Sources};
pub use helm_release::{Hook, HookEvent};

pub use error::{Error, ProgramError};
pub use kinds::{install_order, uninstall_order};
pub use manifests::{Manifest, read_objects, split_documents};

/// What templates see as `.Release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseOptions {
    /// The release's name.
    pub name: String,
    /// The namespace it goes to.
    pub namespace: String,
    /// Which revision this is, from 1 on.
    pub revision: u64,
    /// Whether it replaces an earlier revision; otherwise it is an install.
    pub is_upgrade: bool,
}

impl ReleaseOptions {
    /// The first revision of a release.
    pub fn install(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            revision: 1,
            is_upgrade: false,
        }
    }
}

/// A rendered chart.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// The objects, in the order in which Helm installs them.
    pub manifests: Vec<Manifest>,
    /// The hooks, in the order of their kinds; `helm_release::hooks_for` gives those of an event.
    pub hooks: Vec<Hook>,
    /// The text of the chart's own `NOTES.txt`; empty if it has none.
    pub notes: String,
    /// The texts of those of the charts in it, in the order of their paths.
    pub subchart_notes: Vec<String>,
    /// What Helm logs on the way.
    pub warnings: Vec<String>,
}

impl Rendered {
    /// The manifest as a release records it: each document after a line with its source.
    pub fn manifest_text(&self) -> String {
        let document = |m: &Manifest| format!("---\n# Source: {}\n{}\n", m.source, m.text);
        self.manifests.iter().map(document).collect()
    }

    /// Exactly what `helm template` prints: the manifest, then the hooks.
    pub fn template_text(&self) -> String {
        let mut out = self.manifest_text().trim().to_owned();
        out.push('\n');
        for hook in &self.hooks {
            let (path, manifest) = (&hook.path, &hook.manifest);
            // Writing to a string cannot fail.
            let _ = write!(out, "---\n# Source: {path}\n{manifest}\n");
        }
        out
    }
}

/// Renders a chart with a user's values.
///
/// # Errors
/// The chart is a library or lacks a dependency, does not fit the cluster's version, the values break a schema, a template does not
/// parse or fails or takes more than [`Limits::default`], or what it prints is no YAML. The texts are those of Helm.
pub fn render(
    chart: &Chart,
    user: &Values,
    release: &ReleaseOptions,
    capabilities: &Capabilities,
    sources: &Sources,
) -> Result<Rendered, Error> {
    render_within(
        Limits::default(),
        chart,
        user,
        release,
        capabilities,
        sources,
    )
}

/// [`render`] with other bounds for what the templates may use than [`Limits::default`].
///
/// # Errors
/// As [`render`], and when a bound is met, which the text names.
pub fn render_within(
    limits: Limits,
    chart: &Chart,
    user: &Values,
    release: &ReleaseOptions,
    capabilities: &Capabilities,
    sources: &Sources,
) -> Result<Rendered, Error> {
    let options = (chart, user, release, capabilities, sources);
    render_by(limits, options, Ok)
}

/// [`render_within`] with another program between rendering and sorting, as `helm --post-renderer` of Helm 4 has it: `program` gets
/// all objects and hooks as one stream of YAML documents, and what it gives back is installed. Each has the name of its file in the
/// annotation `postrenderer.helm.sh/postrender-filename`, which is taken off again. The objects are those of Helm; their text
/// is as [`goyaml::to_string`] writes it, without comments.
///
/// # Errors
/// As [`render_within`], and when the program fails or gives something else than objects.
pub fn render_through(
    limits: Limits,
    chart: &Chart,
    user: &Values,
    release: &ReleaseOptions,
    capabilities: &Capabilities,
    sources: &Sources,
    program: impl FnOnce(&str) -> Result<String, ProgramError>,
) -> Result<Rendered, Error> {
    let options = (chart, user, release, capabilities, sources);
    render_by(limits, options, |files| {
        post_render::through(&files, program)
    })
}

/// The chart, the user's values, the release, what the cluster can, and what else templates ask for.
type Options<'o> = (
    &'o Chart,
    &'o Values,
    &'o ReleaseOptions,
    &'o Capabilities,
    &'o Sources,
);

fn render_by(
    limits: Limits,
    (chart, user, release, capabilities, sources): Options<'_>,
    changed: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Error>,
) -> Result<Rendered, Error> {
    check_installable(chart)?;
    let mut chart = chart.clone();
    let mut warnings = chart.warnings.clone();
    warnings.append(&mut helm_chart::process_dependencies(&mut chart, user)?);
    let mut values = helm_chart::values_for_rendering(&chart, user)?;
    warnings.append(&mut values.warnings);
    check_kube_version(&chart, capabilities)?;

    let templates = scope::templates(
        &chart,
        &values.values,
        &scope::release(release),
        capabilities,
    );
    let mut files = gotmpl::limits::limited(limits, || {
        engine::render(&templates, helm_funcs::functions(sources))
    })?;
    let notes = files
        .remove(&format!("{}/templates/NOTES.txt", chart.name()))
        .unwrap_or_default();
    let of_subcharts = files.extract_if(.., |path, _| path.ends_with("NOTES.txt"));
    let subchart_notes = of_subcharts.map(|(_, text)| text).collect();
    let (manifests, hooks) = manifests::sort(&changed(files)?)?;
    Ok(Rendered {
        manifests,
        hooks,
        notes,
        subchart_notes,
        warnings,
    })
}

/// All templates' texts by path, partials left out, as `helm lint` renders them: `fail` and `required` end nothing, the release is
/// neither an installation nor an upgrade, and neither dependencies nor the cluster's version are checked. The chart's
/// dependencies have been processed, and the values are those for rendering.
///
/// # Errors
/// A template does not parse or fails, or takes more than the limits.
pub fn render_leniently(
    limits: Limits,
    chart: &Chart,
    values: &Values,
    release: &str,
    namespace: &str,
    capabilities: &Capabilities,
    sources: &Sources,
) -> Result<BTreeMap<String, String>, Error> {
    let release = scope::release_of_no_kind(release, namespace);
    let templates = scope::templates(chart, values, &release, capabilities);
    gotmpl::limits::limited(limits, || {
        engine::render(&templates, helm_funcs::lenient_functions(sources))
    })
}

/// What Helm checks before it looks at the values.
fn check_installable(chart: &Chart) -> Result<(), Error> {
    let chart_type = &chart.metadata.chart_type;
    if !matches!(chart_type.as_str(), "" | "application") {
        let chart_type = chart_type.clone();
        return Err(Error::NotInstallable { chart_type });
    }
    let present: Vec<&str> = chart.dependencies.iter().map(Chart::name).collect();
    let wanted = chart
        .metadata
        .dependencies
        .iter()
        .map(|dependency| &dependency.name);
    let names: Vec<String> = wanted
        .filter(|name| !present.contains(&name.as_str()))
        .cloned()
        .collect();
    if names.is_empty() {
        Ok(())
    } else {
        Err(Error::MissingDependencies { names })
    }
}

fn check_kube_version(chart: &Chart, capabilities: &Capabilities) -> Result<(), Error> {
    let wanted = &chart.metadata.kube_version;
    if wanted.is_empty() {
        return Ok(());
    }
    let version = Version::parse(&capabilities.kube_version.normalized);
    let fits = match (Constraint::parse(wanted), version) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(Error::KubeVersion {
        wanted: wanted.clone(),
        found: capabilities.kube_version.version.clone(),
    })
}

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
