//! `mcpt chart lint PATH…`: what is wrong with charts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use helm_chart::{Chart, KubeVersion};
use helm_lint::{Finding, Options, Severity, lint_files, lint_folder};
use mcpt_core::Failure;

use super::{failed, flags::ValueFlags, session::namespace};
use crate::{args::Global, ending::Ending, output};

/// Arguments of `mcpt chart lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Folders or archives of charts
    #[arg(required = true, value_name = "PATH")]
    charts: Vec<PathBuf>,
    #[command(flatten)]
    values: ValueFlags,
    /// Warnings are failures too
    #[arg(long)]
    strict: bool,
    /// The charts in charts/ too
    #[arg(long)]
    with_subcharts: bool,
    /// Values are not checked against the chart's schema
    #[arg(long)]
    skip_schema_validation: bool,
    /// Version of Kubernetes to render for, and to judge old kinds by
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
}

impl Lint {
    /// Looks at each and prints what it found.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let kube_version = self.kube_version.as_ref().map(|version| {
            KubeVersion::parse(version)
                .map_err(|error| failed(format!("invalid kube version '{version}': {error}")))
        });
        let options = Options {
            kube_version: kube_version.transpose()?,
            values: self.values.merged()?,
            namespace: namespace(global)?,
            skip_schema_validation: self.skip_schema_validation,
        };
        let mut charts = self.charts.clone();
        if self.with_subcharts {
            for chart in &self.charts {
                subcharts(&chart.join("charts"), &mut charts)?;
            }
        }
        let mut said = Vec::new();
        let (mut failures, mut noteworthy) = (0, false);
        for chart in &charts {
            let found = look(chart, &options);
            let worst = match &found {
                Ok(findings) => findings.iter().map(|finding| finding.severity).max(),
                Err(_) => Some(Severity::Error),
            };
            let is_noteworthy = worst > Some(Severity::Info);
            noteworthy |= is_noteworthy;
            if global.quiet && !is_noteworthy {
                continue;
            }
            said.push(format!("==> Linting {}", chart.display()));
            match found {
                Ok(findings) => said.extend(lines(&findings, global.quiet)),
                Err(failure) => said.push(format!("Error {}", failure.what)),
            }
            said.push(String::new());
            let lowest = if self.strict {
                Severity::Warning
            } else {
                Severity::Error
            };
            failures += usize::from(worst >= Some(lowest));
        }
        if !said.is_empty() {
            output::text(&format!("{}\n", said.join("\n")))?;
        }
        let summary = format!(
            "{} chart(s) linted, {failures} chart(s) failed",
            charts.len()
        );
        if failures > 0 {
            return Err(failed(summary).into());
        }
        if global.quiet && !noteworthy {
            return Ok(());
        }
        output::line(&summary)
    }
}

fn lines(findings: &[Finding], quiet: bool) -> Vec<String> {
    let shown = findings
        .iter()
        .filter(|finding| !quiet || finding.severity > Severity::Info);
    shown.map(Finding::to_string).collect()
}

fn look(path: &Path, options: &Options) -> Result<Vec<Finding>, Failure> {
    if !is_archive(path) {
        return lint_folder(path, options).map_err(|fault| failed(fault.to_string()));
    }
    if !path.exists() {
        let path = path.display();
        return Err(failed(format!(
            "unable to open tarball: open {path}: no such file or directory"
        )));
    }
    let chart = Chart::from_path(path)
        .map_err(|error| failed(format!("unable to extract tarball: {error}")))?;
    let name = chart.name().to_owned();
    let files: Vec<(String, Vec<u8>)> = chart
        .raw
        .into_iter()
        .map(|file| (file.name, file.data))
        .collect();
    Ok(lint_files(&name, &files, options))
}

fn is_archive(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.ends_with(".tgz") || path.ends_with(".tar.gz")
}

/// Charts below a folder, however deep, in the order of their paths; a folder that is not there has none.
fn subcharts(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let mut open = match fs::read_dir(folder) {
        Ok(_) => vec![folder.to_owned()],
        Err(_) => return Ok(()),
    };
    let failed = |error: std::io::Error| failed(format!("{}: {error}", folder.display()));
    while let Some(path) = open.pop() {
        if path.is_dir() && !path.is_symlink() {
            let entries = fs::read_dir(&path).map_err(failed)?;
            let mut below = entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()
                .map_err(failed)?;
            below.sort_unstable_by(|a, b| b.cmp(a));
            open.append(&mut below);
        } else if is_archive(&path) {
            found.push(path);
        } else if path.ends_with("Chart.yaml") {
            found.extend(path.parent().map(Path::to_owned));
        }
    }
    Ok(())
}
