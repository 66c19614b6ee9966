//! Who holds a lock: one process of one machine, so that a later command can tell whether it still lives.

use std::fs;

/// What tells this process from all others, as a text: boot, process namespace, process and when it started. Empty where the
/// system does not say.
pub(crate) fn own() -> String {
    let start = start_of(std::process::id());
    match (boot(), namespace(), start) {
        (Some(boot), Some(namespace), Some(start)) => {
            format!("{boot}/{namespace}/{}/{start}", std::process::id())
        }
        _ => String::new(),
    }
}

/// Whether the process that wrote this text certainly lives no more. One of another machine can live.
pub(crate) fn is_dead(holder: &str) -> bool {
    let mut words = holder.split('/');
    let (Some(its_boot), Some(its_namespace), Some(process), Some(its_start), None) = (
        words.next(),
        words.next(),
        words.next(),
        words.next(),
        words.next(),
    ) else {
        return false;
    };
    let Ok(process) = process.parse::<u32>() else {
        return false;
    };
    boot().as_deref() == Some(its_boot)
        && namespace().as_deref() == Some(its_namespace)
        && start_of(process).as_deref() != Some(its_start)
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
        assert!(!own.is_empty() && !is_dead(&own), "{own}");
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let start = start_of(child.id()).unwrap();
        let words: Vec<_> = own.split('/').collect();
        let its = format!("{}/{}/{}/{start}", words[0], words[1], child.id());
        assert!(!is_dead(&its));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_dead(&its));
    }

    #[test]
    fn of_others_nothing_is_certain() {
        for holder in ["", "x", "other-boot/1/1/1", "a/b/c/d/e"] {
            assert!(!is_dead(holder), "{holder}");
        }
    }
}
