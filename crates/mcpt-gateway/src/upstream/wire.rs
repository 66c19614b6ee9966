//! [`Wire`]: the connections to one endpoint, and exchanges over them.

use std::{fmt, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    HeaderMap, Request, Response, Version,
    header::{HOST, HeaderValue},
};
use mcpt_http::{Driven, Watched, client};
use mcpt_protocol::is_loopback_host;
use mcpt_routing::Address;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::{
    UnusableCredentials, interim::Interim, pool::Pool, send_error::SendError,
    server_body::ServerBody, shown::Shown, tls::Tls,
};
use crate::{exchange::RequestBody, reuse};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The same for an instance that is no longer known.
const LAST_CONNECT: Duration = Duration::from_millis(200);
/// How long an exchange may take that is no message of MCP.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// How one endpoint is reached.
pub(super) struct Wire {
    host: String,
    port: u16,
    /// What the server calls itself; `None` when that cannot be put into a request, which [`Address`] rules out.
    named: Option<HeaderValue>,
    /// How it is known and spoken to where it is called by `https`.
    tls: Option<Tls>,
    /// What it wants to see in each request.
    shown: Option<Shown>,
    pool: Pool,
    /// Whether it is no longer known.
    left: CancellationToken,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        let mut text = f.debug_struct("Wire");
        text.field("host", host).field("port", &port);
        text.finish_non_exhaustive()
    }
}

impl Wire {
    /// To an address, by the name that the server calls itself.
    pub(super) fn to(address: &Address, named: &str) -> Self {
        Self {
            host: address.host().to_owned(),
            port: address.port(),
            named: HeaderValue::try_from(named).ok(),
            tls: Tls::of(address),
            shown: address
                .credentials()
                .and_then(|credentials| Shown::of(&credentials.headers)),
            pool: Pool::default(),
            left: CancellationToken::new(),
        }
    }

    /// Puts on a request what the server wants to see.
    ///
    /// # Errors
    /// When it is not there or cannot be used.
    pub(super) fn show(&self, headers: &mut HeaderMap) -> io::Result<()> {
        if let Some(shown) = &self.shown {
            shown.put_on(headers).map_err(io::Error::other)?;
        }
        let named = self.named.clone();
        let named = named.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "its address is not valid")
        })?;
        headers.insert(HOST, named);
        Ok(())
    }

    /// One exchange, over a connection that was kept or a new one.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ServerBody>, SendError> {
        let sent = request.body().sent();
        let interim = Interim::watch(&mut request);
        loop {
            let kept = self.pool.take();
            let fresh = kept.is_none();
            let mut driven = match kept {
                Some(driven) => driven,
                None => match self.connect().await {
                    Ok(driven) => driven,
                    Err(reason) => return Err(SendError::not_connected(request, reason)),
                },
            };
            let answered = tokio::select! {
                answered = driven.send(request) => answered,
                () = interim.endless() => {
                    return Err(SendError::Unusable("it is preceded by ever more interim ones"));
                }
            };
            match answered {
                Ok(mut response) => {
                    if let Some(fault) = reuse::fault_of(response.status(), response.headers()) {
                        return Err(SendError::Unusable(fault));
                    }
                    let again = reuse::may_carry_another(&sent, interim.any(), &response);
                    *response.version_mut() = Version::HTTP_11;
                    let kept_by = again.then(|| Arc::clone(self));
                    return Ok(response.map(|body| ServerBody::new(body, driven, kept_by)));
                }
                Err(mut error) => match error.take_message() {
                    // An unused connection that the server had closed: nothing was sent.
                    Some(unsent) if !fresh => request = unsent,
                    Some(unsent) => {
                        let reason = io::Error::other(error.into_error());
                        return Err(SendError::unreachable(unsent, reason));
                    }
                    None => return Err(SendError::sent(error.into_error())),
                },
            }
        }
    }

    /// A connection to it. One that leaves may still take some: but where nobody is any more packets vanish, and whoever waits
    /// for an answer to them waits for nothing.
    pub(super) async fn connect(&self) -> io::Result<Driven<RequestBody>> {
        let mut connecting = pin!(self.connected());
        tokio::select! {
            connected = &mut connecting => return connected,
            () = self.left.cancelled() => {}
        }
        let connected = tokio::time::timeout(LAST_CONNECT, connecting).await;
        connected.unwrap_or_else(|_| {
            let gone = "the instance is no longer there";
            Err(io::Error::new(io::ErrorKind::NotFound, gone))
        })
    }

    async fn connected(&self) -> io::Result<Driven<RequestBody>> {
        let connecting = client::connect(&self.host, self.port);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??;
        let stream = Watched::from(stream);
        let look = Some(stream.look());
        let spoken = match &self.tls {
            None => Driven::over(stream, look).await,
            // On the heap: requests to servers without TLS need no room for it.
            Some(tls) => {
                Box::pin(async {
                    Ok::<_, io::Error>(Driven::over(tls.over(stream).await?, look).await)
                })
                .await?
            }
        };
        spoken.map_err(io::Error::other)
    }

    /// Whether what the server wants to see is there and usable.
    ///
    /// # Errors
    /// [`UnusableCredentials`].
    pub(super) fn check(&self) -> Result<(), UnusableCredentials> {
        if let Some(shown) = &self.shown {
            shown.put_on(&mut HeaderMap::new())?;
        }
        self.tls.as_ref().map_or(Ok(()), Tls::check)
    }

    /// Takes a connection back whose last response was read to the end.
    pub(super) fn keep(&self, mut driven: Driven<RequestBody>) {
        if driven.is_ready() {
            self.pool.keep(driven);
        }
    }

    /// The port that the server knows: another one may be forwarded to it.
    fn own_port(&self) -> Option<u16> {
        let host = self.named.as_ref()?.to_str().ok()?;
        host.rsplit_once(':')?.1.parse().ok()
    }

    /// Whether a URL is one by which the server may call itself: it knows the address that it is reached at, or only that
    /// it listens on this machine, at that port or at its own.
    pub(super) fn is_called(&self, url: &Url) -> bool {
        let Some(host) = url.host() else {
            return false;
        };
        let itself = match &host {
            Host::Domain(name) => is_loopback_host(name),
            Host::Ipv4(address) => address.is_loopback() || address.is_unspecified(),
            Host::Ipv6(address) => address.is_loopback() || address.is_unspecified(),
        };
        let named = match &host {
            Host::Domain(name) => (*name).to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default();
        matches!(url.scheme(), "http" | "https")
            && (port == Some(self.port) || port.is_some() && port == self.own_port())
            && (itself || named.eq_ignore_ascii_case(&self.host))
    }

    /// One exchange on a connection of its own, for what is no message of MCP. The request's `Host` is replaced.
    ///
    /// # Errors
    /// What kept the answer away, also since it is longer than `max` bytes.
    pub(super) async fn exchange_once(
        &self,
        mut request: Request<Empty<Bytes>>,
        max: usize,
    ) -> io::Result<Response<Bytes>> {
        if let Some(named) = &self.named {
            request.headers_mut().insert(HOST, named.clone());
        }
        let exchange = async {
            let stream = client::connect(&self.host, self.port).await?;
            let answer = match &self.tls {
                None => client::exchange_over(stream, request).await,
                Some(tls) => {
                    let exchange = async {
                        let stream = tls.over(stream).await?;
                        Ok::<_, io::Error>(client::exchange_over(stream, request).await)
                    };
                    Box::pin(exchange).await?
                }
            };
            let answer = answer.map_err(io::Error::other)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = client::body(answer, max).await.map_err(io::Error::other)?;
            let mut whole = Response::new(body);
            (*whole.status_mut(), *whole.headers_mut()) = (status, headers);
            Ok(whole)
        };
        tokio::time::timeout(EXCHANGE_TIMEOUT, exchange).await?
    }

    /// Keeps no connections any more. A server that ends closes the unused ones at a moment of its choice, and a request
    /// sent at that very moment would be lost; a connection that cannot be made loses nothing.
    pub(super) fn retire(&self) {
        self.pool.retire();
    }

    /// It is no longer known: no connection to it is waited for long.
    pub(super) fn leave(&self) {
        self.left.cancel();
    }

    /// Closes connections that were not used for a while.
    pub(super) fn close_idle(&self) {
        self.pool.close_idle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_waits_for_a_connection_to_an_instance_that_has_left() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let address = Address::parse(&format!("http://{address}/mcp")).unwrap();
        let wire = Wire::to(&address, "x");
        let first = wire.connect().await;
        assert!(first.is_ok());
        // It has no room for a second one that nobody has accepted: what is sent for it vanishes. The clock goes from one time
        // to the next: of two the shorter one is over first.
        tokio::time::pause();
        let reason = wire.connect().await.unwrap_err();
        assert_eq!(reason.kind(), io::ErrorKind::TimedOut);
        wire.leave();
        let reason = wire.connect().await.unwrap_err();
        assert_eq!(reason.kind(), io::ErrorKind::NotFound);
        // One that is still there can be reached.
        tokio::time::resume();
        drop(listener.accept().await.unwrap());
        assert!(wire.connect().await.is_ok());
    }
}
