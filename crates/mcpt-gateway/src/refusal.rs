//! What the gateway answers by itself: refusals as well-formed JSON-RPC errors, and plain pages.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use mcpt_protocol::{ErrorCode, Part, error_response, header::SeveralValues};
use serde_json::value::RawValue;

use crate::{access::CredentialFault, metrics::Outcome, relay::GatewayBody};

/// Why a request is not forwarded, or what kept the server's answer from the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Access(#[from] mcpt_protocol::Refused),
    #[error(transparent)]
    Credentials(#[from] CredentialFault),
    #[error("not permitted to you: {0}")]
    NotPermitted(String),
    #[error("the message is too large to be judged: who may not call every tool may send 64 KiB")]
    TooLargeToJudge,
    #[error(
        "the message is a batch, or it cannot be said for certain which tool it is about: who may not call every tool sends one \
         message of JSON at a time"
    )]
    Ambiguous,
    #[error("nothing here: servers are at /mcp/NAME and /mcp/NAMESPACE/NAME, all as one at /mcp")]
    UnknownPath,
    #[error(
        "nothing here: the gateway's own pages are /healthz, /readyz, /metrics, /api/v1/servers, \
         /api/v1/endpoints and /api/v1/session"
    )]
    NoPage,
    #[error("which session? Its id is wanted as header Mcp-Session-Id")]
    NoSession,
    #[error("no server {0}")]
    UnknownServer(String),
    #[error("{0} has no metadata about its protection")]
    NoMetadata(String),
    #[error("the gateway does not know all servers yet")]
    Starting,
    #[error("method not allowed")]
    Method { allow: &'static str },
    #[error("no stream with this event can be taken up again")]
    UnknownEvent,
    #[error("session not found")]
    UnknownSession,
    #[error("session ended: the instance that held it is gone")]
    SessionGone,
    #[error(transparent)]
    SeveralValues(#[from] SeveralValues),
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
    #[error("{what}: try again in {seconds} s")]
    Limited { what: String, seconds: u64 },
    #[error("each call is recorded here, and this one could not be: it was not made")]
    Unrecorded,
    #[error("{server} has as many requests in progress as it may have here: {most}")]
    Busy { server: String, most: NonZeroU32 },
    #[error("the server has not begun to answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the server closed the connection before it answered")]
    Broken,
    #[error("the server's answer cannot be passed on: {0}")]
    Unusable(&'static str),
    #[error("the server has moved its endpoint: send the request again")]
    Moved,
    #[error("this gateway has no connection to spare: {0}")]
    Exhausted(&'static str),
    #[error("the server's session id cannot be sealed: {0}")]
    Unsealable(String),
    #[error("{0} wants a login of its own, for which the gateway has no credentials")]
    WantsLogin(String),
    #[error("the server does not begin the session that it needs: {0}")]
    Unbegun(String),
    #[error("the replica of this gateway that has the session or call does not answer now")]
    ReplicaSilent,
    #[error("the body is not one JSON-RPC message")]
    NoMessage,
    #[error("requestState is not known, or of another call")]
    UnknownRound,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Access(refused) => refused.status(),
            Self::Credentials(CredentialFault::Several) => StatusCode::BAD_REQUEST,
            Self::Credentials(CredentialFault::IssuerAway) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Credentials(_) => StatusCode::UNAUTHORIZED,
            Self::UnknownPath
            | Self::NoPage
            | Self::UnknownServer(_)
            | Self::NoMetadata(_)
            | Self::UnknownSession
            | Self::SessionGone => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::SeveralValues(_)
            | Self::BodyMissing
            | Self::NoSession
            | Self::UnknownEvent
            | Self::NoMessage
            | Self::Ambiguous
            | Self::UnknownRound => StatusCode::BAD_REQUEST,
            Self::NotPermitted(_) => StatusCode::FORBIDDEN,
            Self::TooLarge(_) | Self::TooLargeToJudge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoEndpoint(_)
            | Self::Starting
            | Self::Overloaded
            | Self::Busy { .. }
            | Self::Unrecorded
            | Self::Moved
            | Self::ReplicaSilent
            | Self::Exhausted(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Late(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Unreachable(_)
            | Self::Broken
            | Self::Unusable(_)
            | Self::Unsealable(_)
            | Self::Unbegun(_)
            | Self::WantsLogin(_) => StatusCode::BAD_GATEWAY,
        }
    }

    fn code(&self) -> ErrorCode {
        match self {
            Self::NoEndpoint(_)
            | Self::Starting
            | Self::Overloaded
            | Self::Busy { .. }
            | Self::Unrecorded
            | Self::Late(_)
            | Self::Unreachable(_)
            | Self::Broken
            | Self::Unusable(_)
            | Self::Moved
            | Self::ReplicaSilent
            | Self::Exhausted(_)
            | Self::Unsealable(_)
            | Self::Unbegun(_)
            | Self::WantsLogin(_) => ErrorCode::INTERNAL_ERROR,
            Self::SeveralValues(_)
            | Self::BodyMissing
            | Self::TooLarge(_)
            | Self::TooLargeToJudge
            | Self::Ambiguous
            | Self::NoMessage => ErrorCode::INVALID_REQUEST,
            Self::UnknownRound => ErrorCode::INVALID_PARAMS,
            Self::Access(_)
            | Self::Credentials(_)
            | Self::NotPermitted(_)
            | Self::Limited { .. }
            | Self::UnknownPath
            | Self::NoPage
            | Self::NoSession
            | Self::UnknownServer(_)
            | Self::NoMetadata(_)
            | Self::Method { .. }
            | Self::UnknownEvent
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
            Self::Overloaded | Self::Busy { .. } | Self::Exhausted(_) | Self::Unrecorded => {
                Outcome::Overloaded
            }
            Self::Limited { .. } => Outcome::Limited,
            Self::Late(_) => Outcome::Late,
            Self::Unreachable(_)
            | Self::Broken
            | Self::ReplicaSilent
            | Self::Unusable(_)
            | Self::Unsealable(_)
            | Self::Unbegun(_) => Outcome::Unreachable,
            Self::WantsLogin(_) => Outcome::ClientError,
            Self::Access(_)
            | Self::Credentials(_)
            | Self::NotPermitted(_)
            | Self::UnknownPath
            | Self::NoPage
            | Self::NoSession
            | Self::UnknownServer(_)
            | Self::NoMetadata(_)
            | Self::Starting
            | Self::Moved
            | Self::Method { .. }
            | Self::UnknownEvent
            | Self::SeveralValues(_)
            | Self::TooLarge(_)
            | Self::TooLargeToJudge
            | Self::Ambiguous
            | Self::NoMessage
            | Self::UnknownRound
            | Self::BodyMissing => Outcome::Refused,
        }
    }

    /// A header that tells the client more.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method { allow } => Some((ALLOW, HeaderValue::from_static(allow))),
            Self::Limited { seconds, .. } => Some((RETRY_AFTER, HeaderValue::from(*seconds))),
            Self::Credentials(CredentialFault::IssuerAway)
            | Self::NoEndpoint(_)
            | Self::Starting
            | Self::Overloaded
            | Self::Busy { .. }
            | Self::Unrecorded
            | Self::Moved
            | Self::ReplicaSilent
            | Self::Exhausted(_) => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
            Self::Access(_)
            | Self::Credentials(_)
            | Self::NotPermitted(_)
            | Self::UnknownPath
            | Self::NoPage
            | Self::NoSession
            | Self::UnknownServer(_)
            | Self::NoMetadata(_)
            | Self::UnknownEvent
            | Self::UnknownSession
            | Self::SessionGone
            | Self::SeveralValues(_)
            | Self::TooLarge(_)
            | Self::TooLargeToJudge
            | Self::Ambiguous
            | Self::BodyMissing
            | Self::Unreachable(_)
            | Self::Late(_)
            | Self::Broken
            | Self::Unusable(_)
            | Self::Unbegun(_)
            | Self::NoMessage
            | Self::UnknownRound
            | Self::Unsealable(_)
            | Self::WantsLogin(_) => None,
        }
    }

    /// The response to the request `id`, if that is known.
    pub(crate) fn response(&self, id: Option<&RawValue>) -> Response<GatewayBody> {
        let id = id.map(Part::alone);
        let text = error_response(id, self.code(), &self.to_string(), None);
        let mut response = page(self.status(), "application/json", text);
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
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

#[cfg(test)]
mod tests {
    use super::*;

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
            (Refusal::ReplicaSilent, 503, Outcome::Unreachable),
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
        let no_endpoint = Refusal::NoEndpoint("ns/a".to_owned());
        for busy in [no_endpoint, Refusal::Overloaded, Refusal::ReplicaSilent] {
            let headers = busy.response(None).headers().clone();
            assert!(headers.contains_key(RETRY_AFTER), "{busy}");
        }
    }
}
