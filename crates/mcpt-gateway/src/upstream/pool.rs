//! [`Pool`]: connections to one endpoint that wait for their next request.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mcpt_http::Driven;

use crate::exchange::RequestBody;

/// How long an unused connection is kept. Servers close theirs after a while, gunicorn's after 2 seconds, Node's and
/// uvicorn's after 5; a request sent at that very moment would be lost. Another connection costs far less.
const IDLE_TIMEOUT: Duration = Duration::from_millis(1500);
/// Most unused connections to one endpoint.
const MAX_IDLE: usize = 256;

/// Unused connections.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// The last used one last.
    idle: Mutex<Vec<Idle>>,
    /// Whether none is kept any more.
    retired: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    driven: Driven<RequestBody>,
    since: Instant,
}


impl Pool {
    /// One that was used lately.
    pub(super) fn take(&self) -> Option<Driven<RequestBody>> {
        loop {
            let mut last = self.idle().pop()?;
            if last.since.elapsed() > IDLE_TIMEOUT {
                // All others are older.
                self.idle().clear();
                return None;
            }
            if last.driven.is_ready() {
                return Some(last.driven);
            }
        }
    }

    pub(super) fn keep(&self, driven: Driven<RequestBody>) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE && !self.retired.load(Relaxed) {
            idle.push(Idle {
                driven,
                since: Instant::now(),
            });
        }
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Relaxed);
        self.idle().clear();
    }

    pub(super) fn close_idle(&self) {
        self.idle()
            .retain(|kept| kept.since.elapsed() <= IDLE_TIMEOUT);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
