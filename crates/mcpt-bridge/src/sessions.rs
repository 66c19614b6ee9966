//! All sessions: making them, finding them, ending them.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use mcpt_http::Budget;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    BridgeConfig, child,
    readiness::{Readiness, StartFailure, State, cannot_start},
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
    #[error("there are too many sessions")]
    TooMany,
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
    pub(crate) fn start(self: &Arc<Self>) -> Result<NewSession, NoSession> {
        match self.readiness.state() {
            State::Draining => return Err(NoSession::Draining),
            State::Failing(failure) => return Err(NoSession::Failing(failure)),
            State::Starting | State::Ready => {}
        }
        let slot = Arc::clone(&self.slots)
            .try_acquire_owned()
            .map_err(|_| NoSession::TooMany)?;
        let id = new_id().map_err(NoSession::Random)?;
        let owner = id.get(..16).unwrap_or(&id);
        let account = self.budget.account();
        let started = child::start(&self.config, owner, &account).map_err(|error| {
            let failure = cannot_start(&self.config, &error);
            self.readiness.failed(failure.clone());
            NoSession::Failing(failure)
        })?;
        let pid = started.process.pid();
        let end = self.end.child_token();
        let max = self.config.max_message;
        let (session, running) = Session::new(id, started, max, account, end);
        tracing::info!(session = session.short_id(), pid, "session begins");
        let (this, runs) = (Arc::clone(self), Arc::clone(&session));
        self.tasks.spawn(async move {
            runs.run(running, || this.forget(runs.id())).await;
            tracing::info!(session = runs.short_id(), pid, "session is over");
            drop(slot);
        });
        Ok(NewSession {
            session,
            published: false,
        })
    }

    /// Makes a session known, unless it is over already.
    pub(crate) fn publish(&self, new: &mut NewSession) {
        new.published = true;
        let session = &new.session;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.insert(session.id().to_owned(), Arc::clone(session));
        drop(map);
        // Its end may have come between its start and this.
        if session.over().is_some() {
            self.forget(session.id());
        }
    }

    fn forget(&self, id: &str) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.remove(id);
    }

    /// Ends a session; its child leaves in the background. `false` when there is none of that id.
    pub(crate) fn end(&self, id: &str) -> bool {
        let session = self
            .map
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        session.is_some_and(|session| {
            session.end();
            true
        })
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

/// 192 random bits, which cannot be guessed.
fn new_id() -> Result<String, getrandom::Error> {
    let [a, b, c] = [getrandom::u64()?, getrandom::u64()?, getrandom::u64()?];
    Ok(format!("{a:016x}{b:016x}{c:016x}"))
}
