//! HTTP as a client that hides nothing: one kept connection, and every way in which an exchange can fail.
//!
//! Only what certainly did not reach the server is sent again: a connection that could not be made, or that had ended before
//! anything was written on it. All else is a lost call.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue},
    http::uri::Scheme,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// How long a call may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long a client goes on to try for a connection.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// An endpoint of MCP: `http://HOST:PORT/PATH`.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(super) url: String,
    host: String,
    port: u16,
    authority: HeaderValue,
    path: String,
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let uri: Uri = text.parse().context("not a URL")?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            bail!("only http:// can be called");
        }
        let authority = uri.authority().context("a URL needs a host")?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            url: text.to_owned(),
            host,
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::try_from(authority.as_str())?,
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

/// A message on its way, with its headers.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What came back, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// No connection was to be had: nothing was sent.
    Unreachable(String),
    /// The connection broke when the request was on its way.
    Broken(String),
    /// Nothing complete came in time.
    Late,
}

/// The connection of one client.
#[derive(Debug)]
pub(super) struct Connection {
    /// A new one for each exchange otherwise.
    kept: bool,
    sender: Option<SendRequest<Full<Bytes>>>,
    /// Attempts to connect that failed.
    pub(super) refused: u64,
}

impl Connection {
    pub(super) fn new(kept: bool) -> Self {
        Self {
            kept,
            sender: None,
            refused: 0,
        }
    }

    /// Sends a message and hears its answer to the end.
    pub(super) async fn exchange(
        &mut self,
        target: &Target,
        message: &Message,
    ) -> Result<Answer, Lost> {
        let whole = async {
            let response = self.sent(target, message).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| {
                Lost::Broken(format!(
                    "the body of the answer ({}): {error:?}",
                    parts.status
                ))
            })?;
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes(),
            })
        };
        let answer = timeout(ANSWER_WITHIN, whole)
            .await
            .unwrap_or(Err(Lost::Late));
        if !self.kept || answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn sent(
        &mut self,
        target: &Target,
        message: &Message,
    ) -> Result<Response<Incoming>, Lost> {
        loop {
            let mut sender = match self.sender.take() {
                Some(mut kept) => {
                    if kept.ready().await.is_err() {
                        continue;
                    }
                    kept
                }
                None => self.connected(target).await?,
            };
            let mut request = Request::new(Full::new(message.body.clone()));
            *request.method_mut() = message.method.clone();
            *request.uri_mut() = Uri::try_from(&target.path)
                .map_err(|error| Lost::Unreachable(error.to_string()))?;
            *request.headers_mut() = message.headers.clone();
            request.headers_mut().insert(HOST, target.authority.clone());
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.sender = Some(sender);
                    return Ok(response);
                }
                Err(mut error) => {
                    // It comes back when nothing of it was written.
                    if error.take_message().is_none() {
                        return Err(Lost::Broken(format!("{:?}", error.into_error())));
                    }
                }
            }
        }
    }

    async fn connected(&mut self, target: &Target) -> Result<SendRequest<Full<Bytes>>, Lost> {
        let begin = Instant::now();
        loop {
            match connect(target).await {
                Ok(sender) => return Ok(sender),
                Err(error) if begin.elapsed() > CONNECTED_WITHIN => {
                    return Err(Lost::Unreachable(format!("{error:#}")));
                }
                Err(_) => {
                    self.refused += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn connect(target: &Target) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = timeout(ATTEMPT, TcpStream::connect((&*target.host, target.port))).await??;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // When it breaks, the request on it fails.
    tokio::spawn(connection);
    Ok(sender)
}

/// A message of MCP.
pub(super) fn post(body: String) -> Message {
    let mut headers = HeaderMap::new();
    let accept = HeaderValue::from_static("application/json, text/event-stream");
    headers.insert(ACCEPT, accept);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Message {
        method: Method::POST,
        headers,
        body: body.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let target: Target = "http://[::1]:8900/mcp/demo?x=1".parse().unwrap();
        assert_eq!((&*target.host, target.port), ("::1", 8900));
        assert_eq!(target.path, "/mcp/demo?x=1");
        for wrong in ["https://localhost/mcp", "/mcp", "localhost:80"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}
