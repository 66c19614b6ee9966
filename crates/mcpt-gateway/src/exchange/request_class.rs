//! [`RequestClass`]: what a POST without a session wants, read from the envelope of its body.

use mcpt_protocol::{Era, Kind, Message, era_of_version};
use serde_json::value::RawValue;

/// Methods that change nothing, or nothing that anybody would notice twice. A request for one of them may be sent again
/// when nobody knows what became of it. Tools and whatever is not known here may do anything.
const REPEATABLE: [&str; 12] = [
    "completion/complete",
    "initialize",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "subscriptions/listen",
    "tasks/get",
    "tools/list",
];

/// What sort of request without a session it is.
#[derive(Debug)]
pub(crate) struct RequestClass {
    /// What it is.
    pub(crate) purpose: Purpose,
    /// Whether it may be sent again when it is unknown what became of it.
    pub(crate) repeatable: bool,
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
            id: None,
        }
    }

    /// What the header alone says of a message that is not read.
    pub(crate) fn unread(header: Option<Era>) -> Self {
        Self {
            purpose: if header == Some(Era::Modern) {
                Purpose::Modern { listens: false }
            } else {
                Purpose::Other
            },
            repeatable: false,
            id: None,
        }
    }

    /// Reads it off the body; the version header is a mirror of the body and counts where that says nothing.
    pub(crate) fn of(body: &[u8], header: Option<Era>) -> Self {
        let modern = header == Some(Era::Modern);
        let Ok(message) = Message::parse(body) else {
            return Self::unread(header);
        };
        let method = message.method().unwrap_or_default();
        let listens = method == "subscriptions/listen";
        let purpose = match message.params().meta_protocol_version {
            _ if method == "initialize" => Purpose::Initialize,
            // A version that nobody knows yet is not one with sessions.
            Some(version) if era_of_version(&version) != Some(Era::Legacy) => {
                Purpose::Modern { listens }
            }
            None if modern => Purpose::Modern { listens },
            _ => Purpose::Other,
        };
        Self {
            purpose,
            repeatable: REPEATABLE.contains(&method),
            id: id_of(&message),
        }
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
    use super::*;

    #[test]
    fn body_first() {
        const MODERN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        const PLAIN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
        let modern = Purpose::Modern { listens: false };
        for (body, header, purpose) in [
            (MODERN, None, modern),
            (MODERN, Some(Era::Legacy), modern),
            (PLAIN, None, Purpose::Other),
            (PLAIN, Some(Era::Modern), modern),
            (INITIALIZE, Some(Era::Modern), Purpose::Initialize),
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
            ("not json", Some(Era::Modern), modern),
        ] {
            assert_eq!(
                RequestClass::of(body.as_bytes(), header).purpose,
                purpose,
                "{body} {header:?}"
            );
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
            for header in [None, Some(Era::Modern)] {
                let class = RequestClass::of(body.as_bytes(), header);
                assert_eq!(class.repeatable, repeatable, "{method}");
            }
        }
        for body in ["", "[]", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
            assert!(
                !RequestClass::of(body.as_bytes(), None).repeatable,
                "{body}"
            );
        }
    }
}
