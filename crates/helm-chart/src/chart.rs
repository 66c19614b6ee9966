//! A chart in memory, made from a set of files.

use std::collections::BTreeMap;

use crate::archive::read_archive;
use crate::budget::Budget;
use crate::values::read_values;
use crate::{Error, Lock, Metadata, Values};

/// A file of a chart; its name is the path below the chart's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path, with `/` between its parts.
    pub name: String,
    /// The content.
    pub data: Vec<u8>,
}

/// A chart with its subcharts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// `Chart.yaml`.
    pub metadata: Metadata,
    /// `Chart.lock` or `requirements.lock`.
    pub lock: Option<Lock>,
    /// The files below `templates/`.
    pub templates: Vec<File>,
    /// `values.yaml`, its numbers all floating point.
    pub values: Values,
    /// `values.yaml` as it was read.
    pub values_text: Option<Vec<u8>>,
    /// `values.schema.json`.
    pub schema: Option<Vec<u8>>,
    /// All that is none of the others: what templates see as `.Files`, and `crds/`.
    pub files: Vec<File>,
    /// Every file as it was read, those of subcharts among them; empty in a subchart.
    pub raw: Vec<File>,
    /// The charts below `charts/`.
    pub dependencies: Vec<Chart>,
    /// What Helm logs while it loads such a chart.
    pub warnings: Vec<String>,
}

impl Chart {
    /// Makes a chart of its files, each a path below the chart's folder and its content. Nothing is ignored here: `.helmignore`
    /// counts only for [folders](Self::from_dir).
    ///
    /// # Errors
    /// When `Chart.yaml` is missing, or one of the files that Helm itself reads is broken, here or in a subchart, the chart has
    /// another `apiVersion` than `v1` and `v2`, or it holds too much: archives that unpack to more than 100 MiB together, more
    /// than 50,000 files in them, or charts nested deeper than 50.
    pub fn from_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Error> {
        Self::of_files(files, &mut Budget::default())?.of_known_version()
    }

    /// [`from_files`](Self::from_files) of whatever `apiVersion`, as a linter needs it.
    ///
    /// # Errors
    /// As [`from_files`](Self::from_files), but for the version.
    pub fn from_files_of_any_version(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, Error> {
        Self::of_files(files, &mut Budget::default())
    }

    /// Helm looks at the version only in a root chart, not in subcharts.
    pub(crate) fn of_known_version(self) -> Result<Self, Error> {
        match self.metadata.api_version.as_str() {
            "v1" | "v2" => Ok(self),
            other => Err(Error::ApiVersion(other.to_owned())),
        }
    }

    pub(crate) fn of_files(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        budget: &mut Budget,
    ) -> Result<Self, Error> {
        let files: Vec<File> = files
            .into_iter()
            .map(|(name, data)| File { name, data })
            .collect();
        let raw = files.clone();
        let mut chart = Self::assemble(files, budget)?;
        chart.raw = raw;
        Ok(chart)
    }

    fn assemble(files: Vec<File>, budget: &mut Budget) -> Result<Self, Error> {
        let mut chart = Self::default();
        let chart_yaml = files
            .iter()
            .find(|file| file.name == "Chart.yaml")
            .ok_or(Error::NoChartYaml)?;
        in_file(
            "Chart.yaml",
            text(chart_yaml).and_then(|text| chart.metadata.read_over(text)),
        )?;
        if chart.metadata.api_version.is_empty() {
            "v1".clone_into(&mut chart.metadata.api_version);
        }
        let mut subcharts: BTreeMap<String, Vec<File>> = BTreeMap::new();
        for file in files {
            chart.add(file, &mut subcharts)?;
        }
        chart.metadata.validate()?;
        for (name, files) in subcharts {
            if name.starts_with(['_', '.']) {
                continue;
            }
            let subchart =
                budget.deeper(|budget| load_subchart(&name, files, &chart.metadata.name, budget));
            let subchart = subchart.map_err(|source| Error::Subchart {
                name,
                parent: chart.metadata.name.clone(),
                source: Box::new(source),
            })?;
            chart.dependencies.push(subchart);
        }
        Ok(chart)
    }

    /// The chart's name; of a subchart with an alias that alias, once the dependencies are processed.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The files below `crds/`, here and in all subcharts, each with its path from the root chart's name on.
    pub fn crds(&self) -> Vec<(String, &File)> {
        let mut found = Vec::new();
        self.collect_crds(self.name(), &mut found);
        found
    }

    fn collect_crds<'a>(&'a self, path: &str, found: &mut Vec<(String, &'a File)>) {
        let is_manifest = |name: &str| {
            let extension = name
                .rsplit_once('.')
                .map(|(_, extension)| extension.to_ascii_lowercase());
            matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
        };
        let crds = self
            .files
            .iter()
            .filter(|file| file.name.starts_with("crds/") && is_manifest(&file.name));
        found.extend(crds.map(|file| (format!("{path}/{}", file.name), file)));
        for subchart in &self.dependencies {
            subchart.collect_crds(&format!("{path}/charts/{}", subchart.name()), found);
        }
    }

    fn add(
        &mut self,
        file: File,
        subcharts: &mut BTreeMap<String, Vec<File>>,
    ) -> Result<(), Error> {
        let is_v1 = self.metadata.api_version == "v1";
        match file.name.as_str() {
            "Chart.yaml" => {}
            "Chart.lock" => {
                self.lock = Some(in_file(&file.name, text(&file).and_then(Lock::read))?);
            }
            "values.yaml" => {
                self.values = in_file(&file.name, text(&file).and_then(read_values))?;
                self.values_text = Some(file.data);
            }
            "values.schema.json" => self.schema = Some(file.data),
            "requirements.yaml" => {
                in_file(
                    &file.name,
                    text(&file).and_then(|text| self.metadata.read_over(text)),
                )?;
                if is_v1 {
                    self.files.push(file);
                } else {
                    self.warnings.push(
                        "Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". \
                         We recommend migrating dependencies to Chart.yaml."
                            .to_owned(),
                    );
                }
            }
            "requirements.lock" => {
                self.lock = Some(in_file(&file.name, text(&file).and_then(Lock::read))?);
                if is_v1 {
                    self.files.push(file);
                } else {
                    self.warnings.push(
                        "Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". \
                         We recommend migrating to Chart.lock."
                            .to_owned(),
                    );
                }
            }
            name if name.starts_with("templates/") => self.templates.push(file),
            name => match name.strip_prefix("charts/") {
                Some(below) if !has_extension(below, "prov") => {
                    let subchart = below.split('/').next().unwrap_or(below).to_owned();
                    let file = File {
                        name: below.to_owned(),
                        data: file.data,
                    };
                    subcharts.entry(subchart).or_default().push(file);
                }
                _ => self.files.push(file),
            },
        }
        Ok(())
    }
}

fn load_subchart(
    name: &str,
    files: Vec<File>,
    parent: &str,
    budget: &mut Budget,
) -> Result<Chart, Error> {
    if has_extension(name, "tgz") {
        let archive = files
            .first()
            .filter(|file| file.name == name)
            .ok_or_else(|| {
                let found = files
                    .first()
                    .map(|file| file.name.as_str())
                    .unwrap_or_default();
                let message = format!(
                    "error unpacking subchart tar in {parent}: expected {name}, got {found}"
                );
                Error::Content(message)
            })?;
        let files = read_archive(&archive.data, budget)?;
        let files = files.into_iter().map(|(name, data)| File { name, data });
        return Chart::assemble(files.collect(), budget);
    }
    let below = files.into_iter().filter_map(|file| {
        let (_, below) = file.name.split_once('/')?;
        Some(File {
            name: below.to_owned(),
            data: file.data,
        })
    });
    Chart::assemble(below.collect(), budget)
}

fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, found)| found == extension)
}

fn text(file: &File) -> Result<&str, Error> {
    std::str::from_utf8(&file.data).map_err(|_| {
        Error::Content("error converting YAML to JSON: yaml: invalid UTF-8".to_owned())
    })
}

fn in_file<T>(name: &str, result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|source| match source {
        // Helm reads all of the file before it checks rules.
        Error::Validation(_) => source,
        source => Error::File {
            file: name.to_owned(),
            source: Box::new(source),
        },
    })
}
