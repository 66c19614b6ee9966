//! Why a bundle is not taken.

use std::{io, path::PathBuf};

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is no archive, or has no manifest.
    #[error("it is no bundle: {0}")]
    NoBundle(String),
    /// Something in the archive is not as it must be.
    #[error("{entry:?} in it: {why}")]
    Entry {
        /// The entry.
        entry: String,
        /// What is wrong.
        why: String,
    },
    /// It would take more than any bundle needs.
    #[error("it is too large: {0}")]
    TooLarge(String),
    /// Its manifest is not as it must be.
    #[error("its manifest cannot be used: {}", .0.join("; "))]
    Manifest(Vec<String>),
    /// Its file cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// Its file is another one than it was when it was looked through.
    #[error("it was changed while it was read")]
    Changed,
    /// It cannot be unpacked here.
    #[error("{} cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl BundleError {
    pub(crate) fn entry(entry: &str, why: impl Into<String>) -> Self {
        Self::Entry {
            entry: entry.to_owned(),
            why: why.into(),
        }
    }
}
