//! Reading the headers that matter, and answering with JSON-RPC errors.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use mcpt_protocol::{ErrorCode, Part, error_response, header::SESSION_ID, media};
use serde_json::Value;

use crate::{
    session::Session,
    sessions::{NoSession, Sessions},
};

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, media::JSON)], body.into()).into_response()
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

/// Refuses a session for now, in the answer to the request `id`.
pub(super) fn refuse_for_now(id: Option<Part<'_>>, why: &NoSession) -> Response {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let code = ErrorCode::SERVER_ERROR;
    let mut response = error(status, id, code, &why.to_string(), None);
    let soon = HeaderValue::from_static("5");
    response.headers_mut().insert(RETRY_AFTER, soon);
    response
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
