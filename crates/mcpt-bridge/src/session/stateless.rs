//! A child that many requests of 2026-07-28 share: none of them has a session, so each message is told apart by itself.

use std::sync::Arc;

use mcpt_protocol::{
    Message, MessageId, Part, sse::Frame, subscription_ended, translate::cancelled,
};
use serde_json::value::RawValue;
use tokio::sync::mpsc::error::TrySendError;

use super::{
    Over, Pending, Session, State, Takes,
    incoming::{Destination, Waiting},
};
use crate::sse::Event;

/// Whom a notification is for.
pub(super) enum ForOne<'a> {
    /// Who listens or waits so, with what it is to be called there.
    Waiting(Waiting, Option<(Part<'a>, Box<RawValue>)>),
    /// Nobody that is there.
    Nobody,
    /// The child has a session: whoever listens in that.
    Anybody,
}

impl Session {
    /// Whom a notification is for that is no progress. Those of a subscription name it. Log messages name no request, so they
    /// are for the only one that takes any, and for nobody when there are several, or when one was given up of which the child may
    /// still speak: one client never reads of another.
    pub(super) fn stream_without_session<'a>(
        &self,
        message: &Message<'a>,
        is_log: bool,
    ) -> ForOne<'a> {
        let state = self.state();
        if let Some(named) = message.params().meta_subscription {
            let number = MessageId::of(named).and_then(|id| id.own_number());
            let found = number.and_then(|number| Some((number, state.pending.get(&number)?)));
            if let Some((number, pending)) = found.filter(|(_, p)| p.takes == Takes::Subscribed) {
                let to = Waiting::of(number, pending);
                return ForOne::Waiting(to, Some((named, pending.id.clone())));
            }
        }
        if self.stateless.get().is_none() {
            return ForOne::Anybody;
        }
        let mut takers = state.pending.iter().filter(|(_, p)| p.takes == Takes::Log);
        match (takers.next(), takers.next()) {
            (Some((number, only)), None) if is_log && state.given_up.is_empty() => {
                ForOne::Waiting(Waiting::of(*number, only), None)
            }
            _ => {
                tracing::debug!(session = self.short_id(), "dropped what is for no request");
                ForOne::Nobody
            }
        }
    }

    /// Whether its child is used by requests that have no session.
    pub(super) fn is_used_without_sessions(&self) -> bool {
        self.stateless.get().is_some()
    }

    /// Passes a message on to the request that it belongs to. The child has other clients, none of which waits for one that does
    /// not read: what is held for a request is charged to that alone, and at too much of it the request is given up.
    pub(super) fn pass_on_at_once(&self, destination: Destination, frame: Frame) {
        match destination {
            Destination::Answer(pending) => match pending.charge.account().take(frame.size()) {
                Ok(charge) => {
                    let event = Event::charged(frame, charge, true);
                    if let Err(error) = pending.stream.try_send(event) {
                        tracing::debug!(%error, "dropped an answer: its client does not read");
                    }
                }
                Err(full) => self.fail_pending(&pending, &full.to_string()),
            },
            Destination::Progress(to) => match to.account.take(frame.size()) {
                Ok(charge) => {
                    let sent = to.stream.try_send(Event::charged(frame, charge, false));
                    if let Err(TrySendError::Full(_)) = sent {
                        self.give_up(to.number, "its client does not read");
                    }
                }
                Err(full) => self.give_up(to.number, &full.to_string()),
            },
            // Nobody could be asked.
            Destination::Other { .. } => {
                self.dropped(&Event::charged(frame, self.account.nothing(), false));
            }
        }
    }

    /// Gives up a request whose client cannot be told more.
    fn give_up(&self, number: u64, why: &str) {
        let Some(pending) = self.state().take(number) else {
            return;
        };
        self.fail_pending(&pending, why);
        self.say(cancelled(number).into_bytes());
    }

    /// Whether log messages of its child may be of a request that is under way or was given up.
    pub(crate) fn logs_of_somebody(&self) -> bool {
        let state = self.state();
        let waits = state.pending.values().any(|p| p.takes == Takes::Log);
        waits || !state.given_up.is_empty()
    }

    /// Whether any request is under way, whoever waits for it.
    pub(crate) fn is_busy(&self) -> bool {
        !self.state().pending.is_empty()
    }

    /// Gives up a request: its child is told that nobody waits any more, if it has not answered.
    pub(crate) async fn cancel(self: Arc<Self>, number: u64) -> Result<(), Over> {
        if self.state().take(number).is_none() {
            return Ok(());
        }
        let text = cancelled(number);
        let Ok(message) = Message::parse(text.as_bytes()) else {
            return Ok(());
        };
        self.line(&message, &[]).send().await
    }

    /// Ends all listening with the result by which clients know that it was not broken off.
    pub(crate) fn end_listening(&self) {
        let listening: Vec<_> = {
            let mut state = self.state();
            let is_it = |pending: &Pending| pending.takes == Takes::Subscribed;
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

impl State {
    /// Takes a request out that is given up.
    fn take(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        if pending.takes == Takes::Log {
            self.given_up.insert(number);
        }
        Some(pending)
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mcpt_http::{Account, Budget};
    use mcpt_protocol::Kind;
    use tokio::{sync::mpsc, time::Instant};

    use super::{
        super::{
            SHARED_STREAM_CAPACITY,
            incoming::tests::{NOTIFICATION, PROGRESS, count, receive, session},
        },
        *,
    };

    /// A request that the child has, for which `account` is charged.
    async fn request(
        session: &Arc<Session>,
        id: u8,
        takes: Takes,
        account: &Account,
    ) -> mpsc::Receiver<Event> {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":{{"_meta":{{"progressToken":{id}}}}}}}"#
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        let Kind::Request { id, .. } = *message.kind() else {
            panic!("{text}");
        };
        let (stream, events) = Session::stream_of_shared();
        let request = session.request(&message, id, stream, takes);
        let charged = request.charged(account.nothing()).unwrap();
        charged.send().await.unwrap();
        events
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_holds_up_nobody_else() {
        let (session, _running) = session();
        session.is_used_without_session();
        let account = || Budget::new(16_000_000, 0).account();
        let stalled = request(&session, 1, Takes::Nothing, &account()).await;
        let mut other = request(&session, 2, Takes::Nothing, &account()).await;
        let small = Budget::new(20_000, 0);
        let mut poor = request(&session, 3, Takes::Nothing, &small.account()).await;
        let begin = Instant::now();
        for _ in 0..SHARED_STREAM_CAPACITY + 2 {
            receive(&session, PROGRESS).await;
        }
        let text = "x".repeat(3000);
        let long = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":3,"message":"{text}"}}}}"#
        );
        for _ in 0..10 {
            receive(&session, long.as_bytes()).await;
        }
        receive(&session, br#"{"jsonrpc":"2.0","id":2,"result":{}}"#).await;
        assert!(other.try_recv().unwrap().is_answer());
        assert_eq!(begin.elapsed(), Duration::ZERO, "nobody has waited");
        assert_eq!(count(stalled).await, SHARED_STREAM_CAPACITY);
        // What is held for one is charged to that one, who is told at the end.
        assert!(session.account().held() < 2000);
        let mut last = None;
        while let Some(event) = poor.recv().await {
            last = Some(event);
        }
        assert!(last.unwrap().own_error().unwrap().contains("no room"));
        assert!(!session.is_busy());
    }

    #[tokio::test]
    async fn what_a_server_asks_of_nobody_is_answered() {
        let (session, _running) = session();
        session.is_used_without_session();
        let account = Budget::new(16_000_000, 0).account();
        let mut waits = request(&session, 1, Takes::Log, &account).await;
        receive(
            &session,
            br#"{"jsonrpc":"2.0","id":9,"method":"roots/list"}"#,
        )
        .await;
        receive(&session, NOTIFICATION).await;
        assert!(waits.try_recv().is_err());
        assert!(session.state().backlog.is_empty());
    }

    #[tokio::test]
    async fn trap_19_what_is_said_of_a_call_that_was_given_up_is_for_nobody() {
        let (session, _running) = session();
        session.is_used_without_session();
        let account = Budget::new(16_000_000, 0).account();
        let log = br#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"of 1"}}"#;
        let mut first = request(&session, 1, Takes::Log, &account).await;
        receive(&session, log).await;
        assert!(first.try_recv().is_ok());
        Arc::clone(&session).cancel(1).await.unwrap();
        assert!(session.logs_of_somebody());
        let mut second = request(&session, 2, Takes::Log, &account).await;
        receive(&session, log).await;
        assert!(second.try_recv().is_err());
        // Until the child has answered it.
        receive(&session, br#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
        receive(&session, log).await;
        assert!(second.try_recv().is_ok());
    }
}
