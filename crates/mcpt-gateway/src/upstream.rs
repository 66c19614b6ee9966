//! [`Upstream`]: one endpoint as the gateway reaches it, and sending a request there.

mod eras;
mod interim;
mod moved;
mod older;
mod pool;
mod rotated;
mod send_error;
mod server_body;
mod shown;
mod tls;
mod wire;

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, Response, Uri, Version};
use mcpt_protocol::{REDIRECTS_MAX, host_header};
use mcpt_routing::Address;
use url::Url;

pub use self::rotated::UnusableCredentials;
pub(crate) use self::{
    eras::{Eras, Sessions, Stateless},
    send_error::SendError,
    server_body::ServerBody,
    tls::in_words,
};
use self::{
    moved::{Again, Moved, Moving},
    older::{Older, OlderEndpoint},
    wire::Wire,
};
use crate::exchange::RequestBody;

/// The gateway's side of one endpoint.
pub(crate) struct Upstream {
    wire: Arc<Wire>,
    /// Path and query of its MCP endpoint; `None` when they cannot be put into a request, which [`Address`] rules out.
    target: Option<Uri>,
    /// The URL of that as the server knows it.
    called: Option<Url>,
    /// Where the server says that its endpoint is instead.
    moved: Moved,
    eras: Eras,
    older: Older,
}

/// Without its query, which may hold a key.
impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Upstream");
        text.field("wire", &self.wire).finish_non_exhaustive()
    }
}

impl From<&Address> for Upstream {
    fn from(address: &Address) -> Self {
        let named = own_name(address);
        let target = match address.query() {
            None => Uri::try_from(address.path()),
            Some(query) => Uri::try_from(format!("{}?{query}", address.path())),
        };
        let target = target.ok();
        let scheme = if address.is_tls() { "https" } else { "http" };
        let called = target
            .as_ref()
            .map(|uri| format!("{scheme}://{named}{uri}"));
        let wire = Wire::to(address, &named);
        let names = [named, address.authority().to_owned()];
        Self {
            wire: Arc::new(wire),
            target,
            called: called.and_then(|called| Url::parse(&called).ok()),
            moved: Moved::new(address.is_tls(), names, address.query()),
            eras: Eras::default(),
            older: Older::default(),
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
    /// its endpoint to another path is followed there, and one of the older transport is spoken to as it wants.
    pub(crate) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<ServerBody>, SendError> {
        if let Some(adapter) = self.older.takes(&request) {
            let exchanged = Box::pin(older::exchange(&adapter, request)).await;
            if matches!(exchanged, Err(SendError::Unreachable { .. })) {
                self.older.forget();
            }
            return exchanged;
        }
        let called = request.uri().clone();
        for _ in 0..=REDIRECTS_MAX {
            if let Err(reason) = self.wire.show(request.headers_mut()) {
                return Err(SendError::unreachable(request, reason).called_by_client(called));
            }
            if let Err(reason) = self.address(&mut request, called.query()) {
                return Err(SendError::unreachable(request, reason).called_by_client(called));
            }
            let asked = request.uri().clone();
            let method = request.method().clone();
            let kept = self.moved.may_be() || self.older.may_be(&request);
            let again = kept.then(|| Again::of(&request));
            let response = match self.wire.exchange(request).await {
                Ok(answered) => answered,
                Err(error) => return Err(error.called_by_client(called)),
            };
            match self.moved.by(&asked, &response) {
                Moving::Stays if self.older.is_suspected(&method, response.status()) => {
                    let older = Box::pin(self.older_or(response, again)).await;
                    return older.map_err(|error| error.called_by_client(called));
                }
                Moving::Stays => return Ok(response),
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

    /// Makes the request one to this endpoint. A client's version is about its own connection.
    fn address(&self, request: &mut Request<RequestBody>, query: Option<&str>) -> io::Result<()> {
        let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned());
        let Some(target) = &self.target else {
            return Err(invalid("its address is not valid"));
        };
        *request.version_mut() = Version::HTTP_11;
        let moved = self.moved.to();
        let uri = moved.as_deref().unwrap_or(target);
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

    /// What becomes of an answer that servers of the older transport give: it is sent `again` as they want it, if this is one.
    async fn older_or(
        &self,
        response: Response<ServerBody>,
        again: Option<Again>,
    ) -> Result<Response<ServerBody>, SendError> {
        let again = again.and_then(Again::into_request);
        let (Some(request), Some(uri)) = (again, &self.target) else {
            return Ok(response);
        };
        let uri = self
            .moved
            .to()
            .map_or_else(|| uri.clone(), |to| (*to).clone());
        let mut called = self.called.clone();
        if let Some(called) = &mut called {
            // What it says of where messages go is relative to where its stream is.
            called.set_path(uri.path());
            called.set_query(uri.query());
        }
        let server = OlderEndpoint {
            wire: Arc::clone(&self.wire),
            uri,
            called,
        };
        let mut headers = request.headers().clone();
        crate::headers::without_body(&mut headers);
        crate::headers::without_sessions(&mut headers);
        match self.older.look(server, &headers).await {
            Some(adapter) => older::exchange(&adapter, request).await,
            None => Ok(response),
        }
    }

    /// Whether it is of the older transport, and the stream of this session is in this process.
    pub(crate) fn has_here(&self, session: &str) -> bool {
        self.older.has(session)
    }

    /// The path of its MCP endpoint.
    pub(crate) fn path(&self) -> &str {
        self.target.as_ref().map_or("/", Uri::path)
    }

    /// Whether a URL is one by which the server may call itself: it knows the address that it is reached at, or only that
    /// it listens on this machine, at that port or at its own.
    pub(crate) fn is_called(&self, url: &Url) -> bool {
        self.wire.is_called(url)
    }

    /// Whether what the server wants to see is there and usable.
    ///
    /// # Errors
    /// [`UnusableCredentials`].
    pub(crate) fn check(&self) -> Result<(), UnusableCredentials> {
        self.wire.check()
    }

    /// One exchange on a connection of its own, for what is no message of MCP. The request's `Host` is replaced.
    ///
    /// # Errors
    /// What kept the answer away, also since it is longer than `max` bytes.
    pub(crate) async fn exchange_once(
        &self,
        request: Request<Empty<Bytes>>,
        max: usize,
    ) -> io::Result<Response<Bytes>> {
        self.wire.exchange_once(request, max).await
    }

    /// Nothing that was found out about it is believed any more: behind its address there may be another program.
    pub(crate) fn forget(&self) {
        self.eras.forget();
        self.older.forget();
    }

    /// Keeps no connections any more. A server that ends closes the unused ones at a moment of its choice, and a request
    /// sent at that very moment would be lost; a connection that cannot be made loses nothing.
    pub(crate) fn retire(&self) {
        self.wire.retire();
    }

    /// It is no longer known: no connection to it is waited for long.
    pub(crate) fn leave(&self) {
        self.wire.leave();
    }

    /// Closes connections that were not used for a while.
    pub(crate) fn close_idle(&self) {
        self.wire.close_idle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
