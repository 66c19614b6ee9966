//! [`Pool`]: connections to one endpoint that wait for their next request.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use hyper::client::conn::http1::SendRequest;

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
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// A connection whose response is still being read.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<RequestBody>,
    /// Whether it may carry another request after this response.
    again: bool,
}

impl Connection {
    pub(super) fn new(sender: SendRequest<RequestBody>, again: bool) -> Self {
        Self { sender, again }
    }

    /// What the next request may be sent over, now that the response is over.
    pub(super) fn reusable(self) -> Option<SendRequest<RequestBody>> {
        self.again.then_some(self.sender)
    }
}

impl Pool {
    /// One that was used lately.
    pub(super) fn take(&self) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle();
        while let Some(last) = idle.pop() {
            if last.since.elapsed() > IDLE_TIMEOUT {
                // All others are older.
                idle.clear();
                return None;
            }
            if last.sender.is_ready() {
                return Some(last.sender);
            }
        }
        None
    }

    pub(super) fn keep(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE && !self.retired.load(Relaxed) {
            idle.push(Idle {
                sender,
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
