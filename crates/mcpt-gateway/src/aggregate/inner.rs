//! The aggregate as a client of single servers, within the process: it asks as a client of `/mcp/NAME` would, and so what holds
//! there holds for it: where sessions live, what is sent again, what an answer means.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Body,
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT},
    http::request::Parts,
};
use mcpt_protocol::{
    Message, NEWEST_LEGACY,
    header::{PROTOCOL_VERSION, SESSION_ID},
    media,
    sse::{self, EventTooLong},
};
use mcpt_routing::Server;
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    access::Caller,
    answers::{AnswerRoom, MAX_ANSWER, Unread, gathered},
    exchange::Exchange,
    noted::Noted,
    relay::Answer,
    upstream::Upstream,
};

/// How long a session is waited for that nobody wants any more.
const ABANDONED: Duration = Duration::from_mins(5);

/// Headers of a client that say something to whichever server its request goes to. What lets it in here, such as a token, is
/// nobody else's business.
const PASSED_ON: [HeaderName; 4] = [
    USER_AGENT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
];

/// A session with one server: its id, if it has one, and its version.
#[derive(Debug, Clone, Copy)]
pub(super) struct In<'a> {
    pub(super) session: Option<&'a str>,
    pub(super) version: &'a str,
}

/// On whose behalf a server is asked: whom the gateway has recognised, if it asks who calls. Sessions are bound to them.
pub(super) type Behalf<'a> = Option<&'a Caller>;

/// The head of a request to a server.
pub(super) fn parts(
    method: Method,
    behalf: Behalf<'_>,
    client: Option<&HeaderMap>,
    within: Option<In<'_>>,
) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    let accept = if method == Method::GET {
        media::EVENT_STREAM
    } else {
        media::BOTH
    };
    if method == Method::POST {
        let json = HeaderValue::from_static(media::JSON);
        parts.headers.insert(CONTENT_TYPE, json);
    }
    parts.method = method;
    if let Some(caller) = behalf {
        parts.extensions.insert(caller.clone());
    }
    parts
        .headers
        .insert(ACCEPT, HeaderValue::from_static(accept));
    for name in PASSED_ON {
        if let Some(value) = client.and_then(|headers| headers.get(&name)) {
            parts.headers.insert(name, value.clone());
        }
    }
    if let Some(within) = within {
        // Both come from headers, or were compared with what is known.
        let mut tell = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                parts.headers.insert(name, value);
            }
        };
        tell(PROTOCOL_VERSION, within.version);
        if let Some(session) = within.session {
            tell(SESSION_ID, session);
        }
    }
    parts
}

/// What a server answered to a message of the gateway's own.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) status: StatusCode,
    pub(super) session: Option<String>,
    /// The response, if there is one.
    pub(super) response: Option<Bytes>,
}

/// Sends a message of the gateway's own and reads the answer.
pub(super) async fn ask(
    exchange: &Arc<Exchange>,
    server: &Arc<Server<Upstream>>,
    message: String,
    behalf: Behalf<'_>,
    within: Option<In<'_>>,
) -> Result<Read, Unread> {
    let parts = parts(Method::POST, behalf, None, within);
    let noted = Noted::default();
    let answer = exchange
        .message(server, parts, message.into(), &noted)
        .await;
    read(answer, exchange.answers.room()).await
}

/// A session with a server that has begun. Unless it is kept, it is ended: who began it may have gone away meanwhile.
#[derive(Debug)]
pub(super) struct Begun {
    exchange: Arc<Exchange>,
    server: Arc<Server<Upstream>>,
    caller: Option<Caller>,
    /// The server's answer.
    pub(super) read: Read,
    kept: bool,
}

impl Begun {
    /// It goes on.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let session = self.read.session.take().filter(|_| !self.kept);
        let (Some(session), Ok(runtime)) = (session, Handle::try_current()) else {
            return;
        };
        let (exchange, server) = (Arc::clone(&self.exchange), Arc::clone(&self.server));
        let caller = self.caller.take();
        runtime.spawn(async move {
            let within = In {
                session: Some(&session),
                version: NEWEST_LEGACY,
            };
            end(&exchange, &server, caller.as_ref(), within).await;
        });
    }
}

/// Begins a session with a server by `hello`. It is waited for to the end even if nobody wants it any more: a server that takes
/// long has begun a session all the same, which must be ended.
pub(super) async fn begin(
    exchange: &Arc<Exchange>,
    server: &Arc<Server<Upstream>>,
    hello: String,
    behalf: Behalf<'_>,
) -> Result<Begun, Unread> {
    let (exchange, server, caller) = (Arc::clone(exchange), Arc::clone(server), behalf.cloned());
    let (begun, told) = oneshot::channel();
    tokio::spawn(async move {
        let asked = ask(&exchange, &server, hello, caller.as_ref(), None);
        let read = tokio::time::timeout(ABANDONED, asked).await;
        let read = read.unwrap_or(Err(Unread::Broken)).map(|read| Begun {
            exchange,
            server,
            caller,
            read,
            kept: false,
        });
        // What nobody takes is dropped, and so ended.
        drop(begun.send(read));
    });
    told.await.unwrap_or(Err(Unread::Broken))
}

/// Ends a session with a server. It may be over already.
pub(super) async fn end(
    exchange: &Arc<Exchange>,
    server: &Arc<Server<Upstream>>,
    behalf: Behalf<'_>,
    within: In<'_>,
) {
    if within.session.is_some() {
        let parts = parts(Method::DELETE, behalf, None, Some(within));
        let noted = Noted::default();
        drop(exchange.message(server, parts, Bytes::new(), &noted).await);
    }
}

async fn read(answer: Answer, room: AnswerRoom) -> Result<Read, Unread> {
    let (parts, body) = answer.response.into_parts();
    let session = parts.headers.get(SESSION_ID);
    let session = session.and_then(|id| id.to_str().ok()).map(str::to_owned);
    let response = if media::is_type(&parts.headers, media::EVENT_STREAM) {
        response_among_events(body, room).await?
    } else {
        let body = gathered(body, MAX_ANSWER, room).await?;
        Message::parse(&body).is_ok().then_some(body)
    };
    Ok(Read {
        status: parts.status,
        session,
        response,
    })
}

/// The first response on a stream.
async fn response_among_events<B>(
    mut body: B,
    mut room: AnswerRoom,
) -> Result<Option<Bytes>, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut reader, mut events) = (sse::Reader::new(MAX_ANSWER), Vec::new());
    loop {
        room.more(reader.held()).await?;
        let Some(frame) = body.frame().await else {
            return Ok(None);
        };
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        reader
            .read(&piece, &mut events)
            .map_err(|EventTooLong(max)| Unread::TooLong(max))?;
        for event in events.drain(..).filter(sse::Event::is_message) {
            let data = event.data.unwrap_or_default();
            let is_response =
                Message::parse(data.as_bytes()).is_ok_and(|message| message.method().is_none());
            if is_response {
                return Ok(Some(room.hold(data.into_bytes()).await?));
            }
        }
    }
}
