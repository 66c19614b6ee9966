//! The way of a request: which server, which session, which endpoint, there and back.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected, Either, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{CONTENT_LENGTH, HOST, HeaderValue, ORIGIN},
};
use mcpt_protocol::Era;
use mcpt_routing::{Endpoint, EndpointId, InFlight, Pinned, Server, Ticket, Work};

use crate::{
    answer::{self, Refusal},
    body::{Forwarded, GatewayBody, RequestBody},
    headers::{self, SESSION, Session},
    metrics::Outcome,
    opening::Opening,
    route::Route,
    shared::{Shared, unix_time},
    upstream::{Connection, SendError, Upstream},
};

/// Largest body that is read only to know which request an error answers, or what an error says.
const GLANCE: u64 = 64 * 1024;
/// How long the body of a request may take that must be read before it can be routed.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);
/// How old a session may be for its unknown endpoint to be a new one.
const FRESH_SECONDS: u32 = 10;
/// How long such an endpoint is waited for.
const APPEAR_TIMEOUT: Duration = Duration::from_secs(2);

type Answer = Response<GatewayBody>;

/// Answers one request.
pub(crate) async fn handle(shared: &Shared, request: Request<Incoming>) -> Answer {
    let route = Route::of(request.uri().path());
    match route {
        Route::Health => return answer::page(StatusCode::OK, "text/plain", "ok\n"),
        Route::Ready => return readiness(shared),
        _ => {}
    }
    let host = request
        .headers()
        .get(HOST)
        .map(HeaderValue::as_bytes)
        .or_else(|| request.uri().authority().map(|a| a.as_str().as_bytes()));
    let origin = request.headers().get(ORIGIN).map(HeaderValue::as_bytes);
    if let Err(refused) = shared.access.check(host, origin) {
        shared.metrics.nowhere();
        return Refusal::Access(refused).response(None);
    }
    let (namespace, name) = match route {
        Route::Metrics => {
            let text = shared.metrics.text(&shared.table);
            return answer::page(StatusCode::OK, "text/plain; version=0.0.4", text);
        }
        Route::Server { namespace, name } => {
            (namespace.unwrap_or(shared.default_namespace.as_str()), name)
        }
        _ => {
            shared.metrics.nowhere();
            return refuse(&Refusal::UnknownPath, request).await;
        }
    };
    let server = shared.table.current().get(namespace, name).cloned();
    let Some(server) = server else {
        shared.metrics.nowhere();
        // A client that is told 404 gives its session up: not before it is certain.
        let refusal = if shared.awaited().is_empty() {
            Refusal::UnknownServer(format!("{namespace}/{name}"))
        } else {
            Refusal::Starting
        };
        return refuse(&refusal, request).await;
    };
    let begin = Instant::now();
    let (outcome, answer) = forward(shared, &server, request).await;
    let latency = matches!(outcome, Outcome::Answered).then(|| begin.elapsed());
    shared.metrics.of(server.key()).record(outcome, latency);
    answer
}

fn readiness(shared: &Shared) -> Answer {
    let awaited = shared.awaited();
    if awaited.is_empty() {
        return answer::page(StatusCode::OK, "text/plain", "ok\n");
    }
    let text = format!("waiting for {}\n", awaited.join(", "));
    answer::page(StatusCode::SERVICE_UNAVAILABLE, "text/plain", text)
}

/// Forwards to a server that exists.
async fn forward(
    shared: &Shared,
    server: &Arc<Server<Upstream>>,
    request: Request<Incoming>,
) -> (Outcome, Answer) {
    let era = headers::header_era(request.headers());
    let modern = era == Some(Era::Modern);
    let refusal = match *request.method() {
        Method::POST => None,
        Method::GET | Method::DELETE if modern => Some(Refusal::Method { allow: "POST" }),
        Method::GET | Method::DELETE => None,
        _ => Some(Refusal::Method {
            allow: "GET, POST, DELETE",
        }),
    };
    if let Some(refusal) = refusal {
        return (refusal.outcome(), refuse(&refusal, request).await);
    }
    let session = if modern {
        Session::None
    } else {
        Session::of(request.headers())
    };
    match session {
        Session::One(sealed) => in_session(shared, server, request, sealed).await,
        Session::None => without_session(shared, server, request, era).await,
        Session::Several => {
            let refusal = Refusal::SeveralSessions;
            (refusal.outcome(), refuse(&refusal, request).await)
        }
    }
}

/// A request in a session: it goes where the session lives, its body unread.
async fn in_session(
    shared: &Shared,
    server: &Arc<Server<Upstream>>,
    request: Request<Incoming>,
    sealed: HeaderValue,
) -> (Outcome, Answer) {
    let ticket = shared
        .keys
        .open(sealed.as_bytes())
        .filter(|t| t.server == *server.key());
    let Some((ticket, session)) = ticket.and_then(|t| {
        HeaderValue::try_from(&t.upstream_session)
            .ok()
            .map(|s| (t, s))
    }) else {
        let refusal = Refusal::UnknownSession;
        return (refusal.outcome(), refuse(&refusal, request).await);
    };
    let Some(endpoint) = home_of(shared, server, &ticket).await else {
        shared.ledger.end(sealed.as_bytes());
        let refusal = Refusal::SessionGone;
        return (refusal.outcome(), refuse(&refusal, request).await);
    };
    if too_large(shared, &request) {
        let refusal = Refusal::TooLarge(shared.max_body);
        return (refusal.outcome(), refusal.response(None));
    }
    shared
        .ledger
        .touch(sealed.as_bytes(), &endpoint, shared.now());
    let deletes = request.method() == Method::DELETE;
    let streams = request.method() == Method::GET;
    let (mut parts, body) = request.into_parts();
    headers::for_upstream(&mut parts.headers);
    parts.headers.insert(SESSION, session);
    let request = Request::from_parts(parts, Either::Right(Limited::new(body, shared.max_body)));
    let in_flight = endpoint.begin();
    let (mut response, connection) = match endpoint.link().send(request).await {
        Ok(exchange) => exchange,
        Err(error) => {
            return match error {
                SendError::Unreachable { request, reason } => {
                    let mut refusal = unreachable(shared, &in_flight, &reason);
                    // Nobody listens there any more: whatever the server kept for the session is gone with it.
                    if reason.kind() == io::ErrorKind::ConnectionRefused {
                        shared.ledger.end(sealed.as_bytes());
                        refusal = Refusal::SessionGone;
                    }
                    (refusal.outcome(), refuse(&refusal, *request).await)
                }
                error => {
                    let refusal = broken(shared, &in_flight, error);
                    (refusal.outcome(), refusal.response(None))
                }
            };
        }
    };
    endpoint.answered();
    headers::remove_hop_by_hop(response.headers_mut());
    if response.headers().contains_key(SESSION) {
        response.headers_mut().insert(SESSION, sealed.clone());
    }
    let mut known = true;
    if response.status() == StatusCode::BAD_REQUEST && has_short_body(&response) {
        let (parts, body) = response.into_parts();
        let Ok(body) = body.collect().await.map(Collected::to_bytes) else {
            let refusal = Refusal::Broken;
            return (refusal.outcome(), refusal.response(None));
        };
        Upstream::give_back(&endpoint, connection);
        let mut response = Response::from_parts(parts, GatewayBody::Own(Full::new(body.clone())));
        if answer::means_unknown_session(&body) {
            shared.ledger.end(sealed.as_bytes());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return (Outcome::UnknownSession, response);
        }
        return (Outcome::ClientError, response);
    }
    if response.status() == StatusCode::NOT_FOUND || (deletes && response.status().is_success()) {
        shared.ledger.end(sealed.as_bytes());
        known = deletes;
    }
    let outcome = if known {
        outcome_of(response.status())
    } else {
        Outcome::UnknownSession
    };
    (
        outcome,
        answered(shared, response, in_flight, connection, streams),
    )
}

/// The endpoint that a session lives on; `None` when it is gone.
///
/// Replicas of the gateway do not hear of a new endpoint at the same moment: a session that has only just begun may
/// live on one that is still to appear here.
async fn home_of(
    shared: &Shared,
    server: &Arc<Server<Upstream>>,
    ticket: &Ticket,
) -> Option<Arc<Endpoint<Upstream>>> {
    if let Pinned::Endpoint(endpoint) = server.pinned(&ticket.endpoint) {
        return Some(endpoint);
    }
    if unix_time().saturating_sub(ticket.issued) > FRESH_SECONDS {
        return None;
    }
    let appears = async {
        loop {
            let changed = shared.changed.notified();
            let key = &ticket.server;
            let server = shared
                .table
                .current()
                .get(key.namespace.as_str(), key.name.as_str())
                .cloned();
            if let Pinned::Endpoint(endpoint) = server?.pinned(&ticket.endpoint) {
                return Some(endpoint);
            }
            changed.await;
        }
    };
    tokio::time::timeout(APPEAR_TIMEOUT, appears)
        .await
        .ok()
        .flatten()
}

/// A request outside of any session: it may go to any endpoint, and to another one when it could not be sent.
async fn without_session(
    shared: &Shared,
    server: &Arc<Server<Upstream>>,
    request: Request<Incoming>,
    era: Option<Era>,
) -> (Outcome, Answer) {
    let (mut parts, body) = request.into_parts();
    let body = match read(shared, body).await {
        Ok(body) => body,
        Err(refusal) => return (refusal.outcome(), refusal.response(None)),
    };
    let opening = if parts.method == Method::POST {
        Opening::of(&body, era)
    } else {
        Opening::Other
    };
    headers::for_upstream(&mut parts.headers);
    let (work, streams) = match opening {
        Opening::Initialize => (Work::NewSession(shared.policy), false),
        Opening::Modern { listens } => {
            headers::without_sessions(&mut parts.headers);
            (Work::OneRequest, listens)
        }
        Opening::Other => (Work::OneRequest, parts.method == Method::GET),
    };
    let request = Request::from_parts(parts, Either::Left(Full::new(body.clone())));
    let (mut response, connection, in_flight) =
        match send_to_any(shared, server, work, request).await {
            Ok(exchange) => exchange,
            Err(refusal) => return (refusal.outcome(), refusal.response(Some(&body))),
        };
    headers::remove_hop_by_hop(response.headers_mut());
    // Only a successful `initialize` begins a session; servers put ids on errors too, and old ids into stateless answers.
    let session = response.headers_mut().remove(SESSION);
    if let Some(session) = session
        && !matches!(opening, Opening::Modern { .. })
        && response.status().is_success()
    {
        match seal(shared, server, in_flight.endpoint().id(), &session) {
            Ok(sealed) => {
                shared
                    .ledger
                    .touch(sealed.as_bytes(), in_flight.endpoint(), shared.now());
                response.headers_mut().insert(SESSION, sealed);
            }
            Err(refusal) => return (refusal.outcome(), refusal.response(Some(&body))),
        }
    }
    let outcome = outcome_of(response.status());
    (
        outcome,
        answered(shared, response, in_flight, connection, streams),
    )
}

type Exchange = (Response<Incoming>, Connection, InFlight<Upstream>);

async fn send_to_any(
    shared: &Shared,
    server: &Server<Upstream>,
    work: Work,
    mut request: Request<RequestBody>,
) -> Result<Exchange, Refusal> {
    let mut tried = Vec::new();
    let mut refusal = None;
    while let Some(in_flight) = server.pick(work, &tried, shared.now()) {
        match in_flight.link().send(request).await {
            Ok((response, connection)) => {
                in_flight.answered();
                return Ok((response, connection, in_flight));
            }
            Err(SendError::Unreachable {
                request: back,
                reason,
            }) => {
                tried.push(in_flight.id().clone());
                request = *back;
                refusal = Some(unreachable(shared, &in_flight, &reason));
            }
            Err(error) => return Err(broken(shared, &in_flight, error)),
        }
    }
    Err(refusal.unwrap_or_else(|| Refusal::NoEndpoint(server.key().to_string())))
}

/// What the client is told when the request was on its way and no response came.
fn broken(shared: &Shared, in_flight: &InFlight<Upstream>, error: SendError) -> Refusal {
    match error {
        SendError::Unreachable { reason, .. } => unreachable(shared, in_flight, &reason),
        SendError::Broken(error) => {
            tracing::warn!(endpoint = %in_flight.address(), %error, "connection broke before the answer");
            Refusal::Broken
        }
        SendError::Body { too_large: true } => Refusal::TooLarge(shared.max_body),
        SendError::Body { too_large: false } => Refusal::BodyMissing,
    }
}

/// Notes that an endpoint cannot be reached.
fn unreachable(shared: &Shared, in_flight: &InFlight<Upstream>, reason: &io::Error) -> Refusal {
    tracing::warn!(endpoint = %in_flight.address(), %reason, "endpoint cannot be reached");
    in_flight.unreachable(shared.now());
    // The address stays inside: it is nothing that clients should learn.
    Refusal::Unreachable(reason.kind().to_string())
}

fn seal(
    shared: &Shared,
    server: &Server<Upstream>,
    endpoint: &EndpointId,
    session: &HeaderValue,
) -> Result<HeaderValue, Refusal> {
    let unsealable = |why: String| Refusal::Unsealable(why);
    let upstream_session = session
        .to_str()
        .map_err(|error| unsealable(error.to_string()))?;
    let ticket = Ticket {
        server: server.key().clone(),
        endpoint: endpoint.clone(),
        issued: unix_time(),
        upstream_session: upstream_session.to_owned(),
    };
    let sealed = shared
        .keys
        .seal(&ticket)
        .map_err(|error| unsealable(error.to_string()))?;
    HeaderValue::try_from(sealed).map_err(|error| unsealable(error.to_string()))
}

fn answered(
    shared: &Shared,
    response: Response<Incoming>,
    in_flight: InFlight<Upstream>,
    connection: Connection,
    streams: bool,
) -> Answer {
    let until = streams.then(|| shared.closing.clone().cancelled_owned());
    response.map(|body| {
        GatewayBody::Forwarded(Box::new(Forwarded::new(body, in_flight, connection, until)))
    })
}

fn outcome_of(status: StatusCode) -> Outcome {
    match status.as_u16() {
        400..500 => Outcome::ClientError,
        500.. => Outcome::ServerError,
        _ => Outcome::Answered,
    }
}

fn too_large(shared: &Shared, request: &Request<Incoming>) -> bool {
    request.body().size_hint().lower() > shared.max_body as u64
}

fn has_short_body(response: &Response<Incoming>) -> bool {
    response.headers().contains_key(CONTENT_LENGTH)
        && response
            .body()
            .size_hint()
            .upper()
            .is_some_and(|size| size <= GLANCE)
}

/// Reads a whole body.
async fn read(shared: &Shared, body: Incoming) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > shared.max_body as u64 {
        return Err(Refusal::TooLarge(shared.max_body));
    }
    let collect = Limited::new(body, shared.max_body).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collect).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(shared.max_body)),
        Ok(Err(_)) | Err(_) => Err(Refusal::BodyMissing),
    }
}

/// Refuses a request whose body was not read; a short one is read for the id that the error answers.
async fn refuse<B: Body>(refusal: &Refusal, request: Request<B>) -> Answer {
    let body = request.into_body();
    if body.size_hint().upper().is_none_or(|size| size > GLANCE) {
        return refusal.response(None);
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, body.collect()).await;
    // Without the body there is no id, which an error may lack.
    let bytes = body.ok().and_then(Result::ok).map(Collected::to_bytes);
    refusal.response(bytes.as_deref())
}
