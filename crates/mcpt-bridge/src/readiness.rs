//! Whether a child could be started now: checked with a throw-away child at the start and after each failure.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::sync::{Notify, watch};

use crate::BridgeError;

const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Whether new sessions can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The first check is under way.
    Starting,
    /// The last child that was started answered `initialize`.
    Ready,
    /// The last child that was started did not.
    Failing(StartFailure),
    /// The bridge is shutting down.
    Draining,
}

/// Why a child could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartFailure {
    pub(crate) reason: String,
    /// Last lines of its stderr.
    pub(crate) tail: Vec<String>,
    /// Whether the command cannot be executed at all: not there, or no program.
    pub(crate) hopeless: bool,
}

/// A look at the server.
pub(crate) type Check = Pin<Box<dyn Future<Output = Result<(), StartFailure>> + Send>>;

/// The state, for those who ask and those who tell.
#[derive(Debug)]
pub(crate) struct Readiness {
    state: watch::Sender<State>,
    /// Asks for a look at a server that was ready.
    doubt: Notify,
}

impl Readiness {
    pub(crate) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Starting),
            doubt: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Completes when the bridge shuts down.
    pub(crate) async fn draining(&self) {
        let mut changes = self.state.subscribe();
        // This has the sender: it is never closed.
        drop(changes.wait_for(|state| *state == State::Draining).await);
    }

    /// Completes when no child can be started now.
    pub(crate) async fn failing_or_draining(&self) {
        let mut changes = self.state.subscribe();
        let is_it = |state: &State| matches!(state, State::Failing(_) | State::Draining);
        drop(changes.wait_for(is_it).await);
    }

    /// A child of a session did not start. That may be the doing of its client, so the server is looked at before anybody
    /// else is told so.
    pub(crate) fn doubt(&self, failure: &StartFailure) {
        tracing::warn!("a session could not begin: {}", failure.reason);
        self.doubt.notify_one();
    }

    /// A child of a session started.
    pub(crate) fn succeeded(&self) {
        self.change(State::Ready);
    }

    /// The bridge is shutting down: from now on nothing else is said.
    pub(crate) fn drain(&self) {
        self.change(State::Draining);
    }

    fn change(&self, new: State) {
        self.state.send_if_modified(|state| {
            let changes = *state != State::Draining && *state != new;
            if changes {
                match &new {
                    State::Ready => tracing::info!("ready: the server answers"),
                    State::Failing(failure) => {
                        tracing::error!("not ready: {}", failure.reason);
                        for line in &failure.tail {
                            tracing::error!("its last words: {line}");
                        }
                    }
                    State::Starting | State::Draining => {}
                }
                *state = new;
            }
            changes
        });
    }

    /// Checks whenever the state is not known or bad, at growing intervals, or in doubt, until the bridge shuts down.
    ///
    /// # Errors
    /// When the command cannot be executed at all before it ever was. Later it may come back, as in an update of a package.
    pub(crate) async fn keep_checking(
        &self,
        check: impl Fn() -> Check + Send,
    ) -> Result<(), BridgeError> {
        let mut first = true;
        let mut changes = self.state.subscribe();
        let mut pause = BACKOFF_FIRST;
        loop {
            let state = changes.borrow_and_update().clone();
            match state {
                State::Draining => return Ok(()),
                State::Ready => {
                    first = false;
                    pause = BACKOFF_FIRST;
                    tokio::select! {
                        changed = changes.changed() => if changed.is_err() {
                            return Ok(());
                        },
                        () = self.doubt.notified() => if let Err(failure) = check().await {
                            self.change(State::Failing(failure));
                        },
                    }
                }
                State::Starting | State::Failing(_) => match check().await {
                    Ok(()) => self.succeeded(),
                    Err(failure) if first && failure.hopeless => {
                        return Err(BridgeError::Command(failure.reason));
                    }
                    Err(failure) => {
                        first = false;
                        self.change(State::Failing(failure));
                        changes.mark_unchanged();
                        let draining = changes.wait_for(|s| *s == State::Draining);
                        if tokio::time::timeout(pause, draining).await.is_ok() {
                            return Ok(());
                        }
                        pause = (pause * 2).min(BACKOFF_MAX);
                    }
                },
            }
        }
    }
}
