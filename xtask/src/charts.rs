//! `cargo xtask charts`: how far our engine agrees with the real Helm over folders of charts, the first differences, and both times.
//!
//! Every chart is rendered with its own values, and once more with each values file that its authors test it with (`ci/*.yaml`).
//! What is random or tells the time differs between two runs of Helm as well: only such words are passed over (see [`mask`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use helm_chart::{Capabilities, Chart, Overrides};
use helm_render::{ReleaseOptions, Sources, render};

use crate::{go_tools, report};

mod mask;

/// How many lines of a difference are shown.
const SHOWN: usize = 6;
/// Stack of the threads that render: what charts nest is deeper than a thread's usual stack.
const STACK: usize = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folders in which charts are looked for
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Only charts whose path contains this
    #[arg(long)]
    only: Option<String>,
    /// How many differences are shown
    #[arg(long, default_value_t = 20)]
    show: usize,
    /// How many charts are rendered at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

/// A chart and the values file that goes with it.
#[derive(Debug)]
struct Case {
    chart: PathBuf,
    values: Option<PathBuf>,
}

/// What Helm or our engine makes of a case.
type Outcome = Result<String, String>;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Same,
    SameError,
    OtherError,
    OtherOutput,
    WronglyRefused,
    WronglyRendered,
}

#[derive(Debug)]
struct Judged {
    verdict: Verdict,
    difference: String,
    helm: Duration,
    ours: Duration,
}

/// Renders all charts with both and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let helm = go_tools::build("helm4")?.join("helm4");
    let mut cases = Vec::new();
    for folder in &arguments.folders {
        find(folder, &mut cases)?;
    }
    if let Some(only) = &arguments.only {
        cases.retain(|case| case.shown().contains(only));
    }
    if cases.is_empty() {
        bail!("no chart in these folders");
    }
    cases.sort_by_key(Case::shown);
    let next = AtomicUsize::new(0);
    let judged = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some((index, case)) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            cases.get(index).map(|case| (index, case))
        } {
            let result = judge(&helm, case);
            if let Ok(mut judged) = judged.lock() {
                judged.insert(index, result);
            }
        }
    };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        for _ in 0..arguments.jobs.max(1) {
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work)
                .context("cannot start a thread")?;
        }
        Ok(())
    })?;
    let judged = judged.into_inner().unwrap_or_default();
    Ok(summary(&cases, &judged, arguments.show))
}

impl Case {
    fn shown(&self) -> String {
        match &self.values {
            Some(values) => format!("{} -f {}", self.chart.display(), values.display()),
            None => self.chart.display().to_string(),
        }
    }
}

/// Adds the charts below a folder; what is inside of a chart is a part of it.
fn find(folder: &Path, cases: &mut Vec<Case>) -> anyhow::Result<()> {
    if folder.join("Chart.yaml").is_file() {
        cases.push(Case {
            chart: folder.to_owned(),
            values: None,
        });
        for entry in std::fs::read_dir(folder.join("ci")).into_iter().flatten() {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|end| end == "yaml" || end == "yml")
            {
                cases.push(Case {
                    chart: folder.to_owned(),
                    values: Some(path),
                });
            }
        }
        return Ok(());
    }
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), cases)?;
        }
    }
    Ok(())
}

fn judge(helm: &Path, case: &Case) -> Judged {
    let began = Instant::now();
    let theirs = by_helm(helm, case);
    let helm_took = began.elapsed();
    let began = Instant::now();
    let ours = by_us(case);
    let ours_took = began.elapsed();
    let (verdict, difference) = compare(theirs, ours, || by_helm(helm, case));
    Judged {
        verdict,
        difference,
        helm: helm_took,
        ours: ours_took,
    }
}

/// Compares the outcomes; a second run of Helm says which words are random.
fn compare(theirs: Outcome, ours: Outcome, again: impl Fn() -> Outcome) -> (Verdict, String) {
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) if theirs == ours => (Verdict::Same, String::new()),
        (Ok(theirs), Ok(ours)) => {
            let second = again().unwrap_or_default();
            match mask::difference(&theirs, &second, &ours) {
                None => (Verdict::Same, String::new()),
                Some(line) => (
                    Verdict::OtherOutput,
                    excerpt(&mask::without_pem(&theirs), &mask::without_pem(&ours), line),
                ),
            }
        }
        (Err(theirs), Err(ours)) if sorted(&theirs) == sorted(&ours) => {
            (Verdict::SameError, String::new())
        }
        (Err(theirs), Err(ours)) => {
            // Which of several mistakes Helm finds first is chance in places.
            match again() {
                Err(second) if sorted(&second) == sorted(&ours) => {
                    (Verdict::SameError, String::new())
                }
                _ => (Verdict::OtherError, pair(&theirs, &ours)),
            }
        }
        (Ok(_), Err(ours)) => (Verdict::WronglyRefused, format!("  ours: {ours}\n")),
        (Err(theirs), Ok(_)) => (Verdict::WronglyRendered, format!("  helm: {theirs}\n")),
    }
}

fn pair(theirs: &str, ours: &str) -> String {
    format!("  helm: {theirs}\n  ours: {ours}\n")
}

/// The lines of a refusal in an order of their own, since Helm walks over maps in none.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines
}

fn excerpt(theirs: &str, ours: &str, line: usize) -> String {
    let mut out = format!("  from line {}\n", line + 1);
    for (name, text) in [("helm", theirs), ("ours", ours)] {
        for shown in text.lines().skip(line).take(SHOWN) {
            let _ = writeln!(out, "  {name}: {shown}");
        }
    }
    out
}

fn by_helm(helm: &Path, case: &Case) -> Outcome {
    let mut command = Command::new(helm);
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .args(["template", "rel", "-n", "ns"])
        .arg(&case.chart);
    if let Some(values) = &case.values {
        command.arg("-f").arg(values);
    }
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = text
        .split_once("Error: ")
        .map_or(&*text, |(_, error)| error);
    let advice = "\n\nUse --debug flag to render out invalid YAML";
    Err(error.trim_end().trim_end_matches(advice).to_owned())
}

fn by_us(case: &Case) -> Outcome {
    let said = |e: &dyn std::fmt::Display| e.to_string().trim_end().to_owned();
    let chart = Chart::from_dir(&case.chart).map_err(|e| said(&e))?;
    let mut overrides = Overrides::default();
    if let Some(values) = &case.values {
        let text = std::fs::read_to_string(values).map_err(|e| said(&e))?;
        overrides.files.push((values.display().to_string(), text));
    }
    let user = overrides.merge().map_err(|e| said(&e))?;
    let release = ReleaseOptions::install("rel", "ns");
    let capabilities = Capabilities::default();
    render(&chart, &user, &release, &capabilities, &Sources::system())
        .map(|rendered| rendered.template_text())
        .map_err(|e| said(&e))
}

fn summary(cases: &[Case], judged: &BTreeMap<usize, Judged>, show: usize) -> ExitCode {
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for judged in judged.values() {
        *counts.entry(judged.verdict).or_default() += 1;
    }
    let differing = judged
        .iter()
        .filter(|(_, judged)| judged.verdict > Verdict::SameError);
    for (index, judged) in differing.clone().take(show) {
        report::result(format!(
            "{:?}: {}\n{}",
            judged.verdict,
            cases[*index].shown(),
            judged.difference
        ));
    }
    let count = |verdict| counts.get(&verdict).copied().unwrap_or(0);
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    let same = count(Verdict::Same);
    let rendered = same + count(Verdict::OtherOutput) + count(Verdict::WronglyRefused);
    let same_error = count(Verdict::SameError);
    let wrongly_rendered = count(Verdict::WronglyRendered);
    let refused = same_error + count(Verdict::OtherError) + wrongly_rendered;
    report::result(format!(
        "{} cases: Helm renders {rendered}, of which {same} are the same to the byte ({:.2} %) and {} are refused here; \
         Helm refuses {refused}, of which {same_error} with the same words ({:.2} %) and {wrongly_rendered} are rendered here",
        judged.len(),
        share(same, rendered),
        count(Verdict::WronglyRefused),
        share(same_error, refused),
    ));
    let total = |time: fn(&Judged) -> Duration| judged.values().map(time).sum::<Duration>();
    report::result(format!(
        "helm (processes) {}, this engine (in this process) {}",
        report::seconds(total(|judged| judged.helm)),
        report::seconds(total(|judged| judged.ours)),
    ));
    if differing.count() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
