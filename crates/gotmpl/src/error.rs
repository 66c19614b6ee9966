//! Errors with exactly the texts that Go's text/template produces.

use std::fmt;

/// What went wrong while parsing or executing a template, or inside a function it called.
///
/// The [`Display`](fmt::Display) text is the one Go prints. An error that passed through several
/// executions (`include` in `include`) keeps each of them as its cause, as Go's wrapped errors do.
#[derive(Debug, Clone)]
pub struct Error {
    /// The text, up to where that of the cause begins.
    text: String,
    stage: Stage,
    cause: Option<Box<Error>>,
    /// What has no value, as the template writes it.
    missing: Option<String>,
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
            cause: None,
            missing: None,
        }
    }

    /// An error of a template function that was caused by another one; Go's `%w` at the end of
    /// the text. `context` is put before the text of `cause`.
    #[must_use]
    pub fn wrap(context: &str, cause: Error) -> Self {
        Self {
            text: context.to_owned(),
            stage: Stage::Call,
            cause: Some(Box::new(cause)),
            missing: None,
        }
    }

    pub(crate) fn parse(text: String) -> Self {
        Self {
            text,
            stage: Stage::Parse,
            cause: None,
            missing: None,
        }
    }

    pub(crate) fn lookup(text: String) -> Self {
        Self {
            text,
            stage: Stage::Lookup,
            cause: None,
            missing: None,
        }
    }

    pub(crate) fn exec(text: String, cause: Option<Error>) -> Self {
        Self {
            text,
            stage: Stage::Exec,
            cause: cause.map(Box::new),
            missing: None,
        }
    }

    /// Names what has no value.
    pub(crate) fn of_missing(mut self, expression: String) -> Self {
        self.missing = Some(expression);
        self
    }

    /// The stage that failed.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What has no value, as the template writes it (`.Values.token`), when the error is about a key that is not there or
    /// about a field of nothing: with `MissingKey::Error`, Go's `map has no entry for key` and `nil pointer evaluating`.
    pub fn missing(&self) -> Option<&str> {
        let inner = || self.cause.as_ref().and_then(|cause| cause.missing());
        self.missing.as_deref().or_else(inner)
    }

    /// The error that this one wraps, if any.
    pub fn cause(&self) -> Option<&Error> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error = Some(self);
        while let Some(Error { text, cause, .. }) = error {
            f.write_str(text)?;
            error = cause.as_deref();
        }
        Ok(())
    }
}

/// The text says all that the causes say, so they are no [`source`](std::error::Error::source).
impl std::error::Error for Error {}
