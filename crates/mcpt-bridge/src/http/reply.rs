//! Reading the headers that matter, and answering with JSON-RPC errors.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use mcpt_protocol::{ErrorCode, Part, error_response};
use serde_json::Value;

use crate::{session::Session, sessions::Sessions};

pub(super) const SESSION_ID: &str = "mcp-session-id";

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// A JSON-RPC error response to the request `id`.
pub(super) fn error(
    status: StatusCode,
    id: Option<Part<'_>>,
    code: ErrorCode,
    message: &str,
    data: Option<&Value>,
) -> Response {
    json(status, error_response(id, code, message, data))
}

/// A refusal of an HTTP request whose message was not looked at.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    error(status, None, ErrorCode::SERVER_ERROR, message, None)
}

/// The session that a request names.
///
/// # Errors
/// The response for a request that names none (400), or none that lives (404, at which clients initialize anew).
pub(super) fn session_of(
    sessions: &Sessions,
    headers: &HeaderMap,
) -> Result<Arc<Session>, Box<Response>> {
    let Some(id) = headers.get(SESSION_ID) else {
        return Err(Box::new(refuse(
            StatusCode::BAD_REQUEST,
            "the Mcp-Session-Id header is missing",
        )));
    };
    id.to_str()
        .ok()
        .and_then(|id| sessions.get(id))
        .ok_or_else(|| Box::new(refuse(StatusCode::NOT_FOUND, "there is no such session")))
}

/// Whether the client takes a media type: listed, a wildcard, or no `Accept` at all.
pub(super) fn accepts(headers: &HeaderMap, essence: &str) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let group = essence.split('/').next().unwrap_or_default();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(str::trim)
        .any(|range| {
            range == "*/*"
                || range.eq_ignore_ascii_case(essence)
                || range
                    .strip_suffix("/*")
                    .is_some_and(|g| g.eq_ignore_ascii_case(group))
        })
}

/// Whether the body is declared to be JSON.
pub(super) fn sends_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_headers() {
        for (accept, json, events) in [
            (None, true, true),
            (Some("application/json, text/event-stream"), true, true),
            (Some("Application/JSON;q=0.5"), true, false),
            (Some("*/*"), true, true),
            (Some("text/*, image/png"), false, true),
            (Some(""), false, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(accepts(&headers, "application/json"), json, "{accept:?}");
            assert_eq!(accepts(&headers, "text/event-stream"), events, "{accept:?}");
        }
    }
}
