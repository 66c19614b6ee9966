//! Who works on a release: the identity of a process, by which another one on the same machine sees at once whether it lives.
//!
//! Elsewhere, or where there is no `/proc`, only the heartbeat tells.

use std::{fs, io};

/// Machine, boot and process namespace: within one of these a process id means the same process for both.
fn scope() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// What the system tells of a process.
fn stat(process: u32) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{process}/stat"))
}

/// When a process started, in ticks since boot; `None` when it has ended. A number is used again for later processes, the pair
/// with its start is not.
fn started(stat: &str) -> Option<&str> {
    // The command's name stands in parentheses and may hold anything, these too.
    let after_name = &stat[stat.rfind(')')? + 1..];
    // A zombie has ended.
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?;
    (state != "Z").then_some(start)
}

/// The identity of this process.
pub(crate) fn this() -> Option<String> {
    let process = std::process::id();
    let stat = stat(process).ok()?;
    Some(format!("{}/{process}/{}", scope()?, started(&stat)?))
}

/// Whether the process of an identity lives; `None` when that cannot be seen from here.
pub(crate) fn alive(holder: &str) -> Option<bool> {
    let rest = holder.strip_prefix(&scope()?)?.strip_prefix('/')?;
    let (process, start) = rest.split_once('/')?;
    // Where the processes of other users are hidden (`hidepid`), the first of all is hidden with them.
    let shows_all = || fs::metadata("/proc/1").is_ok();
    lives(stat(process.parse().ok()?), start, shows_all)
}

/// Whether a process of which the system tells this is the one that started then.
fn lives(stat: io::Result<String>, start: &str, shows_all: impl Fn() -> bool) -> Option<bool> {
    match stat {
        Ok(stat) => Some(started(&stat) == Some(start)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && shows_all() => Some(false),
        // It may be another user's.
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_ended_one_does_not() {
        let me = this().unwrap();
        assert_eq!(alive(&me), Some(true));

        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let other = format!(
            "{}/{}/{}",
            scope().unwrap(),
            child.id(),
            started(&stat(child.id()).unwrap()).unwrap()
        );
        assert_eq!(alive(&other), Some(true));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(alive(&other), Some(false));

        // The number is in use again, by a process that started later.
        let again = format!("{}/{}/0", scope().unwrap(), std::process::id());
        assert_eq!(alive(&again), Some(false));
    }

    #[test]
    fn of_processes_that_are_hidden_nothing_is_known() {
        let line = |state: &str| Ok(format!("7 (a) b) {state}{} 9 0", " 0".repeat(18)));
        let error = |kind: io::ErrorKind| Err(kind.into());
        for (stat, shows_all, expected) in [
            (line("S"), true, Some(true)),
            (line("S"), false, Some(true)),
            (line("Z"), true, Some(false)),
            (error(io::ErrorKind::NotFound), true, Some(false)),
            (error(io::ErrorKind::NotFound), false, None),
            (error(io::ErrorKind::PermissionDenied), true, None),
            (error(io::ErrorKind::PermissionDenied), false, None),
        ] {
            let told = format!("{stat:?} {shows_all}");
            assert_eq!(lives(stat, "9", || shows_all), expected, "{told}");
        }
    }

    #[test]
    fn of_other_machines_nothing_is_known() {
        for holder in ["", "boot/pid:[1]/7/9", "x"] {
            assert_eq!(alive(holder), None, "{holder}");
        }
    }
}
