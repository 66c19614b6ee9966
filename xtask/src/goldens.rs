//! `cargo xtask goldens`: what the real Helm prints for the feature charts, written anew or compared with what is stored.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, bail};

use crate::{cache, go_tools, report};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only compare; fail when a stored golden is not what Helm prints
    #[arg(long)]
    check: bool,
}

/// One render: the golden's name, the chart, and values for it.
struct Case {
    name: String,
    chart: PathBuf,
    values: Option<PathBuf>,
}

/// Renders every feature chart with the pinned Helm 4.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let helm = go_tools::build("helm4")?.join("helm4");
    let tests = cache::repository().join("crates/helm-render/tests");
    let mut differing = Vec::new();
    for case in cases(&tests.join("testdata"))? {
        let golden = tests.join("goldens").join(format!("{}.yaml", case.name));
        let fresh = render(&helm, &tests, &case)?;
        let stored = std::fs::read_to_string(&golden).unwrap_or_default();
        if stored == fresh {
            continue;
        }
        differing.push(case.name);
        if !arguments.check {
            std::fs::write(&golden, fresh)
                .with_context(|| format!("cannot write {}", golden.display()))?;
        }
    }
    if differing.is_empty() {
        report::result("the goldens are what Helm prints");
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.check {
        bail!("Helm prints something else for: {}", differing.join(", "));
    }
    report::result(format!("written anew: {}", differing.join(", ")));
    Ok(ExitCode::SUCCESS)
}

/// Every chart once with its own values, and once for each file `CHART--WORD.yaml` of values.
fn cases(testdata: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (folder, is_values) in [("charts", false), ("values", true)] {
        let folder = testdata.join(folder);
        for entry in std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
        {
            let path = entry?.path();
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let chart = name.split("--").next().unwrap_or(&name);
            let chart = Path::new("testdata/charts").join(chart);
            cases.push(Case {
                name,
                chart,
                values: is_values.then_some(path),
            });
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

/// Standard output of `helm template`, or the error when it refuses.
fn render(helm: &Path, tests: &Path, case: &Case) -> anyhow::Result<String> {
    let mut command = Command::new(helm);
    command
        .args(["template", "rel"])
        .arg(&case.chart)
        .args(["-n", "ns"])
        .current_dir(tests);
    if let Some(values) = &case.values {
        command.arg("-f").arg(values);
    }
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", helm.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let error = String::from_utf8(output.stderr)?;
    Ok(error
        .lines()
        .filter(|line| !line.starts_with("Use --debug flag"))
        .fold(String::new(), |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        }))
}
