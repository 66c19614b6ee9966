//! What the tasks print: results to stdout, progress to stderr.

use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

/// Prints a line of the result to stdout.
pub(crate) fn result(line: impl Display) {
    // Whoever reads may have read enough: `cargo xtask cluster status | head -1`.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line of progress to stderr.
pub(crate) fn progress(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints what a program wrote, in one piece, as progress.
pub(crate) fn pieces(output: &[&[u8]]) {
    let _ = std::io::stderr().lock().write_all(&output.concat());
}

/// Seconds with one decimal, for progress lines.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
