//! Flags of the commands that change a release.

use std::{collections::BTreeMap, time::Duration};

use clap::{Args, ValueEnum};
use helm_install::action::{Conduct, Method, Wait};
use mcpt_core::Failure;

use super::failed;
use crate::{args::Global, duration, messages};

/// What is waited for, and how long.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waiting")]
pub(super) struct WaitFlags {
    /// Until all objects are ready: watcher, or hookOnly for hooks alone [default: hookOnly; without a value: watcher]
    #[arg(
        long,
        value_name = "FOR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "watcher",
        default_value = "hookOnly",
        hide_default_value = true
    )]
    wait: String,
    /// How long each thing that is waited for may take
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration::parse)]
    timeout: Duration,
    /// No hooks
    #[arg(long)]
    no_hooks: bool,
    /// What the record says, in place of helm's words
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    description: String,
}

/// Until jobs are done.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Waiting")]
pub(super) struct JobsFlag {
    /// With --wait, also until all jobs are done
    #[arg(long)]
    wait_for_jobs: bool,
}

impl WaitFlags {
    /// How a command works by these flags.
    pub(super) fn conduct(&self, global: &Global, jobs: bool) -> Result<Conduct, Failure> {
        let warn = |is: &str, then: &str| {
            let text = format!("--wait={is} is an old form of --wait={then}");
            messages::warning(global, &text);
        };
        let waits = match self.wait.as_str() {
            "watcher" | "legacy" => true,
            "hookOnly" => false,
            "true" => {
                warn("true", "watcher");
                true
            }
            "false" => {
                warn("false", "hookOnly");
                false
            }
            other => {
                return Err(failed(format!(
                    "invalid argument {other:?} for \"--wait\" flag: invalid wait input {other:?}. Valid inputs are \
                     watcher, hookOnly, and legacy"
                )));
            }
        };
        let wait = match (waits, jobs) {
            (false, _) => Wait::Hooks,
            (true, false) => Wait::Ready,
            (true, true) => Wait::JobsDone,
        };
        Ok(Conduct {
            wait,
            timeout: self.timeout,
            no_hooks: self.no_hooks,
            description: (!self.description.is_empty()).then(|| self.description.clone()),
            ..Conduct::default()
        })
    }
}

impl JobsFlag {
    pub(super) fn waits(self) -> bool {
        self.wait_for_jobs
    }
}

/// What becomes of objects and fields that others own.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Objects of others")]
pub(super) struct ForceFlags {
    /// Take over fields that others own
    #[arg(long)]
    force_conflicts: bool,
    /// Put objects in the place of those that are there, where the API server does not merge them
    #[arg(long, alias = "force")]
    force_replace: bool,
    /// Whether fields of others are a conflict (true), or what the chart says holds (false) [default: auto, as before]
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        default_value = "auto",
        hide_default_value = true
    )]
    server_side: ServerSide,
}

/// Who merges objects, in helm's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ServerSide {
    True,
    False,
    Auto,
}

impl ForceFlags {
    /// A command's conduct with what is meant.
    ///
    /// # Errors
    /// When both are to be forced, as with helm.
    pub(super) fn over(self, conduct: Conduct) -> Result<Conduct, Failure> {
        if self.force_conflicts && self.force_replace {
            let what = "if any flags in the group [force-replace force-conflicts] are set none of the others can be; \
                        [force-conflicts force-replace] were all set";
            return Err(failed(what.to_owned()));
        }
        Ok(Conduct {
            force_conflicts: self.force_conflicts,
            force_replace: self.force_replace,
            method: match self.server_side {
                ServerSide::True => Method::ServerSide,
                ServerSide::False => Method::ClientSide,
                ServerSide::Auto => Method::AsBefore,
            },
            ..conduct
        })
    }
}

/// Whether anything is changed.
#[derive(Debug, Args)]
pub(super) struct DryRunFlag {
    /// Change nothing: client asks no cluster, server does [default: none; without a value: client]
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "unset",
        default_value = "none",
        hide_default_value = true
    )]
    dry_run: String,
}

/// How nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DryRun {
    /// All is.
    No,
    /// No cluster is asked.
    Client,
    /// It is.
    Server,
}

impl DryRunFlag {
    /// What is meant.
    pub(super) fn meant(&self, global: &Global) -> Result<DryRun, Failure> {
        let old = |text: String| messages::warning(global, &text);
        Ok(match self.dry_run.as_str() {
            "none" => DryRun::No,
            "client" => DryRun::Client,
            "server" => DryRun::Server,
            "unset" => {
                old("--dry-run is an old form of --dry-run=client".to_owned());
                DryRun::Client
            }
            "true" | "1" | "t" | "T" | "TRUE" | "True" => {
                old("--dry-run=true is an old form of --dry-run=client".to_owned());
                DryRun::Client
            }
            "false" | "0" | "f" | "F" | "FALSE" | "False" => {
                old("--dry-run=false is an old form of --dry-run=none".to_owned());
                DryRun::No
            }
            other => {
                return Err(failed(format!(
                    "invalid dry-run value ({other:?}). Must be \"none\", \"server\", or \"client\""
                )));
            }
        })
    }
}

/// Labels as `key=value,key=value`.
pub(super) fn labels(lines: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    for pair in lines.iter().flat_map(|line| line.split(',')) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| failed(format!("{pair} must be formatted as key=value")))?;
        labels.insert(key.to_owned(), value.to_owned());
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn labels_are_pairs() {
        let lines = ["a=1,b=two".to_owned(), "c=".to_owned()];
        let labels =
            |lines: &[String]| labels(lines).map(|all| all.into_iter().collect::<Vec<_>>());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            labels(&lines).unwrap(),
            [pair("a", "1"), pair("b", "two"), pair("c", "")]
        );
        assert!(labels(&["a".to_owned()]).is_err());
    }
}
