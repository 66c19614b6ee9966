//! Names of MCP's HTTP headers, and what holds for them.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The session that a request belongs to; of versions with sessions only.
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The protocol version of a request: from 2025-06-18 on, after `initialize`.
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Where a stream is to be taken up again; of versions with sessions only.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Mirrors the method of a request (2026-07-28).
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// Mirrors the tool, prompt or resource that a request is about (2026-07-28).
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// mcpt's own: for whom a gateway that knows its callers asks a server. A text that is the same for all requests of one caller
/// to one server, and says nothing else of him.
pub const CALLER: HeaderName = HeaderName::from_static("mcpt-caller");

/// A header that may stand once in a request stands in it several times: nobody can know which one
/// is meant, and programs that choose differently can be played off against each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("more than one {0} header")]
pub struct SeveralValues(pub HeaderName);

/// The value of a header that may stand once; `None` when it is absent.
///
/// # Errors
/// [`SeveralValues`] when there are several, equal ones too.
pub fn single<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, SeveralValues> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(SeveralValues(name.clone())),
    }
}

/// Whether a server may use this text as a session id: visible ASCII, no blanks, not empty.
pub fn is_session_id(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_stands_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(single(&headers, &SESSION_ID), Ok(None));
        headers.append(SESSION_ID, HeaderValue::from_static("a"));
        let one = single(&headers, &SESSION_ID).unwrap();
        assert_eq!(one.map(HeaderValue::as_bytes), Some(&b"a"[..]));
        headers.append(SESSION_ID, HeaderValue::from_static("a"));
        let several = single(&headers, &SESSION_ID).unwrap_err();
        assert_eq!(several.to_string(), "more than one mcp-session-id header");
    }

    #[test]
    fn session_ids() {
        for (text, good) in [
            ("a", true),
            ("!~", true),
            ("", false),
            ("a b", false),
            ("a\t", false),
            ("\u{e9}", false),
            ("\u{7f}", false),
        ] {
            assert_eq!(is_session_id(text.as_bytes()), good, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn each_session_id_is_a_header_value(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if is_session_id(&bytes) {
                prop_assert!(HeaderValue::from_bytes(&bytes).is_ok_and(|v| v.to_str().is_ok()));
            }
        }
    }
}
