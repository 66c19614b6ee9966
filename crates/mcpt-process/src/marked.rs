//! Finding all processes of a run, whatever became of their parents: each carries a mark in its environment.

use std::{fs, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Variable that a supervisor sets for its server, and that the server's own children inherit.
pub(crate) const MARK: &str = "MCPT_RUN";

/// Ends at once whatever still runs of a run. Only where the system shows environments (Linux); elsewhere the end of the
/// server's process group is all that can be had.
pub(crate) fn kill_all(run: &Path) {
    for pid in processes_of(run) {
        // It may have ended meanwhile.
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// The processes with the mark of this run.
fn processes_of(run: &Path) -> Vec<Pid> {
    let mark = format!("{MARK}={}", run.display());
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            // Processes of others cannot be read, and are not ours.
            fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|variable| variable == mark.as_bytes())
            })
        })
        .map(Pid::from_raw)
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{os::unix::process::ExitStatusExt as _, process::Command};

    use super::*;

    #[test]
    fn the_marked_are_found_and_killed_and_no_others() {
        let sleeper = |run: &str| {
            Command::new("sleep")
                .arg("60")
                .env(MARK, run)
                .spawn()
                .unwrap()
        };
        let mut ours = sleeper("/a/run-1");
        let mut other = sleeper("/a/run-12");
        assert_eq!(
            processes_of(Path::new("/a/run-1")),
            [Pid::from_raw(ours.id().cast_signed())]
        );
        kill_all(Path::new("/a/run-1"));
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
