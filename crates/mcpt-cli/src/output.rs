//! Standard output: results and nothing else, as text or as documents.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use mcpt_core::{Failure, FailureKind};
use serde::Serialize;

use crate::ending::Ending;

/// Writes a text as it is.
pub(crate) fn text(text: &str) -> Result<(), Ending> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Writes one line.
pub(crate) fn line(line: &str) -> Result<(), Ending> {
    text(&format!("{line}\n"))
}

/// Writes each item on a line of its own.
pub(crate) fn lines<T: Display>(items: impl IntoIterator<Item = T>) -> Result<(), Ending> {
    let mut all = String::new();
    for item in items {
        all.push_str(&item.to_string());
        all.push('\n');
    }
    text(&all)
}

/// Writes a value as one indented JSON document.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Ending> {
    line(&serde_json::to_string_pretty(value).map_err(|error| unprintable(&error))?)
}

/// Writes a value as JSON on one line.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Ending> {
    line(&serde_json::to_string(value).map_err(|error| unprintable(&error))?)
}

/// Writes a value as one YAML document.
pub(crate) fn yaml(value: &impl Serialize) -> Result<(), Ending> {
    let value = serde_json::to_value(value).map_err(|error| unprintable(&error))?;
    text(&goyaml::to_string(&value).map_err(|error| unprintable(&error))?)
}

fn unprintable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(FailureKind::Failed, "cannot print the result").caused_by(error)
}
