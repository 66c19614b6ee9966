//! `cargo xtask tools`: the pinned programs that the cluster, the images and the tests use.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use crate::{cache, go_tools, python_sdk, report, wheels};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which, for example helm4, uv or python-sdk
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(go_tools::names().chain(wheels::names()).chain([python_sdk::NAME])))]
    names: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let is_wanted = |name: &&str| {
        arguments.names.is_empty() || arguments.names.iter().any(|wanted| wanted == name)
    };
    for name in go_tools::names().filter(is_wanted) {
        print(&go_tools::build_programs(name)?);
    }
    for name in wheels::names().filter(is_wanted) {
        print(&wheels::install(name)?);
    }
    if is_wanted(&python_sdk::NAME) {
        print(&[python_sdk::install()?]);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(programs: &[PathBuf]) {
    for program in programs {
        report::result(program.display());
    }
}

/// The folder in which all pinned programs that were made are reachable by their names.
pub(crate) fn links() -> anyhow::Result<PathBuf> {
    Ok(cache::folder()?.join("bin"))
}

/// Makes what runs npm and `PyPI` packages on this machine, `npx` and `uvx`, and returns the folder that
/// goes first on the PATH of whoever runs them.
pub(crate) fn package_runners() -> anyhow::Result<PathBuf> {
    wheels::install("node")?;
    wheels::install("uv")?;
    links()
}

/// Makes a program reachable by its name, also when another version of it is in use.
pub(crate) fn link(name: &str, program: &Path) -> anyhow::Result<()> {
    let folder = links()?;
    let link = folder.join(name);
    if std::fs::read_link(&link).is_ok_and(|current| current == program) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let fresh = folder.join(format!(".{name}-{}", std::process::id()));
    std::os::unix::fs::symlink(program, &fresh)
        .and_then(|()| std::fs::rename(&fresh, &link))
        .with_context(|| format!("cannot make the link {}", link.display()))
}
