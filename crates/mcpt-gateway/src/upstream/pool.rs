//! [`Pool`]: connections to one endpoint that wait for their next request.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mcpt_http::{Driven, worker_number};

use crate::exchange::RequestBody;

/// How long an unused connection is kept. Servers close theirs after a while, gunicorn's after 2 seconds, Node's and
/// uvicorn's after 5; a request sent at that very moment would be lost. Another connection costs far less.
const IDLE_TIMEOUT: Duration = Duration::from_millis(1500);
/// For how long it is not worth asking whether a connection was closed meanwhile.
const HEARD_OF: Duration = Duration::from_micros(200);
/// Most unused connections to one endpoint.
const MAX_IDLE: usize = 256;

/// For so many workers there are connections apart. Further ones share theirs: that works too, at the cost of a change of threads.
const APART: usize = 16;

/// Unused connections. Each stays with the thread that has made it, whose runtime hears of what comes over it.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// By worker; the last used one last.
    idle: [Mutex<Vec<Idle>>; APART],
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
            let unused = last.since.elapsed();
            if unused > IDLE_TIMEOUT {
                // All others are older.
                self.idle().clear();
                return None;
            }
            let ready = if unused > HEARD_OF {
                last.driven.is_still_ready()
            } else {
                last.driven.is_ready()
            };
            if ready {
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
        for idle in &self.idle {
            locked(idle).clear();
        }
    }

    pub(super) fn close_idle(&self) {
        for idle in &self.idle {
            locked(idle).retain(|kept| kept.since.elapsed() <= IDLE_TIMEOUT);
        }
    }

    /// Those of this thread.
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        locked(&self.idle[worker_number() % APART])
    }
}

fn locked(idle: &Mutex<Vec<Idle>>) -> MutexGuard<'_, Vec<Idle>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
