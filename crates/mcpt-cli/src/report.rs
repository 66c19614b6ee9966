//! The one place that puts a [`Failure`] into words for people, or into JSON for programs, and chooses the exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use mcpt_core::{Failure, FailureKind};
use serde::Serialize;

use crate::{args::Format, ending::Ending, messages, readable};

/// The exit code of a comparison that found differences, as `kubectl diff` and `diff` have it.
const DIFFERENT: u8 = 1;

/// As the diff plugin of helm has it.
const DIFFERENT_IN_DETAIL: u8 = 2;

/// Reports how a command ended and gives the exit code of the process.
pub(crate) fn exit(outcome: Result<(), Ending>, format: Format) -> ExitCode {
    match outcome {
        Ok(()) | Err(Ending::ReaderGone) => ExitCode::SUCCESS,
        Err(Ending::Different) => ExitCode::from(DIFFERENT),
        Err(Ending::DifferentInDetail) => ExitCode::from(DIFFERENT_IN_DETAIL),
        Err(Ending::Exited(code)) => ExitCode::from(code),
        Err(Ending::AboveOne(failure)) => {
            let code = exit_code(FailureKind::Usage);
            tell_with(&failure, code, format);
            ExitCode::from(code)
        }
        Err(Ending::Stopped) => ExitCode::from(exit_code(FailureKind::Interrupted)),
        Err(Ending::Failure(failure)) => {
            tell(&failure, format);
            ExitCode::from(exit_code(failure.kind))
        }
    }
}

/// Writes a failure to standard error: the one that ends the command, or one of several.
pub(crate) fn tell(failure: &Failure, format: Format) {
    tell_with(failure, exit_code(failure.kind), format);
}

fn tell_with(failure: &Failure, code: u8, format: Format) {
    let stderr = io::stderr();
    let written = if format == Format::Json {
        write_json(&mut stderr.lock(), failure, code)
    } else {
        write_text(&mut stderr.lock(), failure, messages::styled())
    };
    // With standard error gone the exit code still tells.
    drop(written);
}

/// Writes each failure of a command of which several parts failed, and gives the one about all of them that ends it, with the
/// highest of their exit codes. `None` when there is none.
pub(crate) fn together<'a>(
    failures: impl IntoIterator<Item = &'a Failure>,
    format: Format,
    what: String,
) -> Option<Failure> {
    let told = failures
        .into_iter()
        .inspect(|failure| tell(failure, format));
    let kind = told
        .map(|failure| failure.kind)
        .max_by_key(|kind| exit_code(*kind))?;
    Some(Failure::new(kind, what))
}

/// The documented exit code of each sort of failure.
fn exit_code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Failed => 1,
        FailureKind::Usage => 2,
        FailureKind::NotFound => 3,
        FailureKind::Unreachable => 4,
        FailureKind::ToolError => 5,
        FailureKind::TimedOut => 6,
        FailureKind::Interrupted => 130,
    }
}

fn write_text(out: &mut impl Write, failure: &Failure, styled: bool) -> io::Result<()> {
    let (red, dim, cyan, plain) = if styled {
        ("\x1b[1;31m", "\x1b[2m", "\x1b[36m", "\x1b[0m")
    } else {
        ("", "", "", "")
    };
    writeln!(out, "{red}error:{plain} {}", readable::text(&failure.what))?;
    for why in &failure.why {
        let why = readable::text(why);
        let mut lines = why.lines();
        writeln!(out, "  - {}", lines.next().unwrap_or_default())?;
        for line in lines {
            writeln!(out, "    {line}")?;
        }
    }
    if !failure.log_tail.is_empty() {
        writeln!(out, "last log lines:")?;
        for line in &failure.log_tail {
            writeln!(out, "  {dim}|{plain} {}", readable::line(line))?;
        }
    }
    if let Some(hint) = &failure.hint {
        writeln!(out, "{cyan}hint:{plain} {}", readable::text(hint))?;
    }
    Ok(())
}

/// A failure as `-o json` prints it on standard error; a contract of the command line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireFailure<'a> {
    kind: &'static str,
    exit_code: u8,
    what: &'a str,
    why: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    log_tail: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

fn write_json(out: &mut impl Write, failure: &Failure, exit_code: u8) -> io::Result<()> {
    let wire = WireFailure {
        kind: match failure.kind {
            FailureKind::Failed => "failed",
            FailureKind::Usage => "usage",
            FailureKind::NotFound => "notFound",
            FailureKind::Unreachable => "unreachable",
            FailureKind::ToolError => "toolError",
            FailureKind::TimedOut => "timedOut",
            FailureKind::Interrupted => "interrupted",
        },
        exit_code,
        what: &failure.what,
        why: &failure.why,
        log_tail: &failure.log_tail,
        hint: failure.hint.as_deref(),
    };
    let document = serde_json::json!({ "error": wire }).to_string();
    writeln!(out, "{}", readable::json(&document))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        let mut failure = Failure::new(FailureKind::Failed, "cannot deploy demo")
            .because("it exited with code 3\nat once")
            .because("and again")
            .hint("mcpt logs demo");
        failure.log_tail = vec!["boom".to_owned()];
        failure
    }

    #[test]
    fn text() {
        let mut out = Vec::new();
        write_text(&mut out, &failure(), false).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "error: cannot deploy demo\n  - it exited with code 3\n    at once\n  - and again\n\
             last log lines:\n  | boom\nhint: mcpt logs demo\n"
        );
    }

    #[test]
    fn strangers_in_a_failure_act_on_no_terminal() {
        let mut failure = Failure::new(FailureKind::Failed, "a\x1b[2J")
            .because("b\u{9b}2J\n\u{202e}c")
            .hint("d\x07");
        failure.log_tail = vec!["e\rf\nerror: forged".to_owned()];
        let mut out = Vec::new();
        write_text(&mut out, &failure, false).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "error: a\\x1b[2J\n  - b\\x9b2J\n    \\u{202e}c\nlast log lines:\n  | e\\x0df\\x0aerror: forged\nhint: d\\x07\n"
        );
        let mut out = Vec::new();
        write_json(&mut out, &failure, 1).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["error"]["why"][0], failure.why[0]);
    }

    #[test]
    fn json() {
        let mut out = Vec::new();
        write_json(&mut out, &failure(), 1).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"error": {
                "kind": "failed", "exitCode": 1, "what": "cannot deploy demo",
                "why": ["it exited with code 3\nat once", "and again"],
                "logTail": ["boom"], "hint": "mcpt logs demo",
            }})
        );
    }
}
