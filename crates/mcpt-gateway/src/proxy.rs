//! The way of a request: which server, which session, which endpoint, there and back.

mod in_session;
mod without_session;

use std::{
    error::Error,
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    http::uri::Authority,
};
use mcpt_protocol::Era;
use mcpt_routing::{InFlight, Server};

use crate::{
    answer::{self, Refusal},
    body::{Forwarded, GatewayBody},
    glance::Glance,
    headers::{self, Session},
    metrics::Outcome,
    opening::request_id,
    peers,
    route::Route,
    servers,
    shared::Shared,
    upstream::{Connection, SendError, Upstream},
};

/// Largest answer that is read to know what an error says.
const SHORT: u64 = 64 * 1024;

type Answer = Response<GatewayBody>;

/// Answers one request.
pub(crate) async fn handle(shared: &Shared, request: Request<Incoming>) -> Answer {
    let route = Route::of(request.uri().path());
    match route {
        Route::Health => return answer::page(StatusCode::OK, "text/plain", "ok\n"),
        Route::Ready => return readiness(shared),
        _ => {}
    }
    let target = request.uri().authority().map(Authority::as_str);
    if let Err(refused) = shared.access.check(request.headers(), target) {
        shared.metrics.nowhere();
        return Refusal::Access(refused).response(None);
    }
    let (namespace, name) = match route {
        Route::Metrics => {
            let text = shared.metrics.text(&shared.table, shared.glances.held());
            return answer::page(StatusCode::OK, "text/plain; version=0.0.4", text);
        }
        Route::Servers => {
            let text = servers::json(&shared.table, &shared.default_namespace);
            return answer::page(StatusCode::OK, "application/json", text);
        }
        Route::Sessions => {
            return answer::page(StatusCode::OK, "application/json", peers::told(shared));
        }
        Route::Server { namespace, name } => {
            (namespace.unwrap_or(shared.default_namespace.as_str()), name)
        }
        _ => {
            shared.metrics.nowhere();
            return refuse(shared, &Refusal::UnknownPath, request).await;
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
        return refuse(shared, &refusal, request).await;
    };
    let begin = Instant::now();
    let (outcome, answer) = forward(shared, &server, request).await;
    let latency = matches!(outcome, Outcome::Answered).then(|| begin.elapsed());
    shared.metrics.record(server.key(), outcome, latency);
    answer
}

fn readiness(shared: &Shared) -> Answer {
    let awaited = shared.awaited();
    let text = if shared.closing.is_cancelled() {
        "shutting down\n".to_owned()
    } else if !awaited.is_empty() {
        format!("waiting for {}\n", awaited.join(", "))
    } else if !shared.peers_told.load(Relaxed) {
        // With its first sessions it would take the fullest instances for empty.
        "waiting for peers\n".to_owned()
    } else {
        return answer::page(StatusCode::OK, "text/plain", "ok\n");
    };
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
        return (refusal.outcome(), refuse(shared, &refusal, request).await);
    }
    let session = if modern {
        Session::None
    } else {
        Session::of(request.headers())
    };
    match session {
        Session::One(sealed) => in_session::forward(shared, server, request, sealed).await,
        Session::None => without_session::forward(shared, server, request, era).await,
        Session::Several => {
            let refusal = Refusal::SeveralSessions;
            (refusal.outcome(), refuse(shared, &refusal, request).await)
        }
    }
}

/// What the client is told when the request was on its way and no response came.
fn broken(shared: &Shared, in_flight: &InFlight<Upstream>, error: SendError) -> Refusal {
    match error {
        SendError::Unreachable { reason, .. } => unreachable(shared, in_flight, &reason),
        SendError::Broken(error) => {
            tracing::warn!(endpoint = %in_flight.address(), %error, "connection broke before the answer");
            Refusal::Broken
        }
        SendError::Unusable(why) => {
            tracing::warn!(endpoint = %in_flight.address(), why, "answer cannot be passed on");
            Refusal::Unusable(why)
        }
        SendError::Body { too_large: true } => Refusal::TooLarge(shared.glances.max_body()),
        SendError::Body { too_large: false } => Refusal::BodyMissing,
    }
}

/// Notes that an endpoint cannot be reached.
fn unreachable(shared: &Shared, in_flight: &InFlight<Upstream>, reason: &io::Error) -> Refusal {
    let silent = matches!(
        reason.kind(),
        io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    );
    let hint = shared.unreachable_hint.filter(|_| silent);
    tracing::warn!(endpoint = %in_flight.address(), %reason, hint, "endpoint cannot be reached");
    in_flight.unreachable(shared.now());
    // The address stays inside: it is nothing that clients should learn.
    let kind = reason.kind();
    Refusal::Unreachable(match hint {
        Some(hint) => format!("{kind} ({hint})"),
        None => kind.to_string(),
    })
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

/// Refuses a request whose body was not read; a small one is read for the id that the error answers, which an error may
/// lack: nothing that is forwarded waits for it.
async fn refuse<B>(shared: &Shared, refusal: &Refusal, request: Request<B>) -> Answer
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    let id = match shared.glances.in_passing(request.into_body()).await {
        Ok(Glance::Whole(body)) => request_id(&body),
        Ok(Glance::Large { .. }) | Err(_) => None,
    };
    refusal.response(id.as_deref())
}
