//! The client and the probe against the demo server and against things that are not MCP servers.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use mcpt_client::{CallProgress, Client, ClientError, Exact, probe};
use mcpt_demo::DemoSettings;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use tokio::net::{TcpListener, TcpSocket};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn listener() -> (TcpListener, SocketAddr, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address, format!("http://{address}/mcp"))
}

async fn demo() -> String {
    let (listener, address, url) = listener().await;
    let mut settings = DemoSettings::from_env(address);
    settings.greeting = "Hi".into();
    settings.token_set = true;
    settings.instance = "pod-1".into();
    tokio::spawn(mcpt_demo::serve(listener, settings, std::future::pending()));
    url
}

/// A server whose answers the test writes; it keeps what it was asked.
async fn answering<F: Future<Output = Response> + Send + 'static>(
    answer: impl Fn(Method, Value) -> F + Clone + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let (listener, _, url) = listener().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let handler = move |State(asked): State<Arc<Mutex<Vec<String>>>>,
                        method: Method,
                        headers: HeaderMap,
                        body: Bytes| {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let what = body["method"].as_str().unwrap_or_default();
        let session = headers.get("mcp-session-id").map(|id| id.to_str().unwrap());
        asked.lock().unwrap().push(
            format!("{method} {what} {}", session.unwrap_or_default())
                .trim()
                .to_owned(),
        );
        answer(method, body)
    };
    let app = Router::new()
        .fallback(handler)
        .with_state(Arc::clone(&asked));
    tokio::spawn(axum::serve(listener, app).into_future());
    (url, asked)
}

/// A server of the session era that pages its tools and says more of them than rmcp knows.
async fn legacy(method: Method, message: Value) -> Response {
    let id = &message["id"];
    let result = |result: Value| {
        let body = json!({"jsonrpc": "2.0", "id": id, "result": result});
        ([("mcp-session-id", "s1")], Json(body)).into_response()
    };
    match (method, message["method"].as_str().unwrap_or_default()) {
        (Method::DELETE, _) => StatusCode::OK.into_response(),
        (Method::POST, "initialize") => result(json!({
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "old", "version": "0.9"},
        })),
        (Method::POST, "tools/list") => {
            let page = message["params"]["cursor"].as_str().unwrap_or("0");
            let tool = json!({"name": format!("t{page}"), "inputSchema": {"type": "object"}, "vendor": {"x": [1, 2]}});
            let mut page_result = json!({"tools": [tool]});
            if page == "0" {
                page_result["nextCursor"] = json!("1");
            }
            result(page_result)
        }
        (Method::POST, "tools/call") => result(json!({
            "content": [{"type": "hologram", "depth": 3}], "isError": true, "vendor": null,
        })),
        (Method::POST, method) if method.starts_with("notifications/") => {
            StatusCode::ACCEPTED.into_response()
        }
        (Method::POST, _) => {
            let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "no session"}});
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn arguments(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap()
}

fn no_arguments() -> Box<RawValue> {
    arguments(&json!({}))
}

#[tokio::test]
async fn the_demo_from_connect_to_close() {
    let url = demo().await;
    let client = Client::connect(&url, TIMEOUT).await.unwrap();
    let server = client.server();
    assert_eq!(server.protocol_version, "2026-07-28");
    assert_eq!(server.name.as_deref(), Some("mcpt-demo"));

    let tools = client.list_tools(TIMEOUT).await.unwrap();
    let mut names: Vec<&str> = tools.iter().map(|tool| tool.text("name")).collect();
    names.sort_unstable();
    assert_eq!(names, ["add", "counter", "echo", "fail", "slow", "whoami"]);

    for (tool, args, text, is_error) in [
        ("echo", json!({"message": "there"}), "Hi there", false),
        ("add", json!({"a": 2, "b": 0.5}), "2.5", false),
        ("add", json!({"a": 2, "b": 3}), "5", false),
        ("fail", json!({}), "this tool always fails", true),
        ("counter", json!({}), "1", false),
        ("counter", json!({}), "1", false),
    ] {
        let result = client
            .call_tool(tool, arguments(&args), |_| {}, TIMEOUT)
            .await
            .unwrap();
        assert_eq!(result.result.value()["content"][0]["text"], text);
        assert_eq!(result.is_error(), is_error);
    }
    let who = client
        .call_tool("whoami", no_arguments(), |_| {}, TIMEOUT)
        .await
        .unwrap();
    let expected = json!({"instance": "pod-1", "pid": std::process::id(), "token": "set"});
    assert_eq!(who.result.value()["structuredContent"], expected);
    client.close().await;
}

#[tokio::test]
async fn progress_comes_before_the_answer_and_in_order() {
    let client = Client::connect(&demo().await, TIMEOUT).await.unwrap();
    let seen: Arc<Mutex<Vec<CallProgress>>> = Arc::default();
    let keep = Arc::clone(&seen);
    let on_progress = move |progress| keep.lock().unwrap().push(progress);
    client
        .call_tool(
            "slow",
            arguments(&json!({"seconds": 0.1})),
            on_progress,
            TIMEOUT,
        )
        .await
        .unwrap();
    let seen = seen.lock().unwrap();
    let steps: Vec<f64> = seen.iter().map(|p| p.progress).collect();
    assert!(steps.is_sorted() && !steps.is_empty(), "{steps:?}");
    assert!(seen.iter().all(|p| p.total == Some(10.0)));
}

#[tokio::test]
async fn an_unknown_tool_and_a_slow_one() {
    let client = Client::connect(&demo().await, TIMEOUT).await.unwrap();
    let error = client
        .call_tool("nosuch", no_arguments(), |_| {}, TIMEOUT)
        .await
        .unwrap_err();
    assert!(
        matches!(error, ClientError::Server { code: -32602, .. }),
        "{error}"
    );
    // Each step comes later than the limit.
    let error = client
        .call_tool(
            "slow",
            arguments(&json!({"seconds": 3000})),
            |_| {},
            Duration::from_millis(200),
        )
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "no answer within 200 ms");
}

#[tokio::test]
async fn an_older_server_is_understood_and_loses_nothing() {
    let (url, asked) = answering(legacy).await;
    let client = Client::connect(&url, TIMEOUT).await.unwrap();
    assert_eq!(client.server().protocol_version, "2025-06-18");
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}, "vendor": {"x": [1, 2]}});
    let tools = client.list_tools(TIMEOUT).await.unwrap();
    let tools: Vec<&Value> = tools.iter().map(Exact::value).collect();
    assert_eq!(tools, [&tool("t0"), &tool("t1")]);
    let result = client
        .call_tool("t0", no_arguments(), |_| {}, TIMEOUT)
        .await
        .unwrap();
    assert!(result.is_error());
    let sent =
        json!({"content": [{"type": "hologram", "depth": 3}], "isError": true, "vendor": null});
    assert_eq!(*result.result.value(), sent);
    client.close().await;
    let asked = asked.lock().unwrap();
    assert_eq!(asked.last().unwrap(), "DELETE  s1");
}

#[tokio::test]
async fn a_server_that_is_silent_on_discover_is_older() {
    let (url, _) = answering(async |method, message: Value| {
        if message["method"] == "server/discover" {
            std::future::pending::<()>().await;
        }
        legacy(method, message).await
    })
    .await;
    let client = Client::connect(&url, Duration::from_secs(8)).await.unwrap();
    assert_eq!(client.server().protocol_version, "2025-06-18");
}

#[tokio::test]
async fn a_server_that_lists_older_versions_only_is_older() {
    for code in [-32022, 0] {
        let (url, _) = answering(move |method, message: Value| async move {
            if message["method"] != "server/discover" {
                return legacy(method, message).await;
            }
            let supported = json!(["2025-06-18"]);
            let id = &message["id"];
            if code == 0 {
                let result = json!({"supportedVersions": supported, "capabilities": {}, "resultType": "complete"});
                return Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response();
            }
            let error = json!({"code": code, "message": "no", "data": {"supported": supported}});
            let body = Json(json!({"jsonrpc": "2.0", "id": id, "error": error}));
            (StatusCode::BAD_REQUEST, body).into_response()
        })
        .await;
        let client = Client::connect(&url, TIMEOUT).await.unwrap();
        assert_eq!(client.server().protocol_version, "2025-06-18", "{code}");
        assert_eq!(
            probe(&url, TIMEOUT).await.unwrap().protocol_version,
            "2025-06-18"
        );
    }
}

#[tokio::test]
async fn a_probe_of_the_stateless_era_is_one_request() {
    let answer = probe(&demo().await, TIMEOUT).await.unwrap();
    assert_eq!(answer.protocol_version, "2026-07-28");
    assert_eq!(answer.server_name.as_deref(), Some("mcpt-demo"));
}

#[tokio::test]
async fn a_probe_leaves_no_session() {
    let (url, asked) = answering(legacy).await;
    let answer = probe(&url, TIMEOUT).await.unwrap();
    assert_eq!(answer.protocol_version, "2025-06-18");
    assert_eq!(answer.server_name.as_deref(), Some("old"));
    assert_eq!(
        *asked.lock().unwrap(),
        ["POST server/discover", "POST initialize", "DELETE  s1"]
    );
}

#[tokio::test]
async fn what_is_no_mcp_server_is_described() {
    for (status, content_type, body, expect) in [
        (
            404,
            "text/html; charset=utf-8",
            "<h1>Not\nFound</h1>",
            "HTTP 404 text/html: <h1>Not Found</h1>",
        ),
        (
            200,
            "application/json",
            r#"{"ok":true}"#,
            r#"JSON that is not JSON-RPC, HTTP 200 application/json: {"ok":true}"#,
        ),
        (
            200,
            "text/event-stream",
            "data: x\n\n",
            "HTTP 200 text/event-stream: a stream that ends without an answer",
        ),
        (
            503,
            "text/plain",
            "no backend",
            "HTTP 503 text/plain: no backend",
        ),
        (
            401,
            "text/plain",
            "",
            "HTTP 401 text/plain with an empty body",
        ),
    ] {
        let (url, _) = answering(move |_, _| async move {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(CONTENT_TYPE, content_type)], body).into_response()
        })
        .await;
        let expect = format!("{url} is not an MCP server: it answered {expect}");
        assert_eq!(probe(&url, TIMEOUT).await.unwrap_err().to_string(), expect);
        let error = Client::connect(&url, TIMEOUT).await.unwrap_err();
        assert_eq!(error.to_string(), expect);
    }
}

/// A stream of comments, which a client has to read on and on.
fn endless() -> Response {
    let comment = Bytes::from(format!(":{}\n", "x".repeat(64 * 1024)));
    let comments = futures_util::stream::repeat(comment).map(Ok::<_, Infallible>);
    let content_type = [(CONTENT_TYPE, "text/event-stream")];
    (content_type, Body::from_stream(comments)).into_response()
}

#[tokio::test]
async fn streams_without_end_are_not_read_for_ever() {
    let (url, _) = answering(async |_, _| endless()).await;
    let error = probe(&url, TIMEOUT).await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");

    let (url, _) = answering(async |method, message: Value| match &message["method"] {
        call if call == "tools/call" => endless(),
        _ => legacy(method, message).await,
    })
    .await;
    let client = Client::connect(&url, TIMEOUT).await.unwrap();
    let error = client
        .call_tool("t0", no_arguments(), |_| {}, TIMEOUT)
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Protocol(_)), "{error}");
}

#[tokio::test]
async fn a_refusal_to_initialize_is_the_servers_own() {
    let (url, _) = answering(|_, message: Value| async move {
        let error = json!({"code": -32602, "message": "not you", "data": 1});
        Json(json!({"jsonrpc": "2.0", "id": message["id"], "error": error})).into_response()
    })
    .await;
    for error in [
        probe(&url, TIMEOUT).await.unwrap_err(),
        Client::connect(&url, TIMEOUT).await.unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "the server answered with error -32602: not you"
        );
    }
}

#[tokio::test]
async fn where_nothing_listens() {
    // Bound, so that nobody else gets the port, and not listened on.
    let refusing = TcpSocket::new_v4().unwrap();
    refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/mcp", refusing.local_addr().unwrap());
    let expect = format!("cannot connect to {url}: connection refused");
    assert_eq!(probe(&url, TIMEOUT).await.unwrap_err().to_string(), expect);
    let error = Client::connect(&url, TIMEOUT).await.unwrap_err();
    assert_eq!(error.to_string(), expect);
}

#[tokio::test]
async fn what_does_not_answer_or_speak_http() {
    let (silent, _, url) = listener().await;
    let limit = Duration::from_millis(100);
    let error = probe(&url, limit).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 100 ms");
    let error = Client::connect(&url, limit).await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 100 ms");
    drop(silent);

    let (other, _, url) = listener().await;
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = other.accept().await {
            drop(stream.write_all(b"220 smtp ready\r\n").await);
        }
    });
    let error = probe(&url, TIMEOUT).await.unwrap_err().to_string();
    assert!(
        error.ends_with("it answered something that is not HTTP"),
        "{error}"
    );
}

#[tokio::test]
async fn bad_urls() {
    for url in ["", "demo", "ftp://localhost/", "http://", "http://[::1/mcp"] {
        let error = probe(url, TIMEOUT).await.unwrap_err();
        assert!(
            matches!(error, ClientError::BadUrl { .. }),
            "{url}: {error}"
        );
        let error = Client::connect(url, TIMEOUT).await.unwrap_err();
        assert!(
            matches!(error, ClientError::BadUrl { .. }),
            "{url}: {error}"
        );
    }
}
