//! What can go wrong between a program and a registry, in Helm's words where it has some.

use std::path::{Path, PathBuf};

/// Why something was not fetched, kept or put there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered with something else than 200.
    #[error("failed to fetch {url} : {status} {reason}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// Its usual words.
        reason: &'static str,
    },
    /// No whole answer came within the time.
    #[error("failed to fetch {url}: no whole answer within {seconds} s")]
    TimedOut {
        /// What was asked for.
        url: String,
        /// The time, in seconds.
        seconds: u64,
    },
    /// The answer is larger than anything that is wanted.
    #[error("failed to fetch {url}: more than {most} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The bound, in bytes.
        most: u64,
    },
    /// The server cannot be reached, or does not speak HTTP or TLS as it should.
    #[error("failed to fetch {url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The server does not speak TLS.
    #[error("failed to fetch {url}: the server does not speak TLS")]
    NotTls {
        /// What was asked for.
        url: String,
    },
    /// Certificates or keys that the user named.
    #[error("can't create TLS config for client: {0}")]
    Tls(String),
    /// A registry answered with something else than was wanted.
    #[error("{method} {url:?}: response status code {status}: {reason}")]
    Answer {
        /// The method.
        method: String,
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
        /// What the registry says about it, else the status' usual words.
        reason: String,
    },
    /// A registry wants a user and a password, and none are known.
    #[error("{method} {url:?}: basic credential not found")]
    NoLogin {
        /// The method.
        method: String,
        /// What was asked for.
        url: String,
    },
    /// A server of tokens answered without one.
    #[error("{url}: the answer holds no token")]
    NoToken {
        /// What was asked for.
        url: String,
    },
    /// A registry does not take a login.
    #[error("authenticating to {host:?}: {source}")]
    Login {
        /// The registry.
        host: String,
        /// Why.
        source: Box<Self>,
    },
    /// The registry does not have it.
    #[error("{0}: not found")]
    NotFound(String),
    /// What came from a registry has another digest than it was asked for by.
    #[error("{what} has the digest {found} instead of {wanted}")]
    OtherDigest {
        /// What was fetched.
        what: String,
        /// The digest of what came.
        found: String,
        /// The digest that it should have.
        wanted: String,
    },
    /// A file of logins cannot be read.
    #[error("cannot read the logins in {path}: {reason}", path = path.display())]
    Logins {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A program that keeps logins failed.
    #[error("{program} {action}: {reason}")]
    Helper {
        /// The program.
        program: String,
        /// What it was to do.
        action: &'static str,
        /// What it says.
        reason: String,
    },
    /// A file or folder of this machine.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What was fetched cannot be written.
    #[error("cannot write what was fetched")]
    Write(#[source] std::io::Error),
    /// Anything else that is refused.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }

    /// Whether TLS was wanted of a server that does not speak it.
    pub fn is_without_tls(&self) -> bool {
        match self {
            Self::NotTls { .. } => true,
            Self::Login { source, .. } => source.is_without_tls(),
            _ => false,
        }
    }
}
