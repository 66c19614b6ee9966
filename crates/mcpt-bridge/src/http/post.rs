//! POST: the messages of clients.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use mcpt_protocol::{
    Era, ErrorCode, Kind, LEGACY_VERSIONS, MalformedMessage, Message, Part, era_of_version,
    split_batch,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    Bridge, PROTOCOL_VERSION, header_era,
    reply::{SESSION_ID, accepts, error, json as json_response, refuse, sends_json, session_of},
};
use crate::{
    readiness::{self, StartFailure},
    session::Session,
    sessions::NoSession,
    sse,
};

/// How long an answer may take before its response begins as a stream, so that the client and what is between see life.
const STREAM_AFTER: Duration = Duration::from_millis(200);
/// The only version with batches.
const BATCH_VERSION: &str = "2025-03-26";

/// Answers one POST.
pub(super) async fn post(
    State(bridge): State<Arc<Bridge>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !sends_json(&headers) {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type must be application/json",
        );
    }
    if !["application/json", "text/event-stream"]
        .iter()
        .all(|essence| accepts(&headers, essence))
    {
        return refuse(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must list application/json and text/event-stream",
        );
    }
    let body = match Limited::new(body, bridge.config.max_message)
        .collect()
        .await
    {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = format!(
                "the body is longer than {} bytes",
                bridge.config.max_message
            );
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, &text);
        }
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let message = match Message::parse(&body) {
        Ok(message) => message,
        Err(MalformedMessage::Batch) => return batch(&bridge, &headers, &body).await,
        Err(malformed) => return refuse_message(&malformed),
    };
    let params = message.params();
    let id = match message.kind() {
        Kind::Request { id, .. } => Some(*id),
        _ => None,
    };
    if let Some(id) = id
        && message.method() == Some("initialize")
    {
        return initialize(&bridge, &headers, &message, id).await;
    }
    let named = params.meta_protocol_version.as_deref();
    let modern = named.is_some_and(|version| era_of_version(version) != Some(Era::Legacy));
    match header_era(&headers) {
        _ if modern => return refuse_modern(&message, id, named.unwrap_or_default()),
        Ok(Some(Era::Modern)) => {
            let named = headers.get(PROTOCOL_VERSION).and_then(|v| v.to_str().ok());
            return refuse_modern(&message, id, named.unwrap_or_default());
        }
        Err(refusal) => return *refusal,
        Ok(_) => {}
    }
    if message.method() == Some("server/discover") {
        return refuse_modern(&message, id, named.unwrap_or_default());
    }
    let session = match session_of(&bridge.sessions, &headers) {
        Ok(session) => session,
        Err(refusal) => return *refusal,
    };
    match id {
        Some(id) => request(&bridge, &session, &message, id).await,
        None => match session.forward(&message).await {
            Ok(()) => StatusCode::ACCEPTED.into_response(),
            Err(over) => refuse(StatusCode::NOT_FOUND, &over.to_string()),
        },
    }
}

fn refuse_message(malformed: &MalformedMessage) -> Response {
    let code = match malformed {
        MalformedMessage::NotJson(_) => ErrorCode::PARSE_ERROR,
        MalformedMessage::Batch | MalformedMessage::NotJsonRpc(_) => ErrorCode::INVALID_REQUEST,
    };
    let text = malformed.to_string();
    error(StatusCode::BAD_REQUEST, None, code, &text, None)
}

/// Refuses a request of the stateless era in the way that makes clients fall back to `initialize`.
///
/// For `server/discover` that is the answer of a server which does not know it: clients exist that take a list of older
/// versions for the end of the matter.
fn refuse_modern(message: &Message<'_>, id: Option<Part<'_>>, requested: &str) -> Response {
    let (code, text) = if message.method() == Some("server/discover") {
        let text = "server/discover is not supported: begin with initialize";
        (ErrorCode::METHOD_NOT_FOUND, text)
    } else {
        let text = "this protocol version is not supported: begin with initialize";
        (ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, text)
    };
    let data = json!({"supported": LEGACY_VERSIONS, "requested": requested});
    error(StatusCode::BAD_REQUEST, id, code, text, Some(&data))
}

/// Passes one request on and answers with JSON if that is all there is to say soon, else with a stream.
async fn request(
    bridge: &Bridge,
    session: &Session,
    message: &Message<'_>,
    id: Part<'_>,
) -> Response {
    let in_progress = bridge.requests.token();
    let (stream, mut events) = Session::stream();
    if let Err(over) = session.request(message, id, stream, false).await {
        return error(
            StatusCode::NOT_FOUND,
            Some(id),
            ErrorCode::SERVER_ERROR,
            &over.to_string(),
            None,
        );
    }
    let Ok(first) = tokio::time::timeout(STREAM_AFTER, events.recv()).await else {
        return sse::response(None, events, in_progress);
    };
    match first {
        Some(event) if event.is_answer() => json_response(StatusCode::OK, event.json()),
        first => sse::response(first, events, in_progress),
    }
}

fn refuse_draining(id: Part<'_>) -> Response {
    let text = NoSession::Draining.to_string();
    let status = StatusCode::SERVICE_UNAVAILABLE;
    error(status, Some(id), ErrorCode::SERVER_ERROR, &text, None)
}

/// Starts a child for a new session and has it answer.
async fn initialize(
    bridge: &Bridge,
    headers: &HeaderMap,
    message: &Message<'_>,
    id: Part<'_>,
) -> Response {
    let _in_progress = bridge.requests.token();
    if headers.contains_key(SESSION_ID) {
        let text = "initialize begins a session and cannot be sent in one";
        return error(
            StatusCode::BAD_REQUEST,
            Some(id),
            ErrorCode::INVALID_REQUEST,
            text,
            None,
        );
    }
    let mut session = match bridge.sessions.start() {
        Ok(session) => session,
        Err(none) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return error(
                status,
                Some(id),
                ErrorCode::SERVER_ERROR,
                &none.to_string(),
                None,
            );
        }
    };
    let (stream, mut events) = Session::stream();
    let limit = bridge.config.initialize_timeout;
    let answer = async {
        session.request(message, id, stream, true).await.ok()?;
        events.recv().await
    };
    let answer = tokio::time::timeout(limit, answer).await;
    let failed = |reason: String| {
        let tail = session.tail().lines();
        bridge.readiness.failed(StartFailure {
            reason: reason.clone(),
            tail,
            hopeless: false,
        });
        let status = StatusCode::BAD_GATEWAY;
        error(status, Some(id), ErrorCode::INTERNAL_ERROR, &reason, None)
    };
    let Ok(answer) = answer else {
        let seconds = limit.as_secs_f64();
        return failed(format!(
            "the server did not answer initialize within {seconds} s"
        ));
    };
    let (Some(event), None) = (answer, session.over()) else {
        if bridge.readiness.state() == readiness::State::Draining {
            return refuse_draining(id);
        }
        let why = session
            .over()
            .unwrap_or_else(|| "the server closed its input".to_owned());
        return failed(format!("no answer to initialize: {why}"));
    };
    let body = event.json();
    let version = agreed_version(&body);
    let Some(version) = version else {
        // Its own error: the client asked for something that this server does not give.
        return json_response(StatusCode::OK, body);
    };
    bridge.readiness.succeeded();
    session.agree_on(version);
    bridge.sessions.publish(&mut session);
    let mut response = json_response(StatusCode::OK, body);
    match HeaderValue::from_str(session.id()) {
        Ok(id) => {
            let name = HeaderName::from_static(SESSION_ID);
            response.headers_mut().insert(name, id);
            response
        }
        Err(e) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
    }
}

/// The version in a successful answer to `initialize`.
fn agreed_version(answer: &Bytes) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Initialized {
        protocol_version: String,
    }
    let message = Message::parse(answer).ok()?;
    let result: Initialized = serde_json::from_str(message.result()?.get()).ok()?;
    Some(result.protocol_version)
}

/// Takes a batch apart, since stdio servers differ in what they make of one: all answers come on one stream.
async fn batch(bridge: &Bridge, headers: &HeaderMap, body: &Bytes) -> Response {
    if let Err(refusal) = header_era(headers) {
        return *refusal;
    }
    let session = match session_of(&bridge.sessions, headers) {
        Ok(session) => session,
        Err(refusal) => return *refusal,
    };
    if session.version() != BATCH_VERSION {
        return refuse_message(&MalformedMessage::Batch);
    }
    let Some(texts) = split_batch(body) else {
        return refuse_message(&MalformedMessage::NotJsonRpc("a batch without messages"));
    };
    let messages: Result<Vec<_>, _> = texts.into_iter().map(Message::parse).collect();
    let messages = match messages {
        Ok(messages) => messages,
        Err(malformed) => return refuse_message(&malformed),
    };
    if messages.iter().any(|m| m.method() == Some("initialize")) {
        return refuse_message(&MalformedMessage::NotJsonRpc("initialize in a batch"));
    }
    let in_progress = bridge.requests.token();
    let (stream, events) = Session::stream();
    let mut answers = false;
    for message in &messages {
        let passed = match message.kind() {
            Kind::Request { id, .. } => {
                answers = true;
                session.request(message, *id, stream.clone(), false).await
            }
            _ => session.forward(message).await,
        };
        if let Err(over) = passed {
            return refuse(StatusCode::NOT_FOUND, &over.to_string());
        }
    }
    drop(stream);
    if answers {
        sse::response(None, events, in_progress)
    } else {
        StatusCode::ACCEPTED.into_response()
    }
}
