//! Standard error while a command goes well: hints, warnings, notes. Failures are reported elsewhere, once, at the end.

use std::io::{self, IsTerminal as _, Write as _};

use crate::{args::Global, readable};

/// Whether standard error shows colours.
pub(crate) fn styled() -> bool {
    io::stderr().is_terminal() && may_style()
}

/// Whether the user wants colours.
pub(crate) fn may_style() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes a line, if standard error is still there.
pub(crate) fn line(text: &str) {
    exact(&readable::text(text));
}

/// Writes a line in which nothing is of a stranger any more.
fn exact(text: &str) {
    // With standard error gone, nobody wants it.
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// What the user should know though it is no fault.
pub(crate) fn warning(global: &Global, text: &str) {
    if !global.quiet {
        let (yellow, plain) = if styled() {
            ("\x1b[33m", "\x1b[0m")
        } else {
            ("", "")
        };
        exact(&format!("{yellow}warning:{plain} {}", readable::text(text)));
    }
}

/// What the user may want to do next.
pub(crate) fn hint(global: &Global, text: &str) {
    if !global.quiet && io::stderr().is_terminal() {
        let (cyan, plain) = if styled() {
            ("\x1b[36m", "\x1b[0m")
        } else {
            ("", "")
        };
        exact(&format!("{cyan}hint:{plain} {}", readable::text(text)));
    }
}
