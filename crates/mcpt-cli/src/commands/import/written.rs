//! Files that an import writes: new ones only, whole or not at all.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use mcpt_core::{Failure, FailureKind};
use serde_json::Value;

/// The file of values beside a registry: `servers.json` has `servers.values.json`.
pub(super) fn beside(registry: &Path) -> PathBuf {
    let end = registry
        .extension()
        .map(|end| end.to_string_lossy().into_owned());
    registry.with_extension(match end {
        Some(end) => format!("values.{end}"),
        None => "values.json".to_owned(),
    })
}

/// Makes a file with a document. One that is there is never touched, nor what a link leads to.
pub(super) fn new_file(path: &Path, document: &Value, mode: u32) -> Result<(), Failure> {
    let failed = |error: &io::Error| {
        let failure = Failure::new(
            FailureKind::Failed,
            format!("cannot write {}", path.display()),
        )
        .caused_by(error);
        match error.kind() {
            io::ErrorKind::AlreadyExists => failure.hint("name a file that is not there yet"),
            _ => failure,
        }
    };
    let text =
        serde_json::to_string_pretty(document).map_err(|error| failed(&io::Error::other(error)))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| failed(&error))?;
    let written = file
        .write_all(format!("{text}\n").as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a file is none.
        drop(std::fs::remove_file(path));
        failed(&error)
    })
}
