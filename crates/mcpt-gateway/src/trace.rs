//! Trace contexts (W3C): of a message, where MCP keeps them in `_meta`, for those who look at headers alone. A context in headers
//! goes on as it came.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};
use mcpt_protocol::Message;
use serde::Deserialize;

/// Which trace a request belongs to, and as part of what.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

#[derive(Deserialize)]
struct Context {
    traceparent: String,
    tracestate: Option<String>,
}

/// Says in headers what a message says of its trace, unless they tell of one. The message itself stays as it is.
pub(crate) fn tell(body: &[u8], headers: &mut HeaderMap) {
    let named = || memchr::memmem::find(body, b"traceparent").is_some();
    if headers.contains_key(TRACEPARENT) || !named() {
        return;
    }
    let Some(Context {
        traceparent,
        tracestate,
    }) = context_of(body)
    else {
        return;
    };
    if trace_id(&traceparent).is_none() {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(&traceparent) {
        headers.insert(TRACEPARENT, value);
    }
    headers.remove(TRACESTATE);
    if let Some(value) = tracestate.and_then(|state| HeaderValue::from_str(&state).ok()) {
        headers.insert(TRACESTATE, value);
    }
}

fn context_of(body: &[u8]) -> Option<Context> {
    let message = Message::parse(body).ok()?;
    serde_json::from_str(message.param("_meta")?.text()).ok()
}

/// The id of the trace in a `traceparent`, if that is one: version, trace, parent, flags.
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may have more parts.
    let over = version != "00" || parts.next().is_none();
    let any = |text: &str| text.bytes().any(|b| b != b'0');
    let valid =
        hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (valid && over && any(trace) && any(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn contexts() {
        for (text, good) in [
            (PARENT, true),
            (&format!("{PARENT}-more"), false),
            (&format!("cc{}-more", &PARENT[2..]), true),
            (&PARENT.replace("00-", "ff-"), false),
            (&PARENT.to_uppercase(), false),
            (
                &PARENT.replace("b7ad6b7169203331", "0000000000000000"),
                false,
            ),
            (&PARENT[..54], false),
            ("", false),
        ] {
            assert_eq!(trace_id(text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn what_a_message_says_is_in_headers_too() {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"traceparent":"{PARENT}","tracestate":"a=1"}}}}}}"#
        );
        let mut headers = HeaderMap::new();
        tell(body.as_bytes(), &mut headers);
        assert_eq!(headers[TRACEPARENT], PARENT);
        assert_eq!(headers[TRACESTATE], "a=1");
        let other = PARENT.replace("0af7", "1af7");
        tell(body.replace(PARENT, &other).as_bytes(), &mut headers);
        assert_eq!(headers[TRACEPARENT], PARENT, "the header's own counts");
        let mut headers = HeaderMap::new();
        tell(
            body.replace(PARENT, "nonsense\\r\\nX: y").as_bytes(),
            &mut headers,
        );
        assert!(headers.is_empty());
    }
}
