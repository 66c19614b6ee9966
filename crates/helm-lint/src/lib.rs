//! What `helm lint` of Helm 4.3.1 finds in a chart, in its order and its words.
//!
//! [`lint_folder`] looks at a chart's folder, [`lint_files`] at what an archive holds. What a chart logs while it renders is not
//! told.

mod addresses;
mod chart_file;
mod crds;
mod dependencies;
mod deprecated;
mod known_fields;
mod object;
mod object_name;
mod parts;
mod templates;
mod values;

use std::fmt;
use std::path::Path;

use helm_chart::{KubeVersion, Values};
use parts::Parts;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Against what is usual; it likely works.
    Warning,
    /// It will likely not work.
    Error,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file below the chart, or the chart.
    pub path: String,
    /// What it is, in Helm's words.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        write!(f, "[{severity}] {}: {}", self.path, self.text)
    }
}

/// Why a chart cannot be looked at, or is not as it should be, in Helm's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

fn fault<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault(text.into()))
}

/// With what a chart is looked at.
#[derive(Debug, Clone)]
pub struct Options {
    /// The user's values.
    pub values: Values,
    /// The release's namespace.
    pub namespace: String,
    /// The version of Kubernetes to render for and to judge old kinds by; without one Helm's own.
    pub kube_version: Option<KubeVersion>,
    /// Leave the schemas out.
    pub skip_schema_validation: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            values: Values::new(),
            namespace: "default".to_owned(),
            kube_version: None,
            skip_schema_validation: false,
        }
    }
}

/// Looks at the chart in a folder.
///
/// # Errors
/// With Helm's words, when there is no `Chart.yaml`, or the folder cannot be opened.
pub fn lint_folder(folder: &Path, options: &Options) -> Result<Vec<Finding>, Fault> {
    Ok(findings(&Parts::of_folder(folder)?, options))
}

/// Looks at a chart that is given as its files, each with its path below the chart; `name` is what the chart is called where
/// Helm tells its folder.
pub fn lint_files(name: &str, files: &[(String, Vec<u8>)], options: &Options) -> Vec<Finding> {
    findings(&Parts::of_files(name, files), options)
}

fn findings(parts: &Parts, options: &Options) -> Vec<Finding> {
    let mut report = Report::default();
    chart_file::check(parts, &mut report);
    values::check(parts, options, &mut report);
    templates::check(parts, options, &mut report);
    dependencies::check(parts, &mut report);
    crds::check(parts, &mut report);
    report.0
}

/// The findings so far.
#[derive(Debug, Default)]
struct Report(Vec<Finding>);

impl Report {
    /// Takes down what a rule found; whether it found nothing.
    fn rule(&mut self, severity: Severity, path: &str, result: Result<(), Fault>) -> bool {
        let Err(Fault(text)) = result else {
            return true;
        };
        self.0.push(Finding {
            severity,
            path: path.to_owned(),
            text,
        });
        false
    }

    fn error(&mut self, path: &str, result: Result<(), Fault>) -> bool {
        self.rule(Severity::Error, path, result)
    }

    fn warning(&mut self, path: &str, result: Result<(), Fault>) -> bool {
        self.rule(Severity::Warning, path, result)
    }
}

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
