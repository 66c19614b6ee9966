//! [`RequestClass`]: what a POST without a session wants, read from the envelope of its body.

use hyper::HeaderMap;
use mcpt_protocol::{
    EraUnknown, Kind, McpMethod, Message, RequestEra, UnknownVersion, era_of_request,
    handshake::DISCOVER, header::SeveralValues,
};
use serde_json::value::RawValue;

/// What sort of request without a session it is.
#[derive(Debug)]
pub(crate) struct RequestClass {
    /// What it is.
    pub(crate) purpose: Purpose,
    /// Whether it may be sent again when it is unknown what became of it.
    pub(crate) repeatable: bool,
    /// Whether it asks a server of the stateless era what it can do.
    pub(crate) discovers: bool,
    /// Whether the answer may ask for more.
    pub(crate) may_be_asked: bool,
    /// What the server handed out when it asked for more, if this answers that.
    pub(crate) request_state: Option<String>,
    /// Which request an error answers.
    pub(crate) id: Option<Box<RawValue>>,
}

/// The ways in which a client can come without a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It begins a session.
    Initialize,
    /// A message of the stateless era; `listens` when its answer stays open for good.
    Modern { listens: bool },
    /// Anything else: servers without sessions take it, others say what is wrong with it.
    Other,
}

impl RequestClass {
    /// Anything but a POST; `repeatable` when its method is one that only reads.
    pub(crate) fn without_message(repeatable: bool) -> Self {
        Self {
            purpose: Purpose::Other,
            repeatable,
            discovers: false,
            may_be_asked: false,
            request_state: None,
            id: None,
        }
    }

    /// A message that is not read, of the era that its header names.
    pub(crate) fn unread(era: RequestEra) -> Self {
        Self {
            purpose: Purpose::of(era, false),
            repeatable: false,
            discovers: false,
            may_be_asked: era == RequestEra::Modern,
            request_state: None,
            id: None,
        }
    }

    /// Reads it off the body; the version header counts where that says nothing.
    ///
    /// # Errors
    /// [`SeveralValues`] when that header counts and stands there several times.
    pub(crate) fn of(body: &[u8], headers: &HeaderMap) -> Result<Self, SeveralValues> {
        let message = Message::parse(body).ok();
        let era = era_of(headers, message.as_ref())?;
        let Some(message) = message else {
            return Ok(Self::unread(era));
        };
        let method = message.method().unwrap_or_default();
        let known = McpMethod::find(method);
        let may_be_asked = era == RequestEra::Modern && known.is_some_and(|known| known.may_ask);
        let state = may_be_asked
            .then(|| message.param("requestState"))
            .flatten();
        Ok(Self {
            purpose: Purpose::of(era, method == "subscriptions/listen"),
            discovers: era == RequestEra::Modern && method == DISCOVER,
            may_be_asked,
            request_state: state.and_then(|state| serde_json::from_str(state.text()).ok()),
            repeatable: known.is_some_and(|known| known.repeatable),
            id: id_of(&message),
        })
    }
}

impl Purpose {
    fn of(era: RequestEra, listens: bool) -> Self {
        match era {
            RequestEra::Initialize => Self::Initialize,
            RequestEra::Modern => Self::Modern { listens },
            RequestEra::Legacy => Self::Other,
        }
    }
}

/// The era of a request. A version that nobody knows is for its server to judge.
pub(crate) fn era_of(
    headers: &HeaderMap,
    message: Option<&Message<'_>>,
) -> Result<RequestEra, SeveralValues> {
    match era_of_request(headers, message, UnknownVersion::Ignore) {
        Ok(era) => Ok(era),
        Err(EraUnknown::Several(several)) => Err(several),
        Err(EraUnknown::Unsupported) => Ok(RequestEra::Legacy),
    }
}

/// The id of a request; other messages have none that an error would carry.
fn id_of(message: &Message<'_>) -> Option<Box<RawValue>> {
    match message.kind() {
        Kind::Request { id, .. } => Some((*id).to_owned()),
        _ => None,
    }
}

/// The id of the request in a body.
pub(crate) fn request_id(body: &[u8]) -> Option<Box<RawValue>> {
    id_of(&Message::parse(body).ok()?)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use mcpt_protocol::header::PROTOCOL_VERSION;

    use super::*;

    fn of(body: &str, version: Option<&'static str>) -> RequestClass {
        let mut headers = HeaderMap::new();
        if let Some(version) = version {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(version));
        }
        RequestClass::of(body.as_bytes(), &headers).unwrap()
    }

    #[test]
    fn body_first() {
        const MODERN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        const PLAIN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
        const OLD: Option<&str> = Some("2025-06-18");
        const NEW: Option<&str> = Some("2026-07-28");
        let modern = Purpose::Modern { listens: false };
        for (body, header, purpose) in [
            (MODERN, None, modern),
            (MODERN, OLD, modern),
            (PLAIN, None, Purpose::Other),
            (PLAIN, Some("nonsense"), Purpose::Other),
            (PLAIN, NEW, modern),
            (INITIALIZE, NEW, Purpose::Initialize),
            (
                &MODERN.replace("2026-07-28", "2025-06-18"),
                None,
                Purpose::Other,
            ),
            (&MODERN.replace("2026-07-28", "2199-01-01"), None, modern),
            (
                &MODERN.replace("tools/list", "subscriptions/listen"),
                None,
                Purpose::Modern { listens: true },
            ),
            ("not json", None, Purpose::Other),
            ("not json", NEW, modern),
        ] {
            assert_eq!(of(body, header).purpose, purpose, "{body} {header:?}");
        }
    }

    #[test]
    fn only_what_changes_nothing_is_repeated() {
        for (method, repeatable) in [
            ("tools/list", true),
            ("initialize", true),
            ("tools/call", false),
            ("logging/setLevel", false),
            ("somebody/else", false),
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
            for header in [None, Some("2026-07-28")] {
                assert_eq!(of(&body, header).repeatable, repeatable, "{method}");
            }
        }
        for body in ["", "[]", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
            assert!(!of(body, None).repeatable, "{body}");
        }
    }
}
