//! [`probe`]: one small real MCP exchange, for readiness and liveness checks.
//!
//! Runs every few seconds in each pod, so it speaks plain HTTP/1.1 by hand and leaves no session behind. A server of the
//! stateless era answers one `server/discover`; an older one refuses that, and then answers `initialize`, whose session is
//! deleted at once.

use std::{io, net::IpAddr, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use sse_stream::SseStream;

use crate::{
    ClientError,
    answer::{describe, is_type},
    plain_http::{ANSWER_MAX, Target, own_address},
    versions::{LEGACY, MODERN, is_modern},
};

/// What a streamable HTTP client must say that it takes and sends.
const ACCEPTED: [(&str, &str); 2] = [
    ("accept", "application/json, text/event-stream"),
    ("content-type", "application/json"),
];
const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";

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
    let target = Target::parse(url)?;
    tokio::time::timeout(timeout, exchange(&target))
        .await
        .unwrap_or(Err(ClientError::TimedOut { after: timeout }))
}

/// The same for a server on this machine, asked as others reach it: at the machine's own address, though by the name in `url`.
/// Without a network it is asked at `url`.
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
    let target = Target::parse(url)?.at(own);
    let answer = async {
        match exchange(&target).await {
            Err(ClientError::Connect { .. }) if Target::parse(url)?.is_open().await => {
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

async fn exchange(target: &Target<'_>) -> Result<ProbeAnswer, ClientError> {
    let discover = target
        .call(
            "server/discover",
            &json!({"_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": client_info(),
                "io.modelcontextprotocol/clientCapabilities": {},
            }}),
            &[
                (PROTOCOL_VERSION, MODERN),
                ("mcp-method", "server/discover"),
            ],
        )
        .await?;
    if let Reply::Result(result) = &discover {
        let versions = result.get("supportedVersions").and_then(Value::as_array);
        let modern = versions
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find(|version| is_modern(version));
        if let Some(version) = modern {
            let name = result.pointer("/_meta/io.modelcontextprotocol~1serverInfo/name");
            return Ok(ProbeAnswer {
                protocol_version: version.to_owned(),
                server_name: name.and_then(Value::as_str).map(str::to_owned),
            });
        }
    }
    let initialize = target
        .call(
            "initialize",
            &json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client_info()}),
            &[],
        )
        .await?;
    match initialize {
        Reply::Result(result) => match result.get("protocolVersion").and_then(Value::as_str) {
            Some(version) => Ok(ProbeAnswer {
                protocol_version: version.to_owned(),
                server_name: result
                    .pointer("/serverInfo/name")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            }),
            None => Err(ClientError::Protocol(
                "its answer to initialize names no protocol version".to_owned(),
            )),
        },
        Reply::Error {
            code,
            message,
            data,
        } => Err(ClientError::Server {
            code,
            message,
            data,
        }),
        Reply::NotMcp(answer) => Err(ClientError::NotMcp {
            url: target.url.to_owned(),
            answer,
        }),
    }
}

fn client_info() -> Value {
    json!({"name": "mcpt-probe", "version": env!("CARGO_PKG_VERSION")})
}

/// What came back for a request.
enum Reply {
    Result(Value),
    Error {
        code: i64,
        message: String,
        data: Option<Value>,
    },
    /// An HTTP answer without a JSON-RPC message in it, described.
    NotMcp(String),
}

impl Target<'_> {
    /// Sends one JSON-RPC request on a connection of its own, and ends the session that the answer opened.
    async fn call(
        &self,
        method: &str,
        params: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Reply, ClientError> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let headers = [ACCEPTED.as_slice(), headers].concat();
        let response = self
            .send(Method::POST, &headers, Bytes::from(body.to_string()))
            .await?;
        let session = response
            .headers()
            .get(SESSION_ID)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let reply = self.read(response).await;
        if let Some(session) = session {
            let headers = [(SESSION_ID, session.as_str()), (PROTOCOL_VERSION, LEGACY)];
            // The exchange is what was asked for; a server may refuse to delete sessions (405).
            drop(self.send(Method::DELETE, &headers, Bytes::new()).await);
        }
        reply
    }

    async fn read(&self, response: http::Response<Incoming>) -> Result<Reply, ClientError> {
        let status = response.status();
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let content_type = content_type.as_deref();
        if status.is_success() && is_type(content_type, "text/event-stream") {
            return self.read_events(response).await;
        }
        let body = self.body(response).await?;
        Ok(match serde_json::from_slice(&body).map(reply_of) {
            Ok(Some(reply)) => reply,
            Ok(None) => Reply::NotMcp(format!(
                "JSON that is not JSON-RPC, {}",
                describe(status, content_type, &body)
            )),
            Err(_) => Reply::NotMcp(describe(status, content_type, &body)),
        })
    }

    /// The response among the events of a stream; notifications may come before it.
    async fn read_events(&self, response: http::Response<Incoming>) -> Result<Reply, ClientError> {
        let body = Limited::new(response.into_body(), ANSWER_MAX).map_err(io::Error::other);
        let mut events = SseStream::new(body);
        while let Some(event) = events.next().await {
            let event = event.map_err(|e| ClientError::Protocol(e.to_string()))?;
            let message = event.data.and_then(|data| serde_json::from_str(&data).ok());
            if let Some(reply) = message.and_then(reply_of) {
                return Ok(reply);
            }
        }
        Ok(Reply::NotMcp(describe(
            StatusCode::OK,
            Some("text/event-stream"),
            b"a stream that ends without an answer",
        )))
    }
}

/// The response in a JSON-RPC message; `None` when it is no response.
fn reply_of(mut message: Value) -> Option<Reply> {
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return None;
    }
    if let Some(error) = message.get_mut("error") {
        return Some(Reply::Error {
            code: error.get("code").and_then(Value::as_i64)?,
            message: error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            data: error.get_mut("data").map(Value::take),
        });
    }
    message.get_mut("result").map(|r| Reply::Result(r.take()))
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
        let host = url.trim_start_matches("http://").trim_end_matches("/mcp");
        assert_eq!(hosts.recv().await.as_deref(), Some(host));

        let (url, _hosts) = server("127.0.0.1:0").await;
        probe(&url, second).await.unwrap();
        let error = probe_at(&url, OWN, second).await.unwrap_err();
        assert!(matches!(error, ClientError::LoopbackOnly { .. }), "{error}");

        let nobody = "http://127.0.0.1:1/mcp";
        let error = probe_at(nobody, OWN, second).await.unwrap_err();
        assert!(matches!(error, ClientError::Connect { .. }), "{error}");
    }
}
