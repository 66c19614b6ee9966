//! One session: a client, its child process, and which answer belongs where.

mod incoming;
mod outgoing;
mod outline;
mod run;
mod stateless;
mod stream;
mod unusable;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use mcpt_http::{Account, Charge};
use serde_json::value::RawValue;
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::task_tracker::TaskTrackerToken};

use self::outgoing::Queued;
pub(crate) use self::{outgoing::Outgoing, stateless::GivenUpWithThis, stream::Stream};
use crate::{
    child::{Ended, Input, Started, Tail},
    replay::Replay,
    sse::Event,
};

/// Events that wait for a client to read them; more make the child wait.
const STREAM_CAPACITY: usize = 16;
/// Events of a child with many clients that wait for one of them; at more, or where that one has no room for their bytes, its
/// request is given up.
const SHARED_STREAM_CAPACITY: usize = 1024;
/// Lines that wait for the child to read them; more make clients wait.
const STDIN_CAPACITY: usize = 16;
/// Longest protocol version that is kept, in bytes.
const VERSION_MAX: usize = 64;
/// How long a client may leave a stream unread before it is given up.
const SLOW_CLIENT: Duration = Duration::from_secs(30);
/// Messages of the server that wait for the client to open a stream, and their bytes; older ones are dropped.
const BACKLOG_MAX: usize = 256;
const BACKLOG_BYTES: usize = 1024 * 1024;

/// A session and the way to its child.
#[derive(Debug)]
pub(crate) struct Session {
    id: String,
    to_child: mpsc::Sender<Queued>,
    /// Bytes that may still be put into that queue.
    stdin_room: Arc<Semaphore>,
    /// Holds all that is on the way in either direction.
    account: Account,
    /// What was said on streams that can be taken up again.
    replay: Replay,
    state: Mutex<State>,
    /// Cancelled to ask for the end.
    end: CancellationToken,
    version: OnceLock<String>,
    /// Its child is used without `initialize`, by requests of 2026-07-28.
    stateless: OnceLock<()>,
    tail: Tail,
    /// Longest message of the child, in bytes.
    max_message: usize,
    /// Whether who says something is told with each message.
    is_told_who: bool,
}

#[derive(Debug)]
struct State {
    last_number: u64,
    /// Requests that the child has not answered, by the number that they have there.
    pending: BTreeMap<u64, Pending>,
    /// Those with log messages that were given up and that the child has not answered: what it says may still be of them.
    given_up: BTreeSet<u64>,
    /// The client's GET stream.
    general: Option<Stream>,
    backlog: VecDeque<Event>,
    last_used: Instant,
    /// Why the session is over.
    over: Option<Over>,
}

/// What comes on the stream of a request besides its answer and its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// What belongs to a subscription that it is.
    Subscribed,
    /// Log messages, if no other request takes them.
    Log,
    /// Whatever the server says, if no GET stream takes it.
    All,
}

/// A request of the client, under way.
#[derive(Debug)]
struct Pending {
    id: Box<RawValue>,
    progress_token: Option<Box<RawValue>>,
    stream: Stream,
    takes: Takes,
    /// What the request takes until it is answered.
    charge: Charge,
    /// Counts it until then, where nothing else does.
    _in_progress: Option<TaskTrackerToken>,
}

/// The session is over, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Over {
    why: String,
    /// Whether its command cannot be executed at all.
    pub(crate) hopeless: bool,
}

impl Over {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            hopeless: false,
        }
    }
}

impl From<Ended> for Over {
    fn from(ended: Ended) -> Self {
        Self {
            hopeless: matches!(&ended, Ended::NotStarted(why) if why.is_hopeless()),
            why: ended.to_string(),
        }
    }
}

/// What the runner of a session needs besides it.
#[derive(Debug)]
pub(crate) struct Running {
    started: Started,
    lines: mpsc::Receiver<Queued>,
}

impl Session {
    /// A session that runs until `end` is cancelled or its child ends.
    pub(crate) fn new(
        id: String,
        started: Started,
        max_message: usize,
        account: Account,
        end: CancellationToken,
    ) -> (Arc<Self>, Running) {
        let (to_child, lines) = mpsc::channel(STDIN_CAPACITY);
        let session = Arc::new(Self {
            id,
            to_child,
            stdin_room: Arc::new(Semaphore::new(outgoing::STDIN_BYTES)),
            account,
            replay: Replay::default(),
            state: Mutex::new(State {
                last_number: 0,
                pending: BTreeMap::new(),
                given_up: BTreeSet::new(),
                general: None,
                backlog: VecDeque::new(),
                last_used: Instant::now(),
                over: None,
            }),
            end,
            version: OnceLock::new(),
            stateless: OnceLock::new(),
            tail: started.process.tail().clone(),
            max_message,
            is_told_who: matches!(started.input, Input::Posts(_)),
        });
        let running = Running { started, lines };
        (session, running)
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Who holds what is on the way.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// What was said on streams that can be taken up again.
    pub(crate) fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Protocol version that was agreed on; empty until then.
    pub(crate) fn version(&self) -> &str {
        self.version.get().map_or("", String::as_str)
    }

    pub(crate) fn agree_on(&self, mut version: String) {
        // Of one that is longer than any that is known nothing needs to be known.
        version.truncate(version.floor_char_boundary(VERSION_MAX));
        version.shrink_to_fit();
        // `initialize` is answered once per session.
        self.version.get_or_init(|| version);
    }

    /// Says that its child is used without `initialize`.
    pub(crate) fn is_used_without_session(&self) {
        self.stateless.get_or_init(|| ());
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Why it is over, if it is.
    pub(crate) fn over(&self) -> Option<Over> {
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
        streams.all(Stream::is_closed).then_some(state.last_used)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream for the answers of requests.
    pub(crate) fn stream() -> (Stream, mpsc::Receiver<Event>) {
        Stream::of(STREAM_CAPACITY)
    }

    /// The same for requests to a child that has other clients too.
    pub(crate) fn stream_of_shared() -> (Stream, mpsc::Receiver<Event>) {
        Stream::of(SHARED_STREAM_CAPACITY)
    }

    /// Opens the stream of messages that belong to no request. It replaces an earlier one, whose client may be gone
    /// without a trace.
    ///
    /// # Errors
    /// [`Over`] when there is no child any more.
    pub(crate) fn open_general(&self) -> Result<mpsc::Receiver<Event>, Over> {
        let mut state = self.state();
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        let backlog = std::mem::take(&mut state.backlog);
        let (sender, receiver) = Stream::of(STREAM_CAPACITY + backlog.len());
        for event in backlog {
            // There is room for all of it.
            drop(sender.try_send(event));
        }
        state.general = Some(sender);
        state.last_used = Instant::now();
        Ok(receiver)
    }

    /// The stream of messages that belong to no request, if it is open.
    pub(crate) fn general(&self) -> Option<Stream> {
        let state = self.state();
        state.general.clone().filter(|stream| !stream.is_closed())
    }

    /// Marks the session as over and gives an error to everyone who waits.
    fn finish(&self, over: &Over) {
        let pending = {
            let mut state = self.state();
            state.over = Some(over.clone());
            state.general = None;
            state.backlog.clear();
            std::mem::take(&mut state.pending)
        };
        self.fail(pending, &over.why);
        self.replay.clear();
    }

    fn fail(&self, pending: BTreeMap<u64, Pending>, why: &str) {
        for request in pending.into_values() {
            self.fail_pending(&request, why);
        }
    }

    /// Enough of the id to tell sessions apart in a log, not enough to use one.
    pub(crate) fn short_id(&self) -> &str {
        self.id.get(..8).unwrap_or_default()
    }
}
