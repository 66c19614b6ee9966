//! [`Mark`]: finding processes by a variable of their environment, whatever became of their parents.

use std::{fs, os::fd::OwnedFd};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{PidfdFlags, pidfd_open},
};

/// How often what bears a mark is looked for: a process may start another after the look and before its end.
const LOOKS: usize = 5;
/// A process that the system cannot end, since it hangs in a device, must not hang its killer as well.
const PATIENCE: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// A variable that a program sets for what it starts, and that their own children inherit.
#[derive(Debug, Clone, Copy)]
pub struct Mark(pub &'static str);

/// A variable of the environment that a process was started with or has changed in its place. `None` when it has none of that
/// name, or the system does not show it: where the process is another user's, and anywhere but on Linux.
pub fn variable_of(process: Pid, name: &str) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{process}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    let value = variables.find_map(|v| v.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(value.to_vec())
}

impl Mark {
    /// All processes of this user that bear the mark, and its value. None where the system shows no environments (anything
    /// but Linux).
    pub fn all(self) -> Vec<(Pid, Vec<u8>)> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
                let pid = Pid::from_raw(pid);
                // Processes of others cannot be read, and are not ours.
                Some((pid, variable_of(pid, self.0)?))
            })
            .collect()
    }

    /// The processes that bear the mark with this value.
    pub fn with(self, value: &[u8]) -> Vec<Pid> {
        let all = self.all().into_iter();
        all.filter(|(_, found)| found == value)
            .map(|(pid, _)| pid)
            .collect()
    }

    /// Kills all that bear the mark with this value, and waits until they have ended. Blocks for as long as that takes.
    /// Gives how many there were.
    pub fn end(self, value: &[u8]) -> usize {
        end_all(|| self.with(value))
    }
}

/// Ends what is seen, and looks again, until nothing new is seen.
fn end_all(mut look: impl FnMut() -> Vec<Pid>) -> usize {
    let mut ended = Vec::new();
    for _ in 0..LOOKS {
        let mut left = look();
        // Those that the system cannot end are not waited for twice.
        left.retain(|pid| !ended.contains(pid));
        if left.is_empty() {
            break;
        }
        end_processes(&left);
        ended.extend(left);
    }
    ended.len()
}

/// Kills these processes and waits until each has ended, which a signal only asks for. Blocks meanwhile, for five seconds
/// at most for one that the system cannot end.
pub fn end_processes(processes: &[Pid]) {
    let ended: Vec<_> = processes
        .iter()
        .filter_map(|pid| {
            let end = end_of(*pid);
            // It may have ended meanwhile.
            kill(*pid, Signal::SIGKILL).ok().and(end)
        })
        .collect();
    for process in ended {
        let mut ended = [PollFd::new(&process, PollFlags::IN)];
        while poll(&mut ended, Some(&PATIENCE)) == Err(rustix::io::Errno::INTR) {}
    }
}

/// Where the end of this process can be seen; nothing when it is gone, or on a system before Linux 5.3.
fn end_of(pid: Pid) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid.as_raw())?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        os::unix::process::ExitStatusExt as _,
        process::{Child, Command, Stdio},
    };

    use super::*;

    const MARK: Mark = Mark("PROCESS_TREE_TEST");

    /// A process that waits until it is ended, or until this test is.
    fn sleeper(value: &str) -> Child {
        let mut process = Command::new("sh")
            .args(["-c", "echo; read forever"])
            .env(MARK.0, value)
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
        let mut started = vec![sleeper("b")];
        let ended = end_all(|| {
            let seen = MARK.with(b"b");
            // Each of the first two manages to start another before it is ended.
            if started.len() < 3 {
                started.push(sleeper("b"));
            }
            seen
        });
        assert_eq!((started.len(), ended), (3, 3));
        for process in &mut started {
            assert_eq!(process.wait().unwrap().signal(), Some(9));
        }
    }

    #[test]
    fn what_cannot_be_ended_is_killed_and_awaited_once() {
        let mut process = sleeper("c");
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
        let mut ours = sleeper("a");
        let mut other = sleeper("a2");
        assert_eq!(MARK.with(b"a"), [pid(&ours)]);
        assert!(MARK.all().contains(&(pid(&other), b"a2".to_vec())));
        assert_eq!(MARK.end(b"a"), 1);
        // Killed and not reaped, it is a zombie, and so are those that bear no mark.
        let status = fs::read_to_string(format!("/proc/{}/status", ours.id())).unwrap();
        assert!(status.contains("State:\tZ"), "{status}");
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
