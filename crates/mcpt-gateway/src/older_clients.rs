//! [`OlderClients`]: clients of the older HTTP transport (HTTP+SSE, 2024-11-05). What others find at `/mcp` and below they find at
//! `/sse` and below.
//!
//! A GET opens a stream, which first says where messages are posted; all answers come on it, and the session ends with it. Each
//! message goes to the path below `/mcp` by a connection within the process, so what holds there holds here: who may call what,
//! limits, records, eras, where sessions live. A stream is in one replica of the gateway, to which others pass messages on.

mod heard;
mod inside;
mod passed;
mod session;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    http::request::Parts,
};
use mcpt_protocol::{media, sse};
use mcpt_routing::{Carried, SessionKeys};
use tokio_util::sync::CancellationToken;

use self::session::Session;
pub(crate) use self::{inside::CalledAt, passed::MAX_MESSAGE};
use crate::{
    access::principal_of,
    exchange::{BodyBudget, Exchange},
    passing::PassedRoom,
    peers::PeerAddresses,
    refusal::{Refusal, page},
    relay::GatewayBody,
    stages::Stages,
};

/// Below which paths they call.
const PATH: &str = "/sse";
/// What names the session of a message, in the query.
const SESSION: &str = "sessionId=";

/// The sessions of such clients whose streams are in this replica.
#[derive(Debug)]
pub(crate) struct OlderClients {
    keys: Arc<SessionKeys>,
    others: Arc<PeerAddresses>,
    room: Arc<PassedRoom>,
    bodies: Arc<BodyBudget>,
    /// The number of this replica.
    replica: u64,
    closing: CancellationToken,
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
    next: AtomicU64,
}

/// Which session it is, and which replica has its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OlderId {
    replica: u64,
    number: u64,
}

/// What such a client calls by this path; `None` when nobody of them calls so.
pub(crate) fn meant_by(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix(PATH)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let mut query = uri.query().unwrap_or_default().split('&');
    // What the client has added goes to the server; which session it is does not.
    let query: Vec<_> = query
        .by_ref()
        .filter(|part| !part.is_empty() && !part.starts_with(SESSION))
        .collect();
    let query = match query[..] {
        [] => String::new(),
        _ => format!("?{}", query.join("&")),
    };
    Uri::try_from(format!("/mcp{rest}{query}")).ok()
}

impl OlderClients {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        Self {
            keys: Arc::clone(&exchange.keys),
            others: Arc::clone(&exchange.others),
            room: Arc::clone(&exchange.passed),
            bodies: Arc::clone(&exchange.bodies),
            replica: exchange.replica(),
            closing: exchange.closing.clone(),
            sessions: Mutex::default(),
            next: AtomicU64::default(),
        }
    }

    /// Answers a request that means `meant`.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        stages: &Arc<Stages>,
        meant: Uri,
        request: Request<Incoming>,
    ) -> Response<GatewayBody> {
        let sent = request.headers().clone();
        let request = match stages.recognised_at(&meant, request).await {
            Ok(request) => request,
            Err(answer) => return answer.response,
        };
        let (parts, body) = request.into_parts();
        match parts.method {
            Method::GET => self.open(stages, meant, parts),
            Method::POST => {
                let Some(id) = self.named(&parts.uri) else {
                    return Refusal::UnknownSession.response(None);
                };
                if !media::is_type(&parts.headers, media::JSON) {
                    return wrong_type();
                }
                let body = match self.bodies.read(body).await {
                    Ok(begun) => self.bodies.whole(begun).await,
                    Err(refusal) => Err(refusal),
                };
                match body {
                    Ok(body) if id.replica == self.replica => self.take(id, parts, body).await,
                    Ok(body) => self.pass_on(id, &parts.uri, &sent, body).await,
                    Err(refusal) => refusal.response(None),
                }
            }
            _ => Refusal::Method { allow: "GET, POST" }.response(None),
        }
    }

    /// Begins a session.
    fn open(
        self: &Arc<Self>,
        stages: &Arc<Stages>,
        meant: Uri,
        parts: Parts,
    ) -> Response<GatewayBody> {
        if !media::accepts(&parts.headers, media::EVENT_STREAM) {
            let why = "Accept must list text/event-stream\n";
            return page(StatusCode::NOT_ACCEPTABLE, "text/plain", why);
        }
        let id = OlderId {
            replica: self.replica,
            number: self.next.fetch_add(1, Relaxed),
        };
        let sealed = match self.sealed(id) {
            Ok(sealed) => sealed,
            Err(refusal) => return refusal.response(None),
        };
        let first = sse::Event {
            name: Some("endpoint".to_owned()),
            data: Some(format!("{}?{SESSION}{sealed}", parts.uri.path())),
            ..sse::Event::default()
        };
        let (session, events) = Session::begin(stages, meant, &parts, &first);
        self.sessions().insert(id.number, Arc::clone(&session));
        let this = Arc::clone(self);
        tokio::spawn(async move {
            session.lasts(&this.closing).await;
            this.sessions().remove(&id.number);
            session.end(parts).await;
        });
        let mut response = Response::new(GatewayBody::Heard(events));
        let headers = response.headers_mut();
        let stream = HeaderValue::from_static(media::EVENT_STREAM);
        headers.insert(CONTENT_TYPE, stream);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    /// Takes a message of a session that is here, from somebody who was recognised.
    async fn take(&self, id: OlderId, parts: Parts, body: Bytes) -> Response<GatewayBody> {
        let session = self.sessions().get(&id.number).cloned();
        let owner = principal_of(&parts.extensions);
        match session.filter(|session| session.is_of(owner, parts.uri.path())) {
            Some(session) => session.take(parts, body).await,
            None => Refusal::UnknownSession.response(None),
        }
    }

    /// The session that the query of a message names.
    fn named(&self, uri: &Uri) -> Option<OlderId> {
        let mut query = uri.query()?.split('&');
        let sealed = query.find_map(|part| part.strip_prefix(SESSION))?;
        let bytes = self
            .keys
            .open_carried(Carried::OlderSession, sealed.as_bytes())?;
        let (replica, number) = bytes.split_first_chunk()?;
        Some(OlderId {
            replica: u64::from_be_bytes(*replica),
            number: u64::from_be_bytes(number.try_into().ok()?),
        })
    }

    /// What a session that is here goes through.
    fn stages_of(&self, id: OlderId) -> Option<Arc<Stages>> {
        let session = self.sessions().get(&id.number).cloned();
        session.map(|session| Arc::clone(&session.stages))
    }

    fn sealed(&self, id: OlderId) -> Result<String, Refusal> {
        let bytes = [id.replica.to_be_bytes(), id.number.to_be_bytes()].concat();
        let sealed = self.keys.seal_carried(Carried::OlderSession, &bytes);
        sealed.map_err(|error| Refusal::Unsealable(error.to_string()))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wrong_type() -> Response<GatewayBody> {
    let why = "Content-Type must be application/json\n";
    page(StatusCode::UNSUPPORTED_MEDIA_TYPE, "text/plain", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_older_clients_mean_by_their_paths() {
        for (called, meant) in [
            ("/sse", Some("/mcp")),
            ("/sse/", Some("/mcp/")),
            ("/sse/demo", Some("/mcp/demo")),
            (
                "/sse/set/team?a=b&sessionId=x&c",
                Some("/mcp/set/team?a=b&c"),
            ),
            ("/sse/demo?sessionId=x", Some("/mcp/demo")),
            ("/ssex", None),
            ("/mcp/demo", None),
            ("/", None),
        ] {
            let meant = meant.map(|meant| meant.parse().unwrap());
            assert_eq!(meant_by(&called.parse().unwrap()), meant, "{called}");
        }
    }
}
