//! Clients with sessions in front of a server of 2026-07-28: beginning a session, and what comes in it.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, StatusCode, body::Incoming, header::HeaderValue, http::request::Parts,
};
use mcpt_protocol::{
    ErrorCode, Kind, Message, MessageId, Part, error_response, handshake,
    header::SESSION_ID,
    translate::{Client, old},
};
use mcpt_routing::{InFlight, Leg, Server, Ticket};
use serde_json::value::RawValue;

use super::{
    across::Beginning, ask, carried, leases::Unopened, old_calls::Running, old_listening,
    old_sessions::Declined, stream,
};
use crate::{
    directory::unix_time,
    exchange::{Exchange, ReadBody, Taken},
    noted::Noted,
    refusal::Refusal,
    relay::Answer,
    reuse::Sent,
    upstream::{Sessions, Stateless, Upstream},
};

/// A session that the gateway answers for.
#[derive(Debug)]
pub(crate) struct OldClient {
    pub(crate) sealed: HeaderValue,
    pub(crate) client: Client,
}

impl Exchange {
    /// Whether clients with sessions get them from the gateway, for all that is known of the endpoints of a server.
    pub(crate) fn keeps_sessions_for(&self, server: &Server<Upstream>) -> bool {
        let now = self.directory.now();
        let mut ready = server
            .endpoints()
            .iter()
            .filter(|(_, c)| c.take_new())
            .peekable();
        let translated =
            |endpoint: &Upstream| endpoint.eras().sessions(now) == Sessions::Translated;
        ready.peek().is_some() && ready.all(|(endpoint, _)| translated(endpoint.link()))
    }

    /// Whether an endpoint's answer to `initialize` leaves the session to the gateway: there is none in it, and the endpoint
    /// knows 2026-07-28, in which it can ask its client. What one client has done wrong says nothing about others.
    pub(crate) async fn leaves_session(&self, taken: &Taken, beginning: &Beginning) -> bool {
        let (status, endpoint) = (taken.response.status(), &taken.in_flight);
        let eras = endpoint.link().eras();
        let keeps = eras.sessions(self.directory.now()) == Sessions::Itself;
        if status.is_success() && taken.response.headers().contains_key(SESSION_ID) {
            if !keeps {
                eras.tried(Sessions::Itself, self.directory.now());
            }
            return false;
        }
        let says_it = status.is_success() || matches!(status.as_u16(), 400 | 404 | 405);
        if keeps || !says_it || !beginning.is_sound() {
            return false;
        }
        let stateless = self.stateless_at(endpoint, &beginning.headers).await == Stateless::Yes;
        if stateless {
            eras.tried(Sessions::Translated, self.directory.now());
        }
        stateless
    }

    /// Answers `initialize` for a server that keeps no sessions. `None`: the message is none that can be answered so.
    pub(crate) async fn begin_for(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        beginning: &Beginning,
        first: Option<InFlight<Upstream>>,
    ) -> Option<Answer> {
        let message = Message::parse(&beginning.body).ok()?;
        let client = Client::of_initialize(&message)?;
        let Kind::Request { id, .. } = message.kind() else {
            return None;
        };
        let begun = self.begin_session(server, beginning, &client, *id, first);
        Some(match begun.await {
            Ok(answer) => answer,
            Err(Unopened::Login(login)) => {
                let why = "the server wants another login";
                let text = error_response(Some(*id), ErrorCode::INTERNAL_ERROR, why, None);
                stream::wants_login(login, text)
            }
            Err(Unopened::Refused(refusal)) => Answer::refusal(&refusal, Some(id.raw())),
        })
    }

    async fn begin_session(
        &self,
        server: &Arc<Server<Upstream>>,
        beginning: &Beginning,
        client: &Client,
        id: Part<'_>,
        first: Option<InFlight<Upstream>>,
    ) -> Result<Answer, Unopened> {
        let (discovered, endpoint) = self
            .discovered(server, &beginning.headers, client, first)
            .await?;
        let result = old::initialize_result(&discovered, client);
        let result = result.ok_or(Refusal::Unusable("it does not say what it can do"))?;
        let leg = Leg {
            server: server.key().clone(),
            endpoint,
            upstream_session: String::new(),
        };
        let mut ticket = Ticket::of(leg, unix_time());
        ticket.principal = beginning.owner;
        ticket.client = Some(client.to_text().into_bytes().into_boxed_slice());
        let sealed = self.keys.seal(&ticket);
        let sealed = sealed.map_err(|error| Refusal::Unsealable(error.to_string()))?;
        let sealed = HeaderValue::try_from(sealed);
        let sealed = sealed.map_err(|error| Refusal::Unsealable(error.to_string()))?;
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
            id.text()
        );
        let mut answer = stream::whole(StatusCode::OK, Some(text));
        answer.response.headers_mut().insert(SESSION_ID, sealed);
        Ok(answer)
    }

    /// What a server says of itself, and which endpoint has said so.
    pub(super) async fn discovered(
        &self,
        server: &Server<Upstream>,
        headers: &HeaderMap,
        client: &Client,
        first: Option<InFlight<Upstream>>,
    ) -> Result<(String, mcpt_routing::EndpointId), Unopened> {
        let text = json_request(handshake::DISCOVER);
        let unusable = Refusal::Unusable("it is no answer to server/discover");
        let message = Message::parse(text.as_bytes()).map_err(|_| unusable.clone())?;
        let call = old::Call::new(&message, client, "info").ok_or_else(|| unusable.clone())?;
        let id = self.translation.next_id();
        let headers = carried(headers);
        let asked = self.ask_any(server, &headers, call.request(id), true, first);
        let mut messages = asked.await?;
        if let Some(login) = messages.wants_login() {
            return Err(Unopened::Login(login));
        }
        let endpoint = messages.from().id().clone();
        let answer = ask::answer_to(&mut messages, &id.into()).await;
        let answer = answer.map_err(|_| unusable.clone())?;
        let answer = Message::parse(answer.as_bytes()).map_err(|_| unusable.clone())?;
        let result = answer.result().ok_or(unusable)?;
        Ok((result.get().to_owned(), endpoint))
    }

    /// A request in a session that the gateway answers for.
    pub(crate) async fn in_session_for(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        session: OldClient,
        parts: &Parts,
        read: ReadBody<Incoming>,
        noted: &Noted,
    ) -> Answer {
        let known = self.translation.sessions.of(session.sealed.as_bytes());
        if known.ended.is_cancelled() {
            return Answer::refusal(&Refusal::UnknownSession, None);
        }
        match parts.method {
            Method::DELETE => {
                self.translation.sessions.end(session.sealed.as_bytes());
                return stream::whole(StatusCode::OK, None);
            }
            Method::GET => {
                return old_listening::listen(self, server, session.client, known, &parts.headers);
            }
            _ => {}
        }
        match self.whole(read).await {
            Ok(body) => {
                noted.note_sent(&Sent::whole(&body));
                self.message_in(server, session, known, &parts.headers, &body)
                    .await
            }
            Err(refusal) => Answer::refusal(&refusal, None),
        }
    }

    async fn message_in(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        session: OldClient,
        known: Arc<super::old_sessions::OldSession>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Answer {
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(malformed) => {
                let text = error_response(
                    None,
                    ErrorCode::INVALID_REQUEST,
                    &malformed.to_string(),
                    None,
                );
                return stream::whole(StatusCode::BAD_REQUEST, Some(text));
            }
        };
        match message.kind() {
            Kind::Response { id, is_error } => {
                if let Some(question) =
                    id.and_then(|id| serde_json::from_str::<String>(id.text()).ok())
                {
                    let answer = if *is_error {
                        let error = message.error().map(|error| error.message);
                        Err(Declined(error.unwrap_or_default()))
                    } else {
                        Ok(message.result().map_or("{}", RawValue::get).to_owned())
                    };
                    known.answered(&question, answer);
                }
                stream::whole(StatusCode::ACCEPTED, None)
            }
            Kind::Notification { method } => {
                if method == "notifications/cancelled"
                    && let Some(id) = message.params().request_id.and_then(MessageId::of)
                {
                    known.cancel(&id);
                }
                stream::whole(StatusCode::ACCEPTED, None)
            }
            Kind::Request { id, method } => {
                if let Some(result) = own_result(method, &message, &known) {
                    let text = match result {
                        Ok(()) => {
                            format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.text())
                        }
                        Err(why) => error_response(Some(*id), ErrorCode::INVALID_PARAMS, why, None),
                    };
                    return stream::whole(StatusCode::OK, Some(text));
                }
                let level = known.level();
                let Some(call) = old::Call::new(&message, &session.client, &level) else {
                    let why = format!("no method {method}");
                    let text = error_response(Some(*id), ErrorCode::METHOD_NOT_FOUND, &why, None);
                    return stream::whole(StatusCode::OK, Some(text));
                };
                let Some(id) = MessageId::of(*id) else {
                    return Answer::refusal(&Refusal::BodyMissing, None);
                };
                let (outlet, inlet) = stream::channel();
                let running = Running {
                    exchange: Arc::clone(self),
                    server: Arc::clone(server),
                    headers: carried(headers),
                    cancelled: known.runs(&id),
                    session: known,
                    id,
                    outlet,
                };
                // A client with sessions that goes away has not cancelled its call.
                tokio::spawn(running.run(call));
                inlet.response(None).await
            }
        }
    }
}

/// The levels of log messages.
pub(crate) const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];
/// Longest URI of a resource that a session hears of, in bytes: it is kept for as long as the session is.
const LONGEST_URI: usize = 8 * 1024;

/// What a request gets that the gateway answers by itself; `None` if it does not.
fn own_result(
    method: &str,
    message: &Message<'_>,
    session: &super::old_sessions::OldSession,
) -> Option<Result<(), &'static str>> {
    let text = |name| {
        let value = message.param(name)?;
        serde_json::from_str::<String>(value.text()).ok()
    };
    Some(match method {
        "ping" => Ok(()),
        "logging/setLevel" => match text("level") {
            Some(level) if LEVELS.contains(&&*level) => {
                session.set_level(level);
                Ok(())
            }
            Some(_) => Err("there is no such level"),
            None => Err("level is missing"),
        },
        "resources/subscribe" => match text("uri") {
            Some(uri) if uri.len() > LONGEST_URI => Err("the uri is too long"),
            Some(uri) if session.subscribe(uri.clone()) => Ok(()),
            Some(_) => Err("the session hears of too many resources"),
            None => Err("uri is missing"),
        },
        "resources/unsubscribe" => match text("uri") {
            Some(uri) => {
                session.unsubscribe(&uri);
                Ok(())
            }
            None => Err("uri is missing"),
        },
        _ => return None,
    })
}

fn json_request(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":0,"method":"{method}"}}"#)
}
