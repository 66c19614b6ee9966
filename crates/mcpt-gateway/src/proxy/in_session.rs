//! Requests in a session.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt as _, Collected, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CONTENT_LENGTH, HeaderValue},
};
use mcpt_routing::{Endpoint, Pinned, Server, Ticket};

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

/// A request in a session: it goes where the session lives, its body unread.
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
    let Some(endpoint) = home_of(shared, server, &ticket).await else {
        shared.ledger.end(sealed.as_bytes());
        let refusal = Refusal::SessionGone;
        return (refusal.outcome(), refuse(shared, &refusal, request).await);
    };
    let (mut parts, body) = request.into_parts();
    let body = match shared.glances.none(body) {
        Ok(body) => RequestBody::unread(body),
        Err(refusal) => return (refusal.outcome(), refusal.response(None)),
    };
    shared
        .ledger
        .touch(sealed.as_bytes(), &endpoint, shared.now());
    let deletes = parts.method == Method::DELETE;
    let streams = parts.method == Method::GET;
    headers::for_upstream(&mut parts.headers);
    parts.headers.insert(SESSION, session);
    let request = Request::from_parts(parts, body);
    let in_flight = endpoint.begin();
    let (mut response, connection) = match endpoint.link().send(request).await {
        Ok(exchange) => exchange,
        Err(error) => {
            return match error {
                SendError::Unreachable { request, reason } => {
                    let mut refusal = unreachable(shared, &in_flight, &reason);
                    // Nobody listens there any more: whatever the server kept for sessions is gone with it.
                    if reason.kind() == io::ErrorKind::ConnectionRefused {
                        shared.ledger.end(sealed.as_bytes());
                        if endpoint.sessions() > 0 {
                            shared.ledger.forget(|other| Arc::ptr_eq(other, &endpoint));
                        }
                        refusal = Refusal::SessionGone;
                    }
                    (refusal.outcome(), refuse(shared, &refusal, *request).await)
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

fn has_short_body(response: &Response<Incoming>) -> bool {
    response.headers().contains_key(CONTENT_LENGTH)
        && response
            .body()
            .size_hint()
            .upper()
            .is_some_and(|size| size <= SHORT)
}
