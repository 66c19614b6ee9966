//! Why an image was not made, written or read.

use std::io;
use std::path::PathBuf;

/// Why an image was not made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that is to be in the image cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A folder that is to be in the image has a file whose name is not UTF-8.
    #[error("a file name in {} is not UTF-8", .0.display())]
    NotUtf8(PathBuf),
    /// A file that is to be in the image is neither a file nor a folder nor a symbolic link.
    #[error("{} is no file, folder or link", .0.display())]
    Special(PathBuf),
    /// A layer or an archive cannot be written.
    #[error("cannot write the image")]
    Write(#[source] io::Error),
    /// What should be an image is none that can be used.
    #[error("{what} is no image that can be used: {why}")]
    Unusable {
        /// What was read.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// The registry of a base, or the one that the image goes to.
    #[error(transparent)]
    Registry(#[from] oci_registry::Error),
}

impl Error {
    pub(crate) fn unusable(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unusable {
            what: what.into(),
            why: why.into(),
        }
    }
}
