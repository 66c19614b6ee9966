//! How long `mcpt --version` takes, against the floor: a process that does nothing.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::Context;

use super::{build_release, median};
use crate::{command, report};

const RUNS: usize = 50;

/// Builds the release binary and times it.
pub(super) fn run() -> anyhow::Result<()> {
    let binary = build_release()?;
    let mcpt = time(Command::new(&binary).arg("--version"))?;
    let floor = time(&mut Command::new("/bin/true"))?;
    let size = std::fs::metadata(&binary)?.len();
    report::result(format!(
        "mcpt --version: {mcpt:.1} ms, /bin/true {floor:.1} ms, ratio {:.1}; binary {:.1} MB",
        mcpt / floor,
        size as f64 / 1e6
    ));
    Ok(())
}

/// Median milliseconds from start to end.
fn time(command: &mut Command) -> anyhow::Result<f64> {
    command.stdout(Stdio::null());
    let mut figures = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let began = Instant::now();
        let status = command.status().with_context(|| command::shown(command))?;
        anyhow::ensure!(status.success(), "{} failed", command::shown(command));
        figures.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&mut figures))
}
