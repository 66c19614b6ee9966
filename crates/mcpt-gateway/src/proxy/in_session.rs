//! Requests in a session.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CONTENT_LENGTH, HeaderValue},
};
use mcpt_core::Sessions;
use mcpt_routing::{Endpoint, InFlight, Pinned, Server, Ticket, Work};

use super::{Answer, SHORT, answered, broken, outcome_of, refuse, unreachable};
use crate::{
    answer::{self, Refusal},
    body::{GatewayBody, RequestBody},
    headers::{self, SESSION},
    metrics::Outcome,
    shared::{Shared, unix_time},
    upstream::{SendError, Upstream},
};

/// How old a session may be for its unknown endpoint to be a new one.
const FRESH_SECONDS: u32 = 10;
/// How long such an endpoint is waited for.
const APPEAR_TIMEOUT: Duration = Duration::from_secs(2);

/// A request in a session: it goes where the session lives, its body unread. A server that is said to keep nothing for sessions
/// is asked wherever it can be reached when that place is gone, with the session id that it gave.
pub(super) async fn forward(
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
        return (refusal.outcome(), refuse(shared, &refusal, request).await);
    };
    let stateless = server.sessions() == Sessions::Stateless;
    let begun = if stateless {
        home_or_any(shared, server, &ticket)
    } else {
        home_of(shared, server, &ticket)
            .await
            .map(|endpoint| endpoint.begin())
    };
    let Some(mut in_flight) = begun else {
        let refusal = if stateless {
            Refusal::NoEndpoint(server.key().to_string())
        } else {
            shared.ledger.end(sealed.as_bytes(), shared.now());
            Refusal::SessionGone
        };
        return (refusal.outcome(), refuse(shared, &refusal, request).await);
    };
    let (mut parts, body) = request.into_parts();
    let body = if parts.method == Method::POST {
        match shared.glances.none(body) {
            Ok(body) => RequestBody::unread(body),
            Err(refusal) => return (refusal.outcome(), refusal.response(None)),
        }
    } else {
        headers::without_body(&mut parts.headers);
        RequestBody::none()
    };
    shared
        .ledger
        .touch(sealed.as_bytes(), in_flight.endpoint(), shared.now());
    let deletes = parts.method == Method::DELETE;
    let streams = parts.method == Method::GET;
    headers::for_upstream(&mut parts.headers);
    parts.headers.insert(SESSION, session);
    let mut request = Request::from_parts(parts, body);
    let mut tried = Vec::new();
    let (mut response, connection) = loop {
        let (unsent, reason) = match in_flight.link().send(request).await {
            Ok(exchange) => break exchange,
            Err(SendError::Unreachable { request, reason }) => (*request, reason),
            Err(error) => {
                let refusal = broken(shared, &in_flight, error);
                return (refusal.outcome(), refusal.response(None));
            }
        };
        let mut refusal = unreachable(shared, &in_flight, &reason);
        if stateless {
            tried.push(in_flight.id().clone());
            if let Some(next) = server.pick(Work::OneRequest, &tried, shared.now()) {
                (in_flight, request) = (next, unsent);
                continue;
            }
        } else if reason.kind() == io::ErrorKind::ConnectionRefused {
            // Nobody listens there any more: whatever the server kept for sessions is gone with it.
            shared.ledger.end(sealed.as_bytes(), shared.now());
            if in_flight.sessions() > 0 {
                let endpoint = in_flight.endpoint();
                shared.ledger.forget(|other| Arc::ptr_eq(other, endpoint));
            }
            refusal = Refusal::SessionGone;
        } else if is_gone(shared, &ticket) {
            // It was listed a little longer than it was there.
            shared.ledger.end(sealed.as_bytes(), shared.now());
            refusal = Refusal::SessionGone;
        }
        return (refusal.outcome(), refuse(shared, &refusal, unsent).await);
    };
    in_flight.answered();
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
        Upstream::give_back(in_flight.endpoint(), connection);
        let mut response = Response::from_parts(parts, GatewayBody::Own(Full::new(body.clone())));
        if answer::means_unknown_session(&body) {
            shared.ledger.end(sealed.as_bytes(), shared.now());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return (Outcome::UnknownSession, response);
        }
        return (Outcome::ClientError, response);
    }
    if response.status() == StatusCode::NOT_FOUND || (deletes && response.status().is_success()) {
        shared.ledger.end(sealed.as_bytes(), shared.now());
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

/// Where a request goes whose server keeps nothing for sessions: where the session began while that takes new work and can be
/// reached, else anywhere. Where nobody is ready it is tried where the session began.
fn home_or_any(
    shared: &Shared,
    server: &Server<Upstream>,
    ticket: &Ticket,
) -> Option<InFlight<Upstream>> {
    let now = shared.now();
    let (home, conditions) = match server.pinned(&ticket.endpoint) {
        Pinned::Endpoint(home, conditions) if !home.is_paused(now) => (home, conditions),
        Pinned::Endpoint(..) | Pinned::Gone => return server.pick(Work::OneRequest, &[], now),
    };
    if conditions.take_new() {
        return Some(home.begin());
    }
    let elsewhere = server.pick(Work::OneRequest, &[], now);
    elsewhere.or_else(|| Some(home.begin()))
}

/// Whether the endpoint that a session lives on is gone by now.
fn is_gone(shared: &Shared, ticket: &Ticket) -> bool {
    let servers = shared.table.current();
    let server = servers.get(
        ticket.server.namespace.as_str(),
        ticket.server.name.as_str(),
    );
    server.is_none_or(|server| matches!(server.pinned(&ticket.endpoint), Pinned::Gone))
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
    if let Pinned::Endpoint(endpoint, _) = server.pinned(&ticket.endpoint) {
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
            if let Pinned::Endpoint(endpoint, _) = server?.pinned(&ticket.endpoint) {
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

fn has_short_body(response: &Response<Incoming>) -> bool {
    response.headers().contains_key(CONTENT_LENGTH)
        && response
            .body()
            .size_hint()
            .upper()
            .is_some_and(|size| size <= SHORT)
}
