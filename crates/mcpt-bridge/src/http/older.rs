//! The older HTTP transport (HTTP+SSE, 2024-11-05), for clients that know no other: a stream on which the server says all that
//! it has to say, and messages that are posted beside it. The session ends with its stream.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use mcpt_http::read_body;
use mcpt_protocol::{Message, media};

use super::{
    Bridge,
    post::{check_names, id_of, refuse_body, refuse_message, unread},
    reply::{refuse, refuse_for_now},
};
use crate::{session::Takes, sessions::Sessions, sse};

/// Where its stream is, and where messages go.
pub(super) const PATH: &str = "/sse";
/// What names the session of a message, in the query.
const SESSION: &str = "sessionId=";

/// GET: begins a session, which has a child of its own.
pub(super) async fn open(State(bridge): State<Arc<Bridge>>, headers: HeaderMap) -> Response {
    if !media::accepts(&headers, media::EVENT_STREAM) {
        let why = "Accept must list text/event-stream";
        return refuse(StatusCode::NOT_ACCEPTABLE, why);
    }
    let mut session = match bridge.sessions.start(&headers).await {
        Ok(session) => session,
        Err(none) => return refuse_for_now(None, &none),
    };
    let events = match session.open_general() {
        Ok(events) => events,
        Err(over) => return refuse(StatusCode::BAD_GATEWAY, &over.to_string()),
    };
    bridge.sessions.publish(&mut session);
    let first = sse::Event::endpoint(&format!("{PATH}?{SESSION}{}", session.id()));
    let ends = EndsWithThis {
        sessions: Arc::clone(&bridge.sessions),
        id: session.id().to_owned(),
    };
    sse::response(Some(first), events, None, ends)
}

/// POST: a message, whose answer comes on the stream.
pub(super) async fn post(
    State(bridge): State<Arc<Bridge>>,
    uri: Uri,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let mut named = uri.query().unwrap_or_default().split('&');
    let id = named.find_map(|part| part.strip_prefix(SESSION));
    let session = id.and_then(|id| bridge.sessions.get(id));
    let Some((session, stream)) = session.and_then(|session| {
        let stream = session.general()?;
        Some((session, stream))
    }) else {
        let why = "there is no such session: it ends with its stream";
        return unread(&bridge, body, refuse(StatusCode::NOT_FOUND, why)).await;
    };
    if !media::is_type(&headers, media::JSON) {
        let why = "Content-Type must be application/json";
        let refusal = refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why);
        return unread(&bridge, body, refusal).await;
    }
    let (max, silence) = (bridge.config.max_message, bridge.config.body_silence);
    let read = match read_body(&mut body, max, silence, session.account()).await {
        Ok(read) => read,
        Err(error) => return unread(&bridge, body, refuse_body(&error)).await,
    };
    let message = match Message::parse(&read.bytes) {
        Ok(message) => message,
        Err(malformed) => return refuse_message(&malformed),
    };
    if let Err(too_long) = check_names(&message) {
        return refuse_message(&too_long);
    }
    let outgoing = match id_of(&message) {
        Some(id) => {
            let token = Some(bridge.requests.token());
            Some(session.counted_request(&message, id, stream, Takes::All, token))
        }
        None => session.other(&message),
    };
    let Some(outgoing) = outgoing.map(|outgoing| outgoing.on_behalf_of(&headers)) else {
        return StatusCode::ACCEPTED.into_response();
    };
    let sent = match read.free(|charge| outgoing.charged(charge)) {
        Ok(outgoing) => outgoing.send().await,
        Err(over) => return refuse_body(&over.into()),
    };
    match sent {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(over) => refuse(StatusCode::NOT_FOUND, &over.to_string()),
    }
}

/// A session that ends when this is dropped.
struct EndsWithThis {
    sessions: Arc<Sessions>,
    id: String,
}

impl Drop for EndsWithThis {
    fn drop(&mut self) {
        self.sessions.end(&self.id);
    }
}
