//! `cargo xtask tidy`: the rules of this repository that a compiler does not check.

mod directions;
mod fences;
mod files;
mod pauses;
mod prose;
mod source;
mod sources;

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{cache, report};

/// One broken rule: where, and what to do.
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: Option<usize>,
    pub(crate) rule: String,
}

impl Finding {
    pub(crate) fn new(path: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            rule: rule.into(),
        }
    }

    pub(crate) fn at(path: impl Into<String>, line: usize, rule: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: Some(line),
            rule: rule.into(),
        }
    }
}

/// Checks every file that git tracks or would track.
pub(crate) fn run() -> Result<ExitCode> {
    let root = cache::repository();
    let tracked = tracked_files(root)?;
    let mut findings = Vec::new();
    for path in &tracked {
        let bytes = std::fs::read(root.join(path)).with_context(|| format!("reading {path}"))?;
        findings.extend(files::check(path, &bytes));
    }
    findings.extend(fences::check(root)?);
    findings.extend(directions::check(root)?);
    findings.extend(sources::check(root, &tracked)?);
    findings.extend(prose::check(root, &tracked)?);
    if findings.is_empty() {
        report::result(format!("tidy: {} files, no finding", tracked.len()));
        return Ok(ExitCode::SUCCESS);
    }
    for finding in &findings {
        match finding.line {
            Some(line) => report::result(format!("{}:{line}: {}", finding.path, finding.rule)),
            None => report::result(format!("{}: {}", finding.path, finding.rule)),
        }
    }
    bail!("tidy: {} findings", findings.len());
}

fn tracked_files(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .context("running git ls-files")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let names = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    Ok(names
        .split('\0')
        .filter(|name| !name.is_empty() && root.join(name).is_file())
        .map(str::to_owned)
        .collect())
}
