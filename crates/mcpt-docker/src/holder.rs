//! Who holds a lock: one process of one machine, so that a later command can tell whether it still lives.

use std::fs;

/// What tells this process from all others, as a text: boot, process namespace, process, when it started, and machine. Empty where
/// the system does not say; without the last where the machine has no name of its own.
pub(crate) fn own() -> String {
    let start = start_of(std::process::id());
    let machine = machine().map(|machine| format!("/{machine}"));
    match (boot(), namespace(), start) {
        (Some(boot), Some(namespace), Some(start)) => format!(
            "{boot}/{namespace}/{}/{start}{}",
            std::process::id(),
            machine.unwrap_or_default()
        ),
        _ => String::new(),
    }
}

/// Whether the process that wrote this text, at this time in seconds since the epoch, certainly lives no more. One of another
/// machine can live.
pub(crate) fn is_dead(holder: &str, written: i64) -> bool {
    let words: Vec<_> = holder.split('/').collect();
    let (its_boot, its_namespace, process, its_start, its_machine) = match words[..] {
        [boot, namespace, process, start] => (boot, namespace, process, start, None),
        [boot, namespace, process, start, machine] => {
            (boot, namespace, process, start, Some(machine))
        }
        _ => return false,
    };
    let Ok(process) = process.parse::<u32>() else {
        return false;
    };
    if boot().as_deref() != Some(its_boot) {
        // Before the machine was started anew. Copies of a machine have its name, but what is younger than this boot is not of
        // an earlier one.
        let same = its_machine.is_some() && its_machine == machine().as_deref();
        return same && booted().is_some_and(|booted| written < booted);
    }
    namespace().as_deref() == Some(its_namespace) && start_of(process).as_deref() != Some(its_start)
}

/// The name that this machine has over all of its boots.
fn machine() -> Option<String> {
    let id = fs::read_to_string("/etc/machine-id").ok()?;
    let id = id.trim();
    (!id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric())).then(|| id.to_owned())
}

/// When this machine was started, in seconds since the epoch.
fn booted() -> Option<i64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let mut lines = stat.lines();
    lines.find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

/// The number of the process namespace, of `pid:[4026531836]`.
fn namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let text = link.to_str()?;
    Some(text.chars().filter(char::is_ascii_digit).collect())
}

/// When a process started, in ticks since boot: the 22nd field of its `stat`. The second, its name, may have blanks and
/// parentheses.
fn start_of(process: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    // A zombie has ended; its parent has not looked yet.
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_living_are_told_from_the_dead() {
        let own = own();
        assert!(!own.is_empty() && !is_dead(&own, 0), "{own}");
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let start = start_of(child.id()).unwrap();
        let words: Vec<_> = own.split('/').collect();
        let its = format!("{}/{}/{}/{start}", words[0], words[1], child.id());
        let named = format!("{its}/machine");
        assert!(!is_dead(&its, 0) && !is_dead(&named, 0));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_dead(&its, 0) && is_dead(&named, 0));
    }

    /// Of a machine that has a name: one without cannot tell.
    #[test]
    fn nobody_outlives_a_boot() {
        let Some(machine) = machine() else {
            return;
        };
        let booted = booted().unwrap();
        let before = format!("00000000-0000-0000-0000-000000000000/1/1/1/{machine}");
        assert!(is_dead(&before, booted - 1));
        assert!(!is_dead(&before, booted), "a copy of this machine");
        let other = before.replace(&machine, "0123456789abcdef");
        assert!(!is_dead(&other, booted - 1));
    }

    #[test]
    fn of_others_nothing_is_certain() {
        for holder in ["", "x", "other-boot/1/1/1", "a/b/c/d/e", "a/b/1/d/e/f"] {
            assert!(!is_dead(holder, 0), "{holder}");
        }
    }
}
