//! Sessions of rmcp's client, in this process.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use rmcp::{
    RoleClient,
    model::CallToolRequestParams,
    service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, RunningService},
    transport::{
        StreamableHttpClientTransport,
        streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError},
    },
};
use tokio::{
    runtime::Runtime,
    task::{JoinSet, LocalSet},
};

use super::{Answer, Sessions};

/// How long a connection that cannot be made is tried again.
const CONNECT_PATIENCE: Duration = Duration::from_secs(16);
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The sessions and what drives them.
#[derive(Debug)]
pub struct RmcpSessions {
    runtime: Runtime,
    url: String,
    sessions: Vec<Session>,
}

/// Why there is no answer, and whether that was because no connection could be made.
struct Failure {
    text: String,
    gone: bool,
    unsent: bool,
}

impl Default for RmcpSessions {
    fn default() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        Self {
            runtime: runtime.expect("a runtime"),
            url: String::new(),
            sessions: Vec::new(),
        }
    }
}

impl Sessions for RmcpSessions {
    fn open(&mut self, url: &str, count: usize) -> Vec<Answer> {
        url.clone_into(&mut self.url);
        let begin = self.sessions.len();
        self.sessions.extend((0..count).map(|_| Session::default()));
        let all: Vec<_> = (begin..begin + count).collect();
        self.call_in(&all)
    }

    fn call(&mut self) -> Vec<Answer> {
        let all: Vec<_> = (0..self.sessions.len()).collect();
        self.call_in(&all)
    }

    fn reopen(&mut self, sessions: &[usize]) -> Vec<Answer> {
        for &number in sessions {
            self.runtime
                .block_on(std::mem::take(&mut self.sessions[number]).close());
        }
        self.call_in(sessions)
    }
}

impl RmcpSessions {
    fn call_in(&mut self, numbers: &[usize]) -> Vec<Answer> {
        let local = LocalSet::new();
        let mut calls = JoinSet::new();
        for &number in numbers {
            let mut session = std::mem::take(&mut self.sessions[number]);
            let url = self.url.clone();
            let call = async move {
                let answer = session.call(&url).await;
                (number, session, answer)
            };
            calls.spawn_local_on(call, &local);
        }
        let done = local.block_on(&self.runtime, calls.join_all());
        let mut answers: Vec<_> = numbers.iter().map(|_| None).collect();
        for (number, session, answer) in done {
            self.sessions[number] = session;
            let place = numbers.iter().position(|other| *other == number);
            answers[place.expect("one of those asked")] = Some(answer);
        }
        answers.into_iter().flatten().collect()
    }
}

impl Drop for RmcpSessions {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for session in self.sessions.drain(..) {
            self.runtime.block_on(session.close());
        }
    }
}

/// A client, once it has begun.
#[derive(Debug, Default)]
struct Session(Option<RunningService<RoleClient, ()>>);

impl Session {
    async fn call(&mut self, url: &str) -> Answer {
        match self.try_call(url).await {
            Ok((instance, counter)) => Answer::Counted { instance, counter },
            Err(failure) if failure.gone => Answer::Gone,
            Err(failure) => Answer::Failed(failure.text),
        }
    }

    async fn try_call(&mut self, url: &str) -> Result<(String, u64), Failure> {
        if self.0.is_none() {
            self.0 = Some(retried(async || begin(url).await).await?);
        }
        let who = self.tool("whoami").await?;
        let counter = self.tool("counter").await?;
        let instance = who["structuredContent"]["instance"].as_str();
        let counter = counter["content"][0]["text"].as_str();
        match (instance, counter.and_then(|text| text.parse().ok())) {
            (Some(instance), Some(counter)) => Ok((instance.to_owned(), counter)),
            _ => Err(Failure {
                text: format!("unexpected results {who} and {counter:?}"),
                gone: false,
                unsent: false,
            }),
        }
    }

    async fn tool(&self, name: &'static str) -> Result<serde_json::Value, Failure> {
        let client = self.0.as_ref().expect("a session that has begun");
        let result = retried(async || {
            let call = client.call_tool(CallToolRequestParams::new(name));
            match tokio::time::timeout(CALL_TIMEOUT, call).await {
                Ok(answered) => answered.map_err(|error| Failure::of(&error)),
                Err(late) => Err(Failure::of(&late)),
            }
        });
        serde_json::to_value(result.await?).map_err(|error| Failure::of(&error))
    }

    async fn close(self) {
        if let Some(mut client) = self.0 {
            drop(client.close_with_timeout(Duration::from_secs(3)).await);
        }
    }
}

async fn begin(url: &str) -> Result<RunningService<RoleClient, ()>, Failure> {
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .map_err(|error| Failure::of(&error))?;
    // A session that is gone is to be seen, not to be replaced in silence.
    let config =
        StreamableHttpClientTransportConfig::with_uri(url).reinit_on_expired_session(false);
    let transport = StreamableHttpClientTransport::with_client(http, config);
    ().serve_with_lifecycle(transport, ClientLifecycleMode::Initialize)
        .await
        .map_err(|error| match &error {
            // Its source is not told of by the error itself.
            ClientInitializeError::TransportError { error, .. } => Failure::of(error),
            other => Failure::of(other),
        })
}

/// Tries again what could not be sent.
async fn retried<T>(attempt: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let begin = Instant::now();
    loop {
        match attempt().await {
            Err(failure) if failure.unsent && begin.elapsed() < CONNECT_PATIENCE => {
                tokio::time::sleep(CONNECT_PAUSE).await;
            }
            done => return done,
        }
    }
}

impl Failure {
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self {
            text: error.to_string(),
            gone: false,
            unsent: false,
        };
        let mut source = Some(error);
        while let Some(inner) = source {
            let text = inner.to_string();
            failure.gone |= text.contains("Session expired");
            if !failure.text.contains(&text) {
                failure.text = format!("{}: {text}", failure.text);
            }
            source = match inner.downcast_ref() {
                // It does not say that this is its source.
                Some(StreamableHttpError::<reqwest::Error>::Client(http)) => {
                    failure.unsent = http.is_connect();
                    Some(http)
                }
                _ => inner.source(),
            };
        }
        failure
    }
}
