//! The demo server over raw HTTP: sessions, both eras, access rules, and the drain.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, body::Bytes};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use mcpt_demo::{DemoError, DemoSettings};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

struct Demo {
    base: String,
    http: Client<HttpConnector, Full<Bytes>>,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DemoError>>,
}

impl Demo {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut DemoSettings)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = DemoSettings::from_env(address);
        settings.drain_grace = Duration::from_secs(30);
        change(&mut settings);
        let (shutdown, asked) = oneshot::channel::<()>();
        let task = tokio::spawn(mcpt_demo::serve(listener, settings, async {
            drop(asked.await);
        }));
        Self {
            base: format!("http://{address}"),
            http: Client::builder(TokioExecutor::new()).build_http(),
            shutdown,
            task,
        }
    }

    fn request(
        &self,
        method: Method,
        headers: &[(&str, &str)],
        body: String,
    ) -> impl Future<Output = (StatusCode, HeaderMap, String)> + Send + use<> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/mcp", self.base));
        for (name, value) in [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ]
        .iter()
        .chain(headers)
        {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let sent = self.http.request(request);
        async {
            let (parts, body) = sent.await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            (parts.status, parts.headers, text)
        }
    }

    async fn initialize(&self) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let (status, headers, _) = self.request(Method::POST, &[], body.to_string()).await;
        assert_eq!(status, 200);
        let session = headers["mcp-session-id"].to_str().unwrap().to_owned();
        let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let headers = [("mcp-session-id", session.as_str())];
        assert_eq!(
            self.request(Method::POST, &headers, body.to_string())
                .await
                .0,
            202
        );
        session
    }
}

fn call(tool: &str, arguments: &Value, meta: &Value) -> String {
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}).to_string()
}

/// The text that a tool answered, from an event stream.
fn text(body: &str) -> String {
    let last = body
        .lines()
        .filter_map(|l| l.strip_prefix("data: {"))
        .next_back();
    let message: Value = serde_json::from_str(&format!("{{{}", last.unwrap())).unwrap();
    message["result"]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_session_counts_its_own_calls() {
    let demo = Demo::start().await;
    let (one, two) = (demo.initialize().await, demo.initialize().await);
    for (session, count) in [(&one, "1"), (&one, "2"), (&two, "1"), (&one, "3")] {
        let headers = [("mcp-session-id", session.as_str())];
        let body = call("counter", &json!({}), &json!({}));
        let (_, _, body) = demo.request(Method::POST, &headers, body).await;
        assert_eq!(text(&body), count);
    }
    let headers = [("mcp-session-id", one.as_str())];
    assert!(
        demo.request(Method::DELETE, &headers, String::new())
            .await
            .0
            .is_success()
    );
    let gone = demo
        .request(
            Method::POST,
            &headers,
            call("counter", &json!({}), &json!({})),
        )
        .await;
    assert_eq!(gone.0, 404);
}

#[tokio::test]
async fn clients_without_sessions_are_served() {
    let demo = Demo::start().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for _ in 0..2 {
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "counter"),
        ];
        let body = call("counter", &json!({}), &meta);
        let (status, headers, body) = demo.request(Method::POST, &headers, body).await;
        assert_eq!(status, 200);
        assert!(!headers.contains_key("mcp-session-id"));
        assert_eq!(text(&body), "1");
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let demo = Demo::start().await;
    for headers in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let (status, _, _) = demo.request(Method::POST, &[headers], String::new()).await;
        assert_eq!(status, 403);
    }
}

#[tokio::test]
async fn a_drain_lets_calls_finish_and_ends_streams() {
    let demo = Demo::start().await;
    let session = demo.initialize().await;
    let headers = [("mcp-session-id", session.as_str())];
    let stream = tokio::spawn(demo.request(Method::GET, &headers, String::new()));
    let body = call(
        "slow",
        &json!({"seconds": 1}),
        &json!({"progressToken": "p"}),
    );
    let slow = tokio::spawn(demo.request(Method::POST, &headers, body));
    // Served after `slow` was taken in, since it is sent later on a connection of its own.
    let echo = call("echo", &json!({"message": "x"}), &json!({}));
    demo.request(Method::POST, &headers, echo).await;
    demo.shutdown.send(()).unwrap();
    let (_, _, body) = slow.await.unwrap();
    assert_eq!(text(&body), "done after 1 s");
    assert_eq!(body.matches("notifications/progress").count(), 10);
    demo.task.await.unwrap().unwrap();
    stream.await.unwrap();
}

/// A call whose first bytes are there when the server ends, and a stream that goes on for ever.
#[tokio::test]
async fn a_session_lives_as_long_as_a_call_can_arrive() {
    let demo = Demo::start().await;
    let session = demo.initialize().await;
    let headers = [("mcp-session-id", session.as_str())];
    let stream = tokio::spawn(demo.request(Method::GET, &headers, String::new()));
    let address = demo.base.strip_prefix("http://").unwrap();
    let body = call("counter", &json!({}), &json!({}));
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {session}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (begin, rest) = request.split_at(10);
    let mut late = TcpStream::connect(address).await.unwrap();
    late.write_all(begin.as_bytes()).await.unwrap();
    demo.shutdown.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    late.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(text(&answer), "1");
    demo.task.await.unwrap().unwrap();
    stream.await.unwrap();
}

#[tokio::test]
async fn sessions_have_a_limit() {
    let demo = Demo::start_with(|settings| settings.max_sessions = 2).await;
    let sessions = [demo.initialize().await, demo.initialize().await];
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let refused = demo
        .request(Method::POST, &[], initialize.to_string())
        .await;
    assert_eq!(refused.0, 503);
    assert!(refused.1.contains_key("retry-after"));
    assert!(refused.2.contains("2 sessions"), "{}", refused.2);
    // Those that there are go on, and one that ends makes room.
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let session = ("mcp-session-id", sessions[0].as_str());
    assert_eq!(demo.request(Method::POST, &[session], ping).await.0, 200);
    let ended = demo
        .request(Method::DELETE, &[session], String::new())
        .await;
    assert!(ended.0.is_success(), "{}", ended.0);
    demo.initialize().await;
}

#[tokio::test]
async fn silent_connections_lock_nobody_out() {
    let demo = Demo::start_with(|settings| settings.max_connections = 16).await;
    let address = demo.base.trim_start_matches("http://").to_owned();
    let session = demo.initialize().await;
    let mut silent = Vec::new();
    for round in 0..40 {
        for _ in 0..4 {
            silent.push(TcpStream::connect(&address).await.unwrap());
        }
        let ping = json!({"jsonrpc": "2.0", "id": round, "method": "ping"}).to_string();
        let headers = [("mcp-session-id", session.as_str())];
        let answer = demo.request(Method::POST, &headers, ping).await;
        assert_eq!(answer.0, 200, "round {round}");
        demo.initialize().await;
    }
    // The first ones made room.
    let mut byte = [0];
    let ended = tokio::time::timeout(Duration::from_secs(30), silent[0].read(&mut byte));
    assert_eq!(ended.await.unwrap().unwrap_or_default(), 0);
}
