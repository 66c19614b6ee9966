//! The clients: MCP sessions with a connection each, and the calls that they make.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Runtime, task::JoinSet};

use super::programs::Target;

const VERSION: &str = "2025-11-25";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Sessions at one target. One thread serves them all: the other cores are for what is measured.
pub(in crate::bench) struct Clients {
    runtime: Runtime,
    sessions: Vec<Session>,
}

/// What drives clients.
pub(in crate::bench) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// What calls took.
pub(in crate::bench) struct Calls {
    /// Seconds of each.
    latencies: Vec<f64>,
    elapsed: Duration,
}

impl Clients {
    /// Opens sessions, each on a connection of its own.
    pub(in crate::bench) fn open(target: &Target, count: usize) -> anyhow::Result<Self> {
        let runtime = runtime()?;
        let mut sessions = Vec::with_capacity(count);
        for _ in 0..count {
            let opened = runtime.block_on(async {
                let mut connection = Connection::open(target).await?;
                let id = connection.initialize().await?;
                anyhow::Ok(Session {
                    connection,
                    id,
                    calls: 0,
                })
            });
            sessions.push(opened.context("opening a session")?);
        }
        Ok(Self { runtime, sessions })
    }

    /// Lets every session call for that long, all together at `rate` calls per second or else each as soon as it has
    /// its answer.
    pub(in crate::bench) fn call(
        &mut self,
        duration: Duration,
        rate: Option<f64>,
    ) -> anyhow::Result<Calls> {
        let pause = rate.map(|rate| Duration::from_secs_f64(self.sessions.len() as f64 / rate));
        let count = self.sessions.len() as u32;
        let begin = Instant::now();
        let end = begin + duration;
        let sessions = std::mem::take(&mut self.sessions);
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (index, mut session) in sessions.into_iter().enumerate() {
                // Spread over the first pause, so that they do not all call at the same moment.
                let first = begin + pause.unwrap_or_default() * index as u32 / count;
                tasks.spawn(async move {
                    let latencies = session.call_until(first, pause, end).await?;
                    anyhow::Ok((session, latencies))
                });
            }
            let mut latencies = Vec::new();
            while let Some(done) = tasks.join_next().await {
                let (session, its) = done.context("a client")??;
                self.sessions.push(session);
                latencies.extend(its);
            }
            Ok(Calls {
                latencies,
                elapsed: begin.elapsed(),
            })
        })
    }

    /// Ends the sessions.
    pub(in crate::bench) fn close(mut self) -> anyhow::Result<()> {
        for session in &mut self.sessions {
            let (connection, id) = (&mut session.connection, &session.id);
            let ended = connection.exchange(Method::DELETE, Some(id), Bytes::new());
            let status = self.runtime.block_on(ended)?.0;
            ensure!(status.is_success(), "DELETE: {status}");
        }
        Ok(())
    }
}

impl Calls {
    pub(in crate::bench) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(in crate::bench) fn seconds(&self) -> f64 {
        self.elapsed.as_secs_f64()
    }

    /// Seconds that this share of the calls did not exceed.
    pub(in crate::bench) fn percentile(&mut self, share: f64) -> f64 {
        self.latencies.sort_by(f64::total_cmp);
        let index = (self.latencies.len() as f64 * share) as usize;
        self.latencies
            .get(index.min(self.latencies.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    }
}

struct Session {
    connection: Connection,
    id: HeaderValue,
    calls: u64,
}

impl Session {
    async fn call_until(
        &mut self,
        first: Instant,
        pause: Option<Duration>,
        end: Instant,
    ) -> anyhow::Result<Vec<f64>> {
        let mut latencies = Vec::new();
        let mut due = first;
        loop {
            let mut begin = Instant::now();
            if let Some(pause) = pause {
                if begin < due {
                    tokio::time::sleep_until(due.into()).await;
                    begin = Instant::now();
                } else {
                    // The answer before came too late for this call: that is waiting time of this one too. What the
                    // timer is late is not.
                    begin = due;
                }
                due += pause;
            }
            if Instant::now() >= end {
                return Ok(latencies);
            }
            self.call().await?;
            latencies.push(begin.elapsed().as_secs_f64());
        }
    }

    async fn call(&mut self) -> anyhow::Result<()> {
        self.calls += 1;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"the same text"}}}}}}"#,
            self.calls
        );
        let (status, _, answer) = self
            .connection
            .exchange(Method::POST, Some(&self.id), body.into())
            .await?;
        let wanted = b"\"the same text\"";
        ensure!(
            status == StatusCode::OK && answer.windows(wanted.len()).any(|part| part == wanted),
            "a call was answered with {status} {answer:?}"
        );
        Ok(())
    }
}

/// A kept connection of a client.
pub(in crate::bench) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    path: &'static str,
}

impl Connection {
    pub(in crate::bench) async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // When it breaks, the request on it fails.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: HeaderValue::try_from(target.address.to_string())?,
            path: target.path,
        })
    }

    /// Begins a session and gives its id.
    pub(in crate::bench) async fn initialize(&mut self) -> anyhow::Result<HeaderValue> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{VERSION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"1"}}}}}}"#
        );
        let (status, id, answer) = self.exchange(Method::POST, None, body.into()).await?;
        let Some(id) = id else {
            bail!("initialize was answered with {status} {answer:?}, and no session");
        };
        let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let (status, _, answer) = self.exchange(Method::POST, Some(&id), body.into()).await?;
        ensure!(
            status == StatusCode::ACCEPTED,
            "notifications/initialized was answered with {status} {answer:?}"
        );
        Ok(id)
    }

    /// Opens the session's stream and leaves it open.
    pub(in crate::bench) async fn stream(
        &mut self,
        session: &HeaderValue,
    ) -> anyhow::Result<Incoming> {
        let response = self.send(Method::GET, Some(session), Bytes::new()).await?;
        let status = response.status();
        ensure!(status == StatusCode::OK, "GET was answered with {status}");
        Ok(response.into_body())
    }

    async fn exchange(
        &mut self,
        method: Method,
        session: Option<&HeaderValue>,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Option<HeaderValue>, Bytes)> {
        let response = self.send(method, session, body).await?;
        let (parts, body) = response.into_parts();
        let body = tokio::time::timeout(ANSWER_TIMEOUT, body.collect())
            .await
            .context("the answer did not end")??;
        let session = parts.headers.get("mcp-session-id").cloned();
        Ok((parts.status, session, body.to_bytes()))
    }

    async fn send(
        &mut self,
        method: Method,
        session: Option<&HeaderValue>,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.path)
            .header(HOST, &self.host)
            .header(ACCEPT, "application/json, text/event-stream");
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(session) = session {
            request = request
                .header("mcp-session-id", session)
                .header("mcp-protocol-version", VERSION);
        }
        let request = request.body(Full::new(body))?;
        self.sender.ready().await?;
        tokio::time::timeout(ANSWER_TIMEOUT, self.sender.send_request(request))
            .await
            .context("no answer")?
            .context("the connection")
    }
}
