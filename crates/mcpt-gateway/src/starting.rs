//! [`Starters`]: starting servers that are stopped while nobody calls them, and stopping those that nobody has called for long.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use mcpt_routing::{Asker, Server, ServerKey, StartError, Starter};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{exchange::Exchange, refusal::Refusal, upstream::Upstream};

/// How long an attempt to start a server counts: all calls that wait for it meanwhile share it.
const ATTEMPT: Duration = Duration::from_secs(2);
/// How long a call waits for a server that is being started.
const STARTS_WITHIN: Duration = Duration::from_mins(2);
/// How often it is looked for servers that nobody calls any more.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a server must be found idle until it is stopped: so long that all replicas have told meanwhile of calls that
/// came by them alone.
const CONFIRMED: Duration = Duration::from_secs(2);
/// How soon a server is stopped again that is still there.
const STOP_AGAIN: Duration = Duration::from_secs(10);
/// The same after a refusal, which only somebody who changes rights can end.
const STOP_AGAIN_REFUSED: Duration = Duration::from_mins(5);

/// Those who start and stop the servers of the sources.
#[derive(Debug)]
pub(crate) struct Starters {
    all: Vec<Arc<dyn Starter>>,
    attempts: Mutex<HashMap<ServerKey, Arc<LastAttempt>>>,
}

type LastAttempt = tokio::sync::Mutex<Option<(Instant, Result<bool, StartError>)>>;

impl Starters {
    pub(crate) fn new(all: Vec<Arc<dyn Starter>>) -> Self {
        Self {
            all,
            attempts: Mutex::default(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Starts a server, unless that was tried just now. `false`: nobody can.
    async fn start(&self, key: &ServerKey) -> Result<bool, StartError> {
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(attempts.entry(key.clone()).or_default())
        };
        // Whoever comes meanwhile waits for the outcome of this attempt.
        let mut last = attempt.lock().await;
        if let Some((at, outcome)) = &*last
            && at.elapsed() < ATTEMPT
        {
            return outcome.clone();
        }
        let outcome = self.by_any(key, true).await;
        *last = Some((Instant::now(), outcome.clone()));
        outcome
    }

    async fn by_any(&self, key: &ServerKey, start: bool) -> Result<bool, StartError> {
        for starter in &self.all {
            let done = if start {
                starter.start(key).await
            } else {
                starter.stop(key).await
            };
            if done? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Forgets servers that are not there any more.
    fn forget(&self, is_there: impl Fn(&ServerKey) -> bool) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|key, _| is_there(key));
    }
}

impl Exchange {
    /// The server as soon as something new can be sent to it; `None`: as it is. Only calls of clients start a server.
    ///
    /// # Errors
    /// [`Refusal::NoEndpoint`] when it cannot be started, or not in time.
    pub(crate) async fn awake(
        &self,
        server: &Arc<Server<Upstream>>,
    ) -> Result<Option<Arc<Server<Upstream>>>, Refusal> {
        if self.asker == Asker::Gateway || !server.must_be_started() {
            return Ok(None);
        }
        // On the heap: calls of all others need no room for it.
        Box::pin(self.started(server)).await.map(Some)
    }

    /// The server once it is started.
    ///
    /// # Errors
    /// As [`Exchange::awake`].
    pub(crate) async fn started(
        &self,
        server: &Arc<Server<Upstream>>,
    ) -> Result<Arc<Server<Upstream>>, Refusal> {
        let key = server.key();
        // Nobody stops it because it takes long to start.
        let _waits = server.place(NonZeroU32::MAX, Asker::Client);
        let started = async {
            loop {
                let changed = self.directory.changed();
                let now = self
                    .directory
                    .server(key.namespace.as_str(), key.name.as_str())
                    .ok_or_else(|| Refusal::UnknownServer(key.to_string()))?;
                if !now.must_be_started() {
                    return Ok(now);
                }
                match self.starters.start(key).await {
                    Ok(true) => {}
                    Ok(false) => return Err(Refusal::NoEndpoint(key.to_string())),
                    Err(error) => {
                        tracing::warn!(server = %key, %error, "it cannot be started");
                        if matches!(error, StartError::Refused(_)) {
                            return Err(Refusal::NoEndpoint(key.to_string()));
                        }
                    }
                }
                // Another gateway may have stopped it at the same moment.
                drop(tokio::time::timeout(ATTEMPT, changed).await);
            }
        };
        let in_time = tokio::time::timeout(STARTS_WITHIN, started).await;
        in_time.unwrap_or_else(|_| Err(Refusal::NoEndpoint(key.to_string())))
    }

    /// Stops servers that nobody calls any more, as long as the gateway runs.
    pub(crate) async fn stop_idle(self: Arc<Self>, peers_heard: Arc<AtomicBool>) {
        let mut turns = tokio::time::interval(LOOK_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut found, mut not_before) = (HashMap::new(), HashMap::new());
        loop {
            turns.tick().await;
            let idle = self.idle_servers();
            found.retain(|key, _| idle.contains(key));
            for key in &idle {
                found.entry(key.clone()).or_insert_with(Instant::now);
            }
            // What others know is not known yet, or nobody tells this gateway any more.
            if !peers_heard.load(Relaxed) || self.closing.is_cancelled() {
                continue;
            }
            not_before.retain(|_, until| *until > Instant::now());
            let due = idle.into_iter().filter(|key| {
                let confirmed = found.get(key).is_some_and(|at| at.elapsed() >= CONFIRMED);
                confirmed && !not_before.contains_key(key)
            });
            let stopped = due.map(async |key| {
                let pause = match self.starters.by_any(&key, false).await {
                    Ok(done) => {
                        tracing::info!(server = %key, done, "nobody calls it: stopped");
                        STOP_AGAIN
                    }
                    Err(error) => {
                        tracing::warn!(server = %key, %error, "nobody calls it, but it cannot be stopped");
                        match error {
                            StartError::Refused(_) => STOP_AGAIN_REFUSED,
                            StartError::Failed(_) => STOP_AGAIN,
                        }
                    }
                };
                (key, Instant::now() + pause)
            });
            not_before.extend(join_all(stopped).await);
        }
    }

    /// Servers that have run for their whole time-out without a call.
    fn idle_servers(&self) -> Vec<ServerKey> {
        let directory = &self.directory;
        directory.note_use();
        let current = directory.table().current();
        self.starters.forget(|key| {
            current
                .get(key.namespace.as_str(), key.name.as_str())
                .is_some()
        });
        let servers = current.iter().filter(|server| {
            let timeout = server.handling().idle_timeout;
            let mut endpoints = server.endpoints().iter();
            let runs = endpoints.any(|(_, conditions)| !conditions.terminating);
            let idle = directory.idle_for(server.key());
            runs && timeout.zip(idle).is_some_and(|(most, idle)| idle >= most)
        });
        servers.map(|server| server.key().clone()).collect()
    }
}
