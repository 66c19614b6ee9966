//! Plain HTTP/1.1 by hand, for what must start in milliseconds: one request on one connection, no TLS, no pool.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{ClientError, answer::innermost};

/// Largest answer that is read, in bytes.
pub(crate) const ANSWER_MAX: usize = 1024 * 1024;

/// What a GET of `url` is answered with: status code and text. Plain http only.
///
/// # Errors
/// [`ClientError`] when nothing, or no HTTP, answers.
pub async fn health(url: &str, timeout: Duration) -> Result<(u16, String), ClientError> {
    let target = Target::parse(url)?;
    let answer = async {
        let response = target.send(Method::GET, &[], Bytes::new()).await?;
        let status = response.status().as_u16();
        let body = target.body(response).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(timeout, answer)
        .await
        .unwrap_or(Err(ClientError::TimedOut { after: timeout }))
}

/// The text of a page. Plain http only.
///
/// # Errors
/// As [`health`], and [`ClientError::Status`] for any other status than 200.
pub async fn http_get(url: &str, timeout: Duration) -> Result<String, ClientError> {
    match health(url, timeout).await? {
        (200, text) => Ok(text),
        (status, text) => Err(ClientError::Status {
            url: url.to_owned(),
            status,
            text: text.lines().next().unwrap_or_default().to_owned(),
        }),
    }
}

/// Who is asked, and for what.
pub(crate) struct Target<'a> {
    pub(crate) url: &'a str,
    /// Host and port as the `Host` header wants them.
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl<'a> Target<'a> {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`ClientError::BadUrl`] when it is none, or not one of plain http.
    pub(crate) fn parse(url: &'a str) -> Result<Self, ClientError> {
        let bad = |reason: String| ClientError::BadUrl {
            url: url.to_owned(),
            reason,
        };
        let uri: Uri = url
            .parse()
            .map_err(|e: http::uri::InvalidUri| bad(e.to_string()))?;
        if uri.scheme_str() != Some("http") {
            return Err(bad("only plain http is spoken here".to_owned()));
        }
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return Err(bad("it names no host".to_owned()));
        };
        Ok(Self {
            url,
            authority: authority.to_string(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }

    /// The same request, sent to this address; it still names the URL's host.
    pub(crate) fn at(mut self, address: IpAddr) -> Self {
        self.host = address.to_string();
        self
    }

    /// Whether anybody listens there.
    pub(crate) async fn is_open(&self) -> bool {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        connecting.await.is_ok()
    }

    /// Sends one request on a connection of its own.
    ///
    /// # Errors
    /// [`ClientError::Connect`] when nothing answers, [`ClientError::NotMcp`] when what answers does not speak HTTP.
    pub(crate) async fn send(
        &self,
        method: Method,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<http::Response<Incoming>, ClientError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|e| self.lost(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.lost(&e))?;
        tokio::spawn(async move {
            // Its errors reach the request or the body that they concern.
            drop(connection.await);
        });
        let mut request = Request::builder()
            .method(method)
            .uri(&self.path)
            .header(header::HOST, &self.authority)
            .header(header::CONNECTION, "close");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|e| {
            ClientError::Protocol(format!("its session id is not a header value: {e}"))
        })?;
        sender.send_request(request).await.map_err(|e| {
            if e.is_parse() {
                ClientError::NotMcp {
                    url: self.url.to_owned(),
                    answer: "something that is not HTTP".to_owned(),
                }
            } else {
                self.lost(&e)
            }
        })
    }

    /// The whole body of an answer.
    ///
    /// # Errors
    /// [`ClientError::Connect`] when it breaks off or is too large.
    pub(crate) async fn body(
        &self,
        response: http::Response<Incoming>,
    ) -> Result<Bytes, ClientError> {
        let body = Limited::new(response.into_body(), ANSWER_MAX)
            .collect()
            .await
            .map_err(|e| self.lost(e.as_ref()))?;
        Ok(body.to_bytes())
    }

    fn lost(&self, error: &(dyn std::error::Error + 'static)) -> ClientError {
        ClientError::Connect {
            url: self.url.to_owned(),
            reason: innermost(error),
        }
    }
}

/// The address by which others reach this machine or pod, if it is in a network. Nothing is sent to find it: the system says
/// from which address it would talk to one far away (of those that are reserved for documentation).
pub(crate) fn own_address() -> Option<IpAddr> {
    let ways = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    ways.into_iter().find_map(|(any, far)| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(far).ok()?;
        let own = socket.local_addr().ok()?.ip();
        (!own.is_loopback()).then_some(own)
    })
}
