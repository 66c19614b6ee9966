//! From the child to the client: which stream a message goes to, and under which id.

use mcpt_protocol::{Kind, Message, Part};
use tokio::{
    sync::mpsc::{Sender, error::SendTimeoutError},
    time::Instant,
};

use super::{BACKLOG_MAX, SLOW_CLIENT, Session};
use crate::sse::Event;

/// How much of a line that is no message is logged.
const NOISE_SHOWN: usize = 200;

impl Session {
    /// Takes one line of the child's output.
    pub(super) async fn receive(&self, line: &[u8]) {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(error) => {
                if !line.iter().all(u8::is_ascii_whitespace) {
                    let shown = line.get(..NOISE_SHOWN).unwrap_or(line);
                    let text = String::from_utf8_lossy(shown);
                    tracing::warn!(%error, "dropped what the server wrote to stdout: {text}");
                }
                return;
            }
        };
        match message.kind() {
            Kind::Response { id: Some(id), .. } => self.receive_response(&message, *id).await,
            Kind::Response { id: None, .. } => {
                tracing::debug!("dropped an error that names no request");
            }
            Kind::Notification { method } if method == "notifications/progress" => {
                self.receive_progress(&message).await;
            }
            Kind::Notification { .. } => self.receive_other(&message, false).await,
            Kind::Request { .. } => self.receive_other(&message, true).await,
        }
    }

    async fn receive_response(&self, message: &Message<'_>, id: Part<'_>) {
        let pending = id.as_u64().and_then(|n| self.state().pending.remove(&n));
        let Some(pending) = pending else {
            tracing::debug!(id = id.text(), "dropped an answer that nobody waits for");
            return;
        };
        self.state().last_used = Instant::now();
        let event = Event::answer(|out| message.write_line(&[(id, pending.id.get())], out));
        if self.deliver(&pending.stream, event).await.is_err() {
            tracing::debug!("dropped an answer: its client is gone");
        }
    }

    async fn receive_progress(&self, message: &Message<'_>) {
        let Some(number) = message.params().progress_token else {
            return self.receive_other(message, false).await;
        };
        let (stream, event) = {
            let state = self.state();
            let pending = number.as_u64().and_then(|n| state.pending.get(&n));
            let Some((pending, token)) =
                pending.and_then(|p| Some((p, p.progress_token.as_ref()?)))
            else {
                tracing::debug!("dropped progress of a request that is not under way");
                return;
            };
            let event = Event::message(|out| message.write_line(&[(number, token.get())], out));
            (pending.stream.clone(), event)
        };
        if self.deliver(&stream, event).await.is_err() {
            tracing::debug!("dropped progress: its client is gone");
        }
    }

    /// A message that names no request of the client. A question of the server most likely belongs to the newest
    /// request; anything else goes to the GET stream first. Each takes the other way when its own is not open.
    async fn receive_other(&self, message: &Message<'_>, is_question: bool) {
        let event = Event::message(|out| message.write_line(&[], out));
        let stream = {
            let state = self.state();
            let general = state.general.as_ref().filter(|s| !s.is_closed());
            let newest = state
                .pending
                .values()
                .rev()
                .find(|p| !p.exclusive && !p.stream.is_closed())
                .map(|p| &p.stream);
            let stream = if is_question {
                newest.or(general)
            } else {
                general.or(newest)
            };
            stream.cloned()
        };
        let unsent = match stream {
            None => event,
            Some(stream) => match self.deliver(&stream, event).await {
                Ok(()) => return,
                Err(event) => event,
            },
        };
        let mut state = self.state();
        if state.backlog.len() == BACKLOG_MAX {
            tracing::warn!("dropped the oldest message that no stream of the client took");
            state.backlog.pop_front();
        }
        state.backlog.push_back(unsent);
    }

    /// Sends an event on a stream, or gives it back when the client does not take it. All output of the child waits
    /// here, so a client that leaves its stream unread does this to the session once: the stream is closed.
    async fn deliver(&self, stream: &Sender<Event>, event: Event) -> Result<(), Event> {
        match stream.send_timeout(event, SLOW_CLIENT).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(event)) => Err(event),
            Err(SendTimeoutError::Timeout(event)) => {
                let session = self.short_id();
                tracing::warn!(session, "closed a stream that its client does not read");
                let mut state = self.state();
                state
                    .general
                    .take_if(|general| general.same_channel(stream));
                // The requests of a batch share one.
                state.pending.retain(|_, p| !p.stream.same_channel(stream));
                Err(event)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{super::STREAM_CAPACITY, *};
    use crate::{BridgeConfig, child};

    const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    const PROGRESS: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;

    /// A session whose child says nothing: what it would say is given to `receive`.
    fn session() -> (Arc<Session>, super::super::Running) {
        let config = BridgeConfig::new(([127, 0, 0, 1], 0).into(), vec!["cat".into()]);
        let started = child::start(&config, "test").unwrap();
        Session::new("s".to_owned(), started, 1000, CancellationToken::new())
    }

    async fn request(session: &Session, id: u8) -> mpsc::Receiver<Event> {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":{{"_meta":{{"progressToken":{id}}}}}}}"#
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        let Kind::Request { id, .. } = *message.kind() else {
            panic!("{text}");
        };
        let (stream, events) = Session::stream();
        session.request(&message, id, stream, false).await.unwrap();
        events
    }

    /// Receives a line until a full stream has made it wait, and once more. The clock only moves by that wait.
    async fn overfill(session: &Session, line: &[u8]) {
        let begin = Instant::now();
        for _ in 0..STREAM_CAPACITY + 2 {
            session.receive(line).await;
        }
        assert_eq!(begin.elapsed().as_secs(), SLOW_CLIENT.as_secs());
    }

    async fn count(mut events: mpsc::Receiver<Event>) -> usize {
        let mut count = 0;
        while events.recv().await.is_some() {
            count += 1;
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn a_general_stream_that_nobody_reads_is_given_up_once() {
        let (session, _running) = session();
        let stalled = session.open_general().unwrap();
        overfill(&session, NOTIFICATION).await;
        assert_eq!(count(stalled).await, STREAM_CAPACITY);
        // What it did not take waits for the next one.
        let mut next = session.open_general().unwrap();
        assert!(next.try_recv().is_ok() && next.try_recv().is_ok());
        assert!(next.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_progress_nobody_reads_is_given_up_once() {
        let (session, _running) = session();
        let stalled = request(&session, 1).await;
        let mut other = request(&session, 2).await;
        overfill(&session, PROGRESS).await;
        assert_eq!(count(stalled).await, STREAM_CAPACITY);
        session
            .receive(br#"{"jsonrpc":"2.0","id":2,"result":{}}"#)
            .await;
        assert!(other.try_recv().unwrap().is_answer());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_no_other_messages_is_given_up_once() {
        let (session, _running) = session();
        let stalled = request(&session, 1).await;
        overfill(&session, NOTIFICATION).await;
        assert_eq!(count(stalled).await, STREAM_CAPACITY);
    }
}
