//! Plain HTTP/1.1 by hand, for what must start in milliseconds: one request on one connection, no TLS,
//! no pool.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use mcpt_http::{
    ReadyState,
    client::{self, ExchangeError},
};
use mcpt_protocol::host_header;
use url::{Position, Url};

use crate::{ClientError, answer::innermost};

/// Largest answer that is read, in bytes.
pub(crate) const ANSWER_MAX: usize = 1024 * 1024;

/// What a GET was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Status code.
    pub status: u16,
    /// What a bridge says of its server, for programs.
    pub ready_state: Option<ReadyState>,
    /// The body.
    pub text: String,
}

/// What a GET of `url` is answered with. Plain http only; redirects are not followed.
///
/// # Errors
/// [`ClientError`] when nothing, or no HTTP, answers.
pub async fn http_page(url: &str, timeout: Duration) -> Result<Page, ClientError> {
    page_with(url, &[], timeout).await
}

async fn page_with(
    url: &str,
    headers: &[(HeaderName, &str)],
    timeout: Duration,
) -> Result<Page, ClientError> {
    let target = HttpTarget::parse(url)?;
    let answer = async {
        let response = target.send(Method::GET, headers, Bytes::new()).await?;
        let ready_state = response.headers().get(ReadyState::HEADER);
        let ready_state = ready_state.and_then(|value| value.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let body = target.body(response).await?;
        Ok(Page {
            status,
            ready_state,
            text: String::from_utf8_lossy(&body).into_owned(),
        })
    };
    tokio::time::timeout(timeout, answer)
        .await
        .unwrap_or(Err(ClientError::TimedOut { after: timeout }))
}

/// The text of a page. Plain http only.
///
/// # Errors
/// As [`http_page`], and [`ClientError::Status`] for any other status than 200.
pub async fn http_get(url: &str, timeout: Duration) -> Result<String, ClientError> {
    http_get_with(url, &[], timeout).await
}

/// The same, asked for with further headers, their names in lower case.
///
/// # Errors
/// As [`http_get`].
pub async fn http_get_with(
    url: &str,
    headers: &[(&'static str, &str)],
    timeout: Duration,
) -> Result<String, ClientError> {
    let headers = headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (HeaderName::from_static(name), *value))
        .collect();
    match page_with(url, &headers, timeout).await? {
        Page {
            status: 200, text, ..
        } => Ok(text),
        Page { status, text, .. } => Err(ClientError::Status {
            url: url.to_owned(),
            status,
            text: text.lines().next().unwrap_or_default().to_owned(),
        }),
    }
}

/// Who is asked, and for what.
#[derive(Debug, Clone)]
pub(crate) struct HttpTarget {
    url: Url,
    /// The URL as it is called in messages.
    pub(crate) shown: String,
    /// What the server is called in `Host`.
    pub(crate) host_header: String,
    /// Where to connect, if not where the URL says.
    at: Option<IpAddr>,
}

impl HttpTarget {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] when it is none, or not one of plain http.
    pub(crate) fn parse(text: &str) -> Result<Self, ClientError> {
        let bad = |reason: String| ClientError::BadUrl {
            url: text.to_owned(),
            reason,
        };
        let url = Url::parse(text).map_err(|e| bad(e.to_string()))?;
        if url.scheme() != "http" {
            return Err(bad("only plain http is spoken here".to_owned()));
        }
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        Ok(Self {
            host_header: host_header(authority, 80),
            shown: text.to_owned(),
            at: None,
            url,
        })
    }

    /// The same request, sent to this address; it still names the URL's host.
    pub(crate) fn at(mut self, address: IpAddr) -> Self {
        self.at = Some(address);
        self
    }

    /// The same request to a server that knows itself as `host`, `HOST:PORT`.
    pub(crate) fn named(mut self, host: Option<&str>) -> Self {
        if let Some(host) = host {
            host.clone_into(&mut self.host_header);
        }
        self
    }

    /// The same request for another path of the same server.
    pub(crate) fn moved(mut self, to: &Url) -> Self {
        self.url.set_path(to.path());
        self.url.set_query(to.query());
        self.shown = self.url.to_string();
        self
    }

    /// The URL as the server sees it.
    pub(crate) fn as_named(&self) -> Option<Url> {
        let named = Url::parse(&format!("http://{}/", self.host_header)).ok()?;
        named.join(self.path()).ok()
    }

    fn path(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let host = || host.trim_matches(['[', ']']).to_owned();
        self.at.map_or_else(host, |address| address.to_string())
    }

    fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// Whether anybody listens there.
    pub(crate) async fn is_open(&self) -> bool {
        client::connect(&self.host(), self.port()).await.is_ok()
    }

    /// Sends one request on a connection of its own.
    ///
    /// # Errors
    /// [`ClientError::Connect`] when nothing answers, [`ClientError::NotMcp`] when what answers does not
    /// speak HTTP.
    pub(crate) async fn send(
        &self,
        method: Method,
        headers: &[(HeaderName, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.path())
            .header(header::HOST, &self.host_header);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|e| {
            ClientError::Protocol(format!("its session id is not a header value: {e}"))
        })?;
        let answer = client::exchange(&self.host(), self.port(), request).await;
        answer.map_err(|e| self.failed(&e))
    }

    /// The whole body of an answer.
    ///
    /// # Errors
    /// [`ClientError`] when it breaks off or is too large.
    pub(crate) async fn body(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        let body = client::body(response, ANSWER_MAX).await;
        body.map_err(|e| self.failed(&e))
    }

    pub(crate) fn failed(&self, error: &ExchangeError) -> ClientError {
        match error {
            ExchangeError::Connect(_) | ExchangeError::Lost(_) => ClientError::Connect {
                url: self.shown.clone(),
                reason: innermost(error),
            },
            ExchangeError::NotHttp(_) => ClientError::NotMcp {
                url: self.shown.clone(),
                answer: "something that is not HTTP".to_owned(),
            },
            ExchangeError::TooLong(_) => ClientError::Protocol(error.to_string()),
        }
    }
}

/// The address by which others reach this machine or pod, if it is in a network. Nothing is sent to find
/// it: the system says from which address it would talk to one far away (of those that are reserved for
/// documentation).
pub(crate) fn own_address() -> Option<IpAddr> {
    let ways = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    ways.into_iter().find_map(|(any, far)| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(far).ok()?;
        let own = socket.local_addr().ok()?.ip();
        (!own.is_loopback()).then_some(own)
    })
}
