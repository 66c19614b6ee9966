//! What the tasks print: results to stdout, progress to stderr.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one place of the repository tasks that prints"
)]

use std::fmt::Display;
use std::time::Duration;

/// Prints a line of the result to stdout.
pub(crate) fn result(line: impl Display) {
    println!("{line}");
}

/// Prints a line of progress to stderr.
pub(crate) fn progress(line: impl Display) {
    eprintln!("{line}");
}

/// Seconds with one decimal, for progress lines.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
