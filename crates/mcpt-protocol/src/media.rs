//! Media types of MCP over HTTP: what requests must accept and send, and what answers are.

use http::{
    HeaderMap,
    header::{ACCEPT, CONTENT_TYPE},
};

/// One message.
pub const JSON: &str = "application/json";
/// A stream of messages.
pub const EVENT_STREAM: &str = "text/event-stream";
/// What a POST must say that it accepts.
pub const BOTH: &str = "application/json, text/event-stream";

/// Whether the client accepts a media type: listed, covered by a wildcard, or no `Accept` at all.
/// The most specific range that covers it decides; a weight of zero excludes (RFC 9110, 12.5.1).
pub fn accepts(headers: &HeaderMap, essence: &str) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let group = essence.split('/').next().unwrap_or_default();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';');
            let range = parts.next().unwrap_or_default().trim();
            let specific = if range.eq_ignore_ascii_case(essence) {
                2
            } else if range == "*/*" {
                0
            } else if range
                .strip_suffix("/*")
                .is_some_and(|name| name.eq_ignore_ascii_case(group))
            {
                1
            } else {
                return None;
            };
            Some((specific, !parts.any(is_zero_weight)))
        })
        .max()
        .is_some_and(|(_, accepted)| accepted)
}

/// `q=0`, `Q=0.000`.
fn is_zero_weight(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, weight)| {
        name.trim().eq_ignore_ascii_case("q")
            && weight
                .trim()
                .parse::<f32>()
                .is_ok_and(|weight| weight == 0.0)
    })
}

/// Whether the body is declared to be of a media type, parameters and case aside.
pub fn is_type(headers: &HeaderMap, essence: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(essence))
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
            (Some("application/json;q=0, */*"), false, true),
            (Some("application/json; charset=utf-8; Q=0.0"), false, false),
            (Some("text/*;q=0, text/event-stream"), false, true),
            (Some("*/*;q=0"), false, false),
            (Some(""), false, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(accepts(&headers, JSON), json, "{accept:?}");
            assert_eq!(accepts(&headers, EVENT_STREAM), events, "{accept:?}");
        }
    }

    #[test]
    fn content_types() {
        for (value, json) in [
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("application/json"), true),
            (Some("application/jsonl"), false),
            (Some("text/event-stream"), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(is_type(&headers, JSON), json, "{value:?}");
        }
    }
}
