//! [`Leases`]: sessions with servers of the session era that the gateway opens for clients of 2026-07-28, and lends to one
//! request at a time.
//!
//! Which requests may share a session, one after the other: those at the same endpoint whose clients said the same of
//! themselves and of what they can do, whom the gateway knows as the same, and whose headers are the same but for those that every message has of its own. So a
//! session never passes from one identity to another, whatever header carries that, and whatever the server keeps in it
//! stays with that identity. Two requests never have a session at the same time: what a server says outside of an answer,
//! and what it asks, is then of the one request that has it. Log level and subscriptions, which a session keeps, are set
//! anew for each request or die with the session.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::{
    HeaderMap, Method, Request,
    header::{HeaderName, HeaderValue, USER_AGENT},
};
use mcpt_protocol::{
    Message,
    handshake::{self, Initialized},
    header::{LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID},
    translate::Client,
};
use mcpt_routing::{Endpoint, EndpointId, InFlight, Server, ServerKey};
use serde_json::json;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
};

use super::{
    ask,
    messages::{Login, Messages, Unreadable},
    old_sessions::locked,
};
use crate::{
    exchange::{Exchange, RequestBody, Taken},
    refusal::Refusal,
    upstream::{SendError, Upstream},
};

/// How long a session waits for its next request.
const IDLE: Duration = Duration::from_mins(1);
/// How long a session is waited for that nobody wants any more.
const ABANDONED: Duration = Duration::from_mins(5);
/// How long a server may take to end one.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Most sessions at once, lent and waiting ones.
const MOST: usize = 2048;
/// Headers that differ from request to request of one client.
const OF_A_MESSAGE: [&str; 4] = ["traceparent", "tracestate", "baggage", "x-request-id"];

/// Which requests may share a session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sharing {
    pub(super) identity: Identity,
    endpoint: EndpointId,
    client: String,
}

/// Which requests are of one identity, at whatever endpoint of a server and whatever their clients can do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    server: ServerKey,
    /// Who the gateway knows that asks: what proves it is no longer among the headers then.
    owner: Option<[u8; 32]>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unopened {
    /// The server wants a login first.
    #[error("the server wants another login")]
    Login(Login),
    /// Something else.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Sessions that wait, and how many there may be.
#[derive(Debug)]
pub(super) struct Leases {
    waiting: Mutex<HashMap<u64, Vec<Waiting>>>,
    hasher: RandomState,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Waiting {
    lease: Lease,
    since: Instant,
}

/// A session with a server. One that nobody keeps or ends is ended when it is dropped: whoever had it may have been dropped too.
#[derive(Debug)]
pub(super) struct Lease {
    exchange: Weak<Exchange>,
    pub(super) sharing: Sharing,
    endpoint: Arc<Endpoint<Upstream>>,
    headers: HeaderMap,
    /// Its result of `initialize`.
    pub(super) initialized: Arc<str>,
    next_id: u64,
    level: Option<String>,
    /// Whether it had a request before.
    used: bool,
    /// What the server says by itself.
    unasked: Option<Messages>,
    /// Taken when it ends.
    room: Option<OwnedSemaphorePermit>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(exchange), Some(room)) = (self.exchange.upgrade(), self.room.take()) else {
            return;
        };
        if let Ok(runtime) = Handle::try_current()
            && self.headers.contains_key(SESSION_ID)
        {
            let (endpoint, headers) = (Arc::clone(&self.endpoint), self.headers.clone());
            runtime.spawn(async move {
                exchange.end_session(&endpoint, headers).await;
                drop(room);
            });
        }
    }
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            hasher: RandomState::new(),
            room: Arc::new(Semaphore::new(MOST)),
        }
    }
}

impl Sharing {
    /// Those that are like a request of this client at this endpoint.
    pub(super) fn of(identity: Identity, endpoint: &EndpointId, client: &Client) -> Self {
        Self {
            identity,
            endpoint: endpoint.clone(),
            client: client.to_text(),
        }
    }
}

impl Identity {
    /// That of a request with these headers.
    pub(super) fn of(server: &ServerKey, headers: &HeaderMap, owner: Option<[u8; 32]>) -> Self {
        let of_client =
            |name: &HeaderName| *name != USER_AGENT && !OF_A_MESSAGE.contains(&name.as_str());
        let mut headers: Vec<_> = headers
            .iter()
            .filter(|(name, _)| of_client(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        Self {
            server: server.clone(),
            owner,
            headers,
        }
    }
}

impl Leases {
    fn take(&self, sharing: &Sharing) -> Option<Lease> {
        let mut waiting = locked(&self.waiting);
        let alike = waiting.get_mut(&self.hasher.hash_one(sharing))?;
        let at = alike
            .iter()
            .rposition(|one| one.lease.sharing == *sharing)?;
        Some(alike.remove(at).lease)
    }

    fn keep(&self, lease: Lease) {
        let key = self.hasher.hash_one(&lease.sharing);
        let since = Instant::now();
        let mut waiting = locked(&self.waiting);
        waiting
            .entry(key)
            .or_default()
            .push(Waiting { lease, since });
    }

    /// Takes out all of them.
    fn all(&self) -> Vec<Lease> {
        let all = std::mem::take(&mut *locked(&self.waiting));
        all.into_values().flatten().map(|one| one.lease).collect()
    }

    /// Takes out the sessions that nobody has wanted for a while, or one of them when there is no room.
    fn unwanted(&self, for_room: bool) -> Vec<Lease> {
        let mut waiting = locked(&self.waiting);
        let mut unwanted = Vec::new();
        for alike in waiting.values_mut() {
            let (old, young): (Vec<_>, Vec<_>) = std::mem::take(alike)
                .into_iter()
                .partition(|one| one.since.elapsed() > IDLE);
            unwanted.extend(old.into_iter().map(|one| one.lease));
            *alike = young;
        }
        if for_room && unwanted.is_empty() {
            let oldest = waiting.values_mut().filter(|alike| !alike.is_empty());
            let oldest = oldest.min_by_key(|alike| alike.first().map(|one| one.since));
            unwanted.extend(oldest.map(|alike| alike.remove(0).lease));
        }
        waiting.retain(|_, alike| !alike.is_empty());
        unwanted
    }
}

impl Exchange {
    /// A session at an endpoint, one that waits or a new one.
    pub(super) async fn lease(
        self: &Arc<Self>,
        sharing: Sharing,
        in_flight: &InFlight<Upstream>,
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<Lease, Unopened> {
        if let Some(lease) = self.translation.leases.take(&sharing) {
            return Ok(lease);
        }
        self.open_lease(sharing, in_flight.endpoint(), client, headers)
            .await
    }

    /// A new session. It begins to the end even if nobody waits for it any more, and is ended then: a server that takes long has
    /// begun it all the same.
    pub(super) async fn open_lease(
        self: &Arc<Self>,
        sharing: Sharing,
        endpoint: &Arc<Endpoint<Upstream>>,
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<Lease, Unopened> {
        let room = Arc::clone(&self.translation.leases.room);
        let room = if let Ok(room) = Arc::clone(&room).try_acquire_owned() {
            room
        } else {
            for lease in self.translation.leases.unwanted(true) {
                self.end_lease(lease).await;
            }
            let full = Refusal::Exhausted("it has too many sessions with servers");
            room.try_acquire_owned().map_err(|_| full)?
        };
        let mut lease = Lease {
            exchange: Arc::downgrade(self),
            sharing,
            endpoint: Arc::clone(endpoint),
            headers: headers.clone(),
            initialized: Arc::from(""),
            next_id: 1,
            level: None,
            used: false,
            unasked: None,
            room: Some(room),
        };
        let (key, limit) = (lease.sharing.identity.server.clone(), self.limit_of(&lease));
        let (begun, told) = oneshot::channel();
        let (this, client) = (Arc::clone(self), client.clone());
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(ABANDONED, this.shake_hands(&mut lease, &client));
            let shaken = shaken.await.unwrap_or_else(|_| {
                let late = Refusal::Unbegun("it has not answered for long".to_owned());
                Err(late.into())
            });
            let opened = match shaken {
                Ok(()) => Ok(lease),
                Err(unopened) => {
                    this.end_lease(lease).await;
                    Err(unopened)
                }
            };
            if let Err(Ok(unwanted)) = begun.send(opened) {
                this.end_lease(unwanted).await;
            }
        });
        let broken = || Err(Refusal::Unbegun(format!("{key} was interrupted")).into());
        match limit {
            None => told.await.unwrap_or_else(|_| broken()),
            Some(limit) => match tokio::time::timeout(limit, told).await {
                Ok(opened) => opened.unwrap_or_else(|_| broken()),
                Err(_) => Err(Refusal::Late(limit).into()),
            },
        }
    }

    /// How long the server of a session may take until an answer begins.
    fn limit_of(&self, lease: &Lease) -> Option<Duration> {
        let server = self.server_of(lease);
        server.and_then(|server| self.answer_within(&server))
    }

    /// The server of a session, if it is still known.
    pub(super) fn server_of(&self, lease: &Lease) -> Option<Arc<Server<Upstream>>> {
        let key = &lease.sharing.identity.server;
        self.directory
            .server(key.namespace.as_str(), key.name.as_str())
    }

    async fn shake_hands(&self, lease: &mut Lease, client: &Client) -> Result<(), Unopened> {
        let id = lease.take_id();
        let (session, mut messages) = self
            .send_in_lease(lease, client.initialize_request(id))
            .await?;
        let status = messages.status();
        if let Some(login) = messages.wants_login() {
            return Err(Unopened::Login(login));
        }
        let answer = ask::answer_to(&mut messages, &id.into()).await;
        if let Some(session) = session.filter(|_| status.is_success()) {
            lease.headers.insert(SESSION_ID, session);
        }
        let answer = answer.map_err(|_| Refusal::Unbegun(format!("it answered {status}")))?;
        let message = Message::parse(answer.as_bytes());
        let message = message.map_err(|_| Refusal::Unbegun(format!("it answered {status}")))?;
        if let Some(error) = message.error() {
            return Err(Refusal::Unbegun(error.message).into());
        }
        let result = message.result();
        let result = result.ok_or_else(|| Refusal::Unbegun("it gave no result".to_owned()))?;
        let initialized = Initialized::read(result);
        let initialized = initialized.map_err(|error| Refusal::Unbegun(error.to_string()))?;
        if let Ok(version) = HeaderValue::try_from(initialized.protocol_version) {
            lease.headers.insert(PROTOCOL_VERSION, version);
        }
        lease.initialized = Arc::from(result.get());
        let said = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let (_, mut accepted) = self.send_in_lease(lease, said.to_owned()).await?;
        drop(accepted.next().await);
        if client.can_be_asked() {
            lease.unasked = self.listen_in_lease(lease).await;
        }
        Ok(())
    }

    /// Opens the stream of what the server says by itself; `None` if it has none.
    pub(super) async fn listen_in_lease(&self, lease: &Lease) -> Option<Messages> {
        self.get_in_lease(lease, None).await
    }

    /// Takes a stream up again after this event; `None` if the server does not let it.
    pub(super) async fn resume_in_lease(&self, lease: &Lease, after: &str) -> Option<Messages> {
        let after = HeaderValue::from_str(after).ok()?;
        self.get_in_lease(lease, Some(after)).await
    }

    async fn get_in_lease(&self, lease: &Lease, after: Option<HeaderValue>) -> Option<Messages> {
        let mut request = Request::new(RequestBody::none());
        *request.method_mut() = Method::GET;
        *request.headers_mut() = lease.headers.clone();
        crate::headers::without_body(request.headers_mut());
        if let Some(after) = after {
            request.headers_mut().insert(LAST_EVENT_ID, after);
        }
        let (messages, _) = self.exchange_in_lease(lease, request).await.ok()?;
        messages.status().is_success().then_some(messages)
    }

    /// Sends a message in a session; the session id that comes with the answer.
    pub(super) async fn send_in_lease(
        &self,
        lease: &Lease,
        message: String,
    ) -> Result<(Option<HeaderValue>, Messages), Refusal> {
        let request = ask::post(lease.headers.clone(), Bytes::from(message));
        let (messages, session) = self.exchange_in_lease(lease, request).await?;
        Ok((session, messages))
    }

    async fn exchange_in_lease(
        &self,
        lease: &Lease,
        request: Request<RequestBody>,
    ) -> Result<(Messages, Option<HeaderValue>), Refusal> {
        let in_flight = lease.endpoint.begin();
        // Until it has begun, who waits for it has the time in mind. A stream may begin when there is something to say.
        let begun = !lease.initialized.is_empty() && request.method() != Method::GET;
        let limit = self.limit_of(lease).filter(|_| begun);
        let sending = in_flight.link().send(request);
        let sent = match limit {
            None => sending.await,
            Some(limit) => tokio::time::timeout(limit, sending)
                .await
                .unwrap_or(Err(SendError::Late(limit))),
        };
        match sent {
            Ok(response) => {
                in_flight.answered();
                let session = response.headers().get(SESSION_ID).cloned();
                let taken = Taken {
                    response,
                    in_flight,
                };
                Ok((self.messages_of(taken), session))
            }
            Err(SendError::Unreachable { reason, .. }) => {
                Err(self.unreachable(&in_flight, &reason))
            }
            Err(error) => Err(self.broken(&in_flight, error)),
        }
    }

    /// Makes the session say its log messages from this level on.
    pub(super) async fn set_level(&self, lease: &mut Lease, level: &str) -> Result<(), Refusal> {
        if lease.level.as_deref() == Some(level) || !lease.logs() {
            return Ok(());
        }
        let id = lease.take_id();
        let message = handshake::request(id, "logging/setLevel", &json!({"level": level}));
        let (_, mut messages) = self.send_in_lease(lease, message).await?;
        // A server that refuses the level goes on as before.
        drop(ask::answer_to(&mut messages, &id.into()).await);
        lease.level = Some(level.to_owned());
        Ok(())
    }

    /// Gives a session back for the next request.
    pub(super) async fn give_lease_back(&self, mut lease: Lease) {
        lease.used = true;
        self.translation.leases.keep(lease);
        // Whoever ends all of them may have done so just before.
        if self.closing.is_cancelled() {
            self.end_sessions_of_own().await;
        }
    }

    /// Ends a session.
    pub(super) async fn end_lease(&self, mut lease: Lease) {
        let room = lease.room.take();
        if lease.headers.contains_key(SESSION_ID) {
            self.end_session(&lease.endpoint, lease.headers.clone())
                .await;
        }
        drop(room);
    }

    /// Ends the session that headers name, as far as its server can be reached.
    async fn end_session(&self, endpoint: &Arc<Endpoint<Upstream>>, headers: HeaderMap) {
        let mut request = Request::new(RequestBody::none());
        *request.method_mut() = Method::DELETE;
        *request.headers_mut() = headers;
        crate::headers::without_body(request.headers_mut());
        let in_flight = endpoint.begin();
        let sent = tokio::time::timeout(ENDED_WITHIN, in_flight.link().send(request)).await;
        match sent {
            Ok(Ok(_)) => in_flight.answered(),
            Ok(Err(SendError::Unreachable { reason, .. })) => {
                drop(self.unreachable(&in_flight, &reason));
            }
            Ok(Err(error)) => drop(self.broken(&in_flight, error)),
            Err(_) => tracing::debug!("a session with a server could not be ended in time"),
        }
    }

    /// Ends the sessions that wait for requests, since there will be none.
    pub(crate) async fn end_sessions_of_own(&self) {
        let all = self.translation.leases.all();
        join_all(all.into_iter().map(|lease| self.end_lease(lease))).await;
    }

    /// Ends sessions that nobody has wanted for a while, and forgets what else is too old.
    pub(crate) async fn sweep_translation(&self) {
        self.translation.sessions.sweep();
        for lease in self.translation.leases.unwanted(false) {
            self.end_lease(lease).await;
        }
        for parked in self.translation.parking.too_old() {
            self.end_lease(parked.lease).await;
        }
    }
}

impl Lease {
    /// The id of the next request in it.
    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Whether it may have ended while it waited.
    pub(super) fn was_used(&self) -> bool {
        self.used
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint<Upstream>> {
        &self.endpoint
    }

    /// Whether the server writes log messages.
    fn logs(&self) -> bool {
        let said = mcpt_protocol::translate::Object::read(&self.initialized);
        said.and_then(|said| Some(said.object("capabilities")?.get("logging").is_some()))
            .unwrap_or_default()
    }

    /// The next thing that the server says by itself; never when it says nothing.
    ///
    /// # Errors
    /// Never: a stream that breaks is as if there were none.
    pub(super) async fn said_unasked(&mut self) -> String {
        loop {
            let next: Result<Option<String>, Unreadable> = match &mut self.unasked {
                Some(messages) => messages.next().await,
                None => std::future::pending().await,
            };
            match next {
                Ok(Some(text)) => return text,
                Ok(None) | Err(_) => self.unasked = None,
            }
        }
    }
}
