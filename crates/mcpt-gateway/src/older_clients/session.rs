//! [`Session`]: one client's stream, and the session below `/mcp` that its messages go to.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE},
    http::request::Parts,
};
use mcpt_http::{Account, client::ExchangeError};
use mcpt_protocol::{
    ErrorCode, Kind, MalformedMessage, Message, error_response,
    handshake::INITIALIZE,
    header::{LAST_EVENT_ID, PROTOCOL_VERSION, SESSION_ID},
    media, sse,
};
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::inside;
use crate::{
    access::{Caller, principal_of},
    answers::AnswerRoom,
    headers,
    refusal::page,
    relay::GatewayBody,
    stages::Stages,
};

/// Pieces that wait for a client that does not read.
const WAITING: usize = 4;
/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most requests of a client that are in progress at once, and most of its other messages. More of them wait. A request may wait
/// for an answer of its client, so that never waits for requests.
const AT_ONCE: u32 = 64;
/// How long a server may take to end a session.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// How long a request is waited for to be refused before its client is told that it was taken: its answer comes on the stream.
/// What follows it does not overtake it so.
const TAKEN: Duration = Duration::from_millis(100);
/// The same for what begins the session, and for what has no answer: what follows may need it to be done.
const DONE: Duration = Duration::from_secs(30);

/// What a client has begun below `/mcp`.
#[derive(Debug, Clone, Default)]
pub(super) struct Begun {
    pub(super) session: Option<HeaderValue>,
    pub(super) version: Option<HeaderValue>,
    /// Whether it listens to what no request of its own has to do with.
    pub(super) listens: bool,
}

/// A session.
pub(super) struct Session {
    pub(super) stages: Arc<Stages>,
    /// What the client has called, and what it means by that.
    called: Uri,
    meant: Uri,
    owner: Option<[u8; 32]>,
    to_client: mpsc::Sender<Bytes>,
    begun: Mutex<Begun>,
    /// What it holds of answers.
    held: Account,
    requests: Arc<Semaphore>,
    others: Arc<Semaphore>,
    pub(super) over: CancellationToken,
}

/// A message as its client has sent it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    headers: HeaderMap,
    caller: Option<Caller>,
}

impl Sent {
    fn by(parts: &Parts) -> Self {
        let mut kept = parts.headers.clone();
        headers::remove_hop_by_hop(&mut kept);
        headers::without_body(&mut kept);
        headers::without_sessions(&mut kept);
        Self {
            headers: kept,
            caller: parts.extensions.get().cloned(),
        }
    }
}

/// What sort of message it is, as far as it matters when its client goes on.
enum Sort {
    Initialize,
    Request,
    /// Several messages, with requests among them.
    Batch,
    /// The client is ready to listen.
    Initialized,
    Other,
}

impl Sort {
    /// Whether it is answered.
    fn asks(&self) -> bool {
        match self {
            Self::Initialize | Self::Request | Self::Batch => true,
            Self::Initialized | Self::Other => false,
        }
    }
}

/// Whether a message is answered: it may wait for others, which never wait for it.
pub(super) fn asks(body: &[u8]) -> bool {
    sort(body).is_ok_and(|(sort, _)| sort.asks())
}

impl Session {
    /// One that begins with a GET, and what its client hears: `first` at first.
    pub(super) fn begin(
        stages: &Arc<Stages>,
        meant: Uri,
        parts: &Parts,
        first: &sse::Event,
    ) -> (Arc<Self>, mpsc::Receiver<Bytes>) {
        let (to_client, events) = mpsc::channel(WAITING);
        let mut piece = Vec::new();
        first.write(&mut piece);
        // There is room for it.
        let _ = to_client.try_send(piece.into());
        let session = Self {
            stages: Arc::clone(stages),
            called: parts.uri.clone(),
            meant,
            owner: principal_of(&parts.extensions),
            to_client,
            begun: Mutex::default(),
            held: stages.exchange.answers.account(),
            requests: Arc::new(Semaphore::new(AT_ONCE as usize)),
            others: Arc::new(Semaphore::new(AT_ONCE as usize)),
            over: CancellationToken::new(),
        };
        (Arc::new(session), events)
    }

    /// Whether it is somebody's, begun by this path.
    pub(super) fn is_of(&self, owner: Option<[u8; 32]>, path: &str) -> bool {
        self.owner == owner && self.called.path() == path
    }

    /// Waits for the end of the session: the client has gone, what it has begun is over, or the gateway ends and nothing is in
    /// progress any more.
    pub(super) async fn lasts(&self, closing: &CancellationToken) {
        let closed = async {
            closing.cancelled().await;
            // What comes now waits, and finds the session over.
            let _requests = self.requests.acquire_many(AT_ONCE).await;
            drop(self.others.acquire_many(AT_ONCE).await);
        };
        let says_that_it_lives = async {
            let mut silence = tokio::time::interval(KEEP_ALIVE);
            loop {
                silence.tick().await;
                if self.say(Bytes::from_static(sse::KEEP_ALIVE)).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = self.to_client.closed() => {}
            () = self.over.cancelled() => {}
            () = closed => {}
            () = says_that_it_lives => {}
        }
        self.over.cancel();
    }

    /// Ends what the client has begun, as who has opened the stream.
    pub(super) async fn end(&self, opened: Parts) {
        if self.begun().session.is_some() {
            let sent = Sent::by(&opened);
            let asked = self.ask(Method::DELETE, &sent, None, None);
            match tokio::time::timeout(ENDED_WITHIN, asked).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a session of an older client was not ended");
                }
                Err(_) => tracing::debug!("a session of an older client was not ended in time"),
            }
        }
    }

    /// Takes a message of the client. What it is answered comes on the stream.
    pub(super) async fn take(self: Arc<Self>, parts: Parts, body: Bytes) -> Response<GatewayBody> {
        let (sort, id) = match sort(&body) {
            Ok(sorted) => sorted,
            Err(malformed) => return refused(&malformed),
        };
        let places = if sort.asks() {
            &self.requests
        } else {
            &self.others
        };
        let place = Arc::clone(places).acquire_owned();
        let Some(Ok(place)) = self.over.run_until_cancelled(place).await else {
            return page(StatusCode::NOT_FOUND, "text/plain", "the session is over\n");
        };
        let within = match sort {
            Sort::Request => TAKEN,
            Sort::Initialize | Sort::Batch | Sort::Initialized | Sort::Other => DONE,
        };
        let (answered, told) = oneshot::channel();
        let sent = Sent::by(&parts);
        tokio::spawn(async move {
            let asked = async {
                let answer = self.ask(Method::POST, &sent, None, Some(body)).await;
                let ready = matches!(sort, Sort::Initialized);
                if ready
                    && answer
                        .as_ref()
                        .is_ok_and(|answer| answer.status().is_success())
                {
                    self.listen(&sent);
                }
                self.heard(answer, id, &sent, answered, place).await;
            };
            self.over.run_until_cancelled(asked).await;
        });
        match tokio::time::timeout(within, told).await {
            Ok(Ok(head)) => head.response(),
            // Whatever becomes of it is told on the stream.
            Ok(Err(_)) | Err(_) => accepted(),
        }
    }

    /// Asks the gateway on the client's behalf, in what it has begun.
    pub(super) async fn ask(
        &self,
        method: Method,
        sent: &Sent,
        last_event: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        let mut headers = sent.headers.clone();
        let accept = match method {
            Method::GET => media::EVENT_STREAM,
            _ => media::BOTH,
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::JSON));
        }
        let begun = self.begun().clone();
        if let Some(session) = begun.session {
            headers.insert(SESSION_ID, session);
        }
        if let Some(version) = begun.version {
            headers.insert(PROTOCOL_VERSION, version);
        }
        if let Some(Ok(event)) = last_event.map(HeaderValue::from_str) {
            headers.insert(LAST_EVENT_ID, event);
        }
        if !headers.contains_key(HOST)
            && let Some(authority) = self.called.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            headers.insert(HOST, host);
        }
        let mut request = Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = self.meant.clone();
        *request.headers_mut() = headers;
        let (caller, called) = (sent.caller.clone(), self.called.clone());
        inside::ask(&self.stages, caller, called, request).await
    }

    /// Says something to the client, who may take his time.
    ///
    /// # Errors
    /// When he is gone.
    pub(super) async fn say(&self, piece: Bytes) -> Result<(), mpsc::error::SendError<Bytes>> {
        self.to_client.send(piece).await
    }

    /// Room for one answer to the client.
    pub(super) fn room(&self) -> AnswerRoom {
        self.stages.exchange.answers.room_of(&self.held)
    }

    pub(super) fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Session");
        text.field("meant", &self.meant.path())
            .finish_non_exhaustive()
    }
}

/// How a message was taken.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// How those get in who may not.
    pub(super) challenge: Option<HeaderValue>,
}

impl Head {
    fn response(self) -> Response<GatewayBody> {
        if self.status.is_success() {
            return accepted();
        }
        let why = self.status.canonical_reason().unwrap_or_default();
        let mut response = page(self.status, "text/plain", format!("{why}\n"));
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn accepted() -> Response<GatewayBody> {
    page(StatusCode::ACCEPTED, "text/plain", "Accepted")
}

/// What sort of message it is, and the id of the request if it is one.
fn sort(body: &[u8]) -> Result<(Sort, Option<Box<RawValue>>), MalformedMessage> {
    let message = match Message::parse(body) {
        Ok(message) => message,
        Err(MalformedMessage::Batch) => {
            let asks = batch_asks(body);
            return Ok((if asks { Sort::Batch } else { Sort::Other }, None));
        }
        Err(malformed @ (MalformedMessage::NotJson(_) | MalformedMessage::NotJsonRpc(_))) => {
            return Err(malformed);
        }
    };
    Ok(match message.kind() {
        Kind::Request { id, method } => {
            let sort = match &**method {
                INITIALIZE => Sort::Initialize,
                _ => Sort::Request,
            };
            (sort, Some((*id).to_owned()))
        }
        Kind::Notification { method } if method == "notifications/initialized" => {
            (Sort::Initialized, None)
        }
        Kind::Notification { .. } | Kind::Response { .. } => (Sort::Other, None),
    })
}

/// Whether there are requests in a batch, or what a lenient server might take for one.
fn batch_asks(body: &[u8]) -> bool {
    let messages: Result<Vec<&RawValue>, _> = serde_json::from_slice(body);
    messages.map_or(true, |messages| {
        messages.into_iter().any(|message| {
            let message = Message::parse(message.get().as_bytes());
            message.map_or(true, |message| {
                matches!(message.kind(), Kind::Request { .. })
            })
        })
    })
}

fn refused(malformed: &MalformedMessage) -> Response<GatewayBody> {
    let code = match malformed {
        MalformedMessage::NotJson(_) => ErrorCode::PARSE_ERROR,
        MalformedMessage::Batch | MalformedMessage::NotJsonRpc(_) => ErrorCode::INVALID_REQUEST,
    };
    let text = error_response(None, code, &malformed.to_string(), None);
    page(StatusCode::BAD_REQUEST, media::JSON, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_waited_for_takes_no_place_of_requests() {
        let request = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
        let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
        for (message, is) in [
            (request.to_owned(), true),
            (hello.to_owned(), true),
            (format!("[{response},{request}]"), true),
            ("[7]".to_owned(), true),
            (response.to_owned(), false),
            (cancelled.to_owned(), false),
            (format!("[{response}, {cancelled}]"), false),
            ("no JSON".to_owned(), false),
        ] {
            assert_eq!(asks(message.as_bytes()), is, "{message}");
        }
    }
}
