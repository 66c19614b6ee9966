//! Which headers go through, which are the gateway's own, and how the few that matter are read.

use hyper::{
    HeaderMap,
    header::{
        CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName,
        HeaderValue, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use mcpt_protocol::{Era, era_of_version};

/// The session id of eras that have sessions.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
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

/// Era that the version header names, if it names one.
pub(crate) fn header_era(headers: &HeaderMap) -> Option<Era> {
    era_of_version(headers.get(VERSION)?.to_str().ok()?)
}

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
    headers.remove(SESSION);
    headers.remove(LAST_EVENT);
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

/// The session id of a request.
pub(crate) enum Session {
    /// There is none.
    None,
    /// This one.
    One(HeaderValue),
    /// More than one: nobody can know which is meant.
    Several,
}

impl Session {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut all = headers.get_all(SESSION).iter();
        match (all.next(), all.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one.clone()),
            _ => Self::Several,
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert!(matches!(Session::of(&headers), Session::None));
    }

    #[test]
    fn eras() {
        for (value, era) in [
            ("2025-11-25", Some(Era::Legacy)),
            ("2026-07-28", Some(Era::Modern)),
            ("nonsense", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(VERSION, HeaderValue::from_static(value));
            assert_eq!(header_era(&headers), era, "{value}");
        }
        assert_eq!(header_era(&HeaderMap::new()), None);
    }
}
