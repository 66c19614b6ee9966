//! [`Older`]: whether an endpoint speaks the older HTTP transport alone (HTTP+SSE, 2024-11-05), and the way to it then.
//!
//! It is found out as the specification says: an endpoint that refuses a POST as if it knew nothing of it, and answers a GET
//! with a stream that begins by saying where messages go. What was found is forgotten after a while, and when the endpoint
//! could not be reached.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, HeaderValue},
};
use mcpt_bridge::{Adapter, OlderReply, OlderServer, OlderStream};
use mcpt_protocol::{header::SESSION_ID, media, sse::Reader};
use tokio::sync::Mutex;
use url::Url;

use mcpt_http::Driven;

use super::{SendError, ServerBody, in_words, moved::Again, wire::Wire};
use crate::exchange::RequestBody;

/// How long it is believed that an endpoint speaks the older transport, and that one does not which has answered nothing well
/// yet, in milliseconds.
const BELIEVED_MS: u64 = 5 * 60 * 1000;
const DISBELIEVED_MS: u64 = 60 * 1000;
/// How long a stream may take to begin. Whoever waits for the answer to a request waits for this as well.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest beginning of a stream, and longest answer to a message that was posted.
const SHORT: usize = 64 * 1024;

/// What was found out about an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndpointTransport {
    Nothing,
    /// It answers POSTs.
    Streamable,
    /// It speaks the older transport.
    Older,
    /// It refuses POSTs, and is not of the older transport either.
    Neither,
}

/// What is known of it, and sessions with one of the older transport.
pub(super) struct Older {
    /// What was found in two bits, and above them when.
    known: AtomicU64,
    begin: Instant,
    looking: Mutex<()>,
    adapter: ArcSwapOption<Adapter>,
}

impl Default for Older {
    fn default() -> Self {
        Self {
            known: AtomicU64::new(0),
            begin: Instant::now(),
            looking: Mutex::default(),
            adapter: ArcSwapOption::empty(),
        }
    }
}

impl Older {
    fn found(&self) -> EndpointTransport {
        let known = self.known.load(Relaxed);
        let believed = match known & 3 {
            0 => return EndpointTransport::Nothing,
            1 => return EndpointTransport::Streamable,
            2 => BELIEVED_MS,
            _ => DISBELIEVED_MS,
        };
        if self.now().saturating_sub(known >> 2) > believed {
            EndpointTransport::Nothing
        } else if known & 3 == 2 {
            EndpointTransport::Older
        } else {
            EndpointTransport::Neither
        }
    }

    fn note(&self, found: EndpointTransport) {
        let bits = match found {
            EndpointTransport::Nothing => 0,
            EndpointTransport::Streamable => 1,
            EndpointTransport::Older => 2,
            EndpointTransport::Neither => 3,
        };
        self.known.store((self.now() << 2) | bits, Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX >> 2)
    }

    /// Nothing that was found is believed any more. Sessions go on as long as they can.
    pub(super) fn forget(&self) {
        // Read first: this is also called for each failure of an endpoint that is gone.
        if self.known.load(Relaxed) != 0 {
            self.known.store(0, Relaxed);
        }
    }

    /// Whether the answer to this request may show that the endpoint is of the older transport.
    pub(super) fn may_be(&self, request: &Request<RequestBody>) -> bool {
        request.method() == Method::POST && self.found() == EndpointTransport::Nothing
    }

    /// Takes in the status of an answer to a POST; whether it is one that servers of the older transport give.
    pub(super) fn is_suspected(&self, method: &Method, status: StatusCode) -> bool {
        if method != Method::POST {
            return false;
        }
        let found = self.found();
        if status.is_success() && found != EndpointTransport::Streamable {
            self.note(EndpointTransport::Streamable);
        }
        found == EndpointTransport::Nothing && matches!(status.as_u16(), 400 | 404 | 405)
    }

    /// What takes this request, if the endpoint is of the older transport: sessions stay with what began them.
    pub(super) fn takes(&self, request: &Request<RequestBody>) -> Option<Arc<Adapter>> {
        let adapter = self.adapter.load();
        let adapter = adapter.as_ref()?;
        let takes = match self.found() {
            EndpointTransport::Older => true,
            EndpointTransport::Nothing | EndpointTransport::Neither => {
                request.headers().contains_key(SESSION_ID)
            }
            EndpointTransport::Streamable => request
                .headers()
                .get(SESSION_ID)
                .and_then(|session| session.to_str().ok())
                .is_some_and(|session| adapter.has(session)),
        };
        takes.then(|| Arc::clone(adapter))
    }

    /// Whether this session's stream is here.
    pub(super) fn has(&self, session: &str) -> bool {
        let adapter = self.adapter.load();
        adapter.as_ref().is_some_and(|adapter| adapter.has(session))
    }

    /// Looks whether the endpoint is of the older transport, for a client with these headers.
    pub(super) async fn look(
        &self,
        server: OlderEndpoint,
        headers: &HeaderMap,
    ) -> Option<Arc<Adapter>> {
        let _alone = self.looking.lock().await;
        let mut found = self.found();
        if found == EndpointTransport::Nothing {
            let looked = tokio::time::timeout(PATIENCE, server.looks_older(headers.clone()));
            // Servers of the older transport say at once where messages go.
            found = looked.await.unwrap_or(EndpointTransport::Neither);
            tracing::debug!(?found, "looked whether a server is of the older transport");
            if found != EndpointTransport::Nothing {
                self.note(found);
            }
            if found == EndpointTransport::Older && self.adapter.load().is_none() {
                tracing::info!(
                    path = server.uri.path(),
                    "a server speaks the older transport (HTTP+SSE)"
                );
                let adapter = Adapter::new(Arc::new(server));
                self.adapter.store(Some(Arc::new(adapter)));
            }
        }
        let adapter = self.adapter.load_full();
        adapter.filter(|_| found == EndpointTransport::Older)
    }
}

/// Sends a request to sessions with a server of the older transport. One that was to begin a session comes back when the server
/// cannot be reached.
pub(super) async fn exchange(
    adapter: &Adapter,
    request: Request<RequestBody>,
) -> Result<Response<ServerBody>, SendError> {
    let (stream, unreached) = adapter.connect();
    let mut driven = match Driven::over(stream, None).await {
        Ok(driven) => driven,
        Err(error) => return Err(SendError::unreachable(request, io::Error::other(error))),
    };
    let begins = !request.headers().contains_key(SESSION_ID);
    let again = begins.then(|| (request.uri().clone(), Again::of(&request)));
    let response = driven.send(request).await;
    let response = response.map_err(|error| SendError::sent(error.into_error()))?;
    if let Some(reason) = unreached.take()
        && let Some((uri, again)) = again
        && let Some(mut request) = again.into_request()
    {
        *request.uri_mut() = uri;
        return Err(SendError::not_connected(request, reason));
    }
    Ok(response.map(|body| ServerBody::new(body, driven, None)))
}

/// An endpoint of the older transport.
#[derive(Debug)]
pub(super) struct OlderEndpoint {
    pub(super) wire: Arc<Wire>,
    /// Path and query of its stream.
    pub(super) uri: Uri,
    /// The URL by which it calls that, if it is one.
    pub(super) called: Option<Url>,
}

impl OlderEndpoint {
    /// What its answer to a GET says.
    async fn looks_older(&self, mut headers: HeaderMap) -> EndpointTransport {
        headers.insert(ACCEPT, HeaderValue::from_static(media::EVENT_STREAM));
        let Ok(response) = self.listen(headers).await else {
            return EndpointTransport::Nothing;
        };
        let status = response.status();
        if !status.is_success() || !media::is_type(response.headers(), media::EVENT_STREAM) {
            // A login that is wanted and a fault of the server say nothing.
            let nothing = matches!(status.as_u16(), 401 | 403 | 407 | 408 | 421 | 429 | 500..);
            return if nothing {
                EndpointTransport::Nothing
            } else {
                EndpointTransport::Neither
            };
        }
        let mut body = response.into_body();
        let mut reader = Reader::new(SHORT);
        while let Some(Ok(frame)) = body.frame().await {
            let mut events = Vec::new();
            if let Some(piece) = frame.data_ref()
                && reader.read(piece, &mut events).is_err()
            {
                return EndpointTransport::Neither;
            }
            if let Some(first) = events.first() {
                let says_where = first.name.as_deref() == Some("endpoint");
                return if says_where {
                    EndpointTransport::Older
                } else {
                    EndpointTransport::Neither
                };
            }
        }
        EndpointTransport::Nothing
    }

    /// Where messages go: never to another address, whatever the server says.
    fn endpoint(&self, said: &str) -> io::Result<Uri> {
        let elsewhere = || {
            let why = "the server wants messages to be sent to another address";
            io::Error::new(io::ErrorKind::InvalidInput, why)
        };
        let called = self.called.as_ref().ok_or_else(elsewhere)?;
        let url = called.join(said.trim()).map_err(|_| elsewhere())?;
        if url.origin() != called.origin() && !self.wire.is_called(&url) {
            return Err(elsewhere());
        }
        let query = url.query().map(|query| format!("?{query}"));
        let uri = format!("{}{}", url.path(), query.unwrap_or_default());
        Uri::try_from(uri).map_err(|_| elsewhere())
    }
}

/// A request to the server.
async fn send(
    wire: &Arc<Wire>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response<ServerBody>, SendError> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    if let Err(reason) = wire.show(request.headers_mut()) {
        return Err(SendError::unreachable(request, reason));
    }
    wire.exchange(request).await
}

/// What who asks is told of an error: no address, and no more than what became of the request.
fn in_short(error: SendError) -> io::Error {
    match error {
        SendError::Unreachable { reason, .. } | SendError::Exhausted(reason) => {
            io::Error::new(reason.kind(), in_words(&reason))
        }
        SendError::Unusable(why) => io::Error::other(why),
        SendError::Broken(_) | SendError::Body { .. } | SendError::Late(_) | SendError::Moved => {
            io::Error::other("the connection broke")
        }
    }
}

impl OlderServer for OlderEndpoint {
    fn listen(&self, mut headers: HeaderMap) -> OlderReply<Response<OlderStream>> {
        // It is read here.
        headers.remove(ACCEPT_ENCODING);
        let (wire, uri) = (Arc::clone(&self.wire), self.uri.clone());
        Box::pin(async move {
            let none = RequestBody::none();
            let response = match send(&wire, Method::GET, uri, headers, none).await {
                // As it is: it decides what becomes of the request.
                Err(SendError::Unreachable { reason, .. } | SendError::Exhausted(reason)) => {
                    return Err(reason);
                }
                sent => sent.map_err(in_short)?,
            };
            Ok(response.map(http_body_util::BodyExt::boxed))
        })
    }

    fn post(&self, endpoint: &str, headers: HeaderMap, message: Bytes) -> OlderReply<StatusCode> {
        let (wire, uri) = (Arc::clone(&self.wire), self.endpoint(endpoint));
        Box::pin(async move {
            let message = RequestBody::whole(message);
            let response = send(&wire, Method::POST, uri?, headers, message)
                .await
                .map_err(in_short)?;
            let status = response.status();
            // The answer comes on the stream; what stands here says nothing more.
            drop(Limited::new(response.into_body(), SHORT).collect().await);
            Ok(status)
        })
    }
}
