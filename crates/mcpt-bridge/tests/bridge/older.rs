//! Clients of the older HTTP transport, whose sessions are a stream and messages posted beside it.

use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode, body::Incoming};
use serde_json::{Value, json};
use sse_stream::SseStream;

use crate::harness::{Bridge, RawClient, SOON, call_body, text_of, until};

/// A session of such a client.
struct Older {
    client: RawClient,
    stream: SseStream<Incoming>,
    endpoint: String,
}

impl Older {
    async fn begin(bridge: &Bridge) -> Self {
        let client = bridge.client();
        let accept = [("accept", "text/event-stream")];
        let response = client.send(Method::GET, "/sse", &accept, "").await;
        assert_eq!(response.status(), 200);
        let mut stream = SseStream::new(response.into_body());
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!(first.event.as_deref(), Some("endpoint"));
        let endpoint = first.data.unwrap();
        let mut older = Self {
            client,
            stream,
            endpoint,
        };
        let params = json!({"protocolVersion": "2024-11-05", "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"}});
        let initialize =
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        older.post(&initialize.to_string()).await;
        assert_eq!(
            older.next().await["result"]["protocolVersion"],
            "2024-11-05"
        );
        older
            .post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
        older
    }

    async fn status_of(&self, body: &str) -> StatusCode {
        // What such clients say they take.
        let accept = [("accept", "*/*")];
        let path = &self.endpoint;
        let reply = self.client.exchange(Method::POST, path, &accept, body);
        reply.await.status
    }

    async fn post(&self, body: &str) {
        assert_eq!(self.status_of(body).await, StatusCode::ACCEPTED, "{body}");
    }

    /// The next message.
    async fn next(&mut self) -> Value {
        let next = async {
            loop {
                let event = self.stream.next().await.unwrap().unwrap();
                if let Some(data) = event.data {
                    return serde_json::from_str(&data).unwrap();
                }
            }
        };
        tokio::time::timeout(SOON, next).await.unwrap()
    }

    async fn text(&mut self, tool: &str) -> String {
        self.post(&call_body("7", tool, &json!({}))).await;
        text_of(&self.next().await).to_owned()
    }
}

#[tokio::test]
async fn trap_18_a_session_is_its_stream() {
    let bridge = Bridge::ready().await;
    let (mut one, mut other) = (Older::begin(&bridge).await, Older::begin(&bridge).await);
    assert!(one.endpoint.starts_with("/sse?sessionId="));
    assert_ne!(one.endpoint, other.endpoint);
    assert_eq!(one.text("count").await, "1");
    assert_eq!(one.text("count").await, "2");
    assert_eq!(other.text("count").await, "1");
    let pid = one.text("pid").await;
    let Older {
        client,
        stream,
        endpoint,
    } = one;
    drop(stream);
    until("its child has left", async || {
        !std::path::Path::new(&format!("/proc/{pid}")).exists()
    })
    .await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for path in [&*endpoint, "/sse", "/sse?sessionId=", "/sse?sessionId=0"] {
        let reply = client.exchange(Method::POST, path, &[], ping).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(other.text("count").await, "2");
}

#[tokio::test]
async fn what_a_server_says_comes_on_the_stream() {
    let bridge = Bridge::ready().await;
    let mut older = Older::begin(&bridge).await;
    // Progress, and a question with its answer.
    older
        .post(&call_body("\"s\"", "slow", &json!({"milliseconds": 1})))
        .await;
    assert_eq!(older.next().await["params"]["progressToken"], "s");
    assert_eq!(older.next().await["id"], "s");
    older.post(&call_body("2", "ask", &json!({}))).await;
    let asked = older.next().await;
    assert_eq!(asked["method"], "sampling/createMessage");
    let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"role": "assistant"}});
    older.post(&answer.to_string()).await;
    assert_eq!(text_of(&older.next().await), r#"{"role":"assistant"}"#);
    // What belongs to no request, and what is no message.
    older.post(&call_body("3", "announce", &json!({}))).await;
    assert_eq!(text_of(&older.next().await), "answered first");
    let changed = older.next().await;
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(older.status_of("no JSON").await, StatusCode::BAD_REQUEST);
    // Its end answers who waits.
    older.post(&call_body("4", "crash", &json!({}))).await;
    let last = older.next().await;
    assert_eq!(last["id"], 4);
    assert!(
        last["error"]["message"]
            .as_str()
            .unwrap()
            .contains("exit code 7")
    );
    assert!(older.stream.next().await.is_none());
}

#[tokio::test]
async fn a_call_on_the_stream_is_awaited_by_the_end_of_the_bridge() {
    let mut bridge = Bridge::ready().await;
    let mut older = Older::begin(&bridge).await;
    older
        .post(&call_body("5", "slow", &json!({"milliseconds": 500})))
        .await;
    assert_eq!(older.next().await["method"], "notifications/progress");
    bridge.ask_to_stop();
    assert_eq!(text_of(&older.next().await), "slept");
    let rest = older.stream.next().await;
    assert!(rest.is_none(), "{rest:?}");
    bridge.stopped().await;
}

#[tokio::test]
async fn streamable_clients_see_that_this_is_none() {
    let bridge = Bridge::ready().await;
    let client = bridge.client();
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let response = client.send(Method::POST, "/sse", &[], initialize).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"{"));
}
