//! `cargo xtask ci`: everything that must hold before a change lands, the cheap parts first.

use std::{path::PathBuf, process::Command};

use anyhow::Context;

use crate::{cache, command, publishable, report, tidy};

/// Checks licences, bans and sources of dependencies.
const CARGO_DENY: &str = "0.20.2";

/// Format, repository rules, lints, documentation, dependencies; the tests are `cargo xtask test`.
pub(crate) fn run() -> anyhow::Result<std::process::ExitCode> {
    let checks: [(&str, &[&str]); 3] = [
        ("format", &["fmt", "--all", "--check"]),
        (
            "lints",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--quiet",
                "--",
                "--deny",
                "warnings",
            ],
        ),
        (
            "documentation",
            &[
                "doc",
                "--workspace",
                "--no-deps",
                "--quiet",
                "--document-private-items",
            ],
        ),
    ];
    tidy::run()?;
    for (name, arguments) in checks {
        report::progress(format!("== {name}"));
        let mut cargo = Command::new("cargo");
        cargo
            .args(arguments)
            .current_dir(cache::repository())
            .env("RUSTDOCFLAGS", "--deny warnings");
        command::show(&mut cargo).with_context(|| name.to_owned())?;
    }
    report::progress("== packages");
    publishable::check()?;
    report::progress("== dependencies");
    let mut deny = Command::new(cargo_deny()?);
    // The list of advisories lies outside the package registries; `cargo deny check` alone asks for it too.
    deny.args(["check", "licenses", "bans", "sources"])
        .current_dir(cache::repository());
    command::show(&mut deny)?;
    report::result("all checks passed");
    Ok(std::process::ExitCode::SUCCESS)
}

/// cargo-deny of the pinned version, built once into the cache.
fn cargo_deny() -> anyhow::Result<PathBuf> {
    let root = cache::folder()?.join(format!("tools/cargo-deny-{CARGO_DENY}"));
    let binary = root.join("bin/cargo-deny");
    if !binary.is_file() {
        report::progress("building cargo-deny (once)");
        let mut install = Command::new("cargo");
        install
            .args([
                "install",
                "cargo-deny",
                "--locked",
                "--debug",
                "--quiet",
                "--version",
                CARGO_DENY,
            ])
            .arg("--root")
            .arg(&root)
            // Outside the repository: its toolchain and target folder are not meant for this.
            .current_dir("/");
        command::show(&mut install)?;
    }
    Ok(binary)
}
