//! What can go wrong when speaking MCP to a server, told apart by who is at fault.

use std::time::Duration;

use mcpt_core::{Failure, FailureKind};
use serde_json::Value;

/// Failure of a [`crate::Client`] operation or a [`crate::probe`].
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL itself is not usable.
    #[error("{url:?} is not an http or https URL: {reason}")]
    BadUrl {
        /// Text that was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answered: refused, unreachable, name not found, TLS failed, connection lost.
    #[error("cannot connect to {url}: {reason}")]
    Connect {
        /// URL that was tried.
        url: String,
        /// The innermost cause: `connection refused`.
        reason: String,
    },
    /// Something answered, but it is not an MCP server.
    #[error("{url} is not an MCP server: it answered {answer}")]
    NotMcp {
        /// URL that was tried.
        url: String,
        /// Status, content type and first bytes: `HTTP 404 text/html: <!DOCTYPE html>`.
        answer: String,
    },
    /// An MCP server broke the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// The server answered with a JSON-RPC error.
    #[error("the server answered with error {code}: {message}")]
    Server {
        /// JSON-RPC error code.
        code: i64,
        /// Its message.
        message: String,
        /// Its data, as sent.
        data: Option<Value>,
    },
    /// No answer in time.
    #[error("no answer within {}", seconds(*after))]
    TimedOut {
        /// How long it was waited.
        after: Duration,
    },
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

impl ClientError {
    /// Sort of the failure, for the exit code.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::BadUrl { .. } => FailureKind::Usage,
            Self::Connect { .. } | Self::NotMcp { .. } => FailureKind::Unreachable,
            Self::Protocol(_) | Self::Server { .. } => FailureKind::Failed,
            Self::TimedOut { .. } => FailureKind::TimedOut,
        }
    }

    /// The failure of `what`, for the command line.
    pub fn into_failure(self, what: impl Into<String>) -> Failure {
        Failure::new(self.kind(), what).because(self.to_string())
    }
}
