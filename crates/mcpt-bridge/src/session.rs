//! One session: a client, its child process, and which answer belongs where.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use mcpt_protocol::{ErrorCode, Kind, Message, Part, error_response};
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout},
    sync::mpsc,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    child::{Started, Tail},
    lines::{Line, read_line},
    sse::Event,
};

/// Events that wait for a client to read them; more make the child wait.
const STREAM_CAPACITY: usize = 16;
/// Lines that wait for the child to read them; more make clients wait.
const STDIN_CAPACITY: usize = 16;
/// How long a client may leave a stream unread before it is given up.
const SLOW_CLIENT: Duration = Duration::from_secs(30);
/// Messages of the server that wait for the client to open a stream; older ones are dropped.
const BACKLOG_MAX: usize = 256;
/// How long output may still come from a child that has ended: its own last words, or those of what it left behind.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How much of a line that is no message is logged.
const NOISE_SHOWN: usize = 200;

/// A session and the way to its child.
#[derive(Debug)]
pub(crate) struct Session {
    id: String,
    to_child: mpsc::Sender<Vec<u8>>,
    state: Mutex<State>,
    /// Cancelled to ask for the end.
    end: CancellationToken,
    version: OnceLock<String>,
    tail: Tail,
}

#[derive(Debug)]
struct State {
    last_number: u64,
    /// Requests that the child has not answered, by the number that they have there.
    pending: BTreeMap<u64, Pending>,
    /// The client's GET stream.
    general: Option<mpsc::Sender<Event>>,
    backlog: VecDeque<Event>,
    last_used: Instant,
    /// Why the session is over.
    over: Option<String>,
}

/// A request of the client, under way.
#[derive(Debug)]
struct Pending {
    id: Box<RawValue>,
    progress_token: Option<Box<RawValue>>,
    stream: mpsc::Sender<Event>,
    /// Only for what belongs to this very request.
    exclusive: bool,
}

/// The session is over, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Over(pub(crate) String);

/// What the runner of a session needs besides it.
#[derive(Debug)]
pub(crate) struct Running {
    started: Started,
    lines: mpsc::Receiver<Vec<u8>>,
    max_message: usize,
}

impl Session {
    pub(crate) fn new(id: String, started: Started, max_message: usize) -> (Arc<Self>, Running) {
        let (to_child, lines) = mpsc::channel(STDIN_CAPACITY);
        let session = Arc::new(Self {
            id,
            to_child,
            state: Mutex::new(State {
                last_number: 0,
                pending: BTreeMap::new(),
                general: None,
                backlog: VecDeque::new(),
                last_used: Instant::now(),
                over: None,
            }),
            end: CancellationToken::new(),
            version: OnceLock::new(),
            tail: started.process.tail().clone(),
        });
        let running = Running {
            started,
            lines,
            max_message,
        };
        (session, running)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Protocol version that was agreed on; empty until then.
    pub(crate) fn version(&self) -> &str {
        self.version.get().map_or("", String::as_str)
    }

    pub(crate) fn agree_on(&self, version: String) {
        // `initialize` is answered once per session.
        self.version.get_or_init(|| version);
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Why it is over, if it is.
    pub(crate) fn over(&self) -> Option<String> {
        self.state().over.clone()
    }

    /// Asks for its end.
    pub(crate) fn end(&self) {
        self.end.cancel();
    }

    /// Since when nobody uses it; `None` while a client waits for an answer or listens.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        let mut streams = state
            .pending
            .values()
            .map(|p| &p.stream)
            .chain(&state.general);
        streams
            .all(mpsc::Sender::is_closed)
            .then_some(state.last_used)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream for the answers of requests.
    pub(crate) fn stream() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
        mpsc::channel(STREAM_CAPACITY)
    }

    /// Passes a request to the child; its answer and its progress will come on `stream`. With `exclusive`, nothing else
    /// will.
    ///
    /// # Errors
    /// [`Over`] when there is no child any more.
    pub(crate) async fn request(
        &self,
        message: &Message<'_>,
        id: Part<'_>,
        stream: mpsc::Sender<Event>,
        exclusive: bool,
    ) -> Result<(), Over> {
        let token = message.params().meta_progress_token;
        let number = {
            let mut state = self.state();
            if let Some(why) = &state.over {
                return Err(Over(why.clone()));
            }
            state.last_number += 1;
            state.last_used = Instant::now();
            let number = state.last_number;
            let pending = Pending {
                id: id.to_owned(),
                progress_token: token.map(Part::to_owned),
                stream,
                exclusive,
            };
            state.pending.insert(number, pending);
            number
        };
        let number = number.to_string();
        let replacements = [Some((id, &*number)), token.map(|token| (token, &*number))];
        let replacements: Vec<_> = replacements.into_iter().flatten().collect();
        self.send(message, &replacements).await
    }

    /// Passes a notification or a response to the child.
    ///
    /// # Errors
    /// [`Over`] when there is no child any more.
    pub(crate) async fn forward(&self, message: &Message<'_>) -> Result<(), Over> {
        self.state().last_used = Instant::now();
        if message.method() != Some("notifications/cancelled") {
            return self.send(message, &[]).await;
        }
        let Some(id) = message.params().request_id else {
            return self.send(message, &[]).await;
        };
        // A cancelled request is not answered, so it is not pending any more.
        let number = {
            let mut state = self.state();
            let found = state
                .pending
                .iter()
                .find_map(|(n, p)| (p.id.get() == id.text()).then_some(*n));
            found.inspect(|number| {
                state.pending.remove(number);
            })
        };
        match number {
            Some(number) => self.send(message, &[(id, &number.to_string())]).await,
            // Answered already: there is nothing to cancel.
            None => Ok(()),
        }
    }

    async fn send(&self, message: &Message<'_>, with: &[(Part<'_>, &str)]) -> Result<(), Over> {
        let mut line = Vec::new();
        message.write_line(with, &mut line);
        line.push(b'\n');
        self.to_child.send(line).await.map_err(|_| {
            Over(
                self.over()
                    .unwrap_or_else(|| "the server process does not read".to_owned()),
            )
        })
    }

    /// Opens the stream of messages that belong to no request. It replaces an earlier one, whose client may be gone
    /// without a trace.
    ///
    /// # Errors
    /// [`Over`] when there is no child any more.
    pub(crate) fn open_general(&self) -> Result<mpsc::Receiver<Event>, Over> {
        let mut state = self.state();
        if let Some(why) = &state.over {
            return Err(Over(why.clone()));
        }
        let backlog = std::mem::take(&mut state.backlog);
        let (sender, receiver) = mpsc::channel(STREAM_CAPACITY + backlog.len());
        for event in backlog {
            // There is room for all of it.
            drop(sender.try_send(event));
        }
        state.general = Some(sender);
        state.last_used = Instant::now();
        Ok(receiver)
    }

    /// Takes one line of the child's output.
    async fn receive(&self, line: &[u8]) {
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
            Kind::Response { id, .. } => self.receive_response(&message, *id).await,
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
        if let Err(error) = pending.stream.send_timeout(event, SLOW_CLIENT).await {
            tracing::debug!(%error, "dropped an answer: its client is gone");
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
        if let Err(error) = stream.send_timeout(event, SLOW_CLIENT).await {
            tracing::debug!(%error, "dropped progress: its client is gone");
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
            Some(stream) => match stream.send_timeout(event, SLOW_CLIENT).await {
                Ok(()) => return,
                Err(error) => error.into_inner(),
            },
        };
        let mut state = self.state();
        if state.backlog.len() == BACKLOG_MAX {
            tracing::warn!("dropped the oldest message that no stream of the client took");
            state.backlog.pop_front();
        }
        state.backlog.push_back(unsent);
    }

    /// Marks the session as over and gives an error to everyone who waits.
    fn finish(&self, why: &str) {
        let pending = {
            let mut state = self.state();
            state.over = Some(why.to_owned());
            state.general = None;
            std::mem::take(&mut state.pending)
        };
        self.fail(pending, why);
    }

    fn fail(&self, pending: BTreeMap<u64, Pending>, why: &str) {
        if !pending.is_empty() {
            tracing::warn!(requests = pending.len(), session = self.short_id(), "{why}");
        }
        for request in pending.into_values() {
            let id = Some(Part::alone(&request.id));
            let text = error_response(id, ErrorCode::INTERNAL_ERROR, why, None);
            let event = Event::answer(|out| out.extend_from_slice(text.as_bytes()));
            // A full stream has a client that does not read; a closed one has none.
            if let Err(error) = request.stream.try_send(event) {
                tracing::debug!(%error, "dropped an error: its client is gone");
            }
        }
    }

    /// Enough of the id to tell sessions apart in a log, not enough to use one.
    pub(crate) fn short_id(&self) -> &str {
        self.id.get(..8).unwrap_or_default()
    }

    /// Runs the session until its end is asked for or its child ends. `closing` is called before waiting clients get
    /// their errors. Returns once the child and what it left behind are gone.
    pub(crate) async fn run(&self, running: Running, closing: impl FnOnce()) {
        let Running {
            started,
            lines,
            max_message,
        } = running;
        let Started {
            mut process,
            stdin,
            stdout,
        } = started;
        let writer = tokio::spawn(write(stdin, lines));
        let why = {
            let mut reading = std::pin::pin!(self.read(stdout, max_message));
            tokio::select! {
                () = self.end.cancelled() => "the session was ended".to_owned(),
                () = &mut reading => process.how_it_ended().await,
                _ = process.wait() => {
                    // What is still in the pipe is read; what others hold open is not awaited.
                    drop(tokio::time::timeout(LAST_WORDS, reading).await);
                    process.how_it_ended().await
                }
            }
        };
        closing();
        self.finish(&why);
        // With the writer goes stdin, which asks the child to leave.
        writer.abort();
        drop(writer.await);
        process.end().await;
    }

    async fn read(&self, mut stdout: BufReader<ChildStdout>, max: usize) {
        let mut line = Vec::new();
        loop {
            match read_line(&mut stdout, &mut line, max).await {
                Ok(Line::Complete) => self.receive(&line).await,
                Ok(Line::TooLong) => {
                    // Which request it would have answered is not known.
                    let why = format!("the server wrote a message longer than {max} bytes");
                    let pending = std::mem::take(&mut self.state().pending);
                    self.fail(pending, &why);
                }
                Ok(Line::End) => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot read from the server process");
                    return;
                }
            }
        }
    }
}

async fn write(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if let Err(error) = stdin.write_all(&line).await {
            tracing::debug!(%error, "cannot write to the server process");
            return;
        }
    }
}
