//! JSON-RPC errors as MCP uses them: codes, reading them, and error responses.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::{Message, Part};

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
    /// What MCP servers of the session era answer when the HTTP side of a request is wrong, such as
    /// its session.
    pub const SERVER_ERROR: Self = Self(-32000);
    /// There is no such resource (session era).
    pub const RESOURCE_NOT_FOUND: Self = Self(-32002);
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

/// What an error says. Servers exist that leave out one or the other, or say it in another type: what
/// cannot be read is as if it were not there.
#[derive(Debug, Clone)]
pub struct RpcError {
    /// Its code; 0, which JSON-RPC gives no meaning, when there is none.
    pub code: i64,
    /// Its message, empty when there is none.
    pub message: String,
    /// Its data, as sent.
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    /// Reads the value of `error`.
    pub(crate) fn read(raw: &RawValue) -> Self {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            code: Option<&'a RawValue>,
            #[serde(borrow)]
            message: Option<&'a RawValue>,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(raw.get()) else {
            return Self {
                code: 0,
                message: text(raw).unwrap_or_else(|| raw.get().to_owned()),
                data: None,
            };
        };
        let code = fields
            .code
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        Self {
            code: code.unwrap_or_default(),
            message: fields.message.and_then(text).unwrap_or_default(),
            data: fields.data.map(ToOwned::to_owned),
        }
    }
}

/// Whether a server's answer with status 400 means that it does not know the session. The specification
/// asks for 404, which makes a client begin anew; servers built on older TypeScript SDKs answer 400 with
/// an error of this code, and nothing but its words tells it from others.
pub fn means_unknown_session(body: &[u8]) -> bool {
    let Some(error) = Message::parse(body)
        .ok()
        .and_then(|message| message.error())
    else {
        return false;
    };
    let words = error.message.to_ascii_lowercase();
    error.code == i64::from(ErrorCode::SERVER_ERROR.0)
        && (words.contains("session") || words.contains("not initialized"))
}

/// The text of an error response. `id` is the request's id exactly as it was sent; `None` (`null`) when
/// it is unknown.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_all_sorts() {
        for (error, code, message, data) in [
            (
                r#"{"code":-32602,"message":"no","data":{"a":1e2}}"#,
                -32602,
                "no",
                Some(r#"{"a":1e2}"#),
            ),
            (r#"{"code":1.5,"message":7}"#, 0, "", None),
            (r"{}", 0, "", None),
            (r#""broken""#, 0, "broken", None),
            (r"[1]", 0, "[1]", None),
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#);
            let read = Message::parse(text.as_bytes()).unwrap().error().unwrap();
            assert_eq!((read.code, &*read.message), (code, message), "{error}");
            assert_eq!(read.data.as_deref().map(RawValue::get), data, "{error}");
        }
    }

    #[test]
    fn sessions_that_servers_do_not_know() {
        for (body, unknown) in [
            (
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
                true,
            ),
            (
                r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"}}"#,
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
}
