//! Reading a registry: the file, its format, and what no schema can say.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use helm_fetch::Reference;
use indexmap::IndexMap;
use mcpt_core::{BackendName, Image, Namespace, Resources, ServerName, near};
use mcpt_source::Source;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    ChartLocation, ChartRef, EntryPosition, EntryService, EntryTransport, EnvValue, Persistence,
    Registry, RegistryEntry, RegistryError, Scaling, expression,
};
use crate::{
    chart::SERVER_CHART,
    document::{FileKind, Format, FormatError, Report, escape},
    schema_error::plain,
    template::packaged,
};

/// What the file is, in reports.
pub(super) const KIND: FileKind = FileKind::Registry;

/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

static FORMAT: LazyLock<Format> = LazyLock::new(|| {
    let schema = include_str!("../../schema/registry.schema.json");
    Format::new(KIND, schema)
});

/// An entry as it is written.
#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: Option<String>,
    template: Option<String>,
    image: Option<String>,
    transport: Option<RawTransport>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    package: Option<String>,
    program: Option<String>,
    chart: Option<String>,
    version: Option<String>,
    namespace: Option<String>,
    replicas: Option<u32>,
    #[serde(default)]
    resources: Resources,
    #[serde(default)]
    service: EntryService,
    #[serde(default)]
    env: BTreeMap<String, Value>,
    scaling: Option<Scaling>,
    profile: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    persistence: Option<Persistence>,
    #[serde(default)]
    values: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawTransport {
    Name(String),
    Full(EntryTransport),
}

impl Registry {
    /// Reads and checks a registry's file. Paths in it start at the file's folder.
    ///
    /// # Errors
    /// [`RegistryError`] with all that is wrong with it, each with its place.
    pub fn read(file: &Path) -> Result<Self, RegistryError> {
        let failed = |why: String| RegistryError::Read {
            file: file.to_owned(),
            why,
        };
        let text = confined::read_file(file, MOST_BYTES).map_err(|error| failed(why(error)))?;
        let text = String::from_utf8(text).map_err(|error| failed(error.to_string()))?;
        Ok(Self::parse(file, &text)?)
    }

    /// Checks the text of a registry; `file` is its name in reports, and paths in it start at that file's folder.
    ///
    /// # Errors
    /// [`FormatError`] with all problems at once, each with its place.
    pub fn parse(file: &Path, text: &str) -> Result<Self, FormatError> {
        let (value, mut report) = FORMAT.check(file, text)?;
        let place = EntryPosition {
            file: file.to_owned(),
            text: Arc::from(text),
        };
        let mut entries = IndexMap::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            if name == "$schema" {
                continue;
            }
            // What the format refuses of one entry is in the report, and its other entries still have a meaning.
            let Ok(raw) = serde_json::from_value::<Raw>(value.clone()) else {
                continue;
            };
            let at = format!("/{}", escape(name));
            let line = report.line(&at);
            let mut check = Check {
                report: &mut report,
                at,
            };
            if let Some(entry) = check.entry(name, raw, &place) {
                entries.insert((line, entry.name.clone()), entry);
            }
        }
        report.end()?;
        // `serde_json` sorts keys; people sort by hand.
        entries.sort_keys();
        Ok(Self {
            file: file.to_owned(),
            entries: entries
                .into_iter()
                .map(|((_, name), entry)| (name, entry))
                .collect(),
        })
    }
}

/// Checks one entry.
struct Check<'a> {
    report: &'a mut Report,
    at: String,
}

impl Check<'_> {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        let pointer = format!("{}{field}", self.at);
        self.report.add(&pointer, message);
    }

    fn entry(&mut self, name: &str, raw: Raw, place: &EntryPosition) -> Option<RegistryEntry> {
        let name = ServerName::new(name)
            .map_err(|error| self.add("", error.to_string()))
            .ok();
        let namespace = raw.namespace.and_then(|text| {
            Namespace::new(text)
                .map_err(|error| self.add("/namespace", error.to_string()))
                .ok()
        });
        let folder = place.file.parent().unwrap_or(Path::new(""));
        let chart = self.chart(raw.chart.as_deref(), raw.version, folder);
        let mut env = BTreeMap::new();
        for (variable, value) in raw.env {
            let value = EnvValue::of(plain(&value));
            if let EnvValue::Expression(text) = &value
                && let Err(why) = expression::check(text)
            {
                self.add(&format!("/env/{}", escape(&variable)), why.to_string());
            }
            env.insert(variable, value);
        }
        for (field, words) in [("command", &raw.command), ("args", &raw.args)] {
            for (i, word) in words.iter().enumerate() {
                if expression::is_one(word) {
                    self.add(
                        &format!("/{field}/{i}"),
                        "an argument cannot be an expression, since every process list shows it: use env",
                    );
                }
            }
        }
        self.scaling(raw.scaling.as_ref(), raw.replicas);
        let transport = raw.transport.map(|transport| match transport {
            RawTransport::Name(name) => EntryTransport {
                name,
                port: None,
                path: None,
                port_env: None,
            },
            RawTransport::Full(full) => full,
        });
        if let Some(transport) = transport.as_ref().filter(|t| t.name == "stdio") {
            for (field, given) in [
                ("port", transport.port.is_some()),
                ("path", transport.path.is_some()),
                ("port_env", transport.port_env.is_some()),
            ] {
                if given {
                    self.add(
                        &format!("/transport/{field}"),
                        "a stdio server has no endpoint of its own",
                    );
                }
            }
        }
        let image = raw.image.and_then(|reference| {
            Image::parse(&reference)
                .map_err(|error| self.add("/image", error.to_string()))
                .ok()
        });
        let package = self.package(raw.package.as_deref(), raw.program.as_deref(), &raw.command);
        Some(RegistryEntry {
            name: name?,
            backend: raw.kind.map(|kind| match kind.as_str() {
                "k8s" => BackendName::new("kubernetes"),
                _ => BackendName::from(kind),
            }),
            template: raw.template.map(|template| in_folder(folder, template)),
            image,
            transport,
            command: raw.command,
            package,
            args: raw.args,
            chart: chart?,
            namespace,
            replicas: raw.replicas,
            resources: raw.resources,
            service: raw.service,
            env,
            scaling: raw.scaling,
            profile: raw.profile,
            labels: raw.labels,
            annotations: raw.annotations,
            persistence: raw.persistence,
            values: raw.values,
            place: place.clone(),
        })
    }

    fn chart(
        &mut self,
        chart: Option<&str>,
        version: Option<String>,
        folder: &Path,
    ) -> Option<ChartRef> {
        if let Some(text) = &version
            && let Err(error) = helm_chart::Constraint::parse(text)
        {
            self.add("/version", error.to_string());
            return None;
        }
        let source = match chart {
            None => ChartLocation::BuiltIn,
            Some(name) if name == SERVER_CHART => ChartLocation::BuiltIn,
            Some(address) if helm_fetch::is_registry(address) => {
                if let Err(error) = Reference::parse(address) {
                    self.add("/chart", error.to_string());
                    return None;
                }
                ChartLocation::Registry(address.to_owned())
            }
            Some(url) if url.contains("://") => {
                self.add(
                    "/chart",
                    "charts come from registries (oci://…), folders and .tgz archives",
                );
                return None;
            }
            Some(path) if is_path(path) => ChartLocation::Path(folder.join(path)),
            Some(name) => {
                let hint = near::hint(name, [SERVER_CHART]);
                let hint = if hint.is_empty() {
                    ": a folder is given as ./FOLDER".to_owned()
                } else {
                    hint
                };
                self.add(
                    "/chart",
                    format!("there is no built-in chart {name:?}{hint}"),
                );
                return None;
            }
        };
        Some(ChartRef { source, version })
    }

    /// The package of `package` and `program`.
    fn package(
        &mut self,
        package: Option<&str>,
        program: Option<&str>,
        command: &[String],
    ) -> Option<Source> {
        let Some(text) = package else {
            if program.is_some() {
                self.add(
                    "/program",
                    "it is a program of a package, and there is none",
                );
            }
            return None;
        };
        if !command.is_empty() {
            self.add(
                "/package",
                "both command and package say what runs: leave one out",
            );
        }
        packaged(text, program)
            .map_err(|why| self.add("/package", why.to_string()))
            .ok()
    }

    fn scaling(&mut self, scaling: Option<&Scaling>, replicas: Option<u32>) {
        let Some(scaling) = scaling else { return };
        if replicas.is_some() {
            self.add(
                "/replicas",
                "with scaling the load decides: use scaling.min and scaling.max",
            );
        }
        if scaling.min.is_some_and(|min| min > scaling.max) {
            self.add("/scaling/min", "it is greater than max");
        }
        if scaling.sessions.is_some() {
            self.add(
                "/scaling/sessions",
                "no backend scales by sessions yet: use cpu",
            );
        }
    }
}

/// Why a file is not read, without its name.
fn why(error: confined::Error) -> String {
    match error {
        confined::Error::Io { source, .. } => source.to_string(),
        confined::Error::NotAFile { kind, .. } => format!("it is {kind}, not a file"),
        confined::Error::TooLarge { most, .. } => format!("it is larger than {most} bytes"),
        error => error.to_string(),
    }
}

/// Whether a text names a place in the file system: by a slash, or as an archive.
fn is_path(text: &str) -> bool {
    text.contains('/')
        || matches!(text, "." | "..")
        || Path::new(text)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("tgz"))
        || text.ends_with(".tar.gz")
}

/// A template by its folder starts at the registry's; an id stays one.
fn in_folder(folder: &Path, template: String) -> String {
    if !template.contains('/') {
        return template;
    }
    let path: PathBuf = Path::new(".").join(folder).join(&template);
    path.to_str().map_or(template, str::to_owned)
}
