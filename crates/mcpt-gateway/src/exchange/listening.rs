//! [`Listening`]: the streams that clients of sessions have open by GET, those of calls that are taken up again apart.
//!
//! Some servers have one stream for a session, and refuse another one with 409 while it is there. A client that has lost its
//! stream and comes back may be faster than the news of that: so the one that it had here is ended, and it is asked again
//! for a moment before the client is refused.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::{HeaderMap, Method, Request, StatusCode};
use mcpt_routing::Server;
use tokio_util::sync::CancellationToken;

use super::{
    Exchange, RequestBody, Taken,
    pinned::{Named, Unanswered},
};
use crate::upstream::Upstream;

/// How long to wait before it is asked again, each time.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(700),
    Duration::from_millis(1500),
];

/// The last stream of each session.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    open: Mutex<HashMap<u64, (u64, CancellationToken)>>,
    numbers: AtomicU64,
    hasher: RandomState,
}

/// A stream while it is open.
#[derive(Debug)]
pub(crate) struct Listened {
    listening: Arc<Listening>,
    session: u64,
    number: u64,
    /// Ends it.
    pub(crate) over: CancellationToken,
}

impl Listening {
    /// A stream of a session, which ends when the gateway closes at the latest.
    pub(super) fn open(self: &Arc<Self>, session: &[u8], closing: &CancellationToken) -> Listened {
        let session = self.hasher.hash_one(session);
        let number = self.numbers.fetch_add(1, Relaxed);
        let over = closing.child_token();
        self.streams().insert(session, (number, over.clone()));
        Listened {
            listening: Arc::clone(self),
            session,
            number,
            over,
        }
    }

    /// Ends the last stream of a session.
    fn end(&self, session: &[u8]) {
        let last = self.streams().remove(&self.hasher.hash_one(session));
        if let Some((_, over)) = last {
            over.cancel();
        }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<u64, (u64, CancellationToken)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listened {
    fn drop(&mut self) {
        let mut streams = self.listening.streams();
        if streams
            .get(&self.session)
            .is_some_and(|(number, _)| *number == self.number)
        {
            streams.remove(&self.session);
        }
    }
}

impl Exchange {
    /// Asks once more for a stream that was refused since there is another one.
    pub(super) async fn listen_again(
        &self,
        server: &Server<Upstream>,
        session: &Named,
        mut refused: Taken,
        headers: HeaderMap,
    ) -> Result<Taken, Unanswered> {
        self.listening.end(session.sealed.as_bytes());
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            let mut request = Request::new(RequestBody::none());
            *request.method_mut() = Method::GET;
            *request.headers_mut() = headers.clone();
            let in_flight = refused.in_flight.endpoint().begin();
            drop(refused);
            refused = self.send_in(server, session, in_flight, request).await?;
            if refused.response.status() != StatusCode::CONFLICT {
                break;
            }
        }
        Ok(refused)
    }
}
