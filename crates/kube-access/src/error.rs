//! [`Error`]: what can go wrong between a program and its cluster. Its words are those of [`Error::explain`].

use std::{error::Error as StdError, fmt, time::Duration};

use kube::runtime::watcher;

use crate::{explain, explain::Explanation, kubeconfig::KubeconfigError, plugin::PluginError};

/// The result of what needs a cluster.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. [`fmt::Display`] says the cause in one line; [`Error::explain`] tells all causes and what mends them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Which cluster is meant, or how to get into it, is not known.
    Kubeconfig(KubeconfigError),
    /// A credential plugin gave no credentials.
    Plugin(Box<PluginError>),
    /// A request failed or was refused.
    Request {
        /// URL of the API server.
        address: String,
        /// What happened.
        source: Box<kube::Error>,
    },
    /// A watch failed or was refused.
    Watch {
        /// URL of the API server.
        address: String,
        /// What happened.
        source: Box<watcher::Error>,
    },
    /// The API server gave no answer at all.
    Silent {
        /// URL of the API server.
        address: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// No pod takes connections: there are none, or none of them is ready.
    NoReadyPod {
        /// Whether there are pods.
        any: bool,
    },
    /// A connection could not be forwarded to a pod.
    Forward {
        /// The pod.
        pod: String,
        /// What happened.
        source: Box<ForwardError>,
    },
    /// A local port could not be listened on.
    Listen(std::io::Error),
}

/// Why a connection was not forwarded.
#[derive(Debug)]
pub enum ForwardError {
    /// The API server refused it or could not be reached.
    Request {
        /// URL of the API server.
        address: String,
        /// What happened.
        source: Box<kube::Error>,
    },
    /// The node's kubelet said so.
    Said(String),
    /// The stream that was asked for is not there.
    NoStream,
}

impl Error {
    /// What it means: its kind, its causes, what to do.
    pub fn explain(&self) -> Explanation {
        explain::explain(self)
    }

    /// The causes as one line.
    pub fn causes(&self) -> String {
        self.explain().causes.join("; ")
    }

    /// Whether the user of the kubeconfig lacks a right: not when a quota or an admission refuses, which are 403 as well.
    pub fn lacks_right(&self) -> bool {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => explain::lacks_right(status),
                _ => false,
            },
            _ => false,
        }
    }

    /// Name of the namespace, when its absence is what the API server complains of.
    pub fn missing_namespace(&self) -> Option<&str> {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => explain::missing_namespace(status),
                _ => None,
            },
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Forward { pod, .. } = self {
            write!(f, "cannot forward a port to pod {pod}: ")?;
        }
        f.write_str(&self.causes())
    }
}

// The words have the causes already, and a program that wants more finds the sources in the variants.
impl StdError for Error {}

impl From<KubeconfigError> for Error {
    fn from(error: KubeconfigError) -> Self {
        Self::Kubeconfig(error)
    }
}

impl From<Box<PluginError>> for Error {
    fn from(error: Box<PluginError>) -> Self {
        Self::Plugin(error)
    }
}

/// An error and all of its sources, `outer: inner: innermost`, each told once.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        // Many libraries repeat the source's text in their own.
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
