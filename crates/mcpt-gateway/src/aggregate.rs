//! `/mcp`: all servers as one.
//!
//! The gateway answers for what all have in common: it begins the client's session, lists what there is, and says when that
//! changes. A call goes to the server that it is for, in a session with that one which begins with the first call that needs
//! it. To single servers the aggregate is a client of `/mcp/NAME` within the process, see `inner.rs`.

mod catalogue;
mod client;
mod inner;
mod legs;
mod levels;
mod list_changes;
mod lister;
mod own;
mod replicas;
mod rewritten;
mod stateless;
mod stream;
mod viewer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::HeaderValue,
    http::{Extensions, request::Parts},
};
use mcpt_aggregate::{
    About, ItemRef, ListKind, ServerLabel, ServerSet, Tag, about, answer_to_server, to_server,
};
use mcpt_core::Namespace;
use mcpt_protocol::{
    EraUnknown, ErrorCode, Kind, MalformedMessage, Message, Part, RequestEra, UnknownVersion,
    era_of_request,
    header::{self, LAST_EVENT_ID, SESSION_ID},
    media,
};
use mcpt_routing::{Joined, JoinedId, JoinedLeg, Server, Ticket};
use tokio_util::sync::CancellationToken;

use self::{
    catalogue::Catalogue,
    client::{Client, UnfitClient},
    legs::{Legs, NoLeg, Session, within},
    stream::Listening,
    viewer::Viewer,
};
pub(crate) use self::{
    replicas::{MAX_TOLD, Replicas},
    rewritten::Rewritten,
};
use crate::{
    access::principal_of,
    directory::unix_time,
    exchange::Exchange,
    metrics::Outcome,
    noted::Noted,
    refusal::{Refusal, page},
    relay::{Answer, GatewayBody},
    sets::KnownSets,
    upstream::Upstream,
};

/// All servers as one.
#[derive(Debug)]
pub(crate) struct Aggregate {
    parties: Arc<Parties>,
    /// What ends the stream that each client has open here: it has one at a time.
    listening: Mutex<HashMap<JoinedId, CancellationToken>>,
}

/// Whom the aggregate has to do with.
#[derive(Debug)]
struct Parties {
    exchange: Arc<Exchange>,
    catalogue: Arc<Catalogue>,
    legs: Arc<Legs>,
    sets: Arc<KnownSets>,
}

impl Aggregate {
    pub(crate) fn new(
        exchange: &Arc<Exchange>,
        default_namespace: Namespace,
        replicas: Arc<Replicas>,
        sets: Arc<KnownSets>,
    ) -> Self {
        let closing = exchange.closing.clone();
        let own = exchange.for_the_gateway();
        let catalogue = Catalogue::new(own, default_namespace, closing);
        Self {
            parties: Arc::new(Parties {
                exchange: Arc::clone(exchange),
                catalogue: Arc::new(catalogue),
                legs: Arc::new(Legs::new(Arc::clone(exchange), replicas)),
                sets,
            }),
            listening: Mutex::default(),
        }
    }

    /// Forgets sessions that were not used for long.
    pub(crate) fn sweep(&self) {
        let now = self.parties.exchange.directory.now();
        self.parties.legs.sessions.sweep(now);
        self.listening().retain(|_, stream| !stream.is_cancelled());
    }

    /// Answers one request, to a set of servers or to all of them.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        set: Option<Arc<ServerSet>>,
        noted: &Noted,
    ) -> Answer {
        self.parties.catalogue.begin();
        let viewer = Viewer::of(request.extensions(), set);
        match *request.method() {
            Method::POST => self.post(request, viewer, noted).await,
            Method::GET | Method::DELETE => self.without_message(request, viewer, noted).await,
            _ => Answer::refusal(
                &Refusal::Method {
                    allow: "GET, POST, DELETE",
                },
                None,
            ),
        }
    }

    async fn post(&self, request: Request<Incoming>, viewer: Viewer, noted: &Noted) -> Answer {
        let (parts, body) = request.into_parts();
        let bodies = &self.parties.exchange.bodies;
        let body = match bodies.read(body).await {
            Ok(begun) => bodies.whole(begun).await,
            Err(refusal) => Err(refusal),
        };
        let body = match body {
            Ok(body) => body,
            Err(refusal) => return Answer::refusal(&refusal, None),
        };
        let message = match Message::parse(&body) {
            Ok(message) => message,
            Err(malformed) => {
                let code = match malformed {
                    MalformedMessage::NotJson(_) => ErrorCode::PARSE_ERROR,
                    MalformedMessage::Batch | MalformedMessage::NotJsonRpc(_) => {
                        ErrorCode::INVALID_REQUEST
                    }
                };
                return own::refused(StatusCode::BAD_REQUEST, None, code, &malformed.to_string());
            }
        };
        noted.note_body(&body);
        let id = match message.kind() {
            Kind::Request { id, .. } => Some(*id),
            Kind::Notification { .. } | Kind::Response { .. } => None,
        };
        match era_of_request(&parts.headers, Some(&message), UnknownVersion::Refuse) {
            Ok(RequestEra::Initialize) => {
                self.initialize(&message, id, &parts.extensions, &viewer)
                    .await
            }
            Ok(RequestEra::Legacy) => match self.session(&parts, viewer).await {
                Ok(session) => {
                    self.in_session(&session, &message, &parts.headers, noted)
                        .await
                }
                Err(refusal) => Answer::refusal(&refusal, id.map(Part::raw)),
            },
            Ok(RequestEra::Modern) => self.stateless(&message, &parts, &viewer, noted).await,
            Err(unknown @ (EraUnknown::Several(_) | EraUnknown::Unsupported)) => own::refused(
                StatusCode::BAD_REQUEST,
                id,
                ErrorCode::INVALID_REQUEST,
                &unknown.to_string(),
            ),
        }
    }

    /// Begins a session. No server has to do with it so far.
    async fn initialize(
        &self,
        message: &Message<'_>,
        id: Option<Part<'_>>,
        extensions: &Extensions,
        viewer: &Viewer,
    ) -> Answer {
        let Some(id) = id else {
            let code = ErrorCode::INVALID_REQUEST;
            return own::refused(
                StatusCode::BAD_REQUEST,
                None,
                code,
                "initialize without an id",
            );
        };
        let client = match Client::of(message, viewer.set_name()) {
            Ok(client) => client,
            Err(unfit @ (UnfitClient::Incomplete | UnfitClient::TooMuch)) => {
                return own::error(id, ErrorCode::INVALID_PARAMS, &unfit.to_string());
            }
        };
        let ticket = Ticket {
            issued: unix_time(),
            legs: Vec::new(),
            principal: principal_of(extensions),
            expires: None,
            client: Some(client.kept().into_bytes().into()),
        };
        let sealed = self.parties.exchange.keys.seal(&ticket);
        let sealed = sealed.map_err(|error| error.to_string());
        let sealed =
            sealed.and_then(|id| HeaderValue::try_from(id).map_err(|error| error.to_string()));
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(why) => return Answer::refusal(&Refusal::Unsealable(why), Some(id.raw())),
        };
        self.parties.catalogue.settled().await;
        let legs = &self.parties.legs;
        let begun = legs.begins_session(sealed.as_bytes(), extensions);
        legs.replicas.tell(begun.id()).await;
        begun.keep();
        let seen = self.parties.catalogue.seen_by(viewer);
        own::initialized(id, &client, &seen, sealed)
    }

    /// The session that a request names.
    async fn session(&self, parts: &Parts, viewer: Viewer) -> Result<Session, Refusal> {
        let sealed = header::single(&parts.headers, &SESSION_ID)?;
        let sealed = sealed.ok_or(Refusal::NoSession)?.as_bytes();
        let ticket = self.parties.exchange.keys.open(sealed);
        let owner = principal_of(&parts.extensions);
        let ticket = ticket.filter(|ticket| {
            ticket.is_current(unix_time()) && ticket.principal == owner && ticket.legs.is_empty()
        });
        let client = ticket.and_then(|ticket| Client::read(&ticket.client?));
        // A session is with the servers that it began with.
        let client = client.filter(|client| client.set.as_deref() == viewer.set_name());
        let client = client.ok_or(Refusal::UnknownSession)?;
        let id = JoinedId::of(sealed);
        let (legs, now) = (&self.parties.legs, self.parties.exchange.directory.now());
        let mut known = legs.sessions.used(id, now);
        if known == Joined::Unknown {
            legs.replicas.ask(id, now).await;
            known = legs.sessions.used(id, now);
        }
        match known {
            Joined::Open => Ok(Session { id, client, viewer }),
            Joined::Ended | Joined::Unknown => Err(Refusal::UnknownSession),
        }
    }

    async fn in_session(
        &self,
        session: &Session,
        message: &Message<'_>,
        headers: &HeaderMap,
        noted: &Noted,
    ) -> Answer {
        match message.kind() {
            Kind::Request { id, method } => match &**method {
                "ping" => own::result(*id, "{}"),
                "logging/setLevel" => self.set_level(session, message, *id).await,
                method => match ListKind::of_method(method) {
                    Some(kind) => {
                        self.parties.catalogue.settled().await;
                        own::list(*id, kind, &self.parties.catalogue.seen_by(&session.viewer))
                    }
                    None => self.forward(session, message, *id, headers, noted).await,
                },
            },
            Kind::Notification { method } if method == "notifications/initialized" => {
                own::accepted()
            }
            Kind::Notification { .. } | Kind::Response { .. } => {
                match answer_to_server(message) {
                    Some((server, text)) => self.tell(session, &server, text).await,
                    None if is_word(message) => self.tell_all(session, message),
                    None => {
                        let why = "it is neither a notification nor an answer to a server";
                        let code = ErrorCode::INVALID_REQUEST;
                        return own::refused(StatusCode::BAD_REQUEST, None, code, why);
                    }
                }
                own::accepted()
            }
        }
    }

    /// Sends a request to the server that it is for.
    async fn forward(
        &self,
        session: &Session,
        message: &Message<'_>,
        id: Part<'_>,
        headers: &HeaderMap,
        noted: &Noted,
    ) -> Answer {
        let viewer = &session.viewer;
        let behalf = viewer.caller.as_ref();
        let target = match self.target(message, viewer).await {
            Ok(target) => target,
            Err((code, why)) => return own::error(id, code, &why),
        };
        let Some(server) = self.parties.catalogue.server_for(&target.server, viewer) else {
            let why = format!("no server {}", target.server);
            return own::error(id, ErrorCode::INVALID_PARAMS, &why);
        };
        noted.note_server(&server);
        let leg = match self.parties.legs.with(session, &server).await {
            Ok(leg) => leg,
            Err(why @ (NoLeg::Refused(_) | NoLeg::Late | NoLeg::Ended)) => {
                let why = format!("{}: {why}", target.server);
                let mut answer = own::error(id, ErrorCode::INTERNAL_ERROR, &why);
                answer.outcome = Outcome::Unreachable;
                return answer;
            }
        };
        let parts = inner::parts(Method::POST, behalf, Some(headers), Some(within(&leg)));
        let text = to_server(message, &target.own);
        let exchange = &self.parties.exchange;
        let kept = viewer.refused(&server, &parts, &text);
        let kept = match kept {
            None => {
                exchange
                    .counted(&server, &parts.extensions, text.as_bytes(), noted)
                    .await
            }
            Some(refusal) => Err(refusal),
        };
        let kept = match kept {
            Ok(kept) => kept,
            Err(refusal) => return Answer::refusal(&refusal, Some(id.raw())),
        };
        let mut answer = exchange.message(&server, parts, text.into(), noted).await;
        let kept_there = answer.kept.take();
        let answer = self.passed_on(session, &target.server, id, answer).await;
        answer.keeping(kept_there).keeping(kept)
    }

    /// What a request is about.
    async fn target(
        &self,
        message: &Message<'_>,
        viewer: &Viewer,
    ) -> Result<ItemRef, (ErrorCode, String)> {
        let method = message.method().unwrap_or_default();
        let Some(about) = about(message) else {
            return Err(if needs_subject(method) {
                let why = format!("{method} does not say what it is about");
                (ErrorCode::INVALID_PARAMS, why)
            } else {
                (
                    ErrorCode::METHOD_NOT_FOUND,
                    format!("unknown method {method}"),
                )
            });
        };
        let catalogue = &self.parties.catalogue;
        catalogue.settled().await;
        if let Some(found) = self.found(&about, viewer) {
            return Ok(found);
        }
        // A gateway that has only just started does not know it yet, which is no reason to refuse a call.
        catalogue.heard().await;
        self.found(&about, viewer).ok_or_else(|| {
            let (sort, name) = match &about {
                About::Tool(name) => ("tool", name),
                About::Prompt(name) => ("prompt", name),
                About::Resource(uri) => ("resource", uri),
            };
            (ErrorCode::INVALID_PARAMS, format!("no {sort} {name}"))
        })
    }

    /// What is known of what a request is about.
    fn found(&self, about: &About, viewer: &Viewer) -> Option<ItemRef> {
        let seen = self.parties.catalogue.seen_by(viewer);
        let merged = &seen.merged;
        match about {
            About::Tool(name) => merged.find(ListKind::Tools, name).cloned(),
            About::Prompt(name) => merged.find(ListKind::Prompts, name).cloned(),
            About::Resource(uri) => merged.resource(uri),
        }
    }

    /// A server's answer as the client gets it.
    async fn passed_on(
        &self,
        session: &Session,
        server: &ServerLabel,
        id: Part<'_>,
        answer: Answer,
    ) -> Answer {
        let outcome = answer.outcome;
        let (parts, body) = answer.response.into_parts();
        if parts.status == StatusCode::NOT_FOUND && gone(outcome) {
            // What the server kept for this client is lost, and the client must know: it is told as the protocol has it.
            self.parties.legs.end(session);
            return Answer::refusal(&Refusal::SessionGone, Some(id.raw()));
        }
        if parts.status.is_success() && media::is_type(&parts.headers, media::EVENT_STREAM) {
            let catalogue = Arc::clone(&self.parties.catalogue);
            let id = Some(id.to_owned());
            let body = Rewritten::new(body, server.clone(), id, catalogue);
            return own::events(GatewayBody::Rewritten(Box::new(body)));
        }
        let failed = |why: String| {
            let mut answer = own::error(id, ErrorCode::INTERNAL_ERROR, &why);
            answer.outcome = match outcome {
                Outcome::Answered => Outcome::Unreachable,
                other => other,
            };
            answer
        };
        let answers = &self.parties.exchange.answers;
        let text = match rewritten::read(server, id, body, answers).await {
            Ok(Some(text)) => text,
            Ok(None) => {
                let status = parts.status.as_u16();
                return failed(format!("{server}: its answer is HTTP {status}"));
            }
            Err(why) => return failed(format!("{server}: {why}")),
        };
        Answer {
            response: page(StatusCode::OK, media::JSON, text),
            outcome,
            kept: None,
        }
    }

    /// Tells a server what it has asked for. It may be gone, and then nobody wants to know any more.
    async fn tell(&self, session: &Session, label: &ServerLabel, text: String) {
        if let Some(server) = self.parties.catalogue.server_for(label, &session.viewer)
            && let Some(leg) = self.parties.legs.sessions.leg(session.id, server.key())
        {
            self.parties.tell(&server, session, &leg, text).await;
        }
    }

    /// Tells all servers that the session has to do with. Which of them a cancelled request went to is known to them: its id
    /// is one that the client has used once.
    fn tell_all(&self, session: &Session, message: &Message<'_>) {
        let catalogue = &self.parties.catalogue;
        for (key, leg) in self.parties.legs.sessions.legs(session.id) {
            if let Some(server) = catalogue.server_for(&catalogue.label(&key), &session.viewer) {
                let (parties, text) = (Arc::clone(&self.parties), message.text().to_owned());
                let session = session.clone();
                tokio::spawn(async move { parties.tell(&server, &session, &leg, text).await });
            }
        }
    }

    /// GET, which listens, and DELETE.
    async fn without_message(
        &self,
        request: Request<Incoming>,
        viewer: Viewer,
        noted: &Noted,
    ) -> Answer {
        match era_of_request(request.headers(), None, UnknownVersion::Refuse) {
            Ok(RequestEra::Legacy | RequestEra::Initialize) => {}
            Ok(RequestEra::Modern) => {
                return Answer::refusal(&Refusal::Method { allow: "POST" }, None);
            }
            Err(unknown) => {
                let (status, code) = (StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST);
                return own::refused(status, None, code, &unknown.to_string());
            }
        }
        let (parts, _) = request.into_parts();
        let session = match self.session(&parts, viewer).await {
            Ok(session) => session,
            Err(refusal) => return Answer::refusal(&refusal, None),
        };
        if parts.method == Method::DELETE {
            self.parties.legs.end(&session);
            if let Some(stream) = self.listening().remove(&session.id) {
                stream.cancel();
            }
            return own::ended();
        }
        if let Some(event) = parts.headers.get(LAST_EVENT_ID) {
            let event = event.to_str().ok().and_then(Tag::read_event_id);
            return match event {
                Some((server, event)) => self.resume(&session, &server, event, noted).await,
                None => Answer::refusal(&Refusal::UnknownEvent, None),
            };
        }
        let superseded = self.parties.exchange.closing.child_token();
        if let Some(before) = self.listening().insert(session.id, superseded.clone()) {
            before.cancel();
        }
        let pieces = Listening::begin(&self.parties, session, superseded);
        own::events(GatewayBody::Heard(pieces))
    }

    /// Takes up a stream of a server again. It ends when the server ends it.
    async fn resume(
        &self,
        session: &Session,
        label: &ServerLabel,
        event: &str,
        noted: &Noted,
    ) -> Answer {
        let server = self.parties.catalogue.server_for(label, &session.viewer);
        let leg = server.and_then(|server| {
            let leg = self.parties.legs.sessions.leg(session.id, server.key())?;
            Some((server, leg))
        });
        let (Some((server, leg)), Ok(event)) = (leg, HeaderValue::from_str(event)) else {
            return Answer::refusal(&Refusal::UnknownEvent, None);
        };
        let behalf = session.viewer.caller.as_ref();
        let mut parts = inner::parts(Method::GET, behalf, None, Some(within(&leg)));
        parts.headers.insert(LAST_EVENT_ID, event);
        let exchange = &self.parties.exchange;
        let answer = exchange.message(&server, parts, Bytes::new(), noted).await;
        let status = answer.response.status();
        if status == StatusCode::NOT_FOUND && gone(answer.outcome) {
            self.parties.legs.end(session);
            return Answer::refusal(&Refusal::SessionGone, None);
        }
        let is_stream = media::is_type(answer.response.headers(), media::EVENT_STREAM);
        if !is_stream || !status.is_success() {
            return Answer::refusal(&Refusal::UnknownEvent, None);
        }
        let catalogue = Arc::clone(&self.parties.catalogue);
        let body = answer.response.into_body();
        let body = Rewritten::new(body, label.clone(), None, catalogue);
        own::events(GatewayBody::Rewritten(Box::new(body)))
    }

    fn listening(&self) -> MutexGuard<'_, HashMap<JoinedId, CancellationToken>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parties {
    async fn tell(
        &self,
        server: &Arc<Server<Upstream>>,
        session: &Session,
        leg: &JoinedLeg,
        text: String,
    ) {
        let behalf = session.viewer.caller.as_ref();
        let parts = inner::parts(Method::POST, behalf, None, Some(within(leg)));
        // To who reads it in another way it may be a call.
        if session.viewer.refused(server, &parts, &text).is_some() {
            tracing::debug!(server = %server.key(), "what the client said is not passed on");
            return;
        }
        let told = inner::ask(&self.exchange, server, text, behalf, Some(within(leg))).await;
        if let Err(error) = told {
            tracing::debug!(server = %server.key(), %error, "it was not told what the client said");
        }
    }
}

/// Whether an answer says that the session with its server is over.
fn gone(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::SessionGone | Outcome::UnknownSession)
}

/// Whether a message is a notification, by its method too.
fn is_word(message: &Message<'_>) -> bool {
    let method = message.method();
    method.is_some_and(|method| method.starts_with("notifications/"))
}

fn needs_subject(method: &str) -> bool {
    let all = [
        "tools/call",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
    ];
    all.contains(&method)
}
