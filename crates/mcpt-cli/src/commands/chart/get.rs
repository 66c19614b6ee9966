//! `mcpt chart get values|manifest|hooks|notes|metadata|all RELEASE`: what is stored of a release.

use std::{collections::BTreeMap, fmt::Write as _};

use clap::{Args, Subcommand};
use helm_chart::{Dependency, coalesce_values};
use helm_funcs::{format_time, json_text};
use helm_install::{Record, custom_labels};
use helm_release::{ChartRecord, Release, as_helm_reads};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    failed,
    printed::{hooks, tests},
    releases::{for_people, go_json, last_deployed, revision},
};
use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// Arguments of `mcpt chart get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The user's values
    Values(Values),
    /// The objects
    Manifest(Of),
    /// The hooks
    Hooks(Of),
    /// The chart's notes
    Notes(Of),
    /// The chart, and when it was installed
    Metadata(Of),
    /// All of it
    All(Of),
}

#[derive(Debug, Args)]
struct Of {
    /// The release
    release: String,
    /// Which revision [default: the last]
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    revision: u32,
}

#[derive(Debug, Args)]
struct Values {
    #[command(flatten)]
    of: Of,
    /// Those of the chart too
    #[arg(short, long)]
    all: bool,
}

impl Get {
    /// Prints it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.part {
            Part::Values(values) => values.run(global),
            Part::Manifest(of) => {
                let record = of.find(global)?;
                output::yaml_document(&format!("{}\n", record.release.manifest))
            }
            Part::Hooks(of) => output::yaml_document(&hooks(&of.find(global)?.release)),
            Part::Notes(of) => {
                let notes = of.find(global)?.release.info.notes;
                match notes.as_str() {
                    "" => Ok(()),
                    notes => output::text(&format!("NOTES:\n{notes}\n")),
                }
            }
            Part::Metadata(of) => {
                let record = of.find(global)?;
                let mut metadata = Metadata::of(&record)?;
                if of.revision == 0 {
                    // Of the last revision helm tells its own labels, too.
                    metadata.labels = record.metadata.labels.unwrap_or_default();
                }
                metadata.print(global.output)
            }
            Part::All(of) => output::text(&all(&of.find(global)?.release)?),
        }
    }
}

impl Of {
    fn find(&self, global: &Global) -> Result<Record, Ending> {
        revision(global, &self.release, self.revision)
    }
}

impl Values {
    fn run(&self, global: &Global) -> Result<(), Ending> {
        let release = self.of.find(global)?.release;
        let values = if self.all {
            Value::Object(computed(&release)?)
        } else {
            users(&release)
        };
        match global.output {
            Format::Json => {
                let value = helm_funcs::from_json(&values);
                let text = json_text(&value, false, true);
                let text = text.map_err(|error| failed(error.to_string()))?;
                output::exact(&format!("{text}\n"))
            }
            Format::Yaml => output::yaml(&values),
            _ => {
                let of_whom = if self.all {
                    "COMPUTED"
                } else {
                    "USER-SUPPLIED"
                };
                let text = output::yaml_text(&values)?;
                output::text(&format!("{of_whom} VALUES:\n{text}"))
            }
        }
    }
}

/// The user's values; nothing at all where there are none.
fn users(release: &Release) -> Value {
    if release.config.is_empty() {
        return Value::Null;
    }
    Value::Object(as_helm_reads(&release.config))
}

/// The chart's values with the user's over them.
fn computed(release: &Release) -> Result<Map<String, Value>, Ending> {
    let chart = release.chart.as_ref().map(ChartRecord::to_chart);
    let values = coalesce_values(&chart.unwrap_or_default(), &as_helm_reads(&release.config));
    Ok(values.map_err(|error| failed(error.to_string()))?.values)
}

/// What helm tells of a release when it tells everything.
fn all(release: &Release) -> Result<String, Ending> {
    let metadata = release.chart.clone().unwrap_or_default().metadata;
    let mut all = format!("NAME: {}\n", release.name);
    if let Some(time) = last_deployed(release) {
        let _ = writeln!(all, "LAST DEPLOYED: {}", for_people(Some(&time)));
    }
    let _ = write!(
        all,
        "NAMESPACE: {}\nSTATUS: {}\nREVISION: {}\nCHART: {}\nVERSION: {}\nAPP_VERSION: {}\nDESCRIPTION: {}\n",
        release.namespace,
        release.info.status,
        release.version,
        metadata.name,
        metadata.version,
        metadata.app_version,
        release.info.description
    );
    all.push_str(&tests(release));
    let _ = write!(
        all,
        "USER-SUPPLIED VALUES:\n{}\nCOMPUTED VALUES:\n{}\nHOOKS:\n{}MANIFEST:\n{}\n",
        output::yaml_text(&users(release))?,
        output::yaml_text(&computed(release)?)?,
        hooks(release),
        release.manifest
    );
    if !release.info.notes.is_empty() {
        let _ = write!(all, "NOTES:\n{}\n", release.info.notes.trim());
    }
    Ok(all)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    chart: String,
    version: String,
    app_version: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
    namespace: String,
    revision: u32,
    status: &'static str,
    deployed_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    apply_method: String,
}

impl Metadata {
    fn of(record: &Record) -> Result<Self, Ending> {
        let release = &record.release;
        let Some(chart) = &release.chart else {
            return Err(failed("the record holds no chart".to_owned()).into());
        };
        let metadata = chart.metadata.clone();
        let deployed = last_deployed(release);
        // What Go makes of its zero time.
        let never = || "0001-01-01T00:00:00Z".to_owned();
        Ok(Self {
            name: release.name.clone(),
            chart: metadata.name,
            version: metadata.version,
            app_version: metadata.app_version,
            annotations: metadata.annotations,
            labels: custom_labels(&record.metadata),
            dependencies: metadata.dependencies,
            namespace: release.namespace.clone(),
            revision: release.version,
            status: release.info.status.as_str(),
            deployed_at: deployed.map_or_else(never, |time| {
                format_time("2006-01-02T15:04:05Z07:00", &time)
            }),
            apply_method: release.apply_method.clone(),
        })
    }

    fn print(&self, format: Format) -> Result<(), Ending> {
        match format {
            Format::Json => return go_json(self),
            Format::Yaml => return output::yaml(self),
            _ => {}
        }
        let pairs = |map: &BTreeMap<String, String>| {
            let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
            pairs.join(",")
        };
        let mut names: Vec<&str> = self.dependencies.iter().map(|d| d.name.as_str()).collect();
        names.sort_unstable();
        let method = match self.apply_method.as_str() {
            "" => "client-side apply (defaulted)".to_owned(),
            "csa" => "client-side apply".to_owned(),
            "ssa" => "server-side apply".to_owned(),
            other => format!("unknown ({other:?})"),
        };
        output::text(&format!(
            "NAME: {}\nCHART: {}\nVERSION: {}\nAPP_VERSION: {}\nANNOTATIONS: {}\nLABELS: {}\nDEPENDENCIES: {}\n\
             NAMESPACE: {}\nREVISION: {}\nSTATUS: {}\nDEPLOYED_AT: {}\nAPPLY_METHOD: {method}\n",
            self.name,
            self.chart,
            self.version,
            self.app_version,
            pairs(&self.annotations),
            pairs(&self.labels),
            names.join(","),
            self.namespace,
            self.revision,
            self.status,
            self.deployed_at
        ))
    }
}
