//! `cargo xtask packages`: the Debian packages that tasks need, and which of them are missing.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use crate::report;

const LIST: &str = include_str!("../debian-packages.txt");

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only those of this task (cluster, image)
    task: Option<String>,
    /// Only those that this machine lacks
    #[arg(long)]
    missing: bool,
}

/// One line of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Package<'a> {
    task: &'a str,
    name: &'a str,
    /// A file that is there when the package is installed.
    file: &'a str,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut names: Vec<&str> = parse(LIST)?
        .into_iter()
        .filter(|package| {
            arguments
                .task
                .as_deref()
                .is_none_or(|task| task == package.task)
        })
        .filter(|package| !arguments.missing || !Path::new(package.file).exists())
        .map(|package| package.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        report::result(name);
    }
    Ok(ExitCode::SUCCESS)
}

/// Fails with the command that mends it when this machine lacks a package that `task` needs.
pub(crate) fn require(task: &str) -> anyhow::Result<()> {
    let missing: Vec<_> = parse(LIST)?
        .into_iter()
        .filter(|package| package.task == task && !Path::new(package.file).exists())
        .map(|package| package.name)
        .collect();
    if !missing.is_empty() {
        bail!(
            "this machine lacks {}; install with: apt-get install --no-install-recommends {}",
            missing.join(", "),
            missing.join(" "),
        );
    }
    Ok(())
}

fn parse(list: &str) -> anyhow::Result<Vec<Package<'_>>> {
    list.lines()
        .filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty())
        .map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                [task, name, file] if file.starts_with('/') => Ok(Package { task, name, file }),
                _ => bail!("debian-packages.txt: expected TASK PACKAGE /FILE, got {line:?}"),
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_well_formed_and_names_each_package_once_per_task() {
        let packages = parse(LIST).unwrap();
        assert!(packages.iter().any(|package| package.name == "runc"));
        for (index, package) in packages.iter().enumerate() {
            assert!(
                !packages[..index]
                    .iter()
                    .any(|p| (p.task, p.name) == (package.task, package.name)),
                "{package:?} twice"
            );
        }
    }

    #[test]
    fn a_malformed_line_is_refused() {
        assert!(parse("cluster runc").is_err());
        assert!(parse("cluster runc usr/sbin/runc").is_err());
        assert_eq!(parse("# comment\n\n").unwrap(), []);
    }
}
