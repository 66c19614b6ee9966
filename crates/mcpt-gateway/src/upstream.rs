//! [`Upstream`]: one endpoint as the gateway reaches it, and sending a request there.

mod eras;
mod interim;
mod moved;
mod pool;
mod rotated;
mod send_error;
mod shown;
mod tls;

use std::{fmt, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    HeaderMap, Request, Response, Uri, Version,
    body::Incoming,
    client::conn::http1::SendRequest,
    header::{HOST, HeaderValue},
};
use mcpt_http::client;
use mcpt_protocol::{REDIRECTS_MAX, host_header, is_loopback_host};
use mcpt_routing::{Address, Endpoint};
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

pub use self::rotated::UnusableCredentials;
pub(crate) use self::{
    eras::{Eras, Sessions, Stateless},
    pool::Connection,
    send_error::SendError,
    tls::in_words,
};
use self::{
    interim::Interim,
    moved::{Again, Moved, Moving},
    pool::Pool,
    shown::Shown,
    tls::Tls,
};
use crate::{exchange::RequestBody, reuse};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The same for an instance that is no longer known.
const LAST_CONNECT: Duration = Duration::from_millis(200);
/// How long an exchange may take that is no message of MCP.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The gateway's side of one endpoint.
pub(crate) struct Upstream {
    host: String,
    port: u16,
    /// `None` when the address cannot be put into a request, which [`Address`] rules out.
    target: Option<Target>,
    /// How it is known and spoken to where it is called by `https`.
    tls: Option<Tls>,
    /// What it wants to see in each request.
    shown: Option<Shown>,
    /// Where the server says that its endpoint is instead.
    moved: Moved,
    eras: Eras,
    pool: Pool,
    /// Whether it is no longer known.
    left: CancellationToken,
}

struct Target {
    /// What the server calls itself.
    host: HeaderValue,
    uri: Uri,
}

/// Without its query, which may hold a key.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        let mut text = f.debug_struct("Upstream");
        text.field("host", host).field("port", &port);
        text.finish_non_exhaustive()
    }
}

impl From<&Address> for Upstream {
    fn from(address: &Address) -> Self {
        let named = own_name(address);
        let host = HeaderValue::try_from(&named).ok();
        let uri = match address.query() {
            None => Uri::try_from(address.path()),
            Some(query) => Uri::try_from(format!("{}?{query}", address.path())),
        };
        let names = [named, address.authority().to_owned()];
        Self {
            host: address.host().to_owned(),
            port: address.port(),
            target: host.zip(uri.ok()).map(|(host, uri)| Target { host, uri }),
            tls: Tls::of(address),
            shown: address
                .credentials()
                .and_then(|credentials| Shown::of(&credentials.headers)),
            moved: Moved::new(address.is_tls(), names, address.query()),
            eras: Eras::default(),
            pool: Pool::default(),
            left: CancellationToken::new(),
        }
    }
}

/// What a server calls itself.
fn own_name(address: &Address) -> String {
    if let Some(name) = address.own_name() {
        return name.to_owned();
    }
    let authority = address.authority();
    if address.is_tls() {
        // As clients spell it; behind a certificate there is no name to be guessed.
        return authority
            .strip_suffix(":443")
            .unwrap_or(authority)
            .to_owned();
    }
    host_header(authority, address.port())
}

impl Upstream {
    /// Which eras it speaks.
    pub(crate) fn eras(&self) -> &Eras {
        &self.eras
    }

    /// Sends a request whose `Host`, target and version are replaced: by this endpoint's and by our own. A server that moves
    /// its endpoint to another path is followed there.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Connection), SendError> {
        let query = request.uri().query().map(str::to_owned);
        for _ in 0..=REDIRECTS_MAX {
            if let Some(shown) = &self.shown
                && let Err(reason) = shown.put_on(request.headers_mut())
            {
                return Err(SendError::unreachable(request, io::Error::other(reason)));
            }
            if let Err(reason) = self.address(&mut request, query.as_deref()) {
                return Err(SendError::unreachable(request, reason));
            }
            let asked = request.uri().clone();
            let again = self.moved.may_be().then(|| Again::of(&request));
            let (response, connection) = self.exchange(request).await?;
            match self.moved.by(&asked, &response) {
                Moving::Stays => return Ok((response, connection)),
                Moving::Elsewhere => {
                    return Err(SendError::Unusable("it redirects to another address"));
                }
                Moving::Here => match again.and_then(Again::into_request) {
                    Some(again) => request = again,
                    None => return Err(SendError::Moved),
                },
            }
        }
        Err(SendError::Unusable("it redirects again and again"))
    }

    /// One exchange, over a connection that was kept or a new one.
    async fn exchange(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Connection), SendError> {
        let sent = request.body().sent();
        let interim = Interim::watch(&mut request);
        loop {
            let kept = self.pool.take();
            let fresh = kept.is_none();
            let mut sender = match kept {
                Some(sender) => sender,
                None => match self.connect().await {
                    Ok(sender) => sender,
                    Err(reason) => return Err(SendError::not_connected(request, reason)),
                },
            };
            let answered = tokio::select! {
                answered = sender.try_send_request(request) => answered,
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
                    return Ok((response, Connection::new(sender, again)));
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

    /// Makes the request one to this endpoint. A client's version is about its own connection.
    fn address(&self, request: &mut Request<RequestBody>, query: Option<&str>) -> io::Result<()> {
        let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned());
        let Some(target) = &self.target else {
            return Err(invalid("its address is not valid"));
        };
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().insert(HOST, target.host.clone());
        let moved = self.moved.to();
        let uri = moved.as_deref().unwrap_or(&target.uri);
        *request.uri_mut() = match (query, uri.query()) {
            (None, _) => uri.clone(),
            (Some(query), own) => {
                let own = own.map(|own| format!("{own}&")).unwrap_or_default();
                Uri::try_from(format!("{}?{own}{query}", uri.path()))
                    .map_err(|error| invalid(&error.to_string()))?
            }
        };
        Ok(())
    }

    /// A connection to it. One that leaves may still take some: but where nobody is any more packets vanish, and whoever waits
    /// for an answer to them waits for nothing.
    async fn connect(&self) -> io::Result<SendRequest<RequestBody>> {
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

    async fn connected(&self) -> io::Result<SendRequest<RequestBody>> {
        let connecting = client::connect(&self.host, self.port);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await??;
        let spoken = match &self.tls {
            None => client::speak(stream).await,
            // On the heap: requests to servers without TLS need no room for it.
            Some(tls) => {
                Box::pin(async { Ok::<_, io::Error>(client::speak(tls.over(stream).await?).await) })
                    .await?
            }
        };
        spoken.map_err(io::Error::other)
    }

    /// Whether what the server wants to see is there and usable.
    ///
    /// # Errors
    /// [`UnusableCredentials`].
    pub(crate) fn check(&self) -> Result<(), UnusableCredentials> {
        if let Some(shown) = &self.shown {
            shown.put_on(&mut HeaderMap::new())?;
        }
        self.tls.as_ref().map_or(Ok(()), Tls::check)
    }

    /// Takes a connection back once its response was read to the end.
    pub(crate) fn give_back(endpoint: &Arc<Endpoint<Self>>, connection: Connection) {
        let Some(mut sender) = connection.reusable() else {
            return;
        };
        if sender.is_ready() {
            endpoint.link().pool.keep(sender);
        } else if !sender.is_closed() {
            // The task of the connection has yet to see that the response is over.
            let endpoint = Arc::clone(endpoint);
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    endpoint.link().pool.keep(sender);
                }
            });
        }
    }

    /// The path of its MCP endpoint.
    pub(crate) fn path(&self) -> &str {
        self.target.as_ref().map_or("/", |target| target.uri.path())
    }

    /// The port that the server knows: another one may be forwarded to it.
    fn own_port(&self) -> Option<u16> {
        let host = self.target.as_ref()?.host.to_str().ok()?;
        host.rsplit_once(':')?.1.parse().ok()
    }

    /// Whether a URL is one by which the server may call itself: it knows the address that it is reached at, or only that
    /// it listens on this machine, at that port or at its own.
    pub(crate) fn is_called(&self, url: &Url) -> bool {
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
    pub(crate) async fn exchange_once(
        &self,
        mut request: Request<Empty<Bytes>>,
        max: usize,
    ) -> io::Result<Response<Bytes>> {
        if let Some(target) = &self.target {
            request.headers_mut().insert(HOST, target.host.clone());
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
    pub(crate) fn retire(&self) {
        self.pool.retire();
    }

    /// It is no longer known: no connection to it is waited for long.
    pub(crate) fn leave(&self) {
        self.left.cancel();
    }

    /// Closes connections that were not used for a while.
    pub(crate) fn close_idle(&self) {
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
        let upstream = Upstream::from(&address);
        let first = upstream.connect().await;
        assert!(first.is_ok());
        // It has no room for a second one that nobody has accepted: what is sent for it vanishes. The clock goes from one time
        // to the next: of two the shorter one is over first.
        tokio::time::pause();
        let reason = upstream.connect().await.unwrap_err();
        assert_eq!(reason.kind(), io::ErrorKind::TimedOut);
        upstream.leave();
        let reason = upstream.connect().await.unwrap_err();
        assert_eq!(reason.kind(), io::ErrorKind::NotFound);
        // One that is still there can be reached.
        tokio::time::resume();
        drop(listener.accept().await.unwrap());
        assert!(upstream.connect().await.is_ok());
    }

    #[test]
    fn a_server_calls_itself_by_the_port_that_it_knows_or_is_reached_at() {
        let address = || Address::parse("http://127.0.0.1:9000/mcp").unwrap();
        let reached = Upstream::from(&address());
        let forwarded = Upstream::from(&address().called("localhost:8931".to_owned()));
        for (url, by_reached, by_forwarded) in [
            ("http://localhost:9000/mcp", true, true),
            ("http://localhost:8931/mcp", false, true),
            ("http://127.0.0.1:8931/mcp", false, true),
            ("http://localhost:8932/mcp", false, false),
            ("http://other:8931/mcp", false, false),
            ("ftp://localhost:8931/mcp", false, false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(reached.is_called(&url), by_reached, "{url}");
            assert_eq!(forwarded.is_called(&url), by_forwarded, "{url}");
        }
    }
}
