//! `cargo xtask dist`: the binary that releases and images are made of. Static, so that it runs in an empty image and on
//! any distribution, and built with all the time that optimisation takes.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{cache, command, report};

const TARGET: &str = "x86_64-unknown-linux-gnu";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder for the binary, made when missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let out = &arguments.out;
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let copy = out.join("mcpt");
    std::fs::copy(build(Profile::Dist)?, &copy)
        .with_context(|| format!("cannot write {}", copy.display()))?;
    let megabytes = std::fs::metadata(&copy)?.len() as f64 / 1e6;
    report::progress(format_args!("made a binary of {megabytes:.1} MB"));
    report::result(copy.display());
    Ok(ExitCode::SUCCESS)
}

/// How a static binary is built: one of the profiles in the workspace's Cargo.toml.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    /// As it is released.
    Dist,
    /// Soon there, for the test cluster.
    Image,
}

impl Profile {
    /// Its name, which is that of its folder too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dist => "dist",
            Self::Image => "image",
        }
    }
}

/// Builds the binary and says where it is. Cargo decides what has to be built again; its target folder is in the cache, so
/// that a fresh clone compiles no dependency twice.
pub(crate) fn build(profile: Profile) -> anyhow::Result<PathBuf> {
    command::show(
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--locked", "--quiet", "--package=mcpt"])
            .args(["--profile", profile.name(), "--target", TARGET])
            .env("CARGO_TARGET_DIR", cache::folder()?.join("target"))
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .current_dir(cache::repository()),
    )
    .context("cannot build the static binary")?;
    path(profile)
}

/// Where [`build`] puts the binary.
pub(crate) fn path(profile: Profile) -> anyhow::Result<PathBuf> {
    let target = cache::folder()?.join("target").join(TARGET);
    Ok(target.join(profile.name()).join("mcpt"))
}
