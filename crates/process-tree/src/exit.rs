//! [`ExitWords`]: how a process ended, for people.

use std::{fmt, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use nix::sys::signal::Signal;

/// An exit status in words: `exit code 3`, `signal 9 (SIGKILL)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitWords(pub ExitStatus);

impl fmt::Display for ExitWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(number)) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "signal {number} ({signal})"),
                // Real-time signals have no names.
                Err(_) => write!(f, "signal {number}"),
            },
            (None, None) => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_words() {
        for (raw, words) in [
            (0, "exit code 0"),
            (3 << 8, "exit code 3"),
            (9, "signal 9 (SIGKILL)"),
            (40, "signal 40"),
        ] {
            assert_eq!(ExitWords(ExitStatus::from_raw(raw)).to_string(), words);
        }
    }
}
