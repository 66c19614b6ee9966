//! `cargo xtask fuzz [TARGET]...`: runs fuzz targets with libFuzzer, from the inputs that were kept.
//!
//! The targets are laid out as cargo-fuzz has them, so that it works as well. Here cargo alone builds them: the instrumentation is
//! a matter of compiler flags, and without unsafe code there is nothing for a sanitizer.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

use crate::{cache, command, report};

/// What makes rustc count the edges that a run takes, for libFuzzer.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=16",
];

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The targets; all when none is named
    targets: Vec<String>,
    /// How long each of them runs
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Builds the targets and runs each; what they find is kept in the cache folder.
///
/// # Errors
/// When a target is unknown, does not build, or finds a fault; the input that shows it is named then.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let folder = cache::repository().join("fuzz");
    let known = known(&folder)?;
    if let Some(unknown) = arguments.targets.iter().find(|name| !known.contains(name)) {
        bail!("no target {unknown}: there are {}", known.join(", "));
    }
    let targets = if arguments.targets.is_empty() {
        known
    } else {
        arguments.targets.clone()
    };
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--release", "--locked", "--target"])
        // Flags go to what is built for a named target, and not to build scripts.
        .arg(host()?)
        .current_dir(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    for target in &targets {
        cargo.args(["--bin", target]);
    }
    report::progress("building the fuzz targets");
    command::show(&mut cargo)?;
    let mut faults = Vec::new();
    for target in &targets {
        report::progress(format!("== {target}: {} s", arguments.seconds));
        if let Err(error) = run_one(&folder, target, arguments.seconds) {
            report::progress(format!("{error:#}"));
            faults.push(target.as_str());
        }
    }
    if !faults.is_empty() {
        bail!("faults in {}", faults.join(", "));
    }
    report::result(format!("{} targets without a fault", targets.len()));
    Ok(ExitCode::SUCCESS)
}

fn run_one(folder: &Path, target: &str, seconds: u64) -> anyhow::Result<()> {
    let found = cache::folder()?.join("fuzz").join(target);
    let kept = folder.join("tests/testdata").join(target);
    let crashes = found.join("crashes/");
    let corpus = found.join("corpus");
    for folder in [&crashes, &corpus] {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut fuzzer = Command::new(binary(folder, target)?);
    fuzzer.arg(&corpus);
    if kept.is_dir() {
        fuzzer.arg(&kept);
    }
    fuzzer
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}", crashes.display()))
        .args(["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096"])
        .args(["-print_final_stats=1", "-verbosity=0"]);
    command::show(&mut fuzzer)
}

/// The names of all targets.
fn known(folder: &Path) -> anyhow::Result<Vec<String>> {
    let targets = folder.join("targets");
    let entries = std::fs::read_dir(&targets).with_context(|| targets.display().to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn binary(folder: &Path, target: &str) -> anyhow::Result<PathBuf> {
    Ok(folder
        .join("target")
        .join(host()?)
        .join("release")
        .join(target))
}

/// The platform of this machine, as rustc calls it.
fn host() -> anyhow::Result<String> {
    let version = command::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}
