//! From the child to the client: which stream a message goes to, and under which id.

use std::time::Duration;

use mcpt_http::Charge;
use mcpt_protocol::{ErrorCode, Kind, Message, Part};
use tokio::{
    io::AsyncBufRead,
    sync::mpsc::{Sender, error::SendTimeoutError},
    time::Instant,
};

use super::{BACKLOG_BYTES, BACKLOG_MAX, Pending, SLOW_CLIENT, Session};
use crate::{
    lines::LineReader,
    sse::{Event, Frame},
};

/// How long a message may wait for room, once nothing else of its session can make some.
const ROOM_PATIENCE: Duration = Duration::from_secs(30);
/// How much of a line that is no message is logged.
const NOISE_SHOWN: usize = 200;

/// Where a message goes.
enum Destination {
    /// To who asked.
    Answer(Pending),
    /// Where the answer will go.
    Progress(Sender<Event>),
    /// Wherever the client listens.
    Other { is_question: bool },
}

impl Session {
    /// Takes one line of the child's output.
    pub(super) async fn receive<R: AsyncBufRead + Unpin>(&self, lines: &mut LineReader<R>) {
        let Some((destination, frame)) = self.sort(lines.line()) else {
            return;
        };
        let Some(charge) = self.room_for(&frame, lines.release()).await else {
            tracing::warn!(
                session = self.short_id(),
                "dropped a message of the server: too much is held for clients"
            );
            if let Destination::Answer(pending) = destination {
                let why = "there is no room for the server's answer: too much is held for clients";
                let id = Some(Part::alone(&pending.id));
                let error = Event::error(id, ErrorCode::INTERNAL_ERROR, why);
                // Whoever reads nothing learns nothing.
                drop(pending.stream.try_send(error));
            }
            return;
        };
        match destination {
            Destination::Answer(pending) => {
                let event = frame.charged(charge, true);
                if self.deliver(&pending.stream, event).await.is_err() {
                    tracing::debug!("dropped an answer: its client is gone");
                }
            }
            Destination::Progress(stream) => {
                let event = frame.charged(charge, false);
                if self.deliver(&stream, event).await.is_err() {
                    tracing::debug!("dropped progress: its client is gone");
                }
            }
            Destination::Other { is_question } => {
                self.deliver_other(frame.charged(charge, false), is_question)
                    .await;
            }
        }
    }

    /// What the line is and where it goes, if it is a message that somebody waits for.
    fn sort(&self, line: &[u8]) -> Option<(Destination, Frame)> {
        let message = match Message::parse(line) {
            Ok(message) => message,
            Err(error) => {
                if !line.iter().all(u8::is_ascii_whitespace) {
                    let shown = line.get(..NOISE_SHOWN).unwrap_or(line);
                    let text = String::from_utf8_lossy(shown);
                    tracing::warn!(%error, "dropped what the server wrote to stdout: {text}");
                }
                return None;
            }
        };
        let whole = |with: &[(Part<'_>, &str)]| {
            let more: usize = with.iter().map(|(_, with)| with.len()).sum();
            Frame::new(line.len() + more, |out| message.write_line(with, out))
        };
        match message.kind() {
            Kind::Response { id: Some(id), .. } => {
                let mut state = self.state();
                let Some(pending) = id.as_u64().and_then(|n| state.pending.remove(&n)) else {
                    tracing::debug!("dropped an answer that nobody waits for");
                    return None;
                };
                state.last_used = Instant::now();
                drop(state);
                let frame = whole(&[(*id, pending.id.get())]);
                Some((Destination::Answer(pending), frame))
            }
            Kind::Response { id: None, .. } => {
                tracing::debug!("dropped an error that names no request");
                None
            }
            Kind::Notification { method } if method == "notifications/progress" => {
                let Some(number) = message.params().progress_token else {
                    return Some((Destination::Other { is_question: false }, whole(&[])));
                };
                let state = self.state();
                let pending = number.as_u64().and_then(|n| state.pending.get(&n));
                let Some((pending, token)) =
                    pending.and_then(|p| Some((p, p.progress_token.as_ref()?)))
                else {
                    tracing::debug!("dropped progress of a request that is not under way");
                    return None;
                };
                let frame = whole(&[(number, token.get())]);
                Some((Destination::Progress(pending.stream.clone()), frame))
            }
            Kind::Notification { .. } => {
                Some((Destination::Other { is_question: false }, whole(&[])))
            }
            Kind::Request { .. } => Some((Destination::Other { is_question: true }, whole(&[]))),
        }
    }

    /// Grows the charge of a line to what its event takes. The session's own backlog makes room first; after that the
    /// child waits, as its client is to read what it has, and in the end there is none.
    async fn room_for(&self, frame: &Frame, mut charge: Charge) -> Option<Charge> {
        while charge.grow(frame.size()).is_err() {
            let oldest = self.state().backlog.pop_front();
            let Some(oldest) = oldest else {
                let grown = charge.grow_when_free(frame.size());
                tokio::time::timeout(ROOM_PATIENCE, grown).await.ok()?;
                break;
            };
            self.dropped(&oldest);
        }
        charge.shrink(frame.size());
        Some(charge)
    }

    /// Delivers what names no request of the client. A question of the server most likely belongs to the newest
    /// request; anything else goes to the GET stream first. Each takes the other way when its own is not open.
    async fn deliver_other(&self, event: Event, is_question: bool) {
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
        if unsent.length() > BACKLOG_BYTES {
            return self.dropped(&unsent);
        }
        let mut state = self.state();
        let backlog = &mut state.backlog;
        backlog.push_back(unsent);
        let mut bytes: usize = backlog.iter().map(Event::length).sum();
        while backlog.len() > BACKLOG_MAX || bytes > BACKLOG_BYTES {
            let Some(oldest) = backlog.pop_front() else {
                break;
            };
            bytes -= oldest.length();
            self.dropped(&oldest);
        }
    }

    fn dropped(&self, event: &Event) {
        let (session, bytes) = (self.short_id(), event.length());
        tracing::warn!(
            session,
            bytes,
            "dropped a message that no stream of the client took"
        );
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
    use std::{future::Future, pin::Pin, sync::Arc};

    use futures_util::FutureExt as _;
    use mcpt_http::Budget;
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{
        super::{Over, STREAM_CAPACITY},
        *,
    };
    use crate::{BridgeConfig, child};

    const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    const PROGRESS: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;

    /// A session whose child says nothing: what it would say is given to `receive`.
    fn session() -> (Arc<Session>, super::super::Running) {
        let config = BridgeConfig::new(([127, 0, 0, 1], 0).into(), vec!["cat".into()]);
        let account = Budget::new(16_000_000, 0).account();
        let started = child::start(&config, "test", &account).unwrap();
        let end = CancellationToken::new();
        Session::new("s".to_owned(), started, 1000, account, end)
    }

    /// What the child says: one line.
    async fn receive(session: &Session, line: &[u8]) {
        let mut lines = LineReader::new(line, 2_000_000, session.account());
        lines.next().await.unwrap();
        session.receive(&mut lines).await;
    }

    type Sent = Pin<Box<dyn Future<Output = Result<(), Over>>>>;

    fn request_line(session: &Arc<Session>, id: u8) -> (Sent, mpsc::Receiver<Event>) {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":{{"_meta":{{"progressToken":{id}}}}}}}"#
        );
        let message = Message::parse(text.as_bytes()).unwrap();
        let Kind::Request { id, .. } = *message.kind() else {
            panic!("{text}");
        };
        let (stream, events) = Session::stream();
        let request = session.request(&message, id, stream, false);
        (Box::pin(request.send()), events)
    }

    async fn request(session: &Arc<Session>, id: u8) -> mpsc::Receiver<Event> {
        let (sent, events) = request_line(session, id);
        sent.await.unwrap();
        events
    }

    /// Receives a line until a full stream has made it wait, and once more. The clock only moves by that wait.
    async fn overfill(session: &Session, line: &[u8]) {
        let begin = Instant::now();
        for _ in 0..STREAM_CAPACITY + 2 {
            receive(session, line).await;
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
        receive(&session, br#"{"jsonrpc":"2.0","id":2,"result":{}}"#).await;
        assert!(other.try_recv().unwrap().is_answer());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_takes_no_other_messages_is_given_up_once() {
        let (session, _running) = session();
        let stalled = request(&session, 1).await;
        overfill(&session, NOTIFICATION).await;
        assert_eq!(count(stalled).await, STREAM_CAPACITY);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_listens_to_is_bounded_in_bytes() {
        let (session, _running) = session();
        let text = "x".repeat(300_000);
        let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":"{text}"}}"#);
        for _ in 0..20 {
            receive(&session, line.as_bytes()).await;
            assert!(session.account().held() <= BACKLOG_BYTES);
        }
        assert_eq!(session.state().backlog.len(), 3);
        // One that is too large alone is not kept, and drives out no other.
        let text = "x".repeat(BACKLOG_BYTES);
        let line = format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":"{text}"}}"#);
        receive(&session, line.as_bytes()).await;
        assert_eq!(session.state().backlog.len(), 3);
        assert!(session.account().held() <= BACKLOG_BYTES);
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_before_the_child_has_it_is_not_pending() {
        let (session, _running) = session();
        // Nobody reads what the child is to have.
        let mut waiting = Vec::new();
        for id in 0..40 {
            let mut events = request_line(&session, id);
            let sent = (&mut events.0).now_or_never();
            waiting.extend(sent.is_none().then_some(events));
        }
        let had = 40 - waiting.len();
        assert!(had > 0 && session.state().pending.len() == 40);
        drop(waiting);
        assert_eq!(session.state().pending.len(), had);
    }
}
