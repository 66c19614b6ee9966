//! [`Legs`]: the sessions that a session of `/mcp` has with single servers. Each begins with the first call that needs it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use hyper::http::Extensions;
use mcpt_protocol::{Message, handshake::Initialized};
use mcpt_routing::{JoinedId, JoinedLeg, JoinedSessions, Server, ServerKey};
use serde_json::json;
use tokio::{runtime::Handle, sync::Notify};

use super::{
    client::Client,
    inner::{self, In},
    replicas::Replicas,
    viewer::Viewer,
};
use crate::{
    access::{Caller, principal_of},
    exchange::Exchange,
    upstream::Upstream,
};

/// How long a server may take to begin a session. One that is started for each takes seconds for that alone.
const PATIENCE: Duration = Duration::from_mins(1);
/// The id of the request that begins one; the client's own ids are used in it from then on.
const BEGIN: &str = "mcpt-gateway: initialize";
/// That of the request that tells of the level of log messages.
const LEVEL: &str = "mcpt-gateway: level";
/// How long a server may take to hear of it.
const LEVEL_PATIENCE: Duration = Duration::from_secs(10);

/// A session at `/mcp` that a client has named.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: JoinedId,
    pub(super) client: Client,
    /// Who has it, and of which servers.
    pub(super) viewer: Viewer,
}

/// Why there is no session with a server, in words for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoLeg {
    #[error("{0}")]
    Refused(String),
    #[error("it has not answered within {} seconds", PATIENCE.as_secs())]
    Late,
    #[error("the session has ended")]
    Ended,
}

type Beginning = Shared<BoxFuture<'static, Result<JoinedLeg, NoLeg>>>;

/// The legs of all sessions.
#[derive(Debug)]
pub(super) struct Legs {
    pub(super) exchange: Arc<Exchange>,
    pub(super) sessions: Arc<JoinedSessions>,
    pub(super) replicas: Arc<Replicas>,
    /// Those that begin right now: several calls at once share one.
    beginning: Mutex<HashMap<(JoinedId, ServerKey), Beginning>>,
    /// Wakes who waits for new ones.
    pub(super) changed: Notify,
}

/// A session that has begun. Unless it is kept, it is over: its client has gone away before he heard of it.
#[derive(Debug)]
pub(super) struct BegunSession<'a> {
    legs: &'a Arc<Legs>,
    id: JoinedId,
    kept: bool,
}

impl BegunSession<'_> {
    pub(super) fn id(&self) -> JoinedId {
        self.id
    }

    /// Its client hears of it.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for BegunSession<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let now = self.legs.exchange.directory.now();
        // There is none with any server yet.
        drop(self.legs.sessions.end(self.id, now));
        if let Ok(runtime) = Handle::try_current() {
            let (replicas, id) = (Arc::clone(&self.legs.replicas), self.id);
            runtime.spawn(async move { replicas.tell(id).await });
        }
    }
}

/// How a leg is gone into.
pub(super) fn within(leg: &JoinedLeg) -> In<'_> {
    In {
        session: leg.session.as_deref(),
        version: &leg.version,
    }
}

impl Legs {
    pub(super) fn new(exchange: Arc<Exchange>, replicas: Arc<Replicas>) -> Self {
        Self {
            exchange,
            sessions: replicas.sessions(),
            replicas,
            beginning: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Begins the session that has this id, for whoever sent a request with these extensions.
    pub(super) fn begins_session(
        self: &Arc<Self>,
        sealed: &[u8],
        extensions: &Extensions,
    ) -> BegunSession<'_> {
        let (id, owner) = (JoinedId::of(sealed), principal_of(extensions));
        let gone = self
            .sessions
            .begin(id, owner, self.exchange.directory.now());
        self.end_all(gone, extensions.get());
        BegunSession {
            legs: self,
            id,
            kept: false,
        }
    }

    /// The leg with a server; it begins if there is none. It does so to the end even if nobody waits for it any more.
    ///
    /// # Errors
    /// [`NoLeg`] when the server does not begin one.
    pub(super) async fn with(
        self: &Arc<Self>,
        session: &Session,
        server: &Arc<Server<Upstream>>,
    ) -> Result<JoinedLeg, NoLeg> {
        if let Some(leg) = self.sessions.leg(session.id, server.key()) {
            return Ok(leg);
        }
        let which = (session.id, server.key().clone());
        let beginning = {
            let mut all = self.beginning();
            let begins = || self.begins(session, server);
            all.entry(which).or_insert_with(begins).clone()
        };
        beginning.await
    }

    fn begins(self: &Arc<Self>, session: &Session, server: &Arc<Server<Upstream>>) -> Beginning {
        let (this, session, server) = (Arc::clone(self), session.clone(), Arc::clone(server));
        let begun = tokio::spawn(async move {
            let begun = tokio::time::timeout(PATIENCE, this.begin(&session, &server)).await;
            let which = (session.id, server.key().clone());
            this.beginning().remove(&which);
            begun.unwrap_or(Err(NoLeg::Late))
        });
        let begun = begun.map(|begun| begun.unwrap_or(Err(NoLeg::Ended)));
        begun.boxed().shared()
    }

    async fn begin(
        &self,
        session: &Session,
        server: &Arc<Server<Upstream>>,
    ) -> Result<JoinedLeg, NoLeg> {
        // Another call may have begun it just before this one was noted, here or at another replica.
        self.replicas
            .ask(session.id, self.exchange.directory.now())
            .await;
        if let Some(leg) = self.sessions.leg(session.id, server.key()) {
            return Ok(leg);
        }
        let behalf = session.viewer.caller.as_ref();
        let params = session.client.params();
        let id = json!(BEGIN);
        let hello =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{params}}}"#);
        let begun = unix_time_ms();
        // Unless it becomes the leg, it ends.
        let session_there = inner::begin(&self.exchange, server, hello, behalf).await;
        let session_there = session_there.map_err(|error| NoLeg::Refused(error.to_string()))?;
        let read = &session_there.read;
        let version = version_in(read.response.as_deref(), read.status.as_u16())?;
        let leg = JoinedLeg {
            session: read.session.clone(),
            version,
            begun,
        };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let told = inner::ask(
            &self.exchange,
            server,
            initialized.to_string(),
            behalf,
            Some(within(&leg)),
        );
        told.await
            .map_err(|error| NoLeg::Refused(error.to_string()))?;
        let joined = self
            .sessions
            .join(session.id, server.key().clone(), leg.clone());
        if joined.as_ref() == Some(&leg) {
            session_there.keep();
            // After it was noted, so that a level that is set meanwhile is told here or there.
            self.tell_level(session, server, &leg).await;
        }
        self.changed.notify_waiters();
        // Before the first answer leaves: from then on the server keeps something for this client.
        self.replicas.tell(session.id).await;
        joined.ok_or(NoLeg::Ended)
    }

    /// Tells a server from which level on the client wants log messages, if it has said so. Some servers know nothing of levels.
    pub(super) async fn tell_level(
        &self,
        session: &Session,
        server: &Arc<Server<Upstream>>,
        leg: &JoinedLeg,
    ) {
        let Some(level) = self.sessions.level(session.id) else {
            return;
        };
        let said = json!({"jsonrpc": "2.0", "id": LEVEL, "method": "logging/setLevel",
            "params": {"level": level}});
        let behalf = session.viewer.caller.as_ref();
        let told = inner::ask(
            &self.exchange,
            server,
            said.to_string(),
            behalf,
            Some(within(leg)),
        );
        if !matches!(tokio::time::timeout(LEVEL_PATIENCE, told).await, Ok(Ok(_))) {
            tracing::debug!(server = %server.key(), "does not answer when it is told of a level");
        }
    }

    /// Ends a session and all its legs.
    pub(super) fn end(self: &Arc<Self>, session: &Session) {
        let legs = self.sessions.end(session.id, self.exchange.directory.now());
        self.changed.notify_waiters();
        let (this, id) = (Arc::clone(self), session.id);
        tokio::spawn(async move { this.replicas.tell(id).await });
        self.end_all(legs, session.viewer.caller.as_ref());
    }

    /// Ends sessions with servers, as far as they are this caller's.
    pub(super) fn end_all(
        self: &Arc<Self>,
        legs: Vec<(ServerKey, JoinedLeg)>,
        caller: Option<&Caller>,
    ) {
        for (key, leg) in legs {
            let (this, caller) = (Arc::clone(self), caller.cloned());
            tokio::spawn(async move {
                let directory = &this.exchange.directory;
                if let Some(server) = directory.server(key.namespace.as_str(), key.name.as_str()) {
                    inner::end(&this.exchange, &server, caller.as_ref(), within(&leg)).await;
                }
            });
        }
    }

    fn beginning(&self) -> MutexGuard<'_, HashMap<(JoinedId, ServerKey), Beginning>> {
        self.beginning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The version that a server chose, from its answer to `initialize`.
fn version_in(response: Option<&[u8]>, status: u16) -> Result<String, NoLeg> {
    let refused = |why: String| Err(NoLeg::Refused(why));
    let message = response.and_then(|text| Message::parse(text).ok());
    let Some(message) = message else {
        return refused(format!("its answer to initialize is HTTP {status}"));
    };
    match (message.result(), message.error()) {
        (Some(result), _) => match Initialized::read(result) {
            Ok(initialized) => Ok(initialized.protocol_version),
            Err(error) => refused(error.to_string()),
        },
        (None, Some(error)) => refused(error.message),
        (None, None) => refused("its answer to initialize is no response".to_owned()),
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_time_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.unwrap_or_default().as_millis() as u64
}
