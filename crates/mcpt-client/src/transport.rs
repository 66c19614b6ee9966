//! The HTTP side below rmcp's client: keeps the raw results of tool requests and of lists, and tells eras apart without a stall.
//!
//! rmcp reads answers into types, which drops fields that it does not know. What a server says of its tools must reach
//! the user whole, so the raw result of each answer is kept here on its way to rmcp.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use mcpt_protocol::{
    Kind, Message, MessageId,
    header::SESSION_ID,
    media::{self, BOTH, EVENT_STREAM, JSON},
    sse::{Event, Reader},
};
use rmcp::{
    model::{
        ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, ProtocolVersion, RequestId,
        ServerJsonRpcMessage, ServerResult,
    },
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;
use sse_stream::Sse;

use crate::answer::describe;

/// Largest answer to a tool request, in bytes, with all that comes before it on its stream.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// How long a server may think about `server/discover` before it is taken for one that does not know the method.
const DISCOVER_TIMEOUT: Duration = Duration::from_secs(3);

/// How much of an answer that is no message is shown, in characters.
const SHOWN: usize = 120;

type Headers = HashMap<HeaderName, HeaderValue>;
type Error = StreamableHttpError<reqwest::Error>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

/// rmcp's HTTP client with the raw results on the side.
#[derive(Debug, Clone)]
pub(crate) struct KeepingHttp {
    http: reqwest::Client,
    results: Arc<Mutex<HashMap<RequestId, Box<RawValue>>>>,
    broken: Arc<Mutex<Option<String>>>,
}

#[derive(Deserialize)]
struct Answer {
    id: RequestId,
    result: Box<RawValue>,
}

/// The arguments of a tool call as they are to be sent, on the request that rmcp makes of it: its own
/// types would round numbers and sort keys.
#[derive(Debug, Clone)]
pub(crate) struct ExactArguments(pub(crate) Arc<RawValue>);

impl KeepingHttp {
    pub(crate) fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            results: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// Takes the raw result that answered request `id`.
    pub(crate) fn take(&self, id: &RequestId) -> Option<Box<RawValue>> {
        self.results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
    }

    /// How an answer broke the protocol. rmcp does not say: it ends the connection, or the request.
    pub(crate) fn why_broken(&self) -> Option<String> {
        let broken = self.broken.lock();
        broken.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Notes how an answer breaks the protocol, and ends it.
    fn breaks(&self, why: String) -> Error {
        let error = StreamableHttpError::UnexpectedServerResponse(why.clone().into());
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        error
    }

    /// The body of an answer; an error when it goes on beyond [`ANSWER_MAX`].
    fn limited(
        &self,
        response: reqwest::Response,
    ) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let mut left = ANSWER_MAX;
        let this = self.clone();
        response.bytes_stream().map(move |chunk| {
            let chunk = chunk?;
            left = left.checked_sub(chunk.len()).ok_or_else(|| {
                this.breaks(format!("an answer is longer than {ANSWER_MAX} bytes"))
            })?;
            Ok(chunk)
        })
    }

    fn keep(&self, message: &[u8]) {
        // Notifications, requests and errors have no result; rmcp judges what is malformed.
        if let Ok(Answer { id, result }) = serde_json::from_slice(message) {
            self.results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id, result);
        }
    }

    fn keep_events(&self, events: Events) -> Events {
        let this = self.clone();
        events
            .inspect_ok(move |event| {
                if let Some(data) = &event.data {
                    this.keep(data.as_bytes());
                }
            })
            .boxed()
    }

    /// Posts a tool request.
    async fn post_tool_request(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let text = text_of(&message)?;
        let id = match Message::parse(&text).as_ref().map(Message::kind) {
            Ok(Kind::Request { id, .. }) => MessageId::of(*id),
            _ => None,
        };
        let mut request = self
            .http
            .post(uri.as_ref())
            .header(header::ACCEPT, BOTH)
            .header(header::CONTENT_TYPE, JSON)
            .headers(headers.into_iter().collect())
            .body(text);
        if let Some(token) = auth_header {
            request = request.bearer_auth(token);
        }
        if let Some(session) = &session_id {
            request = request.header(SESSION_ID, session.as_ref());
        }
        let response = request.send().await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session_id.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        let header_text = |name: HeaderName| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let content_type = header_text(header::CONTENT_TYPE);
        let session = header_text(SESSION_ID);
        if status.is_success() && media::is_type(response.headers(), EVENT_STREAM) {
            let this = self.clone();
            let events = events(self.limited(response)).and_then(move |event| {
                // Events by other names are no messages: servers send `ping` and the like.
                let is_message = matches!(event.event.as_deref(), None | Some("" | "message"));
                let text = event.data.as_deref().filter(|_| is_message);
                let fault = id
                    .as_ref()
                    .zip(text)
                    .and_then(|(id, text)| fault_of(text, id));
                std::future::ready(match fault {
                    Some(fault) => Err(SseError::Body(this.breaks(fault).into())),
                    None => Ok(event),
                })
            });
            return Ok(StreamableHttpPostResponse::Sse(
                self.keep_events(events.boxed()),
                session,
            ));
        }
        let is_json = media::is_type(response.headers(), JSON);
        let mut body = Vec::new();
        let mut chunks = self.limited(response).boxed();
        while let Some(chunk) = chunks.try_next().await? {
            body.extend_from_slice(&chunk);
        }
        match serde_json::from_slice(&body) {
            Ok(message) if is_json => {
                let text = str::from_utf8(&body).unwrap_or_default();
                if let Some(fault) = id.as_ref().and_then(|id| fault_of(text, id)) {
                    return Err(self.breaks(fault));
                }
                self.keep(&body);
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            _ => Err(StreamableHttpError::UnexpectedServerResponse(
                describe(status, content_type.as_deref(), &body).into(),
            )),
        }
    }

    /// Posts `server/discover` and makes the answer of a server without the stateless era one that rmcp takes for such.
    ///
    /// rmcp falls back to `initialize` on an unknown method, but neither on silence before 10 seconds have passed nor
    /// on an answer that lists older versions only; the specification calls all of these an older server.
    async fn post_discover(
        &self,
        id: RequestId,
        post: impl Future<Output = Result<StreamableHttpPostResponse, Error>>,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let answer = tokio::time::timeout(DISCOVER_TIMEOUT, async {
            match post.await? {
                StreamableHttpPostResponse::Sse(events, session) => {
                    let message = first_response(events).await?;
                    Ok(StreamableHttpPostResponse::Json(message, session))
                }
                other => Ok::<_, Error>(other),
            }
        });
        let legacy = |reason: &'static str| {
            let error = ErrorData::new(ErrorCode::METHOD_NOT_FOUND, reason, None);
            Ok(StreamableHttpPostResponse::Json(
                ServerJsonRpcMessage::error(error, Some(id)),
                None,
            ))
        };
        let Ok(answer) = answer.await else {
            return legacy("no answer to server/discover");
        };
        match answer? {
            StreamableHttpPostResponse::Json(message, _) if is_of_older_server(&message) => {
                legacy("only versions with sessions are supported")
            }
            other => Ok(other),
        }
    }
}

/// What is wrong with a message among those that answer the request `id`, so that it will not be answered
/// by another one: nobody would wait for that in vain.
fn fault_of(text: &str, id: &MessageId) -> Option<String> {
    if text.trim().is_empty() {
        // It only marks a place in the stream.
        return None;
    }
    let message = match Message::parse(text.as_bytes()) {
        Ok(message) => message,
        Err(error) => {
            let begin: String = text.chars().take(SHOWN).collect();
            return Some(format!("{error}: {begin}"));
        }
    };
    match message.kind() {
        Kind::Response { id: Some(_), .. } if message.answers(id) => None,
        Kind::Response {
            id: Some(other), ..
        } => {
            let other = other.text();
            Some(format!("it answered request {other}, which was not asked"))
        }
        Kind::Response { id: None, .. } => {
            let error = message.error()?;
            let (code, text) = (error.code, error.message);
            Some(format!(
                "it answered error {code} without saying to what: {text}"
            ))
        }
        Kind::Request { .. } | Kind::Notification { .. } => None,
    }
}

/// A message as it is sent.
fn text_of(message: &ClientJsonRpcMessage) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = serde_json::to_vec(message)?;
    if let ClientJsonRpcMessage::Request(request) = message
        && let ClientRequest::CallToolRequest(call) = &request.request
        && let Some(ExactArguments(arguments)) = call.extensions.get::<ExactArguments>()
        && let Ok(parsed) = Message::parse(&text)
        && let Some(place) = parsed.param("arguments")
    {
        let mut exact = Vec::with_capacity(text.len() + arguments.get().len());
        parsed.write_line(&[(place, arguments.get())], &mut exact);
        text = exact;
    }
    Ok(text)
}

/// The events of a body.
fn events(body: impl Stream<Item = Result<Bytes, Error>> + Send + 'static) -> Events {
    let mut reader = Reader::new(ANSWER_MAX);
    body.map(move |piece| {
        let mut events = Vec::new();
        let unreadable = |error| SseError::Body(error);
        let piece = piece.map_err(|e| unreadable(e.into()))?;
        reader
            .read(&piece, &mut events)
            .map_err(|e| unreadable(e.into()))?;
        Ok(stream::iter(events.into_iter().map(|event| Ok(sse(event)))))
    })
    .try_flatten()
    .boxed()
}

fn sse(event: Event) -> Sse {
    Sse {
        event: event.name,
        data: event.data,
        id: event.id,
        retry: event.retry,
    }
}

/// Whether an answer to `server/discover` offers no version of the stateless era.
fn is_of_older_server(message: &ServerJsonRpcMessage) -> bool {
    let supported = match message {
        ServerJsonRpcMessage::Response(response) => match &response.result {
            ServerResult::DiscoverResult(result) => result.supported_versions.clone(),
            _ => return true,
        },
        ServerJsonRpcMessage::Error(e)
            if e.error.code == ErrorCode::UNSUPPORTED_PROTOCOL_VERSION =>
        {
            let data = e.error.data.as_ref();
            data.and_then(|data| Vec::deserialize(data.get("supported")?).ok())
                .unwrap_or_default()
        }
        _ => return false,
    };
    !supported.contains(&ProtocolVersion::V_2026_07_28)
}

/// The first response of a stream.
async fn first_response(mut events: Events) -> Result<ServerJsonRpcMessage, Error> {
    while let Some(event) = events.try_next().await? {
        let message = event.data.and_then(|data| serde_json::from_str(&data).ok());
        if let Some(
            message @ (ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)),
        ) = message
        {
            return Ok(message);
        }
    }
    Err(StreamableHttpError::UnexpectedEndOfStream)
}

impl StreamableHttpClient for KeepingHttp {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let discover_id = match &message {
            ClientJsonRpcMessage::Request(request) => match request.request {
                ClientRequest::CallToolRequest(_)
                | ClientRequest::ListToolsRequest(_)
                | ClientRequest::ListPromptsRequest(_)
                | ClientRequest::ListResourcesRequest(_) => {
                    return self
                        .post_tool_request(uri, message, session_id, auth_header, custom_headers)
                        .await;
                }
                ClientRequest::DiscoverRequest(_) => Some(request.id.clone()),
                _ => None,
            },
            _ => None,
        };
        let post = self
            .http
            .post_message(uri, message, session_id, auth_header, custom_headers);
        match discover_id {
            Some(id) => self.post_discover(id, post).await,
            None => post.await,
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<(), Error> {
        self.http
            .delete_session(uri, session_id, auth_header, custom_headers)
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: Headers,
    ) -> Result<Events, Error> {
        let events = self
            .http
            .get_stream(uri, session_id, last_event_id, auth_header, custom_headers)
            .await?;
        Ok(self.keep_events(events))
    }
}
