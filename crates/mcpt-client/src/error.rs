//! What can go wrong when speaking MCP to a server, told apart by who is at fault.

use std::{net::IpAddr, time::Duration};

use mcpt_core::{Failure, FailureKind};
use mcpt_protocol::RpcError;
use rmcp::{
    ErrorData, ServiceError, service::ClientInitializeError,
    transport::streamable_http_client::StreamableHttpError,
};
use serde_json::Value;

use crate::{answer::innermost, probe::probe_named};

/// How long the second look at a server that refused the handshake may take.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(5);

/// Failure of a [`crate::Client`] operation or a [`crate::probe()`].
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
    /// It can be reached from its own machine or pod, and from nowhere else.
    #[error("{url} listens on the loopback only: connections to {own} are refused")]
    LoopbackOnly {
        /// URL that was tried.
        url: String,
        /// The address at which others would reach it.
        own: IpAddr,
    },
    /// Something answered, but it is not an MCP server.
    #[error("{url} is not an MCP server: it answered {answer}")]
    NotMcp {
        /// URL that was tried.
        url: String,
        /// Status, content type and first bytes: `HTTP 404 text/html: <!DOCTYPE html>`.
        answer: String,
    },
    /// It leads to another origin, where nothing is sent: whoever answers at one place decides about that
    /// place alone.
    #[error("{url} redirects to another place, which is not followed: {to}")]
    Redirected {
        /// URL that was asked.
        url: String,
        /// Where it leads.
        to: String,
    },
    /// A page was answered with another status than 200.
    #[error("{url} answered with status {status}: {text}")]
    Status {
        /// URL that was tried.
        url: String,
        /// Status code.
        status: u16,
        /// First line of the answer.
        text: String,
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
            Self::Connect { .. }
            | Self::LoopbackOnly { .. }
            | Self::NotMcp { .. }
            | Self::Redirected { .. } => FailureKind::Unreachable,
            Self::Status { .. } | Self::Protocol(_) | Self::Server { .. } => FailureKind::Failed,
            Self::TimedOut { .. } => FailureKind::TimedOut,
        }
    }

    /// The same error of a server that is called otherwise: the address of a tunnel, say, means nothing
    /// to people.
    #[must_use]
    pub fn naming(mut self, place: &str) -> Self {
        match &mut self {
            Self::BadUrl { url, .. }
            | Self::Connect { url, .. }
            | Self::LoopbackOnly { url, .. }
            | Self::NotMcp { url, .. }
            | Self::Redirected { url, .. }
            | Self::Status { url, .. } => place.clone_into(url),
            Self::Protocol(_) | Self::Server { .. } | Self::TimedOut { .. } => {}
        }
        self
    }

    /// The failure of `what`, for the command line.
    pub fn into_failure(self, what: impl Into<String>) -> Failure {
        Failure::new(self.kind(), what).because(self.to_string())
    }
}

impl From<ErrorData> for ClientError {
    fn from(error: ErrorData) -> Self {
        Self::Server {
            code: i64::from(error.code.0),
            message: error.message.into_owned(),
            data: error.data,
        }
    }
}

impl From<RpcError> for ClientError {
    fn from(error: RpcError) -> Self {
        let data = error.data.as_deref();
        Self::Server {
            code: error.code,
            message: error.message,
            data: data.and_then(|data| serde_json::from_str(data.get()).ok()),
        }
    }
}

/// What is needed to word the errors of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) url: String,
    /// What the server is called in `Host`, if not what the URL says.
    pub(crate) host: Option<String>,
}

impl Context {
    /// The error of a handshake that failed. rmcp's error does not say what answered, so a probe has a second look.
    pub(crate) async fn refused_start(&self, error: &ClientInitializeError) -> ClientError {
        let mut cause = error;
        while let ClientInitializeError::LegacyFallbackFailed { fallback, .. } = cause {
            cause = fallback;
        }
        if let ClientInitializeError::JsonRpcError(error) = cause {
            return error.clone().into();
        }
        if let ClientInitializeError::TransportError { error, .. } = cause
            && let Some(connect @ ClientError::Connect { .. }) =
                self.transport(error.error.as_ref())
        {
            return connect;
        }
        match probe_named(&self.url, self.host.as_deref(), DIAGNOSIS_TIMEOUT).await {
            Err(diagnosis) if !matches!(diagnosis, ClientError::BadUrl { .. }) => diagnosis,
            _ => ClientError::Protocol(cause.to_string()),
        }
    }

    /// The error of a request on an open connection.
    pub(crate) fn failed_request(&self, error: ServiceError) -> ClientError {
        match error {
            ServiceError::McpError(error) => error.into(),
            ServiceError::Timeout { timeout } => ClientError::TimedOut { after: timeout },
            ServiceError::TransportClosed => ClientError::Connect {
                url: self.url.clone(),
                reason: "the connection was closed".to_owned(),
            },
            ServiceError::TransportSend(error) => self
                .transport(error.error.as_ref())
                .unwrap_or_else(|| ClientError::Protocol(innermost(error.error.as_ref()))),
            other => ClientError::Protocol(other.to_string()),
        }
    }

    /// What the HTTP client or an HTTP answer says, when that is the cause.
    fn transport(&self, error: &(dyn std::error::Error + 'static)) -> Option<ClientError> {
        let mut cause = Some(error);
        while let Some(current) = cause {
            if let Some(http) = current.downcast_ref::<reqwest::Error>() {
                return (http.is_connect() || http.is_request()).then(|| ClientError::Connect {
                    url: self.url.clone(),
                    reason: innermost(http),
                });
            }
            match current.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
                Some(StreamableHttpError::UnexpectedServerResponse(answer)) => {
                    return Some(ClientError::NotMcp {
                        url: self.url.clone(),
                        answer: answer.to_string(),
                    });
                }
                Some(StreamableHttpError::Client(http))
                    if http.is_connect() || http.is_request() =>
                {
                    return Some(ClientError::Connect {
                        url: self.url.clone(),
                        reason: innermost(http),
                    });
                }
                _ => {}
            }
            cause = current.source();
        }
        None
    }
}
