//! [`Leases`]: sessions that the bridge begins for clients of 2026-07-28, and lends to one request at a time.
//!
//! They pass between requests whose clients say the same of themselves, and whose headers are the same but for those that each
//! message has of its own: whatever tells identities apart is among them. So what a child keeps in its session never passes
//! from one to another. A child that was told to give up, or has asked what nobody answered, serves nobody else.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_LENGTH, USER_AGENT},
};
use mcpt_protocol::{
    Kind as Sort, Message, handshake,
    header::{LAST_EVENT_ID, METHOD, NAME, PROTOCOL_VERSION, SESSION_ID},
    translate::{Client, Object},
};
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::shared::locked;
use crate::{
    begin::{Begun, begin},
    readiness::StartFailure,
    session::{Outgoing, Over, Session, Takes},
    sessions::{NewSession, NoSession, Sessions},
    sse::Event,
};

/// How long a session waits for its next request.
const IDLE: Duration = Duration::from_mins(5);
/// Headers that differ from request to request of one client.
const OF_A_MESSAGE: [HeaderName; 11] = [
    CONTENT_LENGTH,
    USER_AGENT,
    METHOD,
    NAME,
    PROTOCOL_VERSION,
    SESSION_ID,
    LAST_EVENT_ID,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("x-request-id"),
];

/// Which requests may have the same session, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sharing {
    client: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// A session that nobody else has now.
#[derive(Debug)]
pub(crate) struct Lease {
    child: NewSession,
    pub(crate) sharing: Sharing,
    /// Its result of `initialize`.
    pub(crate) initialized: Arc<str>,
    next_id: u64,
    level: Option<String>,
    /// Counts it.
    _lent: Arc<()>,
}

/// Sessions that wait for their next request.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    waiting: Mutex<Vec<(Lease, Instant)>>,
    /// Each lease has one, also while it waits.
    lent: Arc<()>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unopened {
    #[error(transparent)]
    None(#[from] NoSession),
    #[error("{}", .0.reason)]
    Failed(StartFailure),
    #[error("the server refuses it: {0}")]
    Refused(String),
}

impl Sharing {
    pub(crate) fn of(client: &Client, headers: &HeaderMap) -> Self {
        let mut headers: Vec<_> = headers
            .iter()
            .filter(|(name, _)| {
                !OF_A_MESSAGE.contains(name) && !name.as_str().starts_with("mcp-param-")
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        Self {
            client: client.to_text(),
            headers,
        }
    }

    /// What tells its identity.
    fn headers(&self) -> HeaderMap {
        self.headers.iter().cloned().collect()
    }

    /// Whether another request is of the same identity, whatever its client can do.
    pub(crate) fn is_of_same_identity(&self, other: &Self) -> bool {
        self.headers == other.headers
    }
}

impl Leases {
    /// Whether any is lent now.
    pub(super) fn are_lent(&self) -> bool {
        let waiting = locked(&self.waiting).len();
        Arc::strong_count(&self.lent) > waiting + 1
    }

    /// A session, one that waits or a new one.
    pub(crate) async fn lend(
        &self,
        sessions: &Arc<Sessions>,
        sharing: Sharing,
        client: &Client,
    ) -> Result<Lease, Unopened> {
        if let Some(lease) = self.take(&sharing) {
            return Ok(lease);
        }
        let mut lease = Lease {
            child: sessions.start(&sharing.headers()).await?,
            sharing,
            initialized: Arc::from(""),
            next_id: 1,
            level: None,
            _lent: Arc::clone(&self.lent),
        };
        let limit = sessions.initialize_timeout();
        lease.shake_hands(client, limit).await?;
        Ok(lease)
    }

    fn take(&self, sharing: &Sharing) -> Option<Lease> {
        let mut waiting = locked(&self.waiting);
        waiting.retain(|(lease, _)| lease.child.over().is_none());
        let at = waiting
            .iter()
            .rposition(|(lease, _)| lease.sharing == *sharing)?;
        Some(waiting.remove(at).0)
    }

    /// Gives a session back for the next request.
    pub(crate) fn give_back(&self, lease: Lease) {
        locked(&self.waiting).push((lease, Instant::now()));
    }

    /// Ends the one that has waited for longest; `false` when none waits.
    pub(super) fn end_oldest(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        let any = !waiting.is_empty();
        if any {
            drop(waiting.remove(0));
        }
        any
    }

    pub(super) fn sweep(&self) {
        locked(&self.waiting)
            .retain(|(lease, since)| since.elapsed() < IDLE && lease.child.over().is_none());
    }
}

impl Lease {
    /// Its session.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.child
    }

    /// Takes a message to the child; a request is answered on the stream that comes back.
    pub(crate) fn outgoing(&self, text: &str) -> Option<(Outgoing, mpsc::Receiver<Event>)> {
        let message = Message::parse(text.as_bytes()).ok()?;
        let (stream, events) = Session::stream();
        let outgoing = match message.kind() {
            Sort::Request { id, .. } => self.child.request(&message, *id, stream, Takes::All),
            _ => self.child.other(&message)?,
        };
        Some((outgoing, events))
    }

    /// Sends a message that is a notification or an answer.
    pub(crate) async fn say(&self, text: &str) -> Result<(), Over> {
        match self.outgoing(text) {
            Some((outgoing, _)) => outgoing.send().await,
            None => Ok(()),
        }
    }

    /// Asks something of the bridge's own and awaits the answer, whatever it says.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        params: &serde_json::Value,
    ) -> Result<(), Over> {
        let text = handshake::request(self.take_id(), method, params);
        let Some((outgoing, mut events)) = self.outgoing(&text) else {
            return Ok(());
        };
        outgoing.send().await?;
        while let Some(event) = events.recv().await {
            if event.is_answer() {
                break;
            }
        }
        Ok(())
    }

    /// The id of the next request in it.
    pub(crate) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Makes the server say its log messages from this level on, if it says any.
    pub(crate) async fn set_level(&mut self, level: &str) -> Result<(), Over> {
        let said = Object::read(&self.initialized);
        let logs =
            said.and_then(|said| Some(said.object("capabilities")?.get("logging").is_some()));
        if self.level.as_deref() == Some(level) || logs != Some(true) {
            return Ok(());
        }
        self.ask("logging/setLevel", &json!({"level": level}))
            .await?;
        self.level = Some(level.to_owned());
        Ok(())
    }

    async fn shake_hands(&mut self, client: &Client, limit: Duration) -> Result<(), Unopened> {
        let text = client.initialize_request(1);
        let (stream, answers) = Session::stream();
        let message = Message::parse(text.as_bytes()).ok();
        let request = message.as_ref().and_then(|message| match message.kind() {
            Sort::Request { id, .. } => {
                Some(self.child.request(message, *id, stream, Takes::Nothing))
            }
            _ => None,
        });
        let Some(request) = request else {
            return Err(Unopened::Refused("initialize is no request".to_owned()));
        };
        let begun = begin(&self.child, request, answers, limit).await;
        let (answer, version) = match begun.map_err(Unopened::Failed)? {
            Begun::Agreed { answer, version } => (answer, version),
            Begun::Refused { answer } => {
                let body = answer.json();
                let error = Message::parse(&body).ok().and_then(|answer| answer.error());
                let why = error.map(|error| error.message).unwrap_or_default();
                return Err(Unopened::Refused(why));
            }
        };
        let body = answer.json();
        let result = Message::parse(&body).ok().and_then(|m| m.result());
        self.initialized = Arc::from(result.map_or("", |result| result.get()));
        self.child.agree_on(version);
        let said = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let ended = self.say(said).await;
        ended.map_err(|over| Unopened::Refused(over.to_string()))
    }
}
