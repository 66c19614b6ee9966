//! Requests outside of any session: those that begin one, those of the stateless era, and whatever else comes.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, Request, Response, body::Incoming, header::HeaderValue};
use mcpt_protocol::Era;
use mcpt_routing::{EndpointId, InFlight, Server, Ticket, Work};

use super::{Answer, answered, broken, outcome_of, unreachable};
use crate::{
    answer::Refusal,
    body::RequestBody,
    glance::Glance,
    headers::{self, SESSION},
    metrics::Outcome,
    opening::{Opening, Purpose},
    shared::{Shared, unix_time},
    upstream::{Connection, SendError, Upstream},
};

/// A request outside of any session: it may go to any endpoint, and to another one when it could not be sent.
pub(super) async fn forward(
    shared: &Shared,
    server: &Arc<Server<Upstream>>,
    request: Request<Incoming>,
    era: Option<Era>,
) -> (Outcome, Answer) {
    let (mut parts, body) = request.into_parts();
    let posts = parts.method == Method::POST;
    let glance = if posts {
        match shared.glances.at(body).await {
            Ok(glance) => glance,
            Err(refusal) => return (refusal.outcome(), refusal.response(None)),
        }
    } else {
        headers::without_body(&mut parts.headers);
        Glance::Whole(Bytes::new())
    };
    let opening = match &glance {
        _ if !posts => Opening::without_message(parts.method == Method::GET),
        Glance::Whole(body) => Opening::of(body, era),
        Glance::Large { .. } => Opening::unread(era),
    };
    headers::for_upstream(&mut parts.headers);
    let (work, streams) = match opening.purpose {
        Purpose::Initialize => (Work::NewSession(shared.policy), false),
        Purpose::Modern { listens } => {
            headers::without_sessions(&mut parts.headers);
            (Work::OneRequest, listens)
        }
        Purpose::Other => (Work::OneRequest, parts.method == Method::GET),
    };
    let again = match &glance {
        Glance::Whole(body) if opening.repeatable => {
            let body = RequestBody::whole(body.clone());
            Some(Request::from_parts(parts.clone(), body))
        }
        _ => None,
    };
    let request = Request::from_parts(parts, glance.into());
    let (mut response, connection, mut in_flight) =
        match send_to_any(shared, server, work, request, again).await {
            Ok(exchange) => exchange,
            Err(refusal) => return (refusal.outcome(), refusal.response(opening.id.as_deref())),
        };
    headers::remove_hop_by_hop(response.headers_mut());
    // Servers put ids on errors too, and old ids into stateless answers. An id in any other answer means something to its server
    // alone, and so is sealed; but only `initialize` begins a session, and only sessions are noted.
    let session = response.headers_mut().remove(SESSION);
    if let Some(session) = session
        && !matches!(opening.purpose, Purpose::Modern { .. })
        && response.status().is_success()
    {
        match seal(shared, server, in_flight.endpoint().id(), &session) {
            Ok(sealed) => {
                if matches!(opening.purpose, Purpose::Initialize) {
                    shared
                        .ledger
                        .touch(sealed.as_bytes(), in_flight.endpoint(), shared.now());
                }
                response.headers_mut().insert(SESSION, sealed);
            }
            Err(refusal) => return (refusal.outcome(), refusal.response(opening.id.as_deref())),
        }
    }
    in_flight.begun();
    let outcome = outcome_of(response.status());
    (
        outcome,
        answered(shared, response, in_flight, connection, streams),
    )
}

type Exchange = (Response<Incoming>, Connection, InFlight<Upstream>);

/// Sends a request wherever it can be sent. What may have arrived is not sent twice, except once as `again`: to another endpoint
/// if there is one.
async fn send_to_any(
    shared: &Shared,
    server: &Server<Upstream>,
    work: Work,
    mut request: Request<RequestBody>,
    mut again: Option<Request<RequestBody>>,
) -> Result<Exchange, Refusal> {
    let mut tried = Vec::new();
    let mut last_resort = None;
    let mut refusal = None;
    loop {
        let picked = server.pick(work, &tried, shared.now()).or_else(|| {
            let id = last_resort.take()?;
            tried.retain(|other| *other != id);
            server.pick(work, &tried, shared.now())
        });
        let Some(in_flight) = picked else {
            return Err(refusal.unwrap_or_else(|| Refusal::NoEndpoint(server.key().to_string())));
        };
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
            Err(error) => {
                let broke = matches!(error, SendError::Broken(_));
                let broken = broken(shared, &in_flight, error);
                if !broke {
                    return Err(broken);
                }
                // It may merely have closed a connection that was not used. It may as well break each one.
                in_flight.unreachable(shared.now());
                let Some(repeated) = again.take() else {
                    return Err(broken);
                };
                request = repeated;
                tried.push(in_flight.id().clone());
                last_resort = Some(in_flight.id().clone());
                refusal = Some(broken);
            }
        }
    }
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
