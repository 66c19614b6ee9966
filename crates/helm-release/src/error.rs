//! What can be wrong with a stored release, or with what shall become of it.

/// A release that cannot be stored, read or followed by another revision.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record is no JSON, or no release.
    #[error("release record is no release")]
    Json(#[source] serde_json::Error),
    /// The record is not in base64.
    #[error("release record is not in base64")]
    Base64(#[source] base64::DecodeError),
    /// The record cannot be unpacked.
    #[error("release record cannot be unpacked")]
    Gzip(#[source] std::io::Error),
    /// A Secret lacks something that every release Secret has.
    #[error("secret {name:?} holds no Helm release: {missing}")]
    NotARelease {
        /// The Secret.
        name: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// A Secret holds no more than 1 MiB.
    #[error(
        "release {name:?} is too large to be stored: {bytes} bytes packed, a Secret holds {limit}"
    )]
    TooLarge {
        /// The release.
        name: String,
        /// The size of its record, packed and in base64.
        bytes: usize,
        /// The most there may be.
        limit: usize,
    },
    /// Somebody else is at it, or was interrupted.
    #[error(
        "another operation (install/upgrade/rollback) is in progress: revision {revision} is {status}"
    )]
    Pending {
        /// The revision that is not finished.
        revision: u32,
        /// What is being done.
        status: crate::Status,
    },
    /// The history ends with something that nothing can be laid over.
    #[error("{name:?} has no deployed releases")]
    NoDeployedRelease {
        /// The release.
        name: String,
    },
    /// A custom label has a name that Helm uses itself.
    #[error("user supplied labels contains system reserved label name: {0:?}")]
    ReservedLabel(String),
}
