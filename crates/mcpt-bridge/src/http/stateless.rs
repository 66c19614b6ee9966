//! Requests of 2026-07-28: to a child that speaks that version, or into a session with one that does not.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use mcpt_http::{Charge, ReadBody};
use mcpt_protocol::{
    ErrorCode, Kind as Sort, LEGACY_VERSIONS, MODERN_VERSION, Message, Part, RequestStates, SPOKEN,
    handshake::DISCOVER,
    translate::new::{self, Call},
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Bridge,
    post::{self, STREAM_AFTER, refuse_body, refuse_message, refuse_session},
    reply::{error, json as json_response},
};
use crate::{
    session::{GivenUpWithThis, Session, Takes},
    sessions::NewSession,
    sse,
    stateless::{Beginning, ChildRequest, Kind, Sharing, Translated, Unopened},
};

/// Answers one message.
pub(super) async fn answer(bridge: &Arc<Bridge>, headers: HeaderMap, read: ReadBody) -> Response {
    let message = match Message::parse(&read.bytes) {
        Ok(message) => message,
        Err(malformed) => return refuse_message(&malformed),
    };
    let id = match message.kind() {
        Sort::Request { id, .. } => *id,
        // What ends a request is the end of its stream.
        Sort::Notification { .. } => return StatusCode::ACCEPTED.into_response(),
        Sort::Response { .. } => {
            let why = "only requests and notifications are taken";
            let (status, code) = (StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST);
            return error(status, None, code, why, None);
        }
    };
    if bridge.sessions_only {
        let (status, code) = (
            StatusCode::BAD_REQUEST,
            ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
        );
        let why = "the server has sessions only";
        let data = json!({"supported": LEGACY_VERSIONS, "requested": MODERN_VERSION});
        return error(status, Some(id), code, why, Some(&data));
    }
    // What is wrong with a request does not depend on the server, and needs no child.
    let call = match Call::checked(&message, &headers, &SPOKEN) {
        Ok(call) => call,
        Err(refused) => return refuse(&refused, id),
    };
    match bridge.sessions.kind().await {
        Ok(Kind::Stateless) => {
            let state = call.request_state();
            let takes = if call.listens() {
                Takes::Subscribed
            } else if call.level().is_some() {
                Takes::Log
            } else {
                Takes::Nothing
            };
            let wanted = ChildRequest {
                log: takes == Takes::Log,
                state: state.as_deref(),
            };
            let shared = &bridge.sessions.pools().shared;
            let child = match shared.child(&bridge.sessions, wanted).await {
                Ok(child) => child,
                Err(none) => return refuse_session(id, &none),
            };
            let (stream, events) = Session::stream_of_shared();
            let request = child.request(&message, id, stream, takes);
            let id = id.to_owned();
            let given_up = GivenUpWithThis {
                session: Arc::clone(&child),
                number: request.number(),
            };
            // Not the child: who else uses that has no part in this.
            let request = match read.free(|charge| request.charged(charge)) {
                Ok(request) => request,
                Err(over) => return refuse_body(&over.into()),
            };
            // Listening ends when the bridge does, and keeps it from nothing.
            let in_progress = (takes != Takes::Subscribed).then(|| bridge.requests.token());
            let events = watched(bridge, &child, events);
            post::answer(
                request,
                id,
                events,
                status_of,
                None,
                (given_up, child, in_progress),
            )
            .await
        }
        Ok(Kind::Sessions(initialized)) => match Call::read(&message, &headers, &SPOKEN) {
            Ok(call) if call.method() == DISCOVER => {
                json_response(StatusCode::OK, call.discovered(&initialized, &SPOKEN))
            }
            Ok(call) => {
                let ReadBody { bytes, charge } = read;
                drop(bytes);
                translate(bridge, &headers, call, charge).await
            }
            Err(refused) => refuse(&refused, id),
        },
        Err(none) => refuse_session(id, &none),
    }
}

fn refuse(refused: &new::Refused, id: Part<'_>) -> Response {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::BAD_REQUEST);
    json_response(status, refused.text(Some(id)))
}

/// The events of a request, with the state of its next round remembered where there is one.
fn watched(
    bridge: &Arc<Bridge>,
    child: &Arc<NewSession>,
    mut events: mpsc::Receiver<sse::Event>,
) -> mpsc::Receiver<sse::Event> {
    let (sender, receiver) = Session::stream();
    let (bridge, child) = (Arc::clone(bridge), Arc::clone(child));
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if event.is_answer() {
                let shared = &bridge.sessions.pools().shared;
                RequestStates::default()
                    .take(&event.json(), |state| shared.has_asked(&child, state));
            }
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    receiver
}

/// The status of an answer that came without one.
fn status_of(event: &sse::Event) -> StatusCode {
    if event.own_error().is_some() {
        return StatusCode::BAD_GATEWAY;
    }
    let body = event.json();
    let status = Message::parse(&body).map_or(200, |answer| new::status_of(&answer));
    StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
}

/// Answers a request by what it becomes in a session. `held` is what its body takes.
async fn translate(
    bridge: &Arc<Bridge>,
    headers: &HeaderMap,
    call: Call,
    held: Charge,
) -> Response {
    let sharing = Sharing::of(call.client(), headers);
    let pools = bridge.sessions.pools();
    let state = call.request_state();
    let parked = match &state {
        Some(state) => pools.parking.take(state, &call.subject(), &sharing),
        None => Ok(None),
    };
    let beginning = match parked {
        Ok(Some(parked)) => Beginning::Again(Box::new(parked)),
        Ok(None) => {
            let lent = pools.leases.lend(&bridge.sessions, sharing, call.client());
            match lent.await {
                Ok(lease) => Beginning::New(Box::new(lease)),
                Err(Unopened::None(none)) => {
                    return refuse_session(Part::alone(call.id()), &none);
                }
                Err(unopened) => {
                    if let Unopened::Failed(failure) = &unopened {
                        bridge.readiness.doubt(failure);
                    }
                    let text = call.without_answer(&unopened.to_string());
                    return json_response(StatusCode::BAD_GATEWAY, text);
                }
            }
        }
        Err(unknown) => {
            let (id, code) = (Part::alone(call.id()), ErrorCode::INVALID_PARAMS);
            let why = unknown.to_string();
            return error(StatusCode::BAD_REQUEST, Some(id), code, &why, None);
        }
    };
    // Listening ends when the bridge does, and keeps it from nothing.
    let in_progress = (!call.listens()).then(|| bridge.requests.token());
    let (outlet, mut events) = Session::stream();
    let gone = CancellationToken::new();
    let held = (gone.clone().drop_guard(), in_progress, held);
    let translated = Translated {
        sessions: Arc::clone(&bridge.sessions),
        call,
        outlet,
        gone,
    };
    tokio::spawn(translated.run(beginning));
    match tokio::time::timeout(STREAM_AFTER, events.recv()).await {
        Ok(Some(event)) if event.is_answer() => json_response(event.status(), event.json()),
        Ok(first) => sse::response(first, events, None, held),
        Err(_) => sse::response(None, events, None, held),
    }
}
