//! The HTTP side below rmcp's client: keeps the raw results of tool requests, and tells eras apart without a stall.
//!
//! rmcp reads answers into types, which drops fields that it does not know. What a server says of its tools must reach
//! the user whole, so the raw result of each answer is kept here on its way to rmcp.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use http::{HeaderName, HeaderValue, StatusCode, header};
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
use serde_json::Value;
use sse_stream::{Sse, SseStream};

use crate::answer::{describe, is_type};

/// Largest answer to a tool request, in bytes, with all that comes before it on its stream.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// How long a server may think about `server/discover` before it is taken for one that does not know the method.
const DISCOVER_TIMEOUT: Duration = Duration::from_secs(3);

type Headers = HashMap<HeaderName, HeaderValue>;
type Error = StreamableHttpError<reqwest::Error>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

/// rmcp's HTTP client with the raw results on the side.
#[derive(Debug, Clone)]
pub(crate) struct KeepingHttp {
    http: reqwest::Client,
    results: Arc<Mutex<HashMap<RequestId, Value>>>,
    cut_off: Arc<AtomicBool>,
}

#[derive(Deserialize)]
struct Answer {
    id: RequestId,
    result: Value,
}

impl KeepingHttp {
    pub(crate) fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            results: Arc::default(),
            cut_off: Arc::default(),
        }
    }

    /// Takes the raw result that answered request `id`.
    pub(crate) fn take(&self, id: &RequestId) -> Option<Value> {
        self.results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
    }

    /// How an answer broke the protocol, which made rmcp close the connection without saying why.
    pub(crate) fn why_closed(&self) -> Option<String> {
        let text = || format!("an answer is longer than {ANSWER_MAX} bytes");
        self.cut_off.load(Ordering::Relaxed).then(text)
    }

    /// The body of an answer; an error when it goes on beyond [`ANSWER_MAX`].
    fn limited(
        &self,
        response: reqwest::Response,
    ) -> impl Stream<Item = Result<Bytes, Error>> + use<> {
        let mut left = ANSWER_MAX;
        let cut_off = Arc::clone(&self.cut_off);
        response.bytes_stream().map(move |chunk| {
            let chunk = chunk?;
            left = left.checked_sub(chunk.len()).ok_or_else(|| {
                cut_off.store(true, Ordering::Relaxed);
                StreamableHttpError::ResponseBodyTooLarge {
                    max_size: ANSWER_MAX,
                }
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
        let mut request = self
            .http
            .post(uri.as_ref())
            .header(header::ACCEPT, "application/json, text/event-stream")
            .headers(headers.into_iter().collect())
            .json(&message);
        if let Some(token) = auth_header {
            request = request.bearer_auth(token);
        }
        if let Some(session) = &session_id {
            request = request.header("mcp-session-id", session.as_ref());
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
        let content_type = content_type.as_deref();
        let session = header_text(HeaderName::from_static("mcp-session-id"));
        if status.is_success() && is_type(content_type, "text/event-stream") {
            let events = SseStream::from_bytes_stream(self.limited(response)).boxed();
            return Ok(StreamableHttpPostResponse::Sse(
                self.keep_events(events),
                session,
            ));
        }
        let mut body = Vec::new();
        let mut chunks = self.limited(response).boxed();
        while let Some(chunk) = chunks.try_next().await? {
            body.extend_from_slice(&chunk);
        }
        match serde_json::from_slice(&body) {
            Ok(message) if is_type(content_type, "application/json") => {
                self.keep(&body);
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            _ => Err(StreamableHttpError::UnexpectedServerResponse(
                describe(status, content_type, &body).into(),
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
                ClientRequest::CallToolRequest(_) | ClientRequest::ListToolsRequest(_) => {
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
