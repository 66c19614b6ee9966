//! The pages about the gateway itself.

mod instances;

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, body::Body};
use mcpt_core::Namespace;
use mcpt_gateway_api::{
    ENDPOINTS_PATH, HEALTH_PATH, KnownServer, LEGS_PATH, METRICS_PATH, OLDER_PATH,
    OLDER_SESSIONS_PATH, READY_PATH, ROUNDS_PATH, RoundPage, RoundsPage, SERVERS_PATH,
    SESSION_PATH, SESSIONS_PATH, SHARES_PATH, ServersPage, SessionPage,
};
use mcpt_protocol::header::{self, SESSION_ID};
use mcpt_routing::{Conditions, JoinedId, RoundKey, Rounds, Server, SessionKeys};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    access_log::AccessLog,
    aggregate::{MAX_TOLD, Replicas},
    answers::{Unread, gathered},
    audit::AuditLog,
    directory::Directory,
    exchange::{BodyBudget, Exchange, MAX_SESSION_REQUEST},
    limits::{MAX_SHARES, Shares},
    metrics::{HeldBytes, Lost, Metrics},
    older_clients::{MAX_MESSAGE, OlderClients},
    refusal::{Refusal, page},
    relay::GatewayBody,
    sets::KnownSets,
    translate::MAX_ROUND,
    upstream::Upstream,
};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// `/healthz`: the process lives.
    Health,
    /// `/readyz`: it knows all servers that its sources know, and does not end.
    Ready,
    /// `/metrics`, for Prometheus.
    Metrics,
    /// `/api/v1/servers`: what it knows, as JSON.
    Servers,
    /// `/api/v1/endpoints`: their instances, as JSON.
    Endpoints,
    /// `/api/v1/session`: where a session lives, as JSON.
    Session,
    /// `/api/v1/sessions`: hashes of the sessions it has seen, for its peers.
    Sessions,
    /// `/api/v1/legs/PART`: sessions with many servers, for its peers.
    Legs(usize),
    /// `/api/v1/legs/of/HASH`: one of them.
    LegsOf(JoinedId),
    /// `/api/v1/rounds/HASH`: who waits for the next round of a call, for its peers.
    Round(RoundKey),
    /// `/api/v1/rounds/of/NUMBER`: whether this is the replica of that number, for its peers.
    RoundsOf(u64),
}

impl Page {
    pub(crate) fn at(path: &str) -> Option<Self> {
        Some(match path {
            HEALTH_PATH => Self::Health,
            READY_PATH => Self::Ready,
            METRICS_PATH => Self::Metrics,
            SERVERS_PATH => Self::Servers,
            ENDPOINTS_PATH => Self::Endpoints,
            SESSION_PATH => Self::Session,
            SESSIONS_PATH => Self::Sessions,
            other => {
                if let Some(which) = other.strip_prefix(LEGS_PATH) {
                    return Some(match which.strip_prefix("/of/") {
                        Some(session) => Self::LegsOf(session.parse().ok()?),
                        None => Self::Legs(which.strip_prefix('/')?.parse().ok()?),
                    });
                }
                let which = other.strip_prefix(ROUNDS_PATH)?.strip_prefix('/')?;
                match which.strip_prefix("of/") {
                    Some(replica) => Self::RoundsOf(replica.parse().ok()?),
                    None => Self::Round(which.parse().ok()?),
                }
            }
        })
    }

    /// Whether those ask for it who know the gateway by its address alone: it tells nothing but how the gateway is.
    pub(crate) fn is_for_probes(self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// What other replicas of the gateway tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerReport {
    /// Sessions that they have.
    Legs,
    /// How much their callers may still call.
    Shares,
    /// The next round of a call that is parked here.
    Round,
    /// A message of a client of the older transport whose stream is here.
    Older,
    /// A request in a session with a server of that transport, whose stream is here.
    OlderSession,
}

impl PeerReport {
    /// What is told at a path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        let all = [
            (LEGS_PATH, Self::Legs),
            (SHARES_PATH, Self::Shares),
            (ROUNDS_PATH, Self::Round),
            (OLDER_PATH, Self::Older),
            (OLDER_SESSIONS_PATH, Self::OlderSession),
        ];
        let told = all.into_iter().find(|(known, _)| *known == path);
        told.map(|(_, told)| told)
    }
}

/// What somebody is told who only says that he is one.
const NO_REPLICA: &str = "not of a replica\n";

/// What the pages tell of.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) directory: Arc<Directory>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) older_clients: Arc<OlderClients>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) log: Option<Arc<AccessLog>>,
    pub(crate) keys: Arc<SessionKeys>,
    pub(crate) bodies: Arc<BodyBudget>,
    pub(crate) rounds: Arc<Rounds>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) shares: Option<Arc<Shares>>,
    pub(crate) audit: Option<Arc<AuditLog>>,
    pub(crate) sets: Arc<KnownSets>,
    pub(crate) default_namespace: Namespace,
    /// Whether the peers were asked at least once, if there can be any.
    pub(crate) peers_heard: Arc<AtomicBool>,
    pub(crate) closing: CancellationToken,
}

impl Pages {
    /// Answers a request to the admin listener.
    pub(crate) fn answer<B>(&self, access: &Access, request: &Request<B>) -> Response<GatewayBody> {
        let shown = Page::at(request.uri().path());
        let welcome = shown.is_some_and(Page::is_for_probes);
        match (shown, access.check(request)) {
            (_, Err(refused)) if !welcome => Refusal::Access(refused).response(None),
            (Some(_), _) if request.method() != Method::GET => {
                Refusal::Method { allow: "GET" }.response(None)
            }
            (Some(Page::Session), _) => self.session(request.headers()),
            (Some(shown), _) => self.show(shown),
            (None, _) => Refusal::NoPage.response(None),
        }
    }

    /// Takes in what another replica tells by itself.
    pub(crate) async fn take<B>(
        &self,
        access: &Access,
        request: Request<B>,
    ) -> Response<GatewayBody>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        if let Err(refused) = access.check(&request) {
            return Refusal::Access(refused).response(None);
        }
        let told = PeerReport::at(request.uri().path());
        let most = match told {
            Some(PeerReport::Shares) => MAX_SHARES,
            Some(PeerReport::Round) => MAX_ROUND,
            Some(PeerReport::Older) => MAX_MESSAGE,
            Some(PeerReport::OlderSession) => MAX_SESSION_REQUEST,
            Some(PeerReport::Legs) => MAX_TOLD,
            None => 0,
        };
        // What a client may send grows at most so much as text in JSON, sealed.
        let message = self.bodies.max_body().saturating_mul(3);
        let most = match told {
            Some(PeerReport::Round | PeerReport::Older | PeerReport::OlderSession) => {
                most.max(message)
            }
            Some(PeerReport::Shares | PeerReport::Legs) | None => most,
        };
        let body = std::pin::pin!(request.into_body());
        let body = match gathered(body, most, self.exchange.answers.room()).await {
            Ok(body) => body,
            Err(Unread::NoRoom(_)) => return Refusal::Overloaded.response(None),
            Err(Unread::Broken | Unread::TooLong(_)) => {
                return page(StatusCode::FORBIDDEN, "text/plain", NO_REPLICA);
            }
        };
        let text = |text: String| page(StatusCode::OK, "text/plain", text);
        let answer = match told {
            Some(PeerReport::Shares) => {
                let shares = self.shares.as_ref();
                shares.and_then(|shares| shares.give(&body)).map(text)
            }
            Some(PeerReport::Round) => self.exchange.next_round(&body).await,
            Some(PeerReport::Older) => self.older_clients.passed(&body).await,
            Some(PeerReport::OlderSession) => self.exchange.asked_elsewhere(&body).await,
            Some(PeerReport::Legs) => {
                let taken = self.replicas.take(&body, self.directory.now());
                taken.map(|()| text("ok\n".to_owned()))
            }
            None => None,
        };
        answer.unwrap_or_else(|| page(StatusCode::FORBIDDEN, "text/plain", NO_REPLICA))
    }

    /// The page.
    pub(crate) fn show(&self, shown: Page) -> Response<GatewayBody> {
        let json = "application/json";
        match shown {
            Page::Health => page(StatusCode::OK, "text/plain", "ok\n"),
            Page::Ready => match self.unready() {
                None => page(StatusCode::OK, "text/plain", "ok\n"),
                Some(why) => page(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "text/plain",
                    format!("{why}\n"),
                ),
            },
            Page::Metrics => {
                let lost = Lost {
                    access_log: self.log.as_ref().map(|log| log.lost()),
                    audit: self.audit.as_ref().map(|log| log.lost()),
                };
                let held = HeldBytes {
                    requests: self.bodies.held(),
                    answers: self.exchange.answers.held(),
                };
                let table = self.directory.table();
                let text = self.metrics.text(table, held, lost);
                page(StatusCode::OK, "text/plain; version=0.0.4", text)
            }
            Page::Servers => page(StatusCode::OK, json, json!(self.servers()).to_string()),
            Page::Endpoints => {
                let known = instances::endpoints(&self.directory);
                page(StatusCode::OK, json, json!(known).to_string())
            }
            Page::Session => self.session(&HeaderMap::new()),
            Page::Sessions => {
                let text = json!(self.directory.sightings()).to_string();
                page(StatusCode::OK, json, text)
            }
            Page::Legs(part) => told(self.replicas.part(part)),
            Page::LegsOf(session) => told(self.replicas.of(session)),
            Page::Round(state) => {
                let endpoint = self.rounds.who_asked(state);
                let endpoint = endpoint.map(|endpoint| endpoint.as_str().to_owned());
                page(
                    StatusCode::OK,
                    json,
                    json!(RoundPage { endpoint }).to_string(),
                )
            }
            Page::RoundsOf(replica) => {
                let here = self.exchange.has_rounds(replica);
                page(StatusCode::OK, json, json!(RoundsPage { here }).to_string())
            }
        }
    }

    /// Why nothing should be sent here now.
    pub(crate) fn unready(&self) -> Option<String> {
        let awaited = self.directory.awaited();
        if self.closing.is_cancelled() {
            Some("shutting down".to_owned())
        } else if !awaited.is_empty() {
            Some(format!("waiting for {}", awaited.join(", ")))
        } else if !self.peers_heard.load(Relaxed) {
            // With its first sessions it would take the fullest instances for empty.
            Some("waiting for peers".to_owned())
        } else {
            None
        }
    }
    /// All servers, by namespace and name.
    fn servers(&self) -> ServersPage {
        let current = self.directory.table().current();
        let mut servers: Vec<_> = current.iter().collect();
        servers.sort_by_key(|server| server.key());
        let keys: Vec<_> = servers.iter().map(|server| server.key()).collect();
        ServersPage {
            sets: self.sets.shown(&keys),
            servers: servers
                .into_iter()
                .map(|server| self.known(server))
                .collect(),
        }
    }

    fn known(&self, server: &Server<Upstream>) -> KnownServer {
        let (key, endpoints) = (server.key(), server.endpoints());
        let count = |wanted: fn(&Conditions) -> bool| {
            let matching = endpoints
                .iter()
                .filter(|(_, conditions)| wanted(conditions));
            matching.count() as u32
        };
        let path = if key.namespace == self.default_namespace {
            format!("/mcp/{}", key.name)
        } else {
            format!("/mcp/{}/{}", key.namespace, key.name)
        };
        KnownServer {
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            path,
            endpoints: count(|_| true),
            ready: count(|c| c.ready),
            terminating: count(|c| c.terminating),
            sessions: endpoints
                .iter()
                .map(|(endpoint, _)| endpoint.all_sessions())
                .fold(0, u32::saturating_add),
            figures: self.metrics.figures(key),
        }
    }

    /// Where the session lives whose id is in these headers.
    fn session(&self, headers: &HeaderMap) -> Response<GatewayBody> {
        match header::single(headers, &SESSION_ID) {
            Ok(Some(sealed)) => {
                let session = instances::session(&self.directory, &self.keys, sealed.as_bytes());
                let known = json!(SessionPage { session }).to_string();
                page(StatusCode::OK, "application/json", known)
            }
            Ok(None) => Refusal::NoSession.response(None),
            Err(several) => Refusal::from(several).response(None),
        }
    }
}

/// What replicas are told.
fn told(sealed: Option<String>) -> Response<GatewayBody> {
    match sealed {
        Some(sealed) => page(StatusCode::OK, "text/plain", sealed),
        None => page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain",
            "not sealed\n",
        ),
    }
}
