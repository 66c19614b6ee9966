//! A child that many requests of 2026-07-28 share: none of them has a session, so each message is told apart by itself.

use std::sync::Arc;

use mcpt_protocol::{Message, MessageId, Part, subscription_ended};
use serde_json::{json, value::RawValue};
use tokio::sync::mpsc::Sender;

use super::{Over, Session, Takes};
use crate::sse::Event;

/// Whom a notification is for.
pub(super) enum ForOne<'a> {
    /// Who listens or waits on this stream, with what it is to be called there.
    Stream(Sender<Event>, Option<(Part<'a>, Box<RawValue>)>),
    /// Nobody that is there.
    Nobody,
    /// The child has a session: whoever listens in that.
    Anybody,
}

impl Session {
    /// Whom a notification is for that is no progress. Those of a subscription name it. Log messages name no request, so they
    /// are for the only one that takes any, and for nobody when there are several: one client never reads of another.
    pub(super) fn stream_without_session<'a>(
        &self,
        message: &Message<'a>,
        is_log: bool,
    ) -> ForOne<'a> {
        let state = self.state();
        if let Some(named) = message.params().meta_subscription {
            let number = MessageId::of(named).and_then(|id| id.own_number());
            let pending = number.and_then(|number| state.pending.get(&number));
            let pending = pending.filter(|pending| pending.takes == Takes::Subscribed);
            if let Some(pending) = pending {
                return ForOne::Stream(pending.stream.clone(), Some((named, pending.id.clone())));
            }
        }
        if self.stateless.get().is_none() {
            return ForOne::Anybody;
        }
        let mut takers = state.pending.values().filter(|p| p.takes == Takes::Log);
        match (takers.next(), takers.next()) {
            (Some(only), None) if is_log => ForOne::Stream(only.stream.clone(), None),
            _ => {
                tracing::debug!(session = self.short_id(), "dropped what is for no request");
                ForOne::Nobody
            }
        }
    }

    /// Whether a request under way takes log messages.
    pub(crate) fn logs_to_somebody(&self) -> bool {
        let state = self.state();
        state.pending.values().any(|p| p.takes == Takes::Log)
    }

    /// Whether any request is under way, whoever waits for it.
    pub(crate) fn is_busy(&self) -> bool {
        !self.state().pending.is_empty()
    }

    /// Gives up a request: its child is told that nobody waits any more, if it has not answered.
    pub(crate) async fn cancel(self: Arc<Self>, number: u64) -> Result<(), Over> {
        if self.state().pending.remove(&number).is_none() {
            return Ok(());
        }
        let text = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {
            "requestId": number, "reason": "the client has gone away",
        }});
        let text = text.to_string();
        let Ok(message) = Message::parse(text.as_bytes()) else {
            return Ok(());
        };
        self.line(&message, &[]).send().await
    }

    /// Ends all listening with the result by which clients know that it was not broken off.
    pub(crate) fn end_listening(&self) {
        let listening: Vec<_> = {
            let mut state = self.state();
            let is_it = |pending: &super::Pending| pending.takes == Takes::Subscribed;
            let numbers: Vec<_> = state
                .pending
                .iter()
                .filter(|(_, pending)| is_it(pending))
                .map(|(number, _)| *number)
                .collect();
            let ended = numbers.iter().map(|number| state.pending.remove(number));
            ended.flatten().collect()
        };
        for pending in listening {
            let text = subscription_ended(Part::alone(&pending.id));
            // A full stream has a client that does not read; a closed one has none.
            drop(pending.stream.try_send(Event::own(&text, true)));
        }
    }
}

/// A request that is given up when this is dropped, unless it has been answered.
#[derive(Debug)]
pub(crate) struct GivenUpWithThis {
    pub(crate) session: Arc<Session>,
    pub(crate) number: Option<u64>,
}

impl Drop for GivenUpWithThis {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            // It ends with the child at the latest.
            tokio::spawn(Arc::clone(&self.session).cancel(number));
        }
    }
}
