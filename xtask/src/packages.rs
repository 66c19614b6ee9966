//! `cargo xtask packages`: the Debian packages that tasks need, and which of them are missing.

use std::process::{Command, ExitCode, Stdio};

use anyhow::bail;

use crate::report;

const LIST: &str = include_str!("../debian-packages.txt");

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only those of this task (bench, browser, cluster, engines, image)
    task: Option<String>,
    /// Only those that this machine lacks
    #[arg(long)]
    missing: bool,
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Package<'a> {
    task: &'a str,
    name: &'a str,
    /// A command that succeeds when the package, or the same from elsewhere, is installed.
    probe: Vec<&'a str>,
}

impl Package<'_> {
    fn is_missing(&self) -> bool {
        let [program, arguments @ ..] = &self.probe[..] else {
            return true;
        };
        let mut probe = Command::new(program);
        probe
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        !probe.status().is_ok_and(|status| status.success())
    }
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
        .filter(|package| !arguments.missing || package.is_missing())
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
        .filter(|package| package.task == task && package.is_missing())
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
                [task, name, ref probe @ ..] if !probe.is_empty() => Ok(Package {
                    task,
                    name,
                    probe: probe.to_vec(),
                }),
                _ => bail!("debian-packages.txt: expected TASK PACKAGE COMMAND, got {line:?}"),
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
        assert_eq!(parse("# comment\n\n").unwrap(), []);
    }

    #[test]
    fn a_package_is_missing_when_its_probe_fails_or_cannot_be_run() {
        for (probe, missing) in [
            ("test -d /", false),
            ("test -f /", true),
            ("/no/such/program --version", true),
        ] {
            let line = format!("task package {probe}");
            assert_eq!(parse(&line).unwrap()[0].is_missing(), missing, "{probe}");
        }
    }
}
