//! Which headers go through, and which are about one connection only.

use hyper::{
    HeaderMap,
    header::{
        CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName,
        ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use mcpt_protocol::header::{LAST_EVENT_ID, SESSION_ID};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Headers that are about one connection, not about the message.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what must not go to the server: hop-by-hop headers, the gateway's own `Host`, and the `Origin`, which was
/// checked here against rules that the server knows nothing of.
pub(crate) fn for_upstream(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    for name in [HOST, ORIGIN, EXPECT] {
        headers.remove(name);
    }
}

/// Removes what describes a body that is not sent on.
pub(crate) fn without_body(headers: &mut HeaderMap) {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
        headers.remove(name);
    }
}

/// Removes what has no meaning in the stateless era, and would have one to a server of both.
pub(crate) fn without_sessions(headers: &mut HeaderMap) {
    headers.remove(SESSION_ID);
    headers.remove(LAST_EVENT_ID);
}

/// Removes hop-by-hop headers, those named by `Connection` too.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_end_to_end_headers_pass() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("host", "gateway"),
            ("origin", "http://localhost"),
            ("authorization", "Bearer x"),
            ("mcp-session-id", "s"),
            ("mcp-param-x", "y"),
            ("accept", "text/event-stream"),
        ] {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        for_upstream(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            ["accept", "authorization", "mcp-param-x", "mcp-session-id"]
        );
        without_sessions(&mut headers);
        assert!(!headers.contains_key(SESSION_ID));
    }
}
