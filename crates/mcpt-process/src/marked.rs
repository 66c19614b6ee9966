//! Finding all processes of a run, whatever became of their parents: each carries a mark in its environment.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Variable that a supervisor sets for its server, and that the server's own children inherit.
pub(crate) const MARK: &str = "MCPT_RUN";

/// How often what a run has started is looked for: a process may start another after the look and before its end.
const LOOKS: usize = 5;

/// Ends at once whatever still runs of a run. Only where the system shows environments (Linux); elsewhere the end of the
/// server's process group is all that can be had.
pub(crate) fn kill_all(run: &Path) {
    end_all(|| processes_of(run));
}

/// Ends what is seen, and looks again, until nothing new is seen.
fn end_all(mut look: impl FnMut() -> Vec<Pid>) {
    let mut ended = Vec::new();
    for _ in 0..LOOKS {
        let mut left = look();
        // Those that the system cannot end are not waited for twice.
        left.retain(|pid| !ended.contains(pid));
        if left.is_empty() {
            return;
        }
        end(&left);
        ended.extend(left);
    }
}

/// Kills these processes and waits until each has ended: a signal only asks for that.
pub(crate) fn end(processes: &[Pid]) {
    let ended: Vec<_> = processes
        .iter()
        .filter_map(|pid| {
            let end = death::of(*pid);
            // It may have ended meanwhile.
            kill(*pid, Signal::SIGKILL).ok().and(end)
        })
        .collect();
    ended.iter().for_each(death::await_it);
}

/// The end of a process that is nobody's child here, as an event.
#[cfg(target_os = "linux")]
mod death {
    use std::os::fd::OwnedFd;

    use nix::unistd::Pid;
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        process::{PidfdFlags, pidfd_open},
    };

    /// A process that the system cannot end, since it hangs in a device, must not hang its killer as well.
    const PATIENCE: Timespec = Timespec {
        tv_sec: 5,
        tv_nsec: 0,
    };

    /// Where the end of this process can be seen; nothing when it is gone, or on a system before Linux 5.3.
    pub(super) fn of(pid: Pid) -> Option<OwnedFd> {
        let pid = rustix::process::Pid::from_raw(pid.as_raw())?;
        pidfd_open(pid, PidfdFlags::empty()).ok()
    }

    pub(super) fn await_it(process: &OwnedFd) {
        let mut ended = [PollFd::new(process, PollFlags::IN)];
        while poll(&mut ended, Some(&PATIENCE)) == Err(rustix::io::Errno::INTR) {}
    }
}

/// Elsewhere no process is found by its mark.
#[cfg(not(target_os = "linux"))]
mod death {
    use nix::unistd::Pid;

    pub(super) fn of(_: Pid) -> Option<()> {
        None
    }

    pub(super) fn await_it((): &()) {}
}

/// The processes with the mark of this run.
pub(crate) fn processes_of(run: &Path) -> Vec<Pid> {
    let run = run.as_os_str().as_bytes();
    let of_run = all().into_iter().filter(|(_, mark)| mark == run);
    of_run.map(|(pid, _)| pid).collect()
}

/// The processes with the mark of any run in this state folder, and that run.
pub(crate) fn below(state: &Path) -> Vec<(Pid, PathBuf)> {
    all()
        .into_iter()
        .map(|(pid, mark)| (pid, PathBuf::from(OsString::from_vec(mark))))
        .filter(|(_, run)| run.starts_with(state))
        .collect()
}

/// All processes of this user that bear a mark, and the mark.
fn all() -> Vec<(Pid, Vec<u8>)> {
    let name = format!("{MARK}=");
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
            // Processes of others cannot be read, and are not ours.
            let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let mut variables = environment.split(|byte| *byte == 0);
            let mark = variables.find_map(|variable| variable.strip_prefix(name.as_bytes()))?;
            Some((Pid::from_raw(pid), mark.to_vec()))
        })
        .collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::Read as _,
        os::unix::process::ExitStatusExt as _,
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A process that waits until it is ended, or until this test is.
    #[expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
    fn sleeper(run: &str) -> Child {
        let mut process = Command::new("sh")
            .args(["-c", "echo; read forever"])
            .env(MARK, run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The system shows an environment only a moment after the start; by its first word it does.
        let mut word = [0];
        let mut said = process.stdout.take().unwrap();
        said.read_exact(&mut word).unwrap();
        process
    }

    fn pid(process: &Child) -> Pid {
        Pid::from_raw(process.id().cast_signed())
    }

    #[test]
    fn what_is_started_after_a_look_is_killed_as_well() {
        let run = "/b/run-1";
        let mut started = vec![sleeper(run)];
        end_all(|| {
            let seen = processes_of(Path::new(run));
            // Each of the first two manages to start another before it is ended.
            if started.len() < 3 {
                started.push(sleeper(run));
            }
            seen
        });
        assert_eq!(started.len(), 3);
        for process in &mut started {
            assert_eq!(process.wait().unwrap().signal(), Some(9));
        }
    }

    #[test]
    fn what_cannot_be_ended_is_killed_and_awaited_once() {
        let mut process = sleeper("/c/run-1");
        let stays = pid(&process);
        let mut looks = 0;
        end_all(|| {
            looks += 1;
            vec![stays]
        });
        assert_eq!(looks, 2, "one to see it and one to see nothing else");
        assert_eq!(process.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn the_marked_are_found_and_killed_and_no_others() {
        let mut ours = sleeper("/a/run-1");
        let mut other = sleeper("/a/run-12");
        assert_eq!(processes_of(Path::new("/a/run-1")), [pid(&ours)]);
        let marked: Vec<_> = below(Path::new("/a"))
            .into_iter()
            .map(|(process, _)| process)
            .collect();
        assert!(marked.contains(&pid(&other)));
        assert!(below(Path::new("/a/run")).is_empty());
        kill_all(Path::new("/a/run-1"));
        let status = fs::read_to_string(format!("/proc/{}/status", ours.id())).unwrap();
        assert!(status.contains("State:\tZ"), "{status}");
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
