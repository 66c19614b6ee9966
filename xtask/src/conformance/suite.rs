//! [`Suite`]: the conformance suite itself, and what it says in the end.

use std::{
    fmt::{self, Display},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{command, wheels};

/// How long a scenario may take, in milliseconds: machines are busy.
const TIMEOUT: &str = "60000";

/// A network namespace in which `localhost` is one address.
const ALONE: &str = "ip link set lo up
    echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
    exec \"$@\"";

/// The suite, installed.
#[derive(Debug)]
pub(super) struct Suite {
    node: PathBuf,
    program: PathBuf,
}

/// What became of the required scenarios of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    passed: usize,
    failed: Vec<String>,
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.passed, self.passed + self.failed.len())?;
        if !self.failed.is_empty() {
            write!(f, ": without {}", self.failed.join(", "))?;
        }
        Ok(())
    }
}

impl Suite {
    pub(super) fn install() -> anyhow::Result<Self> {
        let folder = super::npm_install("conformance")?;
        let node = wheels::install("node")?;
        let program = "node_modules/@modelcontextprotocol/conformance/dist/index.js";
        Ok(Self {
            node: node
                .first()
                .context("the wheel of Node has no node")?
                .clone(),
            program: folder.join(program),
        })
    }

    /// The required scenarios for servers, at this URL.
    pub(super) fn servers(&self, revision: &str, url: &str) -> anyhow::Result<Outcome> {
        let node = Command::new(&self.node);
        self.run(node, &["server", "--url", url, "--requirements", revision])
    }

    /// The required scenarios for clients, by a command that gets the URL to call as its last argument.
    pub(super) fn clients(&self, revision: &str, command: &str) -> anyhow::Result<Outcome> {
        if !nix::unistd::geteuid().is_root() {
            bail!("the sets for clients need root, for a network namespace");
        }
        let mut alone = Command::new("unshare");
        alone.args(["--net", "--", "sh", "-ec", ALONE, "sh"]);
        alone.arg(&self.node);
        self.run(
            alone,
            &["client", "--command", command, "--requirements", revision],
        )
    }

    fn run(&self, mut node: Command, arguments: &[&str]) -> anyhow::Result<Outcome> {
        node.arg(&self.program)
            .args(arguments)
            .args(["--timeout", TIMEOUT])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        // It fails when a scenario does; what matters is its summary.
        let output = node
            .output()
            .with_context(|| format!("cannot run {}", command::shown(&node)))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(outcome) = read(&text) else {
            bail!(
                "{} ended with {} and no summary:\n{text}",
                command::shown(&node),
                output.status
            );
        };
        if !outcome.failed.is_empty() && std::env::var_os("MCPT_CONFORMANCE_SHOW").is_some() {
            crate::report::progress(&text);
        }
        Ok(outcome)
    }
}

/// Reads the summary: a line for each scenario, and the names of those that do not count.
fn read(text: &str) -> Option<Outcome> {
    let (_, summary) = text.split_once("SUMMARY ===")?;
    let (scored, unscored) = match summary.split_once("Not scored for") {
        Some((all, unscored)) => (all, unscored),
        None => (summary, ""),
    };
    let unscored: Vec<_> = unscored
        .lines()
        .filter_map(|line| named(line)?.1.split(" (").next())
        .collect();
    let mut outcome = Outcome {
        passed: 0,
        failed: Vec::new(),
    };
    for (passed, rest) in scored.lines().filter_map(named) {
        let Some((name, _)) = rest.split_once(": ") else {
            continue;
        };
        if unscored.contains(&name) {
            continue;
        }
        if passed {
            outcome.passed += 1;
        } else {
            outcome.failed.push(name.to_owned());
        }
    }
    Some(outcome)
}

/// Whether a line tells of a scenario that passed, and what follows its mark.
fn named(line: &str) -> Option<(bool, &str)> {
    let line = line.trim_start();
    let passed = line.strip_prefix('\u{2713}').map(|rest| (true, rest));
    let failed = line.strip_prefix('\u{2717}').map(|rest| (false, rest));
    let (passed, rest) = passed.or(failed)?;
    Some((passed, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries() {
        let text = "=== Running scenario: a ===\n\u{2717} a: no\n=== SUMMARY ===\n\
            \u{2713} a: 2 passed, 0 failed\n\u{2717} b: 1 passed, 1 failed\n\
            \u{2717} c: 0 passed, 9 failed\n\nTotal: 3 passed, 10 failed\n\n\
            Not scored for 2026-07-28: 1 scenario(s) run, 1 failing.\n  \u{2717} c (extension)\n";
        let outcome = read(text).unwrap();
        assert_eq!(outcome.to_string(), "1/2: without b");
        assert_eq!(read("no summary"), None);
    }
}
