//! From the child to the client: which stream a message goes to, and under which id.

use std::time::Duration;

use mcpt_http::{Account, Charge};
use mcpt_protocol::{
    ErrorCode, Kind, MalformedMessage, Message, MessageId, Part, error_response, find_id,
    sse::Frame, without_noise,
};
use tokio::{io::AsyncBufRead, sync::mpsc::error::SendTimeoutError, time::Instant};

use super::{
    BACKLOG_BYTES, BACKLOG_MAX, Pending, SLOW_CLIENT, Session, Stream, Takes, outline::Outline,
    stateless::ForOne, unusable::quote,
};
use crate::{lines::LineReader, sse::Event};

/// How long a message may wait for room, once nothing else of its session can make some.
const ROOM_PATIENCE: Duration = Duration::from_secs(30);
/// Where a message goes.
pub(super) enum Destination {
    /// To who asked.
    Answer(Pending),
    /// Where the answer will go.
    Progress(Waiting),
    /// Wherever the client listens.
    Other { is_question: bool },
}

/// Who waits for an answer.
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) stream: Stream,
    /// Who is charged for what waits to be read.
    pub(super) account: Account,
}

impl Waiting {
    pub(super) fn of(number: u64, pending: &Pending) -> Self {
        Self {
            number,
            stream: pending.stream.clone(),
            account: pending.charge.account().clone(),
        }
    }
}

/// A message that a server writes over several lines, as far as it has come.
#[derive(Debug)]
pub(super) struct Partial {
    text: Vec<u8>,
    charge: Charge,
    outline: Outline,
}

impl Session {
    /// Takes one line of the child's output. `partial` is what came before it and has not ended.
    pub(super) async fn receive<R: AsyncBufRead + Unpin>(
        &self,
        lines: &mut LineReader<R>,
        partial: &mut Option<Partial>,
    ) {
        let line = lines.line();
        let text = without_noise(line);
        let malformed = match Message::parse(text) {
            Ok(message) => {
                // What had begun before was no message, since none stands within another one's lines.
                if let Some(partial) = partial.take() {
                    self.receive_unusable(&partial.text, "it does not end");
                }
                self.receive_noise_before(line, text);
                let sorted = self.sort(&message);
                return self.pass_on(sorted, lines.release()).await;
            }
            Err(malformed) => malformed,
        };
        if partial.is_some() {
            return self.receive_more(lines, partial).await;
        }
        let outline = Outline::of(text);
        let may_go_on = matches!(malformed, MalformedMessage::NotJson(_))
            && text.starts_with(b"{")
            && outline.goes_on();
        if !may_go_on {
            let text = if text.is_empty() { line } else { text };
            return self.receive_unusable(text, &malformed.to_string());
        }
        self.receive_noise_before(line, text);
        let text = text.to_vec();
        let mut charge = lines.release();
        if charge.grow(text.capacity()).is_err() {
            return self.receive_unusable(&text, "there is no room for more of it");
        }
        *partial = Some(Partial {
            text,
            charge,
            outline,
        });
    }

    /// Takes a line that may be a part of a message that has begun.
    async fn receive_more<R: AsyncBufRead + Unpin>(
        &self,
        lines: &LineReader<R>,
        partial: &mut Option<Partial>,
    ) {
        let Some(mut begun) = partial.take() else {
            return;
        };
        let line = lines.line();
        begun.outline.read(line);
        let length = begun.text.len() + line.len() + 1;
        if length > self.max_message || begun.charge.grow(length * 2).is_err() {
            return self.receive_unusable(&begun.text, "there is no room for more of it");
        }
        begun.text.push(b'\n');
        begun.text.extend_from_slice(line);
        if begun.outline.goes_on() {
            *partial = Some(begun);
            return;
        }
        let sorted = match Message::parse(&begun.text) {
            Ok(message) => self.sort(&message),
            Err(malformed) => {
                return self.receive_unusable(&begun.text, &malformed.to_string());
            }
        };
        drop(begun.text);
        self.pass_on(sorted, begun.charge).await;
    }

    /// A line was longer than the limit, or there was no room for it: whoever it would have answered waits no longer. When
    /// that is not known, it may be anybody.
    pub(super) fn lose(&self, begin: &[u8], end: &[u8], why: &str) {
        if let Some(id) = find_id(begin).or_else(|| id_at_end(end)) {
            return self.fail_one(&id, true, why);
        }
        let pending = {
            let mut state = self.state();
            let pending = std::mem::take(&mut state.pending);
            let logs = pending.iter().filter(|(_, p)| p.takes == Takes::Log);
            let logs: Vec<_> = logs.map(|(number, _)| *number).collect();
            state.given_up.extend(logs);
            pending
        };
        self.fail(pending, why);
    }

    /// What stood on the line of a message before it.
    fn receive_noise_before(&self, line: &[u8], text: &[u8]) {
        let before = line.len().saturating_sub(text.len());
        let noise = line.get(..before).unwrap_or_default();
        let noise = noise.strip_prefix(b"\xef\xbb\xbf").unwrap_or(noise);
        self.receive_unusable(noise, "it stands before a message");
    }

    async fn pass_on(&self, sorted: Option<(Destination, Frame)>, charge: Charge) {
        let Some((destination, frame)) = sorted else {
            return;
        };
        if self.is_used_without_sessions() {
            drop(charge);
            return self.pass_on_at_once(destination, frame);
        }
        let Some(charge) = self.room_for(&frame, charge).await else {
            let why = "there is no room for the server's message: too much is held for clients";
            if let Destination::Answer(pending) = destination {
                self.fail_pending(&pending, why);
            } else {
                tracing::warn!(session = self.short_id(), "{why}");
            }
            return;
        };
        match destination {
            Destination::Answer(pending) => {
                let event = Event::charged(frame, charge, true);
                if self.deliver(&pending.stream, event).await.is_err() {
                    tracing::debug!("dropped an answer: its client is gone");
                }
            }
            Destination::Progress(to) => {
                let event = Event::charged(frame, charge, false);
                if self.deliver(&to.stream, event).await.is_err() {
                    tracing::debug!("dropped progress: its client is gone");
                }
            }
            Destination::Other { is_question } => {
                self.deliver_other(Event::charged(frame, charge, false), is_question)
                    .await;
            }
        }
    }

    /// Where a message goes, if somebody waits for it.
    fn sort(&self, message: &Message<'_>) -> Option<(Destination, Frame)> {
        let whole = |with: &[(Part<'_>, &str)]| {
            let more: usize = with.iter().map(|(_, with)| with.len()).sum();
            let length = message.text().len() + more;
            Frame::new(length, |out| message.write_line(with, out))
        };
        match message.kind() {
            Kind::Response { id: Some(id), .. } => {
                let value = MessageId::of(*id)?;
                let pending = {
                    let mut state = self.state();
                    let number = value.own_number();
                    state.last_used = Instant::now();
                    number.and_then(|number| {
                        state.given_up.remove(&number);
                        state.pending.remove(&number)
                    })
                };
                let Some(pending) = pending else {
                    let text = quote(message.text().as_bytes());
                    let why = format!("the server answered what it was not asked: {text}");
                    self.fail_one(&value, true, &why);
                    return None;
                };
                let own = pending.id.get();
                let listened = pending.takes == Takes::Subscribed;
                let ended = listened.then(|| message.result_subscription()).flatten();
                let with: Vec<_> = [Some((*id, own)), ended.map(|part| (part, own))]
                    .into_iter()
                    .flatten()
                    .collect();
                let frame = whole(&with);
                Some((Destination::Answer(pending), frame))
            }
            Kind::Response { id: None, .. } => {
                let text = quote(message.text().as_bytes());
                self.fail_the_only_one(&format!(
                    "the server answered with an error that names no request: {text}"
                ));
                None
            }
            Kind::Notification { method } if method == "notifications/progress" => {
                let Some(token) = message.params().progress_token else {
                    return Some((Destination::Other { is_question: false }, whole(&[])));
                };
                let number = MessageId::of(token).and_then(|token| token.own_number());
                let state = self.state();
                let waiting = number.and_then(|number| {
                    let pending = state.pending.get(&number)?;
                    let own = pending.progress_token.as_ref()?;
                    Some((Waiting::of(number, pending), own))
                });
                let Some((waiting, own)) = waiting else {
                    tracing::debug!("dropped progress of a request that is not under way");
                    return None;
                };
                let frame = whole(&[(token, own.get())]);
                Some((Destination::Progress(waiting), frame))
            }
            Kind::Notification { method } => {
                let is_log = method == "notifications/message";
                match self.stream_without_session(message, is_log) {
                    ForOne::Waiting(to, None) => Some((Destination::Progress(to), whole(&[]))),
                    ForOne::Waiting(to, Some((part, own))) => {
                        Some((Destination::Progress(to), whole(&[(part, own.get())])))
                    }
                    ForOne::Nobody => None,
                    ForOne::Anybody => {
                        Some((Destination::Other { is_question: false }, whole(&[])))
                    }
                }
            }
            // A client that only posts has no way to be asked, and lives all the same.
            Kind::Request { id, method } if method == "ping" && !self.is_listened_to() => {
                let pong = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.text());
                self.say(pong.into_bytes());
                None
            }
            Kind::Request { .. } => Some((Destination::Other { is_question: true }, whole(&[]))),
        }
    }

    /// Whether the client has any stream open that questions can go to.
    fn is_listened_to(&self) -> bool {
        let state = self.state();
        let pending = state.pending.values().filter(|p| p.takes == Takes::All);
        let mut streams = state.general.iter().chain(pending.map(|p| &p.stream));
        streams.any(|stream| !stream.is_closed())
    }

    /// Grows the charge of a line to what its event takes. The session's own backlog makes room first; after that the
    /// child waits, as its client is to read what it has, and in the end there is none.
    async fn room_for(&self, frame: &Frame, mut charge: Charge) -> Option<Charge> {
        while charge.grow(frame.size()).is_err() {
            if self.replay.give_way() {
                continue;
            }
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
                .find(|p| p.takes == Takes::All && !p.stream.is_closed())
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
        let mut dropped = Vec::new();
        {
            let backlog = &mut self.state().backlog;
            backlog.push_back(unsent);
            let mut bytes: usize = backlog.iter().map(Event::length).sum();
            while backlog.len() > BACKLOG_MAX || bytes > BACKLOG_BYTES {
                let Some(oldest) = backlog.pop_front() else {
                    break;
                };
                bytes -= oldest.length();
                dropped.push(oldest);
            }
        }
        for event in &dropped {
            self.dropped(event);
        }
    }

    /// A message is lost. The server does not wait for the answer to a question that nobody was asked.
    pub(super) fn dropped(&self, event: &Event) {
        let (session, bytes) = (self.short_id(), event.length());
        tracing::warn!(
            session,
            bytes,
            "dropped a message that no stream of the client took"
        );
        if let Ok(message) = Message::parse(&event.json())
            && let Kind::Request { id, .. } = message.kind()
        {
            let why = "the client has no stream open that takes this";
            let error = error_response(Some(*id), ErrorCode::INTERNAL_ERROR, why, None);
            self.say(error.into_bytes());
        }
    }

    /// Sends an event on a stream, or gives it back when the client does not take it. All output of the child waits
    /// here, so a client that leaves its stream unread does this to the session once: the stream is closed.
    async fn deliver(&self, stream: &Stream, event: Event) -> Result<(), Event> {
        match stream.send_timeout(event, SLOW_CLIENT).await {
            Ok(()) => Ok(()),
            Err(SendTimeoutError::Closed(event)) => Err(event),
            Err(SendTimeoutError::Timeout(event)) => {
                let session = self.short_id();
                tracing::warn!(session, "closed a stream that its client does not read");
                let mut state = self.state();
                state.general.take_if(|general| general.is(stream));
                // The requests of a batch share one.
                state.pending.retain(|_, p| !p.stream.is(stream));
                Err(event)
            }
        }
    }
}

/// The id at the end of a long message: some servers write it last.
fn id_at_end(end: &[u8]) -> Option<MessageId> {
    // It may begin within a character.
    let end = String::from_utf8_lossy(end.trim_ascii_end().strip_suffix(b"}")?);
    let (_, id) = end.rsplit_once("\"id\":")?;
    find_id(format!("{{\"id\":{id}}}").as_bytes()).filter(|_| !id.contains('}'))
}

#[cfg(test)]
pub(super) mod tests {
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

    pub(crate) const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    pub(crate) const PROGRESS: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;

    /// A session whose child says nothing: what it would say is given to `receive`.
    pub(crate) fn session() -> (Arc<Session>, super::super::Running) {
        let config = BridgeConfig::new(([127, 0, 0, 1], 0).into(), vec!["cat".into()]);
        let account = Budget::new(16_000_000, 0).account();
        let started = child::start(&config, "test", &account).unwrap();
        let end = CancellationToken::new();
        Session::new("s".to_owned(), started, 1000, account, end)
    }

    /// What the child says: one line.
    pub(crate) async fn receive(session: &Session, line: &[u8]) {
        let mut lines = LineReader::new(line, 2_000_000, session.account());
        lines.next().await.unwrap();
        session.receive(&mut lines, &mut None).await;
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
        let request = session.request(&message, id, stream, Takes::All);
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

    pub(crate) async fn count(mut events: mpsc::Receiver<Event>) -> usize {
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
