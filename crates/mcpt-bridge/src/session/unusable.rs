//! What the child says that is no message: told to whoever waits for it, and kept for people.

use mcpt_protocol::{ErrorCode, MessageId, Part, find_id};

use super::{Pending, Session, outline::Outline};
use crate::sse::Event;

/// How much of it is quoted.
const QUOTED: usize = 200;

/// Its beginning, for people.
pub(super) fn quote(text: &[u8]) -> String {
    let shown = String::from_utf8_lossy(text.get(..QUOTED).unwrap_or(text));
    let more = if text.len() > QUOTED { "…" } else { "" };
    format!("{}{more}", shown.trim())
}

impl Session {
    /// Takes a text that cannot be used, and why. When it was meant to answer a request, that one is over: what the server
    /// says of it will not come again.
    pub(super) fn receive_unusable(&self, text: &[u8], why: &str) {
        if text.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let outline = Outline::of(text);
        let error = || format!("the server's answer cannot be used: {why}: {}", quote(text));
        let id = find_id(text).filter(|_| text.trim_ascii_start().starts_with(b"{"));
        if !outline.asks() {
            if let Some(id) = id {
                return self.fail_one(&id, outline.answers(), &error());
            }
            if outline.answers() {
                return self.fail_the_only_one(&error());
            }
        }
        let session = self.short_id();
        let text = quote(text);
        tracing::warn!(
            session,
            why,
            "the server wrote to stdout what is no message: {text}"
        );
        self.tail().push(format!("on stdout: {text}"));
    }

    /// Ends the request that an answer names by this id. One that names none that ever was ends the only one under way.
    pub(super) fn fail_one(&self, id: &MessageId, answers: bool, why: &str) {
        let pending = {
            let mut state = self.state();
            match id.own_number() {
                Some(number) if number > 0 && number <= state.last_number => {
                    state.pending.remove(&number)
                }
                _ if answers => {
                    drop(state);
                    return self.fail_the_only_one(why);
                }
                _ => None,
            }
        };
        if let Some(pending) = pending {
            self.fail_pending(&pending, why);
        } else {
            tracing::debug!("dropped an answer that nobody waits for: {why}");
        }
    }

    /// Ends the only request that is under way. When there are several, which one it is is not known.
    pub(super) fn fail_the_only_one(&self, why: &str) {
        let only = {
            let mut state = self.state();
            if state.pending.len() == 1 {
                state.pending.pop_first()
            } else {
                None
            }
        };
        if let Some((_, pending)) = only {
            self.fail_pending(&pending, why);
        } else {
            tracing::warn!(session = self.short_id(), "{why}");
        }
    }

    /// Answers a request with an error of the bridge.
    pub(super) fn fail_pending(&self, pending: &Pending, why: &str) {
        tracing::warn!(session = self.short_id(), "{why}");
        let id = Some(Part::alone(&pending.id));
        let event = Event::error(id, ErrorCode::INTERNAL_ERROR, why);
        // A full stream has a client that does not read; a closed one has none.
        if let Err(error) = pending.stream.try_send(event) {
            tracing::debug!(%error, "dropped an error: its client is gone");
        }
    }
}
