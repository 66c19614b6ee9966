//! Which processes are children of this one.

use std::fs;

use nix::{
    errno::Errno,
    sys::wait::{Id, WaitPidFlag, waitid},
    unistd::Pid,
};

/// Whether this process has any child, a zombie included.
pub fn has_children() -> bool {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, peek) != Err(Errno::ECHILD)
}

/// The children of this process, zombies included: those that it has started, and the orphans among its descendants if it
/// takes them in. None where the system does not show processes as files (anything but Linux).
pub fn adopted() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = Pid::this();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .map(Pid::from_raw)
        .filter(|pid| is_child_of(*pid, own))
        .collect()
}

/// Whether a process is a child of `parent` that was not reaped.
pub fn is_child_of(pid: Pid, parent: Pid) -> bool {
    let found = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, blanks and parentheses too.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(1)?.parse().ok()
    };
    found() == Some(parent.as_raw())
}
