//! Why something is not read.

use std::io;
use std::path::PathBuf;

/// A file or folder that is not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refuses it.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a link, or below one, that leads out of the folder.
    #[error("{}: a link leads out of {}{}", path.display(), folder.display(), to(target.as_ref()))]
    LeadsOut {
        /// The file or folder.
        path: PathBuf,
        /// The folder that nothing is read outside of.
        folder: PathBuf,
        /// Where it leads, if that exists.
        target: Option<PathBuf>,
    },
    /// It is a link to what is not there.
    #[error("error evaluating symlink {}: lstat {}: no such file or directory", path.display(), missing.display())]
    Dangling {
        /// The link.
        path: PathBuf,
        /// What is missing.
        missing: PathBuf,
    },
    /// It is something else than a regular file, such as a device.
    #[error("{}: it is {kind}, not a file", path.display())]
    NotAFile {
        /// Where it is.
        path: PathBuf,
        /// What it is, in words.
        kind: &'static str,
    },
    /// It is larger than the caller allows.
    #[error("{}: it is larger than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// What is allowed, in bytes.
        most: u64,
    },
    /// The folder holds more names than the caller allows.
    #[error("{}: it holds more than {most} files", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// What is allowed.
        most: usize,
    },
}

fn to(target: Option<&PathBuf>) -> String {
    target.map_or_else(String::new, |target| format!(", to {}", target.display()))
}
