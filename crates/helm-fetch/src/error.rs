//! What can go wrong between a chart and its repository, in Helm's words where it has some.

use std::path::{Path, PathBuf};

/// Why something was not fetched or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server or a registry does not give or take what it should, or a login cannot be had.
    #[error(transparent)]
    Registry(#[from] oci_registry::Error),
    /// What is fetched has another digest than the index says.
    #[error("{url} has the digest sha256:{found}, but the index says sha256:{wanted}")]
    Digest {
        /// What was fetched.
        url: String,
        /// The digest of what came.
        found: String,
        /// The digest in the index.
        wanted: String,
    },
    /// A chart was not copied into a registry or out of it.
    #[error("failed to perform {step:?} on {side}: {source}")]
    Copy {
        /// What was done, by the name that Helm has for it.
        step: &'static str,
        /// Where: `source` or `destination`.
        side: &'static str,
        /// Why.
        source: Box<oci_registry::Error>,
    },
    /// A file or folder of this machine.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// An index that cannot be read.
    #[error("{}{reason}", loading(.file.as_deref()))]
    Index {
        /// The file that it is in, unless it was fetched.
        file: Option<PathBuf>,
        /// What is wrong.
        reason: String,
    },
    /// The user's list of repositories cannot be read.
    #[error("failed loading file: {path}: {reason}", path = path.display())]
    Repositories {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A chart that cannot be loaded.
    #[error(transparent)]
    Chart(#[from] helm_chart::Error),
    /// Anything else that Helm refuses.
    #[error("{0}")]
    Refused(String),
}

fn loading(file: Option<&Path>) -> String {
    let said = file.map(|file| format!("error loading {}: ", file.display()));
    said.unwrap_or_default()
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }

    /// Whether TLS was wanted of a server that does not speak it.
    pub fn is_without_tls(&self) -> bool {
        match self {
            Self::Registry(source) => source.is_without_tls(),
            Self::Copy { source, .. } => source.is_without_tls(),
            _ => false,
        }
    }

    /// Whether a file is not there.
    pub fn is_missing_file(&self) -> bool {
        matches!(self, Self::File { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}
