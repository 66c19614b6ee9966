//! [`probe`]: one small real MCP exchange, for readiness and liveness checks.
//!
//! Runs every few seconds in each pod, so it speaks plain HTTP/1.1 by hand and leaves no session behind. A
//! server of the stateless era answers one `server/discover`; an older one refuses that, and then answers
//! `initialize`, whose session is deleted at once. It takes what clients take, and nothing else: an answer
//! to another request or one that clients cannot use is none.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderName, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use mcpt_protocol::{
    Kind, MODERN_VERSION, MalformedMessage, Message, MessageId, NEWEST_LEGACY, REDIRECTS_MAX,
    Redirect, RpcError,
    handshake::{DISCOVER, Discovered, Initialized, discover_request, initialize_request},
    header::{METHOD, PROTOCOL_VERSION, SESSION_ID},
    media::{self, BOTH, EVENT_STREAM, JSON},
    redirect,
    sse::Reader,
};
use serde_json::value::RawValue;

use crate::{
    ClientError,
    answer::describe,
    plain_http::{ANSWER_MAX, HttpTarget, own_address},
};

const NAME: &str = "mcpt-probe";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Id of each request, which is the only one on its connection.
const ID: u64 = 1;

/// What answered a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// Protocol version that was agreed on.
    pub protocol_version: String,
    /// Name of the server's software, if it says.
    pub server_name: Option<String>,
}

/// Asks the server at `url` for one MCP exchange and ends the session it made, if any. Plain http only.
///
/// # Errors
/// [`ClientError`] that says what answered instead.
pub async fn probe(url: &str, timeout: Duration) -> Result<ProbeAnswer, ClientError> {
    probe_named(url, None, timeout).await
}

/// The same for a server that is reached through a tunnel and knows itself as `host`, `HOST:PORT`: what
/// the tunnel listens on means nothing to it. Without `host` it is what the URL says, and `localhost` for
/// an address.
///
/// # Errors
/// As [`probe`].
pub async fn probe_named(
    url: &str,
    host: Option<&str>,
    timeout: Duration,
) -> Result<ProbeAnswer, ClientError> {
    let target = HttpTarget::parse(url)?.named(host);
    tokio::time::timeout(timeout, exchange(target))
        .await
        .unwrap_or(Err(ClientError::TimedOut { after: timeout }))
}

/// The same for a server on this machine, asked as others reach it: at the machine's own address, though by
/// the name in `url`. Without a network it is asked at `url`.
///
/// # Errors
/// As [`probe`], and [`ClientError::LoopbackOnly`] when nobody else can reach it.
pub async fn probe_as_others(url: &str, timeout: Duration) -> Result<ProbeAnswer, ClientError> {
    match own_address() {
        Some(own) => probe_at(url, own, timeout).await,
        None => probe(url, timeout).await,
    }
}

async fn probe_at(url: &str, own: IpAddr, timeout: Duration) -> Result<ProbeAnswer, ClientError> {
    let target = HttpTarget::parse(url)?.at(own);
    let answer = async {
        match exchange(target).await {
            Err(ClientError::Connect { .. }) if HttpTarget::parse(url)?.is_open().await => {
                Err(ClientError::LoopbackOnly {
                    url: url.to_owned(),
                    own,
                })
            }
            answer => answer,
        }
    };
    tokio::time::timeout(timeout, answer)
        .await
        .unwrap_or(Err(ClientError::TimedOut { after: timeout }))
}

async fn exchange(target: HttpTarget) -> Result<ProbeAnswer, ClientError> {
    let discover = discover_request(ID, NAME, VERSION);
    let headers = [(PROTOCOL_VERSION, MODERN_VERSION), (METHOD, DISCOVER)];
    let (reply, target) = call(target, discover, &headers).await?;
    if let Reply::Result(result) = &reply {
        let discovered = Discovered::read(result);
        if let Some(protocol_version) = discovered.modern_version {
            return Ok(ProbeAnswer {
                protocol_version,
                server_name: discovered.server_name,
            });
        }
    }
    let initialize = initialize_request(ID, NAME, VERSION);
    let (reply, target) = call(target, initialize, &[]).await?;
    match reply {
        Reply::Result(result) => {
            let initialized = Initialized::read(&result)
                .map_err(|unusable| ClientError::Protocol(unusable.to_string()))?;
            Ok(ProbeAnswer {
                protocol_version: initialized.protocol_version,
                server_name: Some(initialized.server_name),
            })
        }
        Reply::Error(error) => Err(error.into()),
        Reply::Unusable(why) => Err(ClientError::Protocol(why)),
        Reply::NotMcp(answer) => Err(ClientError::NotMcp {
            url: target.shown,
            answer,
        }),
    }
}

/// What came back for a request.
enum Reply {
    Result(Box<RawValue>),
    Error(RpcError),
    /// A JSON-RPC message that is no answer to the request.
    Unusable(String),
    /// An HTTP answer without a JSON-RPC message in it, described.
    NotMcp(String),
}

/// Sends one JSON-RPC request on a connection of its own, where redirects within its origin lead, and ends
/// the session that the answer opened. Gives back where the answer came from.
async fn call(
    mut target: HttpTarget,
    body: String,
    headers: &[(HeaderName, &str)],
) -> Result<(Reply, HttpTarget), ClientError> {
    let body = Bytes::from(body);
    let accepted = [(header::ACCEPT, BOTH), (header::CONTENT_TYPE, JSON)];
    let headers = [accepted.as_slice(), headers].concat();
    for _ in 0..=REDIRECTS_MAX {
        let response = target.send(Method::POST, &headers, body.clone()).await?;
        let location = response.headers().get(header::LOCATION);
        let location = location.map(header::HeaderValue::as_bytes);
        let leads = target.as_named().map_or(Redirect::None, |url| {
            redirect(&url, response.status(), location)
        });
        match leads {
            Redirect::None => {}
            Redirect::Follow(to) => {
                target = target.moved(&to);
                continue;
            }
            Redirect::Elsewhere(to) => {
                return Err(ClientError::Redirected {
                    url: target.shown,
                    to: to.to_string(),
                });
            }
        }
        let session = response
            .headers()
            .get(SESSION_ID)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let reply = read(&target, response).await;
        if let Some(session) = session {
            let headers = [(SESSION_ID, &*session), (PROTOCOL_VERSION, NEWEST_LEGACY)];
            // The exchange is what was asked for; a server may refuse to delete sessions (405).
            drop(target.send(Method::DELETE, &headers, Bytes::new()).await);
        }
        return Ok((reply?, target));
    }
    let why = format!("it redirects more than {REDIRECTS_MAX} times");
    Err(ClientError::Protocol(why))
}

async fn read(target: &HttpTarget, response: Response<Incoming>) -> Result<Reply, ClientError> {
    let status = response.status();
    if status.is_success() && media::is_type(response.headers(), EVENT_STREAM) {
        return read_events(target, response).await;
    }
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let body = target.body(response).await?;
    Ok(match reply_of(&body) {
        Ok(reply) => reply,
        Err(malformed) => {
            let described = describe(status, content_type.as_deref(), &body);
            Reply::NotMcp(match malformed {
                MalformedMessage::NotJson(_) => described,
                MalformedMessage::Batch | MalformedMessage::NotJsonRpc(_) => {
                    format!("JSON that is not JSON-RPC, {described}")
                }
            })
        }
    })
}

/// The response among the events of a stream; notifications may come before it.
async fn read_events(
    target: &HttpTarget,
    response: Response<Incoming>,
) -> Result<Reply, ClientError> {
    let mut body = response.into_body();
    let mut left = ANSWER_MAX;
    let mut reader = Reader::new(ANSWER_MAX);
    let mut events = Vec::new();
    let mut unusable = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| target.failed(&e.into()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        left = left.checked_sub(data.len()).ok_or_else(|| {
            ClientError::Protocol(format!("its answer is longer than {ANSWER_MAX} bytes"))
        })?;
        reader
            .read(&data, &mut events)
            .map_err(|e| ClientError::Protocol(e.to_string()))?;
        for event in events
            .drain(..)
            .filter(mcpt_protocol::sse::Event::is_message)
        {
            match reply_of(event.data.unwrap_or_default().as_bytes()) {
                Ok(reply @ (Reply::Result(_) | Reply::Error(_))) => return Ok(reply),
                Ok(reply) => unusable = Some(reply),
                // A notification, an empty event that marks the stream, or noise.
                Err(_) => {}
            }
        }
    }
    Ok(unusable.unwrap_or_else(|| {
        Reply::NotMcp(describe(
            StatusCode::OK,
            Some(EVENT_STREAM),
            b"a stream that ends without an answer",
        ))
    }))
}

/// The answer in a message.
///
/// # Errors
/// [`MalformedMessage`] when it is none, or no answer at all.
fn reply_of(text: &[u8]) -> Result<Reply, MalformedMessage> {
    let message = Message::parse(text)?;
    let Kind::Response { id, .. } = message.kind() else {
        return Err(MalformedMessage::NotJsonRpc("no response"));
    };
    Ok(match (message.error(), message.result()) {
        // An error that names no request is about the only one there is.
        (Some(error), _) if id.is_none() => Reply::Error(error),
        _ if !message.answers(&MessageId::from(ID)) => {
            let id = id.map_or("null", |id| id.text());
            Reply::Unusable(format!("it answered request {id}, where {ID} was asked"))
        }
        (Some(error), _) => Reply::Error(error),
        (None, Some(result)) => Reply::Result(result.to_owned()),
        (None, None) => Reply::Unusable("its answer holds no result".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const ANSWER: &str =
        r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}"#;

    /// A server that answers each connection so, and shows the `Host` it was asked by.
    async fn server(listen: &str) -> (String, tokio::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind(listen).await.unwrap();
        let url = format!(
            "http://127.0.0.1:{}/mcp",
            listener.local_addr().unwrap().port()
        );
        let (asked, hosts) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
                let host = request.lines().find_map(|line| line.strip_prefix("host: "));
                asked
                    .send(host.unwrap_or_default().to_owned())
                    .await
                    .unwrap();
                let length = ANSWER.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}"
                );
                let answer = format!("{head}\r\n\r\n{ANSWER}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (url, hosts)
    }

    /// Another address of this machine, at which a listener on 127.0.0.1 is not reached.
    const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    #[tokio::test]
    async fn a_server_on_the_loopback_alone_is_reached_by_nobody_else() {
        let second = Duration::from_secs(1);
        let (url, mut hosts) = server("0.0.0.0:0").await;
        probe_at(&url, OWN, second).await.unwrap();
        let port = url
            .trim_start_matches("http://127.0.0.1:")
            .trim_end_matches("/mcp");
        let host = format!("localhost:{port}");
        assert_eq!(hosts.recv().await, Some(host));

        let (url, _hosts) = server("127.0.0.1:0").await;
        probe(&url, second).await.unwrap();
        let error = probe_at(&url, OWN, second).await.unwrap_err();
        assert!(matches!(error, ClientError::LoopbackOnly { .. }), "{error}");

        let nobody = "http://127.0.0.1:1/mcp";
        let error = probe_at(nobody, OWN, second).await.unwrap_err();
        assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    }
}
