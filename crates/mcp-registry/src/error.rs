//! Why a registry, or the copy of one, cannot be used.

use std::{
    io,
    path::{Path, PathBuf},
};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of a registry.
    #[error("{url:?} is no address of a registry: {reason}")]
    Address {
        /// As it was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The registry cannot be asked.
    #[error(transparent)]
    Fetch(#[from] oci_registry::Error),
    /// The registry wants a token, or another one.
    #[error("{registry} answers {status}: {}", wants(*with_token))]
    Login {
        /// Address of the registry.
        registry: String,
        /// HTTP status of its answer.
        status: u16,
        /// Whether it was given a token.
        with_token: bool,
    },
    /// The registry has no such server, or no such version of it.
    #[error("{registry} has no {name}")]
    Unknown {
        /// Address of the registry.
        registry: String,
        /// Name and version as they were asked for.
        name: String,
    },
    /// The answer is none of the API.
    #[error("{registry} does not answer as a registry of MCP servers: {reason}")]
    Answer {
        /// Address of the registry.
        registry: String,
        /// What is wrong.
        reason: String,
    },
    /// The copy is damaged.
    #[error("the copy in {path} cannot be read: line {line}: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A file or folder of this machine.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }

    /// Whether the registry was asked and does not have it.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

fn wants(with_token: bool) -> &'static str {
    if with_token {
        "it does not take the token"
    } else {
        "it wants a token"
    }
}
