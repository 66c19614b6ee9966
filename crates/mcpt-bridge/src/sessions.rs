//! All sessions: making them, finding them, ending them.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::HeaderMap;
use mcpt_http::Budget;
use mcpt_protocol::{
    Kind as Sort, Message,
    handshake::{discover_request, initialize_request, knows_stateless},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BridgeConfig,
    begin::{Begun, begin, shown},
    child,
    older::{self, Opened, Unopened},
    readiness::{Readiness, StartFailure, State},
    session::{Session, Takes},
    sse::Event,
    stateless::{Kind, Pools},
};

/// What the bridge calls itself.
const NAME: &str = "mcpt-bridge";
/// How long a server may leave `server/discover` unanswered before it is asked by `initialize` as well.
const DISCOVER_PATIENCE: Duration = Duration::from_secs(5);

/// The sessions of the bridge. Requests only ever read the map; it is written when a session begins or ends.
#[derive(Debug)]
pub(crate) struct Sessions {
    config: Arc<BridgeConfig>,
    readiness: Arc<Readiness>,
    map: RwLock<HashMap<String, Arc<Session>>>,
    slots: Arc<Semaphore>,
    /// What the server speaks, as the last check has found.
    kind: watch::Sender<Option<Kind>>,
    pools: Pools,
    budget: Budget,
    tasks: TaskTracker,
    /// The end of each session is a child of this, so that it also reaches those that are only beginning.
    end: CancellationToken,
}

/// A session that nobody can find yet. Unless it is published, its end is asked for when this is dropped, as happens
/// when a client leaves before `initialize` was answered.
#[derive(Debug)]
pub(crate) struct NewSession {
    session: Arc<Session>,
    published: bool,
}

impl Deref for NewSession {
    type Target = Arc<Session>;
    fn deref(&self) -> &Arc<Session> {
        &self.session
    }
}

impl Drop for NewSession {
    fn drop(&mut self) {
        if !self.published {
            self.session.end();
        }
    }
}

/// Why no session can be made now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSession {
    #[error("the server is shutting down")]
    Draining,
    #[error("the server is starting: try again")]
    Starting,
    #[error("{}", too_many(*.0))]
    TooMany(usize),
    #[error("{}", .0.reason)]
    Failing(StartFailure),
    #[error(transparent)]
    Unopened(Unopened),
    #[error("no randomness for a session id: {0}")]
    Random(getrandom::Error),
}

impl Sessions {
    pub(crate) fn new(
        config: Arc<BridgeConfig>,
        readiness: Arc<Readiness>,
        tasks: TaskTracker,
        budget: Budget,
    ) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(config.max_sessions)),
            config,
            readiness,
            map: RwLock::default(),
            kind: watch::Sender::new(None),
            pools: Pools::default(),
            tasks,
            budget,
            end: CancellationToken::new(),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(id).cloned()
    }

    /// Starts a child for a session that nobody can find yet, begun by a request with these headers.
    ///
    /// # Errors
    /// [`NoSession`] when there cannot be one now.
    pub(crate) async fn start(
        self: &Arc<Self>,
        headers: &HeaderMap,
    ) -> Result<NewSession, NoSession> {
        match self.readiness.state() {
            State::Draining => return Err(NoSession::Draining),
            State::Failing(failure) => return Err(NoSession::Failing(failure)),
            State::Starting if self.config.max_sessions == 1 => return Err(NoSession::Starting),
            State::Starting | State::Ready => {}
        }
        let slot = self.slot().await;
        let slot = slot.ok_or(NoSession::TooMany(self.config.max_sessions))?;
        let opened = match &self.config.older {
            Some(server) => {
                let opened = older::open(server, headers).await;
                Some(opened.map_err(NoSession::Unopened)?)
            }
            None => None,
        };
        self.start_in(Some(slot), opened).inspect_err(|error| {
            if let NoSession::Failing(failure) = error {
                self.readiness.doubt(failure);
            }
        })
    }

    /// Children that are used without a session of a client.
    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// How long a child may take to answer `initialize`.
    pub(crate) fn initialize_timeout(&self) -> Duration {
        self.config.initialize_timeout
    }

    /// Completes when the bridge shuts down.
    pub(crate) async fn draining(&self) {
        self.readiness.draining().await;
    }

    /// What the server speaks. While the first check is under way, this waits for it.
    ///
    /// # Errors
    /// [`NoSession`] when no child could be started now.
    pub(crate) async fn kind(&self) -> Result<Kind, NoSession> {
        let mut kinds = self.kind.subscribe();
        let known = async {
            let kind = kinds.wait_for(Option::is_some).await;
            kind.ok().and_then(|kind| kind.clone())
        };
        let known = tokio::select! {
            biased;
            known = known => known,
            () = self.readiness.failing_or_draining() => None,
        };
        match (self.readiness.state(), known) {
            (State::Draining, _) => Err(NoSession::Draining),
            (State::Failing(failure), _) => Err(NoSession::Failing(failure)),
            (State::Starting | State::Ready, Some(kind)) => Ok(kind),
            (State::Starting | State::Ready, None) => Err(NoSession::Starting),
        }
    }

    /// A place for a session. When there is none, a child that nobody uses now leaves for it; where there is one place only,
    /// whoever has just ended leaves first.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.slots);
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => Some(slot),
            Err(_)
                if self.pools.give_way() || (self.config.max_sessions == 1 && !self.is_used()) =>
            {
                let leaves = self.config.exit_grace * 3;
                let slot = tokio::time::timeout(leaves, slots.acquire_owned()).await;
                slot.ok()?.ok()
            }
            Err(_) => None,
        }
    }

    fn start_in(
        self: &Arc<Self>,
        slot: Option<OwnedSemaphorePermit>,
        opened: Option<Opened>,
    ) -> Result<NewSession, NoSession> {
        let id = new_id().map_err(NoSession::Random)?;
        let owner = id.get(..16).unwrap_or(&id);
        let account = self.budget.account();
        let started = match opened {
            Some(opened) => older::connect(opened, self.config.max_message, &account),
            None => child::start(&self.config, owner, &account).map_err(|cannot| {
                NoSession::Failing(StartFailure {
                    reason: cannot.to_string(),
                    tail: Vec::new(),
                    hopeless: cannot.is_hopeless(),
                })
            })?,
        };
        let pid = started.process.pid();
        let end = self.end.child_token();
        let max = self.config.max_message;
        let (session, running) = Session::new(id, started, max, account, end);
        let (this, runs) = (Arc::clone(self), Arc::clone(&session));
        self.tasks.spawn(async move {
            runs.run(running, || drop(this.forget(runs.id()))).await;
            tracing::debug!(session = runs.short_id(), pid, "its child is gone");
            drop(slot);
        });
        Ok(NewSession {
            session,
            published: false,
        })
    }

    /// Sees whether the server could be used now, and what it speaks: a child is begun as it would be for a client, and ended.
    /// Where only one child may run, this waits until no other one does.
    ///
    /// # Errors
    /// [`StartFailure`] when it could not.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<(), StartFailure> {
        let found = match self.look(true).await {
            // It may be one that takes no other first message than `initialize`.
            Err(Looked {
                failure,
                by_discover: true,
            }) if !failure.hopeless => self.look(false).await,
            looked => looked,
        };
        let found = found.map_err(|looked| looked.failure)?;
        self.kind.send_replace(Some(found));
        Ok(())
    }

    /// One look at it. With `discover` it is asked for what it speaks first.
    async fn look(self: &Arc<Self>, discover: bool) -> Result<Kind, Looked> {
        let failed = |failure: StartFailure| Looked {
            failure,
            by_discover: discover,
        };
        let because = |reason: String| StartFailure {
            reason,
            tail: Vec::new(),
            hopeless: false,
        };
        let single = self.config.max_sessions == 1;
        let slot = if single {
            // It is never closed.
            Arc::clone(&self.slots).acquire_owned().await.ok()
        } else {
            None
        };
        let opened = match &self.config.older {
            Some(server) => {
                let opened = older::open(server, &HeaderMap::new()).await;
                Some(opened.map_err(|why| failed(because(why.to_string())))?)
            }
            None => None,
        };
        let session = match self.start_in(slot, opened) {
            Ok(session) => session,
            Err(NoSession::Failing(failure)) => return Err(failed(failure)),
            Err(other) => return Err(failed(because(other.to_string()))),
        };
        let looked = if discover {
            self.look_first_by_discover(&session).await
        } else {
            self.look_by_initialize(&session).await
        };
        match &looked {
            // It serves as it is. Where only one may run, its place is for whoever comes first.
            Ok(Kind::Stateless) if !single && session.over().is_none() => {
                self.pools.shared.add_first(session);
            }
            _ => drop(session),
        }
        if single {
            // Whoever is told that the server is ready finds the place free.
            drop(self.slots.acquire().await);
        }
        looked.map_err(failed)
    }

    async fn look_first_by_discover(&self, session: &NewSession) -> Result<Kind, StartFailure> {
        let text = discover_request(1, NAME, env!("CARGO_PKG_VERSION"));
        let mut answers = ask(session, &text).await;
        let knows = async {
            let event = answers.recv().await?;
            let body = event.json();
            let answer = Message::parse(&body).ok()?;
            knows_stateless(&answer).filter(|_| event.own_error().is_none())
        };
        let mut knows = std::pin::pin!(knows);
        if let Ok(known) = tokio::time::timeout(DISCOVER_PATIENCE, &mut knows).await {
            return match known {
                Some(true) => Ok(Kind::Stateless),
                _ => self.look_by_initialize(session).await,
            };
        }
        // It is slow to start, or answers nothing that it does not know.
        tokio::select! {
            looked = self.look_by_initialize(session) => looked,
            () = async {
                if knows.await != Some(true) {
                    std::future::pending::<()>().await;
                }
            } => Ok(Kind::Stateless),
        }
    }

    async fn look_by_initialize(&self, session: &NewSession) -> Result<Kind, StartFailure> {
        let failed = |reason: String| StartFailure {
            reason,
            tail: session.tail().lines(),
            hopeless: false,
        };
        let text = initialize_request(1, NAME, env!("CARGO_PKG_VERSION"));
        let request = Message::parse(text.as_bytes()).ok();
        let (stream, answers) = Session::stream();
        let request = request.as_ref().and_then(|message| match message.kind() {
            Sort::Request { id, .. } => Some(session.request(message, *id, stream, Takes::Nothing)),
            _ => None,
        });
        let Some(request) = request else {
            return Err(failed("initialize is no request".to_owned()));
        };
        match begin(session, request, answers, self.config.initialize_timeout).await? {
            Begun::Agreed { answer, .. } => {
                let body = answer.json();
                let result = Message::parse(&body).ok().and_then(|m| m.result());
                Ok(Kind::Sessions(Arc::from(
                    result.map_or("{}", |result| result.get()),
                )))
            }
            Begun::Refused { answer } => {
                let answer = shown(&answer.json());
                Err(failed(format!("the server refuses initialize: {answer}")))
            }
        }
    }

    /// Makes a session known, unless it is over already.
    pub(crate) fn publish(&self, new: &mut NewSession) {
        new.published = true;
        let session = &new.session;
        tracing::info!(session = session.short_id(), "session begins");
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(session.id().to_owned(), Arc::clone(session));
        drop(map);
        // Its end may have come between its start and this.
        if session.over().is_some() {
            self.forget(session.id());
        }
    }

    fn forget(&self, id: &str) -> Option<Arc<Session>> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let session = map.remove(id)?;
        tracing::info!(session = session.short_id(), "session is over");
        Some(session)
    }

    /// Ends a session; its child leaves in the background. `false` when there is none of that id.
    pub(crate) fn end(&self, id: &str) -> bool {
        self.forget(id).is_some_and(|session| {
            session.end();
            true
        })
    }

    /// Whether there is any session, or a request without one.
    pub(crate) fn is_used(&self) -> bool {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        !map.is_empty() || self.pools.are_used()
    }

    /// Asks all sessions to end, those that begin later too.
    pub(crate) fn end_all(&self) {
        self.end.cancel();
    }

    /// Ends sessions that nobody uses, for ever.
    pub(crate) async fn end_idle(&self) {
        let idle = self.config.session_idle;
        let pause = (idle / 4).clamp(Duration::from_millis(10), Duration::from_secs(30));
        loop {
            tokio::time::sleep(pause).await;
            self.pools.sweep();
            let sessions: Vec<_> = {
                let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
                map.values().cloned().collect()
            };
            for session in sessions {
                session.replay().sweep();
                if session.idle_since().is_some_and(|at| at.elapsed() >= idle) {
                    tracing::info!(
                        session = session.short_id(),
                        "session was idle for too long"
                    );
                    self.end(session.id());
                }
            }
        }
    }
}

/// A look at the server that has found nothing that can be used.
#[derive(Debug)]
struct Looked {
    failure: StartFailure,
    /// Whether it was asked by `server/discover` first.
    by_discover: bool,
}

/// Asks a child that serves nobody. It answers or ends.
async fn ask(session: &NewSession, text: &str) -> mpsc::Receiver<Event> {
    let (stream, answers) = Session::stream();
    if let Ok(message) = Message::parse(text.as_bytes())
        && let Sort::Request { id, .. } = message.kind()
    {
        let request = session.request(&message, *id, stream, Takes::Nothing);
        // The answers say why there are none.
        drop(request.send().await);
    }
    answers
}

fn too_many(most: usize) -> String {
    if most == 1 {
        "the server takes one session at a time, and there is one: try again when it has ended"
            .to_owned()
    } else {
        format!("there are {most} sessions, which is the most there may be: try again")
    }
}

/// 192 random bits, which cannot be guessed.
pub(crate) fn new_id() -> Result<String, getrandom::Error> {
    let [a, b, c] = [getrandom::u64()?, getrandom::u64()?, getrandom::u64()?];
    Ok(format!("{a:016x}{b:016x}{c:016x}"))
}
