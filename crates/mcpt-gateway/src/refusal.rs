//! What the gateway answers by itself: refusals as well-formed JSON-RPC errors, and plain pages.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use mcpt_protocol::{ErrorCode, Part, error_response};
use serde_json::value::RawValue;

use crate::{metrics::Outcome, relay::GatewayBody};

/// Why a request is not forwarded, or what kept the server's answer from the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Access(#[from] mcpt_protocol::Refused),
    #[error("nothing here: servers are at /mcp/NAME and /mcp/NAMESPACE/NAME")]
    UnknownPath,
    #[error("no server {0}")]
    UnknownServer(String),
    #[error("the gateway does not know all servers yet")]
    Starting,
    #[error("method not allowed")]
    Method { allow: &'static str },
    #[error("session not found")]
    UnknownSession,
    #[error("session ended: the instance that held it is gone")]
    SessionGone,
    #[error("more than one Mcp-Session-Id")]
    SeveralSessions,
    #[error("the request body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the request body did not arrive")]
    BodyMissing,
    #[error("the gateway holds too many requests that have not arrived completely")]
    Overloaded,
    #[error("no instance of {0} is ready")]
    NoEndpoint(String),
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the server closed the connection before it answered")]
    Broken,
    #[error("the server's answer cannot be passed on: {0}")]
    Unusable(&'static str),
    #[error("the server's session id cannot be sealed: {0}")]
    Unsealable(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Access(refused) => refused.status(),
            Self::UnknownPath
            | Self::UnknownServer(_)
            | Self::UnknownSession
            | Self::SessionGone => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::SeveralSessions | Self::BodyMissing => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoEndpoint(_) | Self::Starting | Self::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unreachable(_) | Self::Broken | Self::Unusable(_) | Self::Unsealable(_) => {
                StatusCode::BAD_GATEWAY
            }
        }
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::NoEndpoint(_)
            | Self::Starting
            | Self::Overloaded
            | Self::Unreachable(_)
            | Self::Broken
            | Self::Unusable(_)
            | Self::Unsealable(_) => ErrorCode::INTERNAL_ERROR,
            Self::SeveralSessions | Self::BodyMissing | Self::TooLarge(_) => {
                ErrorCode::INVALID_REQUEST
            }
            Self::Access(_)
            | Self::UnknownPath
            | Self::UnknownServer(_)
            | Self::Method { .. }
            | Self::UnknownSession
            | Self::SessionGone => ErrorCode::SERVER_ERROR,
        }
    }

    /// How it is counted.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::UnknownSession => Outcome::UnknownSession,
            Self::SessionGone => Outcome::SessionGone,
            Self::NoEndpoint(_) => Outcome::NoEndpoint,
            Self::Overloaded => Outcome::Overloaded,
            Self::Unreachable(_) | Self::Broken | Self::Unusable(_) | Self::Unsealable(_) => {
                Outcome::Unreachable
            }
            Self::Access(_)
            | Self::UnknownPath
            | Self::UnknownServer(_)
            | Self::Starting
            | Self::Method { .. }
            | Self::SeveralSessions
            | Self::TooLarge(_)
            | Self::BodyMissing => Outcome::Refused,
        }
    }

    /// A header that tells the client more.
    fn header(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Method { allow } => Some((ALLOW, allow)),
            Self::NoEndpoint(_) | Self::Starting | Self::Overloaded => Some((RETRY_AFTER, "1")),
            Self::Access(_)
            | Self::UnknownPath
            | Self::UnknownServer(_)
            | Self::UnknownSession
            | Self::SessionGone
            | Self::SeveralSessions
            | Self::TooLarge(_)
            | Self::BodyMissing
            | Self::Unreachable(_)
            | Self::Broken
            | Self::Unusable(_)
            | Self::Unsealable(_) => None,
        }
    }

    /// The response to the request `id`, if that is known.
    pub(crate) fn response(&self, id: Option<&RawValue>) -> Response<GatewayBody> {
        let id = id.map(Part::alone);
        let text = error_response(id, self.code(), &self.to_string(), None);
        let mut response = page(self.status(), "application/json", text);
        if let Some((name, value)) = self.header() {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// A response of the gateway's own.
pub(crate) fn page(
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Bytes>,
) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::Own(Full::new(text.into())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Whether a server's answer with status 400 means that it does not know the session. The specification asks for 404,
/// which makes a client begin anew; servers built on older TypeScript SDKs answer 400 with one of these errors.
pub(crate) fn means_unknown_session(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Envelope {
        error: Error,
    }
    #[derive(serde::Deserialize)]
    struct Error {
        code: i32,
        message: String,
    }
    let Ok(Envelope { error }) = serde_json::from_slice(body) else {
        return false;
    };
    let message = error.message.to_ascii_lowercase();
    error.code == ErrorCode::SERVER_ERROR.0
        && (message.contains("session") || message.contains("not initialized"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_that_servers_do_not_know() {
        for (body, unknown) in [
            (
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
                true,
            ),
            (
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}"#,
                true,
            ),
            (
                r#"{"jsonrpc":"2.0","error":{"code":-32602,"message":"no such session"},"id":1}"#,
                false,
            ),
            (
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Unsupported protocol version"},"id":null}"#,
                false,
            ),
            (r#"{"jsonrpc":"2.0","result":{},"id":1}"#, false),
            ("Bad Request", false),
        ] {
            assert_eq!(means_unknown_session(body.as_bytes()), unknown, "{body}");
        }
    }

    #[test]
    fn refusals_are_counted_and_have_a_status() {
        for (refusal, status, outcome) in [
            (Refusal::SessionGone, 404, Outcome::SessionGone),
            (
                Refusal::NoEndpoint("ns/a".to_owned()),
                503,
                Outcome::NoEndpoint,
            ),
            (Refusal::Overloaded, 503, Outcome::Overloaded),
            (Refusal::Broken, 502, Outcome::Unreachable),
            (Refusal::TooLarge(1), 413, Outcome::Refused),
            (
                Refusal::Access(mcpt_protocol::Refused::Origin),
                403,
                Outcome::Refused,
            ),
        ] {
            assert_eq!(
                refusal.response(None).status().as_u16(),
                status,
                "{refusal}"
            );
            assert_eq!(refusal.outcome(), outcome, "{refusal}");
        }
        for busy in [Refusal::NoEndpoint("ns/a".to_owned()), Refusal::Overloaded] {
            let headers = busy.response(None).headers().clone();
            assert!(headers.contains_key(RETRY_AFTER), "{busy}");
        }
    }
}
