//! What a POST without a session wants, read from the envelope of its body.

use mcpt_protocol::{Era, Message, era_of_version};

/// The ways in which a client can come without a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It begins a session.
    Initialize,
    /// A message of the stateless era; `listens` when its answer stays open for good.
    Modern { listens: bool },
    /// Anything else: servers without sessions take it, others say what is wrong with it.
    Other,
}

impl Opening {
    /// Reads it off the body; the version header is a mirror of the body and counts where that says nothing.
    pub(crate) fn of(body: &[u8], header: Option<Era>) -> Self {
        let by_header = match header {
            Some(Era::Modern) => Self::Modern { listens: false },
            _ => Self::Other,
        };
        let Ok(message) = Message::parse(body) else {
            return by_header;
        };
        if message.method() == Some("initialize") {
            return Self::Initialize;
        }
        let listens = message.method() == Some("subscriptions/listen");
        match message.params().meta_protocol_version {
            // A version that nobody knows yet is not one with sessions.
            Some(version) if era_of_version(&version) != Some(Era::Legacy) => {
                Self::Modern { listens }
            }
            Some(_) => Self::Other,
            None if by_header != Self::Other => Self::Modern { listens },
            None => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_first() {
        const MODERN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        const PLAIN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
        let modern = Opening::Modern { listens: false };
        for (body, header, opening) in [
            (MODERN, None, modern),
            (MODERN, Some(Era::Legacy), modern),
            (PLAIN, None, Opening::Other),
            (PLAIN, Some(Era::Modern), modern),
            (INITIALIZE, Some(Era::Modern), Opening::Initialize),
            (
                &MODERN.replace("2026-07-28", "2025-06-18"),
                None,
                Opening::Other,
            ),
            (&MODERN.replace("2026-07-28", "2199-01-01"), None, modern),
            (
                &MODERN.replace("tools/list", "subscriptions/listen"),
                None,
                Opening::Modern { listens: true },
            ),
            ("not json", None, Opening::Other),
            ("not json", Some(Era::Modern), modern),
        ] {
            assert_eq!(
                Opening::of(body.as_bytes(), header),
                opening,
                "{body} {header:?}"
            );
        }
    }
}
