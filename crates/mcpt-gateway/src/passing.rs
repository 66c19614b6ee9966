//! What replicas of the gateway pass on to each other, where only one of them can go on: how it gets there by that one's admin
//! listener, and how much of it may be in progress there. The probes stand on the same listener, so there is always room left.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{HOST, HeaderName},
};
use mcpt_http::client::{self, ExchangeError};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    peers::{Holder, PeerAddresses},
    refusal::Refusal,
};

/// Most calls of this replica that go on at once and have come by another one.
const MOST_CALLS: u32 = 128;
/// The same for streams that have no end of their own.
const MOST_STREAMS: usize = 128;
/// Both together.
pub(crate) const MOST_PASSED: usize = MOST_CALLS as usize + MOST_STREAMS;
/// How long a connection to another replica may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Room for what has come by other replicas. What is neither a call nor a stream needs none: it is done at once, and a call may
/// wait for it.
#[derive(Debug)]
pub(crate) struct PassedRoom {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Default for PassedRoom {
    fn default() -> Self {
        Self {
            calls: Arc::new(Semaphore::new(MOST_CALLS as usize)),
            streams: Arc::new(Semaphore::new(MOST_STREAMS)),
        }
    }
}

impl PassedRoom {
    /// Room for a call, until it is dropped.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`] when there is none.
    pub(crate) fn call(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let room = Arc::clone(&self.calls).try_acquire_owned();
        let full = "it has too many calls that came by its other replicas";
        room.map_err(|_| Refusal::Exhausted(full))
    }

    /// Room for a stream, until it is dropped.
    ///
    /// # Errors
    /// [`Refusal::Exhausted`] when there is none.
    pub(crate) fn stream(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let room = Arc::clone(&self.streams).try_acquire_owned();
        let full = "it has too many streams that came by its other replicas";
        room.map_err(|_| Refusal::Exhausted(full))
    }

    /// Completes once no call is in progress. None begins after that.
    pub(crate) async fn ends(&self) {
        if let Ok(all) = self.calls.acquire_many(MOST_CALLS).await {
            all.forget();
        }
    }
}

/// What is passed on.
#[derive(Debug)]
pub(crate) struct ToPass {
    /// Where that is taken in.
    pub(crate) path: &'static str,
    pub(crate) sealed: String,
    /// What the answer bears of the replica that can go on.
    pub(crate) here: HeaderName,
    /// How long that one may take until its answer begins.
    pub(crate) answer_within: Option<Duration>,
    /// What it means for the client that nobody can go on.
    pub(crate) gone: Refusal,
}

impl ToPass {
    /// Passes it on to the replica of this number; its answer.
    ///
    /// # Errors
    /// What was given for that when it is certain that no replica can go on, else [`Refusal::ReplicaSilent`],
    /// [`Refusal::Late`] or [`Refusal::Broken`].
    pub(crate) async fn to(
        self,
        replica: u64,
        others: &PeerAddresses,
    ) -> Result<Response<Incoming>, Refusal> {
        let holder = match others.who_has_rounds(replica).await {
            Holder::At(holder) => holder,
            Holder::Nowhere => return Err(self.gone),
            Holder::Unknown => return Err(Refusal::ReplicaSilent),
        };
        let request = Request::post(self.path)
            .header(HOST, holder.to_string())
            .body(Full::new(Bytes::from(self.sealed)));
        let request = request.map_err(|error| Refusal::Unsealable(error.to_string()))?;
        let connected = connected(holder).await.map_err(|error| {
            tracing::warn!(address = %holder, %error, "another replica of the gateway cannot be reached");
            match error.kind() {
                io::ErrorKind::ConnectionRefused => self.gone.clone(),
                _ => Refusal::ReplicaSilent,
            }
        })?;
        let asked = client::exchange_over(connected, request);
        let answer = match self.answer_within {
            Some(limit) => tokio::time::timeout(limit, asked)
                .await
                .map_err(|_| Refusal::Late(limit))?,
            None => asked.await,
        };
        let answer = answer.map_err(|error: ExchangeError| {
            tracing::warn!(address = %holder, %error, "another replica of the gateway has not answered");
            Refusal::Broken
        })?;
        if answer.headers().contains_key(&self.here) {
            Ok(answer)
        } else if answer.status().is_server_error() {
            // It has no connection to spare, as yet.
            Err(Refusal::ReplicaSilent)
        } else {
            Err(self.gone)
        }
    }
}

async fn connected(holder: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(holder)).await??;
    // Small writes are not held back until the other side acknowledges.
    stream.set_nodelay(true)?;
    Ok(stream)
}
