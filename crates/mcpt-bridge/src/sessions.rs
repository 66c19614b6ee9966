//! All sessions: making them, finding them, ending them.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use mcpt_http::Budget;
use mcpt_protocol::{Kind, Message, handshake::initialize_request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BridgeConfig,
    begin::{Begun, begin, shown},
    child,
    readiness::{Readiness, StartFailure, State},
    session::Session,
};

/// The sessions of the bridge. Requests only ever read the map; it is written when a session begins or ends.
#[derive(Debug)]
pub(crate) struct Sessions {
    config: Arc<BridgeConfig>,
    readiness: Arc<Readiness>,
    map: RwLock<HashMap<String, Arc<Session>>>,
    slots: Arc<Semaphore>,
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
            tasks,
            budget,
            end: CancellationToken::new(),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Session>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        map.get(id).cloned()
    }

    /// Starts a child for a session that nobody can find yet.
    ///
    /// # Errors
    /// [`NoSession`] when there cannot be one now.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<NewSession, NoSession> {
        match self.readiness.state() {
            State::Draining => return Err(NoSession::Draining),
            State::Failing(failure) => return Err(NoSession::Failing(failure)),
            State::Starting if self.config.max_sessions == 1 => return Err(NoSession::Starting),
            State::Starting | State::Ready => {}
        }
        let slot = self.slot().await;
        let slot = slot.ok_or(NoSession::TooMany(self.config.max_sessions))?;
        self.start_in(Some(slot)).inspect_err(|error| {
            if let NoSession::Failing(failure) = error {
                self.readiness.doubt(failure);
            }
        })
    }

    /// A place for a session. Where there is one only, whoever has just ended leaves first.
    async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        let slots = Arc::clone(&self.slots);
        match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => Some(slot),
            Err(_) if self.config.max_sessions == 1 && !self.is_used() => {
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
    ) -> Result<NewSession, NoSession> {
        let id = new_id().map_err(NoSession::Random)?;
        let owner = id.get(..16).unwrap_or(&id);
        let account = self.budget.account();
        let started = child::start(&self.config, owner, &account).map_err(|cannot| {
            NoSession::Failing(StartFailure {
                reason: cannot.to_string(),
                tail: Vec::new(),
                hopeless: cannot.is_hopeless(),
            })
        })?;
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

    /// Sees whether a session could begin now: one begins as it would for a client, and is ended. Where only one child may
    /// run, this waits until no other one does.
    ///
    /// # Errors
    /// [`StartFailure`] when it could not.
    pub(crate) async fn check(self: &Arc<Self>) -> Result<(), StartFailure> {
        let failed = |reason: String| StartFailure {
            reason,
            tail: Vec::new(),
            hopeless: false,
        };
        let slot = if self.config.max_sessions == 1 {
            // It is never closed.
            Arc::clone(&self.slots).acquire_owned().await.ok()
        } else {
            None
        };
        let session = match self.start_in(slot) {
            Ok(session) => session,
            Err(NoSession::Failing(failure)) => return Err(failure),
            Err(other) => return Err(failed(other.to_string())),
        };
        let text = initialize_request(1, "mcpt-bridge", env!("CARGO_PKG_VERSION"));
        let request = Message::parse(text.as_bytes()).ok();
        let (stream, answers) = Session::stream();
        let request = request.as_ref().and_then(|message| match message.kind() {
            Kind::Request { id, .. } => Some(session.request(message, *id, stream, true)),
            _ => None,
        });
        let Some(request) = request else {
            return Err(failed("initialize is no request".to_owned()));
        };
        let limit = self.config.initialize_timeout;
        let looked = match begin(&session, request, answers, limit).await {
            Ok(Begun::Agreed { .. }) => Ok(()),
            Ok(Begun::Refused { answer }) => {
                let answer = shown(&answer.json());
                let mut failure = failed(format!("the server refuses initialize: {answer}"));
                failure.tail = session.tail().lines();
                Err(failure)
            }
            Err(failure) => Err(failure),
        };
        drop(session);
        if self.config.max_sessions == 1 {
            // Whoever is told that the server is ready finds the place free.
            drop(self.slots.acquire().await);
        }
        looked
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

    /// Whether there is any session.
    pub(crate) fn is_used(&self) -> bool {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        !map.is_empty()
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
            let sessions: Vec<_> = {
                let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
                map.values().cloned().collect()
            };
            for session in sessions {
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

fn too_many(most: usize) -> String {
    if most == 1 {
        "the server takes one session at a time, and there is one: try again when it has ended"
            .to_owned()
    } else {
        format!("there are {most} sessions, which is the most there may be: try again")
    }
}

/// 192 random bits, which cannot be guessed.
fn new_id() -> Result<String, getrandom::Error> {
    let [a, b, c] = [getrandom::u64()?, getrandom::u64()?, getrandom::u64()?];
    Ok(format!("{a:016x}{b:016x}{c:016x}"))
}
