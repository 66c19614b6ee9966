//! Who works on a release: the identity of a process, by which another one on the same machine sees at once whether it lives.
//!
//! Elsewhere, or where there is no `/proc`, only the heartbeat tells.

use std::fs;

/// Annotation on the pending record's Secret.
pub(crate) const HOLDER: &str = "mcpt.io/holder";

/// Machine, boot and process namespace: within one of these a process id means the same process for both.
fn scope() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.display()))
}

/// When a process started, in ticks since boot; `None` when there is no such process. A number is used again for later
/// processes, the pair with its start is not.
fn started(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The command's name stands in parentheses and may hold anything, these too.
    let after_name = &stat[stat.rfind(')')? + 1..];
    // A zombie has ended.
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?;
    (state != "Z").then(|| start.to_owned())
}

/// The identity of this process.
pub(crate) fn this() -> Option<String> {
    let process = std::process::id();
    Some(format!("{}/{process}/{}", scope()?, started(process)?))
}

/// Whether the process of an identity lives; `None` when that cannot be seen from here.
pub(crate) fn alive(holder: &str) -> Option<bool> {
    let rest = holder.strip_prefix(&scope()?)?.strip_prefix('/')?;
    let (process, start) = rest.split_once('/')?;
    Some(started(process.parse().ok()?).as_deref() == Some(start))
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
            started(child.id()).unwrap()
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
    fn of_other_machines_nothing_is_known() {
        for holder in ["", "boot/pid:[1]/7/9", "x"] {
            assert_eq!(alive(holder), None, "{holder}");
        }
    }
}
