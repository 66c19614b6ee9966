//! A server of the older HTTP transport (HTTP+SSE, 2024-11-05) in the place of a child: what it says on its stream comes as
//! lines, and each line for it is posted where it has said.

mod link;

use std::{fmt, future::Future, io, pin::Pin};

use axum::http::{HeaderMap, HeaderName, header};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::{Response, StatusCode};
use mcpt_protocol::header::{LAST_EVENT_ID, METHOD, NAME, PROTOCOL_VERSION, SESSION_ID};

pub(crate) use self::link::{Link, Opened, Unopened, connect, open};

/// What comes of asking such a server.
pub type OlderReply<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// The body of the stream of such a server.
pub type OlderStream = BoxBody<Bytes, hyper::Error>;

/// How a server of the older transport is reached. Each session has one stream, and ends with it.
pub trait OlderServer: fmt::Debug + Send + Sync + 'static {
    /// Opens the stream on which the server says all that it has to say. `headers` go with it. An error means that the server
    /// cannot be reached.
    fn listen(&self, headers: HeaderMap) -> OlderReply<Response<OlderStream>>;

    /// Posts a message where the server has said by its `endpoint` event, a URL that may be relative to that of the stream;
    /// whether it was taken. `headers` go with it.
    fn post(&self, endpoint: &str, headers: HeaderMap, message: Bytes) -> OlderReply<StatusCode>;
}

/// Headers of a client's request that say nothing about who asks: they are of its message or of its connection.
const OF_A_MESSAGE: [HeaderName; 18] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::ORIGIN,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    LAST_EVENT_ID,
    METHOD,
    NAME,
    PROTOCOL_VERSION,
    SESSION_ID,
];

/// The headers of a client's request that go with all that is said for it.
pub(crate) fn carried(headers: &HeaderMap) -> HeaderMap {
    let mut carried = headers.clone();
    for name in OF_A_MESSAGE {
        carried.remove(name);
    }
    let parameters: Vec<_> = carried
        .keys()
        .filter(|name| name.as_str().starts_with("mcp-param-"))
        .cloned()
        .collect();
    for name in parameters {
        carried.remove(name);
    }
    carried
}
