//! POST: the messages of clients.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Limited};
use mcpt_http::{BodyError, OverBudget, ReadBody, read_body};
use mcpt_protocol::{
    Era, ErrorCode, Kind, MalformedMessage, Message, NEWEST_LEGACY, Part, RequestEra,
    UnknownVersion, era_of_request, era_of_version, handshake::DISCOVER, header::SESSION_ID, media,
    split_batch,
};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{
    Bridge, header_era,
    reply::{error, json as json_response, refuse, refuse_for_now, session_of},
    stateless,
};
use crate::{
    BridgeConfig,
    adapter::Unreached,
    begin::{Begun, begin},
    older::Unopened,
    readiness,
    session::{Outgoing, Over, Session, Stream, Takes},
    sessions::NoSession,
    sse,
};

/// How long an answer may take before its response begins as a stream, so that the client and what is between see life.
pub(super) const STREAM_AFTER: Duration = Duration::from_millis(200);
/// How long the body of a request that is refused may still be read.
const DRAIN: Duration = Duration::from_secs(1);
/// Longest id and longest progress token, in bytes: they are kept until the request is answered.
const NAME_MAX: usize = 1024;
/// Most messages of a batch.
const BATCH_MAX: usize = 10_000;
/// How long a message of a batch may wait for room.
const ROOM_PATIENCE: Duration = Duration::from_secs(30);
/// The only version with batches.
const BATCH_VERSION: &str = "2025-03-26";

/// Answers one POST.
pub(super) async fn post(
    State(bridge): State<Arc<Bridge>>,
    unreached: Option<Extension<Unreached>>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    if !media::is_type(&headers, media::JSON) {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type must be application/json",
        );
    }
    if ![media::JSON, media::EVENT_STREAM]
        .iter()
        .all(|essence| media::accepts(&headers, essence))
    {
        return refuse(
            StatusCode::NOT_ACCEPTABLE,
            "Accept must list application/json and text/event-stream",
        );
    }
    // A session that is not there is said before the body is read. In 2026-07-28 there are none.
    let sessionless = header_era(&headers).is_ok_and(|era| era == Some(Era::Modern));
    let named = headers.get(SESSION_ID).filter(|_| !sessionless);
    let session = match named.map(|_| session_of(&bridge.sessions, &headers)) {
        None => None,
        Some(Ok(session)) => Some(session),
        Some(Err(refusal)) => return unread(&bridge, body, *refusal).await,
    };
    let account = match &session {
        Some(session) => session.account().clone(),
        None => bridge.budget.account(),
    };
    let BridgeConfig {
        max_message,
        body_silence,
        ..
    } = *bridge.config;
    let read = match read_body(&mut body, max_message, body_silence, &account).await {
        Ok(read) => read,
        Err(error) => return unread(&bridge, body, refuse_body(&error)).await,
    };
    let message = match Message::parse(&read.bytes) {
        Ok(message) => message,
        Err(MalformedMessage::Batch) => return batch(&bridge, &headers, session, read).await,
        Err(malformed) => return refuse_message(&malformed),
    };
    if let Err(too_long) = check_names(&message) {
        return refuse_message(&too_long);
    }
    let id = id_of(&message);
    let named = message.params().meta_protocol_version;
    let stateless = named.is_some_and(|version| era_of_version(&version) == Some(Era::Modern));
    if let Some(id) = id
        && message.method() == Some("initialize")
        && !stateless
    {
        let id = id.to_owned();
        let begun = initialize(&bridge, &headers, &id, read).await;
        return begun.unwrap_or_else(|none| no_session(&id, none, unreached));
    }
    match era_of_request(&headers, Some(&message), UnknownVersion::Refuse) {
        Ok(RequestEra::Modern) => return stateless::answer(&bridge, headers, read).await,
        Ok(_) if stateless || message.method() == Some(DISCOVER) => {
            return stateless::answer(&bridge, headers, read).await;
        }
        Ok(RequestEra::Legacy | RequestEra::Initialize) => {}
        Err(unknown) => return refuse(StatusCode::BAD_REQUEST, &unknown.to_string()),
    }
    let Some(session) = session else {
        return match session_of(&bridge.sessions, &headers) {
            Ok(_) => refuse(StatusCode::NOT_FOUND, "there is no such session"),
            Err(refusal) => *refusal,
        };
    };
    let Some(id) = id else {
        let Some(other) = session.other(&message) else {
            return StatusCode::ACCEPTED.into_response();
        };
        let other = other.on_behalf_of(&headers);
        let charged = read.free(|charge| other.charged(charge));
        let sent = match charged {
            Ok(other) => other.send().await,
            Err(over) => return refuse_body(&over.into()),
        };
        return match sent {
            Ok(()) => StatusCode::ACCEPTED.into_response(),
            Err(over) => refuse(StatusCode::NOT_FOUND, &over.to_string()),
        };
    };
    let (stream, events) = Session::stream();
    let away = stream.away();
    let request = session.request(&message, id, stream, Takes::All);
    let request = request.on_behalf_of(&headers);
    let id = id.to_owned();
    match read.free(|charge| request.charged(charge)) {
        Ok(request) => {
            let kept = request.number().map(|call| Kept {
                session: Arc::clone(&session),
                call,
                away,
            });
            let in_progress = bridge.requests.token();
            answer(request, id, events, sse::Event::status, kept, in_progress).await
        }
        Err(over) => refuse_body(&over.into()),
    }
}

/// Refuses a request whose body is on its way: what comes of it soon is thrown away, so that the client reads the answer
/// and does not find the connection broken.
pub(super) async fn unread(bridge: &Bridge, body: Body, refusal: Response) -> Response {
    let mut left = Limited::new(body, bridge.config.max_message);
    let drained = async { while let Some(Ok(_)) = left.frame().await {} };
    // Whoever sends for longer than that may find it broken.
    drop(tokio::time::timeout(DRAIN, drained).await);
    refusal
}

pub(super) fn refuse_body(error: &BodyError) -> Response {
    let status = match error {
        BodyError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
        BodyError::OverBudget(OverBudget::Account { .. }) => StatusCode::TOO_MANY_REQUESTS,
        BodyError::OverBudget(OverBudget::Process { .. }) => StatusCode::SERVICE_UNAVAILABLE,
        BodyError::Silent(_) => StatusCode::REQUEST_TIMEOUT,
        BodyError::Broken(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = refuse(status, &error.to_string());
    if matches!(error, BodyError::OverBudget(_)) {
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, soon);
    }
    response
}

/// Checks that what is kept of a message until it is answered is not large.
pub(super) fn check_names(message: &Message<'_>) -> Result<(), MalformedMessage> {
    if let Kind::Request { id, .. } = message.kind() {
        let token = message.params().meta_progress_token;
        if id.text().len() > NAME_MAX {
            return Err(MalformedMessage::NotJsonRpc(
                "the id is longer than 1024 bytes",
            ));
        }
        if token.is_some_and(|token| token.text().len() > NAME_MAX) {
            return Err(MalformedMessage::NotJsonRpc(
                "the progress token is longer than 1024 bytes",
            ));
        }
    }
    Ok(())
}

pub(super) fn refuse_message(malformed: &MalformedMessage) -> Response {
    let code = match malformed {
        MalformedMessage::NotJson(_) => ErrorCode::PARSE_ERROR,
        MalformedMessage::Batch | MalformedMessage::NotJsonRpc(_) => ErrorCode::INVALID_REQUEST,
    };
    let text = malformed.to_string();
    error(StatusCode::BAD_REQUEST, None, code, &text, None)
}

/// A call whose stream can be taken up again.
pub(super) struct Kept {
    session: Arc<Session>,
    call: u64,
    away: Arc<AtomicBool>,
}

impl Kept {
    /// The stream of the call, `first` before what comes from `events`. A client of the version that knows it is told at once
    /// where it can be taken up again.
    fn response(
        self,
        first: Option<sse::Event>,
        events: mpsc::Receiver<sse::Event>,
        held: impl Send + 'static,
    ) -> Response {
        let (recorded, reader) = self.session.replay().begin(self.call, self.away);
        tokio::spawn(recorded.record(first, events));
        let told_at_once = self.session.version() == NEWEST_LEGACY;
        let beginning = told_at_once.then(|| reader.beginning());
        sse::recorded(beginning, reader, held)
    }
}

/// Passes one request on and answers with JSON if that is all there is to say soon, else with a stream. `held` is kept until
/// all is said or the client is gone.
pub(super) async fn answer(
    request: Outgoing,
    id: Box<RawValue>,
    mut events: mpsc::Receiver<sse::Event>,
    status_of: fn(&sse::Event) -> StatusCode,
    kept: Option<Kept>,
    held: impl Send + 'static,
) -> Response {
    let mut sending = Some(Box::pin(request.send()));
    let first = async {
        if let Some(unsent) = &mut sending {
            unsent.await?;
            sending = None;
        }
        Ok::<_, Over>(events.recv().await)
    };
    match tokio::time::timeout(STREAM_AFTER, first).await {
        Ok(Ok(Some(event))) if event.is_answer() => json_response(status_of(&event), event.json()),
        Ok(Ok(first)) => match kept {
            Some(kept) => kept.response(first, events, held),
            None => sse::response(first, events, None, held),
        },
        Ok(Err(over)) => error(
            StatusCode::NOT_FOUND,
            Some(Part::alone(&id)),
            ErrorCode::SERVER_ERROR,
            &over.to_string(),
            None,
        ),
        Err(_) => {
            // One that was not sent yet ends with its client.
            if let Some(kept) = kept.filter(|_| sending.is_none()) {
                return kept.response(None, events, held);
            }
            // The client sees that it is waited for, also when the child does not read yet.
            let sending = sending.map(|unsent| -> sse::Sending {
                Box::pin(async move { unsent.await.err().map(|over| unanswered(&id, &over)) })
            });
            sse::response(None, events, sending, held)
        }
    }
}

/// What a request is answered on its stream when the child never had it.
fn unanswered(id: &RawValue, why: &dyn std::fmt::Display) -> sse::Event {
    let id = Some(Part::alone(id));
    sse::Event::error(id, ErrorCode::SERVER_ERROR, &why.to_string())
}

/// What a client is told when no session could begin. Who asks within the process is told apart when nobody was reached.
fn no_session(id: &RawValue, none: NoSession, asks: Option<Extension<Unreached>>) -> Response {
    let id = Part::alone(id);
    let NoSession::Unopened(why) = none else {
        return refuse_session(id, &none);
    };
    let status = match &why {
        // It is the client who can do something about it.
        Unopened::NoStream { status, .. }
            if matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =>
        {
            *status
        }
        _ => StatusCode::BAD_GATEWAY,
    };
    let text = why.to_string();
    let mut response = error(status, Some(id), ErrorCode::INTERNAL_ERROR, &text, None);
    tracing::warn!("a session could not begin: {why}");
    match (why, asks) {
        (Unopened::Unreachable(reason), Some(Extension(asks))) => asks.note(reason),
        (Unopened::NoStream { challenges, .. }, _) if status != StatusCode::BAD_GATEWAY => {
            for challenge in challenges {
                response.headers_mut().append(WWW_AUTHENTICATE, challenge);
            }
        }
        _ => {}
    }
    response
}

/// Starts a child for a new session and has it answer.
///
/// # Errors
/// [`NoSession`] when none could begin.
async fn initialize(
    bridge: &Bridge,
    headers: &HeaderMap,
    id: &RawValue,
    read: ReadBody,
) -> Result<Response, NoSession> {
    let id = Part::alone(id);
    let _in_progress = bridge.requests.token();
    if headers.contains_key(SESSION_ID) {
        let text = "initialize begins a session and cannot be sent in one";
        return Ok(error(
            StatusCode::BAD_REQUEST,
            Some(id),
            ErrorCode::INVALID_REQUEST,
            text,
            None,
        ));
    }
    let mut session = bridge.sessions.start(headers).await?;
    let (stream, answers) = Session::stream();
    let request = Message::parse(&read.bytes).map(|message| {
        session.request(
            &message,
            id_of(&message).unwrap_or(id),
            stream,
            Takes::Nothing,
        )
    });
    let request = match request {
        Ok(request) => request,
        Err(malformed) => return Ok(refuse_message(&malformed)),
    };
    let request = match read.free(|charge| request.charged(charge)) {
        Ok(request) => request,
        Err(over) => return Ok(refuse_body(&over.into())),
    };
    let limit = bridge.config.initialize_timeout;
    let (answer, version) = match begin(&session, request, answers, limit).await {
        Ok(Begun::Agreed { answer, version }) => (answer, version),
        Ok(Begun::Refused { answer }) => {
            return Ok(json_response(StatusCode::OK, answer.json()));
        }
        Err(_) if bridge.readiness.state() == readiness::State::Draining => {
            return Err(NoSession::Draining);
        }
        Err(failure) => {
            bridge.readiness.doubt(&failure);
            let (status, code) = (StatusCode::BAD_GATEWAY, ErrorCode::INTERNAL_ERROR);
            return Ok(error(status, Some(id), code, &failure.reason, None));
        }
    };
    bridge.readiness.succeeded();
    session.agree_on(version);
    bridge.sessions.publish(&mut session);
    let mut response = json_response(StatusCode::OK, answer.json());
    Ok(match HeaderValue::from_str(session.id()) {
        Ok(id) => {
            response.headers_mut().insert(SESSION_ID, id);
            response
        }
        Err(e) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
    })
}

/// Refuses a session for now.
pub(super) fn refuse_session(id: Part<'_>, why: &NoSession) -> Response {
    refuse_for_now(Some(id), why)
}

/// Takes a batch apart, since stdio servers differ in what they make of one: all answers come on one stream.
async fn batch(
    bridge: &Bridge,
    headers: &HeaderMap,
    session: Option<Arc<Session>>,
    read: ReadBody,
) -> Response {
    if let Err(refusal) = header_era(headers) {
        return *refusal;
    }
    let Some(session) = session else {
        return match session_of(&bridge.sessions, headers) {
            Ok(_) => refuse(StatusCode::NOT_FOUND, "there is no such session"),
            Err(refusal) => *refusal,
        };
    };
    if session.version() != BATCH_VERSION {
        return refuse_message(&MalformedMessage::Batch);
    }
    let requests = match check_batch(&read.bytes) {
        Ok(requests) => requests,
        Err(malformed) => return refuse_message(&malformed),
    };
    let (stream, events) = Session::stream();
    let sending = send_batch(session, read, stream, headers.clone());
    if requests == 0 {
        return match sending.await {
            Ok(()) => StatusCode::ACCEPTED.into_response(),
            Err(over) => refuse(StatusCode::NOT_FOUND, &over.to_string()),
        };
    }
    // The answers are read while requests are still being passed on: otherwise each side would wait for the other.
    let sending: sse::Sending = Box::pin(async move {
        // Each request that the child did not get was answered.
        drop(sending.await);
        None
    });
    sse::response(None, events, Some(sending), bridge.requests.token())
}

/// Checks all messages of a batch, and counts the requests among them.
fn check_batch(bytes: &[u8]) -> Result<usize, MalformedMessage> {
    let mut requests = 0;
    for text in split_batch(bytes, BATCH_MAX)? {
        let message = Message::parse(text)?;
        check_names(&message)?;
        if message.method() == Some("initialize") {
            return Err(MalformedMessage::NotJsonRpc("initialize in a batch"));
        }
        requests += usize::from(id_of(&message).is_some());
    }
    Ok(requests)
}

/// Passes the messages of a checked batch on, one after the other.
async fn send_batch(
    session: Arc<Session>,
    read: ReadBody,
    stream: Stream,
    headers: HeaderMap,
) -> Result<(), Over> {
    let mut ended = None;
    for text in split_batch(&read.bytes, BATCH_MAX).unwrap_or_default() {
        let Ok(message) = Message::parse(text) else {
            continue;
        };
        let id = id_of(&message);
        let outgoing = match (id, &ended) {
            (Some(id), None) => Some(session.request(&message, id, stream.clone(), Takes::All)),
            (None, None) => session.other(&message),
            (_, Some(_)) => None,
        };
        if let Some(outgoing) = outgoing.map(|outgoing| outgoing.on_behalf_of(&headers)) {
            let room = session.account().take_when_free(outgoing.size());
            let sent = match tokio::time::timeout(ROOM_PATIENCE, room).await {
                Ok(charge) => match outgoing.charged(charge) {
                    Ok(outgoing) => outgoing.send().await,
                    Err(full) => Err(Over::new(full.to_string())),
                },
                Err(_) => Err(Over::new("too much is held for this client")),
            };
            ended = sent.err();
        }
        if let (Some(id), Some(over)) = (id, &ended) {
            // A client that is gone needs no answer.
            drop(stream.send(unanswered(id.raw(), over)).await);
        }
    }
    ended.map_or(Ok(()), Err)
}

pub(super) fn id_of<'a>(message: &Message<'a>) -> Option<Part<'a>> {
    match message.kind() {
        Kind::Request { id, .. } => Some(*id),
        _ => None,
    }
}
