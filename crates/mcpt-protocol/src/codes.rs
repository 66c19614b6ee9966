//! JSON-RPC error codes as MCP uses them, and error responses.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::Part;

/// A JSON-RPC error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ErrorCode(pub i32);

impl ErrorCode {
    /// The text is not JSON.
    pub const PARSE_ERROR: Self = Self(-32700);
    /// The JSON is no valid request.
    pub const INVALID_REQUEST: Self = Self(-32600);
    /// Nobody knows the method.
    pub const METHOD_NOT_FOUND: Self = Self(-32601);
    /// The parameters are wrong.
    pub const INVALID_PARAMS: Self = Self(-32602);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(-32603);
    /// What MCP servers of the session era answer when the HTTP side of a request is wrong, such as its session.
    pub const SERVER_ERROR: Self = Self(-32000);
    /// A mirrored header is missing or differs from the body (2026-07-28).
    pub const HEADER_MISMATCH: Self = Self(-32020);
    /// The client lacks a capability that is needed (2026-07-28).
    pub const MISSING_CLIENT_CAPABILITY: Self = Self(-32021);
    /// The protocol version is not supported (2026-07-28).
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(-32022);
}

#[derive(Serialize)]
struct ErrorResponse<'a> {
    jsonrpc: &'static str,
    id: Option<&'a RawValue>,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: ErrorCode,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

/// The text of an error response. `id` is the request's id exactly as it was sent; `None` (`null`) when it is unknown.
pub fn error_response(
    id: Option<Part<'_>>,
    code: ErrorCode,
    message: &str,
    data: Option<&Value>,
) -> String {
    let response = ErrorResponse {
        jsonrpc: "2.0",
        id: id.map(Part::raw),
        error: ErrorBody {
            code,
            message,
            data,
        },
    };
    // Serializing maps with text keys into memory cannot fail; were it to, the client still gets a valid error.
    serde_json::to_string(&response).unwrap_or_else(|_| {
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}"#
            .to_owned()
    })
}
