//! Errors with exactly the texts that Go's text/template produces.

/// What went wrong while parsing or executing a template, or inside a function it called.
///
/// The [`Display`](std::fmt::Display) text is the one Go prints. An error that passed through
/// several executions (`include` in `include`) keeps each of them as its source, as Go's
/// wrapped errors do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct Error {
    text: String,
    stage: Stage,
    source: Option<Box<Error>>,
}

/// Where an [`Error`] was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The template text could not be parsed.
    Parse,
    /// Execution of a parsed template failed (Go's `template.ExecError`).
    Exec,
    /// A function refused its arguments or failed.
    Call,
    /// The template to execute does not exist.
    Lookup,
}

impl Error {
    /// An error of a template function; Go's `errors.New`.
    pub fn call(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            stage: Stage::Call,
            source: None,
        }
    }

    /// An error of a template function that was caused by another one; Go's `%w` at the end of
    /// the text. `context` is put before the text of `source`.
    pub fn wrap(context: &str, source: Error) -> Self {
        Self {
            text: format!("{context}{source}"),
            stage: Stage::Call,
            source: Some(Box::new(source)),
        }
    }

    pub(crate) fn parse(text: String) -> Self {
        Self {
            text,
            stage: Stage::Parse,
            source: None,
        }
    }

    pub(crate) fn lookup(text: String) -> Self {
        Self {
            text,
            stage: Stage::Lookup,
            source: None,
        }
    }

    pub(crate) fn exec(text: String, source: Option<Error>) -> Self {
        Self {
            text,
            stage: Stage::Exec,
            source: source.map(Box::new),
        }
    }

    /// The stage that failed.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// The error that this one wraps, if any.
    pub fn cause(&self) -> Option<&Error> {
        self.source.as_deref()
    }
}
