//! The record of what a cluster has started, so that a later run can stop exactly that.

use std::path::Path;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// Everything that `up` has made outside of its run folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The boot of the machine in which the processes were started: process ids mean nothing in another.
    pub(crate) boot: String,
    /// What the cluster was made of; another fingerprint is another cluster.
    pub(crate) fingerprint: String,
    /// How many nodes it was to have.
    pub(crate) nodes: u8,
    /// Whether `up` came to its end.
    pub(crate) ready: bool,
    /// The machines, each a process that holds namespaces in which all else of it runs.
    pub(crate) machines: Vec<Record>,
    /// The programs that were started in machines; they end with these.
    pub(crate) components: Vec<Record>,
}

/// A started process by the name of its machine or component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The machine's or the component's name.
    pub(crate) name: String,
    /// The process.
    pub(crate) process: Process,
}

/// A process that is not mistaken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// The process id.
    pub(crate) pid: u32,
    /// When it was started, in clock ticks since boot.
    pub(crate) started: u64,
}

impl State {
    /// Reads the record; `None` when there is none.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("cannot understand {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the record so that a crash leaves either the old or the new one.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let partial = path.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&partial, path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether a recorded process is still there.
    pub(crate) fn is_alive(&self, record: &Record) -> bool {
        current_boot().is_ok_and(|boot| boot == self.boot) && record.process.is_alive()
    }

    /// The names of recorded components and machines that are no longer there.
    pub(crate) fn dead(&self) -> Vec<&str> {
        let all = self.machines.iter().chain(&self.components);
        all.filter(|record| !self.is_alive(record))
            .map(|record| record.name.as_str())
            .collect()
    }

    /// The process of the machine of that name.
    pub(crate) fn machine(&self, name: &str) -> Option<Process> {
        self.machines
            .iter()
            .find(|record| record.name == name)
            .map(|record| record.process)
    }
}

impl Process {
    /// The running process with that id.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} has ended"))?;
        let Stat { started, .. } =
            parse_stat(&stat).with_context(|| format!("cannot parse {stat:?}"))?;
        Ok(Self { pid, started })
    }

    /// Whether it has not ended, and still holds what it opened. A process that waits to be reaped has ended,
    /// unless threads of it still run: the first one waits as if it were the last.
    pub(crate) fn is_alive(self) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .ok()
            .and_then(|stat| parse_stat(&stat))
            .is_some_and(|stat| stat.started == self.started && stat.runs())
    }

    /// Ends it at once.
    pub(crate) fn kill(self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid)?);
        match kill(pid, Signal::SIGKILL) {
            Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot end process {pid}")),
        }
    }

    /// The first child, if it has one.
    pub(crate) fn child(self) -> Option<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        std::fs::read_to_string(path)
            .ok()?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    }
}

/// What tells this boot of the machine from others.
pub(crate) fn current_boot() -> anyhow::Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    Ok(std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {path}"))?
        .trim()
        .into())
}

/// What a line of `/proc/PID/stat` says (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// The state letter of the first thread: field 3.
    state: char,
    /// How many threads there are, those that wait to be reaped included: field 20.
    threads: u64,
    /// When it started: field 22.
    started: u64,
}

impl Stat {
    fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X') || self.threads > 1
    }
}

/// The program's name before the fields is in parentheses and may itself contain spaces and parentheses.
fn parse_stat(stat: &str) -> Option<Stat> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    Some(Stat {
        state: fields.next()?.chars().next()?,
        threads: fields.nth(16)?.parse().ok()?,
        started: fields.nth(1)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_behind_any_program_name() {
        let rest = "S 1 2 3 0 -1 4194560 5 6 7 8 9 10 11 12 20 0 3 0 4711 13 14";
        let expected = || {
            Some(Stat {
                state: 'S',
                threads: 3,
                started: 4711,
            })
        };
        assert_eq!(parse_stat(&format!("7 (cat) {rest}")), expected());
        assert_eq!(parse_stat(&format!("7 (a ) Z) {rest}")), expected());
        assert_eq!(parse_stat("7 (cat) S 1"), None);
    }

    #[test]
    fn a_first_thread_that_waits_for_others_has_not_ended() {
        for (state, threads, runs) in [('S', 1, true), ('Z', 2, true), ('Z', 1, false)] {
            let stat = Stat {
                state,
                threads,
                started: 1,
            };
            assert_eq!(stat.runs(), runs, "{stat:?}");
        }
    }

    #[test]
    fn a_process_id_in_other_use_is_not_ours() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert!(
            !Process {
                started: own.started + 1,
                ..own
            }
            .is_alive()
        );
        let mut state = State {
            boot: current_boot().unwrap(),
            machines: vec![Record {
                name: "own".to_owned(),
                process: own,
            }],
            ..State::default()
        };
        assert_eq!(state.dead(), [""; 0]);
        state.boot = "another".to_owned();
        assert_eq!(state.dead(), ["own"]);
    }

    #[test]
    fn an_ended_process_is_not_alive_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.is_alive());
        process.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.is_alive());
        process.kill().unwrap();
    }

    #[test]
    fn the_record_survives_a_round_trip() {
        let path = std::env::temp_dir().join(format!("xtask-state-{}", std::process::id()));
        assert_eq!(State::read(&path).unwrap(), None);
        let state = State {
            boot: "b".to_owned(),
            fingerprint: "f".to_owned(),
            nodes: 2,
            ready: true,
            machines: vec![Record {
                name: "node-1".to_owned(),
                process: Process { pid: 1, started: 2 },
            }],
            components: Vec::new(),
        };
        state.write(&path).unwrap();
        assert_eq!(State::read(&path).unwrap(), Some(state));
        std::fs::write(&path, "{").unwrap();
        assert!(State::read(&path).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
