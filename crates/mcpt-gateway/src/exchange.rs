//! The stage between the gateway and a server: which instance is asked, what of a request may be sent again, and what the
//! server's answer means.

mod anywhere;
mod body_budget;
mod elsewhere;
mod handling;
mod listening;
mod permitted;
mod pinned;
mod progress;
mod request_body;
mod request_class;
mod rounds;

use std::{error::Error, io, sync::Arc};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response,
    body::{Body, Incoming},
    header::HeaderValue,
    http::request::Parts,
};
use mcpt_protocol::{
    Part, RequestEra,
    header::{self, SESSION_ID, SeveralValues},
    media,
    sse::Frame,
    subscription_ended,
};
use mcpt_routing::{Asker, Handling, InFlight, Rounds, Server, SessionKeys};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

pub(crate) use self::permitted::judge;
use self::request_class::request_id;
pub(crate) use self::{
    anywhere::Sendable,
    body_budget::{BodyBudget, ReadBody},
    elsewhere::MAX_SESSION_REQUEST,
    listening::{Listened, Listening},
    request_body::{BodyCopy, RequestBody},
    request_class::{Purpose, RequestClass},
    rounds::Watch,
};
use crate::{
    answers::AnswerBudget,
    audit::AuditLog,
    directory::Directory,
    limits::Limiter,
    noted::Noted,
    passing::PassedRoom,
    peers::PeerAddresses,
    refusal::Refusal,
    relay::{Answer, Forwarded, Until},
    starting::Starters,
    translate::Translation,
    upstream::{SendError, ServerBody, Upstream, in_words},
};

/// How requests get to servers.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) directory: Arc<Directory>,
    pub(crate) keys: Arc<SessionKeys>,
    /// How requests are handled of servers that say nothing about it.
    pub(crate) handling: Handling,
    pub(crate) bodies: Arc<BodyBudget>,
    /// What is held of answers.
    pub(crate) answers: Arc<AnswerBudget>,
    pub(crate) unreachable_hint: Option<&'static str>,
    pub(crate) rounds: Arc<Rounds>,
    /// What is kept for clients and servers of different eras.
    pub(crate) translation: Arc<Translation>,
    /// The other replicas of the gateway.
    pub(crate) others: Arc<PeerAddresses>,
    /// Room for what has come by them.
    pub(crate) passed: Arc<PassedRoom>,
    /// Counts calls.
    pub(crate) limiter: Arc<Limiter>,
    /// Where calls are recorded.
    pub(crate) audit: Option<Arc<AuditLog>>,
    /// Ends streams that have no end of their own.
    pub(crate) closing: CancellationToken,
    /// The streams of sessions.
    pub(crate) listening: Arc<Listening>,
    /// Start servers that are stopped while nobody calls them.
    pub(crate) starters: Arc<Starters>,
    /// Whose requests go this way.
    pub(crate) asker: Asker,
}

impl Exchange {
    /// The same for requests of the gateway's own, for which no server is kept running.
    pub(crate) fn for_the_gateway(&self) -> Arc<Self> {
        Arc::new(Self {
            asker: Asker::Gateway,
            ..self.clone()
        })
    }

    /// One exchange with a server that exists.
    pub(crate) async fn with(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        request: Request<Incoming>,
        noted: &Noted,
    ) -> Answer {
        let (era, session) = match asked_by(request.headers()) {
            Ok(asked) => asked,
            Err(several) => return self.refuse(several.into(), request).await,
        };
        let modern = era == RequestEra::Modern;
        if let Some(allow) = allowed_instead(request.method(), modern) {
            return self.refuse(Refusal::Method { allow }, request).await;
        }
        match session.filter(|_| !modern) {
            Some(sealed) => self.pinned(server, request, sealed, noted).await,
            None => self.anywhere(server, request, era, noted).await,
        }
    }

    /// The same for a request whose message is there, or that has none.
    pub(crate) async fn message(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        parts: Parts,
        message: Bytes,
        noted: &Noted,
    ) -> Answer {
        let (era, session) = match asked_by(&parts.headers) {
            Ok(asked) => asked,
            Err(several) => {
                return Answer::refusal(&several.into(), request_id(&message).as_deref());
            }
        };
        if let Some(sealed) = session.filter(|_| era != RequestEra::Modern) {
            let asked = self.pinned_message(server, parts, message, sealed, noted);
            return Box::pin(asked).await;
        }
        let read = ReadBody::Whole(message);
        Box::pin(self.anywhere_read(server, parts, read, era, noted)).await
    }

    /// Refuses a request whose body was not read; a small one is read for the id that the error answers, which an error may
    /// lack: nothing that is forwarded waits for it.
    pub(crate) async fn refuse<B>(&self, refusal: Refusal, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
    {
        let id = match self.bodies.read_in_passing(request.into_body()).await {
            Ok(ReadBody::Whole(body)) => request_id(&body),
            Ok(ReadBody::Large { .. }) | Err(_) => None,
        };
        Answer::refusal(&refusal, id.as_deref())
    }

    /// What the client is told when the request was on its way and no response came.
    pub(crate) fn broken(&self, in_flight: &InFlight<Upstream>, error: SendError) -> Refusal {
        match error {
            SendError::Unreachable { reason, .. } => self.unreachable(in_flight, &reason),
            SendError::Broken(error) => {
                tracing::warn!(endpoint = %in_flight.address(), %error, "connection broke before the answer");
                Refusal::Broken
            }
            SendError::Unusable(why) => {
                tracing::warn!(endpoint = %in_flight.address(), why, "answer cannot be passed on");
                Refusal::Unusable(why)
            }
            SendError::Moved => Refusal::Moved,
            SendError::Late(limit) => Refusal::Late(limit),
            SendError::Exhausted(reason) => {
                tracing::error!(%reason, "no descriptors are left for connections to servers");
                Refusal::Exhausted("it has too many open")
            }
            SendError::Body { too_large: true } => Refusal::TooLarge(self.bodies.max_body()),
            SendError::Body { too_large: false } => Refusal::BodyMissing,
        }
    }

    /// Notes that an endpoint cannot be reached.
    pub(crate) fn unreachable(
        &self,
        in_flight: &InFlight<Upstream>,
        reason: &io::Error,
    ) -> Refusal {
        let silent = matches!(
            reason.kind(),
            io::ErrorKind::TimedOut
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
        );
        let hint = self.unreachable_hint.filter(|_| silent);
        tracing::warn!(endpoint = %in_flight.address(), %reason, hint, "endpoint cannot be reached");
        in_flight.unreachable(self.directory.now());
        // It may be another program that answers there next.
        in_flight.link().forget();
        // The address stays inside: it is nothing that clients should learn.
        let why = in_words(reason);
        Refusal::Unreachable(match hint {
            Some(hint) => format!("{why} ({hint})"),
            None => why,
        })
    }

    /// A server's answer as it goes on.
    fn relayed(&self, taken: Taken, stream: Stream<'_>, watch: Option<Watch>) -> Answer {
        let events = media::is_type(taken.response.headers(), media::EVENT_STREAM);
        let last_words = match stream {
            Stream::Ends => None,
            Stream::Subscription(Some(id)) if events => {
                let ended = subscription_ended(Part::alone(id));
                let event =
                    Frame::new(ended.len(), |line| line.extend_from_slice(ended.as_bytes()));
                Some(Bytes::from(event.into_event()))
            }
            Stream::Endless | Stream::OfSession(_) | Stream::Subscription(_) => Some(Bytes::new()),
        };
        let until = match stream {
            Stream::OfSession(session) if events => {
                let listened = self.listening.open(session, &self.closing);
                Some(Until::superseded(listened))
            }
            _ => last_words.map(|words| Until::told(&self.closing, words)),
        };
        let Taken {
            response,
            in_flight,
        } = taken;
        Answer::forwarded(response.map(|body| Forwarded::new(body, in_flight, until, watch)))
    }
}

/// Whether an answer has an end of its own.
#[derive(Debug, Clone, Copy)]
enum Stream<'a> {
    /// It has.
    Ends,
    /// It has none, and none is expected.
    Endless,
    /// The same, of the session that is called so.
    OfSession(&'a [u8]),
    /// It has none, but says so when it is over: it answers the request with this id.
    Subscription(Option<&'a RawValue>),
}

/// An answer that has begun: what of it is there and what is still to come, and where it is counted.
pub(crate) struct Taken {
    pub(crate) response: Response<ServerBody>,
    pub(crate) in_flight: InFlight<Upstream>,
}

/// The era and the session that headers name.
fn asked_by(headers: &HeaderMap) -> Result<(RequestEra, Option<HeaderValue>), SeveralValues> {
    let era = request_class::era_of(headers, None)?;
    Ok((era, header::single(headers, &SESSION_ID)?.cloned()))
}

/// The methods that a client may use, when it has used another.
fn allowed_instead(method: &Method, modern: bool) -> Option<&'static str> {
    match *method {
        Method::POST => None,
        Method::GET | Method::DELETE if modern => Some("POST"),
        Method::GET | Method::DELETE => None,
        _ => Some("GET, POST, DELETE"),
    }
}
