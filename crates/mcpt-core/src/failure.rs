//! [`Failure`]: an error shaped for people once, for all commands and backends.

use std::fmt;

use crate::{
    Secret,
    last_words::{self, Module},
    redact,
};

/// Lines of a log that are shown.
const TAIL: usize = 15;

/// What sort of failure it is; the command line maps each to one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It was tried and failed (exit 1).
    Failed,
    /// The command or its input is wrong; nothing was touched (exit 2).
    Usage,
    /// The named thing does not exist (exit 3).
    NotFound,
    /// The backend or the server cannot be reached (exit 4).
    Unreachable,
    /// The tool itself answered with an error (exit 5).
    ToolError,
    /// It did not happen in time (exit 6).
    TimedOut,
    /// The user interrupted it (exit 130).
    Interrupted,
}

/// What failed, why, and what mends it. Crates keep their own typed errors and convert them at the [`crate::Backend`] seam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Sort, for the exit code.
    pub kind: FailureKind,
    /// What failed, as one sentence fragment: `cannot deploy demo`.
    pub what: String,
    /// Causes, the most telling first; several when an input has several faults.
    pub why: Vec<String>,
    /// Last log lines of the server, when they explain the failure.
    pub log_tail: Vec<String>,
    /// What to do next: a command or a fact to check.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without causes yet.
    pub fn new(kind: FailureKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            why: Vec::new(),
            log_tail: Vec::new(),
            hint: None,
        }
    }

    /// Adds one cause.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Adds an error and all of its sources as one cause, `outer: inner: innermost`.
    #[must_use]
    pub fn caused_by(self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.because(chain(error))
    }

    /// Adds what a server's log tells of it, without these secrets: its last lines, and as causes what it complains of and what it can
    /// be given. `given` says which environment variables the server has from its settings.
    pub fn add_log(&mut self, log: &str, secrets: &[Secret], given: impl Fn(&str) -> bool) {
        // The whole text, not line by line: a secret may have several.
        let log = &*redact(log, secrets);
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL)..];
        self.log_tail = tail.iter().map(|line| (*line).to_owned()).collect();
        if let Some(complaint) = last_words::complaint(log, |text| redact(text, secrets)) {
            let mut wanted = last_words::variables(&complaint);
            if wanted.is_empty() {
                wanted = last_words::asked_for(log);
            }
            wanted.retain(|name| !given(name));
            self.why.push(format!("it says: {complaint}"));
            if let Some(program) = last_words::missing_program(&complaint, log) {
                self.why.push(format!(
                    "it needs the program {program}, which is not there: install it, or run the server in an image that has it"
                ));
            }
            if !wanted.is_empty() {
                let options: Vec<String> = wanted
                    .iter()
                    .map(|name| format!("-e {name}=VALUE"))
                    .collect();
                self.why.push(format!(
                    "settings are given to it with {}",
                    options.join(" ")
                ));
            }
        }
        if let Some(library) = last_words::missing_library(log) {
            self.why.push(format!(
                "a library of the system is not there: {library}; install the package of your distribution that has it"
            ));
        }
        if last_words::misses_engine(log) {
            self.why.push(
                "it works with a container engine and did not find one: start it where the server runs, or name its socket with -e DOCKER_HOST=unix://PATH"
                    .to_owned(),
            );
        }
        if let Some(host) = last_words::unreached(log) {
            self.why.push(format!(
                "it did not reach {host}: look at its settings, and whether that can be reached from where it runs"
            ));
        }
        if last_words::wants_older_sdk(log) {
            self.why.push(
                "it was written for version 1 of its MCP library, and does not say so: mcpt deploy -- uvx --with 'mcp<2' PACKAGE"
                    .to_owned(),
            );
        } else if let Some(module) = last_words::missing_module(log) {
            self.why.push(match module {
                Module::Npm(name) => format!(
                    "it needs the package {name} and does not say so: mcpt deploy -- npx -p PACKAGE -p {name} PROGRAM"
                ),
                Module::Python(name) => format!(
                    "it needs the module {name} and does not say so: mcpt deploy -- uvx --with {name} PACKAGE, if its package is called so"
                ),
                Module::Native => "a native module of it is not there: its install scripts build or fetch it, if they run and reach what they need"
                    .to_owned(),
                Module::Part => "it does not fit what it depends on, in the versions that were resolved: another version of it may, as npm:NAME@VERSION or pypi:NAME==VERSION"
                    .to_owned(),
            });
        }
        if let Some(way) = last_words::way_to_serve(log) {
            self.why.push(format!(
                "its usage names {way:?}: a program that can do more than serve MCP is given that behind --, as in -- {way}"
            ));
        } else if last_words::is_usage(log) {
            self.why.push(
                "it said how it is to be used: a command or arguments that it needs to serve MCP are given behind --"
                    .to_owned(),
            );
        }
    }

    /// The same with what a server's log tells of it.
    #[must_use]
    pub fn with_log(mut self, log: &str, secrets: &[Secret], given: impl Fn(&str) -> bool) -> Self {
        self.add_log(log, secrets, given);
        self
    }

    /// Sets what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error and all of its sources, `outer: inner: innermost`, each told once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        // Many libraries repeat the source's text in their own.
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

/// `what: why; why`, for logs and tests. The command line prints the parts by itself.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for (i, why) in self.why.iter().enumerate() {
            write!(f, "{}{why}", if i == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] fmt::Error);

    #[test]
    fn sources_are_joined() {
        let failure = Failure::new(FailureKind::Failed, "cannot x").caused_by(&Outer(fmt::Error));
        assert_eq!(
            failure.to_string(),
            format!("cannot x: outer: {}", fmt::Error)
        );
    }
}
