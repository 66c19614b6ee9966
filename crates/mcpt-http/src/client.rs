//! HTTP/1.1 towards servers: connections, and single exchanges on connections of their own.
//!
//! By hand, for what must start in milliseconds or pass bodies on untouched: no proxies, no redirects,
//! and TLS only as a connection that somebody else has made.

use std::{
    error::Error,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{
    Request, Response, Version,
    body::{Body, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{CONNECTION, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::silence::end_when_server_is_gone;

/// Most bytes of a connection that wait to be read or to be written; a head must fit into it.
pub(crate) const BUFFER: usize = 64 * 1024;

/// Why an exchange has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No connection could be made.
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    /// What answered does not speak HTTP.
    #[error("the answer is not HTTP")]
    NotHttp(#[source] hyper::Error),
    /// The connection ended before the answer was complete.
    #[error("the connection broke")]
    Lost(#[source] hyper::Error),
    /// The answer's body is longer than this many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl From<hyper::Error> for ExchangeError {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() {
            Self::NotHttp(error)
        } else {
            Self::Lost(error)
        }
    }
}

/// The addresses of a host, which is a name or an address without brackets. `localhost` is this machine
/// in both families, whatever anybody's tables say of it (RFC 6761): servers listen on either.
///
/// # Errors
/// When the name is not known.
pub async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ]);
    }
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// A TCP connection to the first address of a host that takes one. It ends within about a minute when the server goes away without a
/// word.
///
/// # Errors
/// That of the first address when none does: of `localhost` the second is tried in passing, and what
/// it says would hide what everybody expects.
pub async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut first = None;
    for address in addresses(host, port).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small writes are not held back until the server acknowledges.
                stream.set_nodelay(true)?;
                end_when_server_is_gone(&stream);
                return Ok(stream);
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

/// Speaks HTTP/1.1 over a connection. It is driven by a task of its own, which ends when the sender and
/// the body of the last answer are dropped.
///
/// # Errors
/// When the connection is of no use.
pub async fn speak<B, S>(stream: S) -> hyper::Result<SendRequest<B>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(async move {
        // Whoever waits for an answer is told; without anyone, the connection was merely closed.
        if let Err(error) = connection.await {
            tracing::trace!(%error, "connection to a server ended");
        }
    });
    Ok(sender)
}

/// One exchange on a connection of its own, closed after it. The request has its `Host` and a target
/// without one.
///
/// # Errors
/// [`ExchangeError`] when there is no answer.
pub async fn exchange<B>(
    host: &str,
    port: u16,
    request: Request<B>,
) -> Result<Response<Incoming>, ExchangeError>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let stream = connect(host, port).await.map_err(ExchangeError::Connect)?;
    exchange_over(stream, request).await
}

/// The same on a connection that is there and has not been used.
///
/// # Errors
/// [`ExchangeError`] when there is no answer.
pub async fn exchange_over<B, S>(
    stream: S,
    mut request: Request<B>,
) -> Result<Response<Incoming>, ExchangeError>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    *request.version_mut() = Version::HTTP_11;
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert(CONNECTION, close);
    let mut sender = speak(stream).await?;
    Ok(sender.send_request(request).await?)
}

/// The whole body of an answer, of at most `max` bytes.
///
/// # Errors
/// [`ExchangeError::TooLong`], or [`ExchangeError::Lost`] when it breaks off.
pub async fn body(response: Response<Incoming>, max: usize) -> Result<Bytes, ExchangeError> {
    let mut body = response.into_body();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if all.len() + data.len() > max {
            return Err(ExchangeError::TooLong(max));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}
