//! Clients of the older HTTP transport (HTTP+SSE, 2024-11-05): they find at `/sse` what others find at `/mcp`.

use std::collections::VecDeque;

use mcpt_routing::Conditions;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    aggregate::ready,
    harness::{
        PATIENCE, Tellable, call, demo, gateway, gateway_beside, gateway_like, gateway_until,
    },
    limits::{configured, users},
    scripted::{ReceivedRequest, Said, Scripted, event, scripted},
    wire::{Answer, Wire},
};

/// One that has opened its stream.
struct OldClient {
    stream: Wire,
    /// Where messages go.
    endpoint: String,
    /// What has come on the stream and was not looked at.
    heard: VecDeque<Value>,
    headers: Vec<(&'static str, String)>,
}

impl OldClient {
    async fn open(gateway: &Tellable, path: &str) -> Self {
        Self::open_as(gateway, path, &[]).await
    }

    async fn open_as(gateway: &Tellable, path: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut stream = Wire::open(gateway.address).await.unwrap();
        stream.send("GET", path, headers, "").await.unwrap();
        let head = timeout(PATIENCE, stream.until("\r\n\r\n")).await.unwrap();
        let head = head.unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let mut client = Self {
            stream,
            endpoint: String::new(),
            heard: VecDeque::new(),
            headers: headers.collect(),
        };
        let (name, endpoint) = client.event().await;
        assert_eq!(name, "endpoint");
        client.endpoint = endpoint;
        client
    }

    /// Name and data of the next event.
    async fn event(&mut self) -> (String, String) {
        loop {
            let text = timeout(PATIENCE, self.stream.until("\n\n")).await.unwrap();
            let text = text.unwrap();
            let field = |name: &str| {
                let mut lines = text.lines();
                lines.find_map(|line| Some(line.strip_prefix(name)?.to_owned()))
            };
            if let Some(data) = field("data: ") {
                return (field("event: ").unwrap(), data);
            }
        }
    }

    async fn message(&mut self) -> Value {
        if let Some(heard) = self.heard.pop_front() {
            return heard;
        }
        let (name, data) = self.event().await;
        assert_eq!(name, "message");
        serde_json::from_str(&data).unwrap()
    }

    async fn post(&self, gateway: &Tellable, message: &Value) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let body = message.to_string();
        let posted = gateway.exchange("POST", &self.endpoint, &headers, &body);
        timeout(PATIENCE, posted).await.unwrap()
    }

    /// The response to a request; what comes before it is heard later.
    async fn ask(&mut self, gateway: &Tellable, message: &Value) -> Value {
        let posted = self.post(gateway, message).await;
        assert_eq!(posted.status, 202, "{posted:?}");
        let mut before = VecDeque::new();
        loop {
            let heard = self.message().await;
            if heard["id"] == message["id"] && heard["method"].is_null() {
                self.heard = before;
                return heard;
            }
            before.push_back(heard);
        }
    }

    async fn begin(&mut self, gateway: &Tellable) -> Value {
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
            {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let begun = self.ask(gateway, &hello).await;
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(gateway, &ready).await.status, 202);
        begun
    }

    async fn count(&mut self, gateway: &Tellable, tool: &str) -> Value {
        let counted = self.ask(gateway, &call(tool)).await;
        let text = counted["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("{counted}")).into()
    }

    /// Waits for the end of the stream.
    async fn ends(mut self) {
        let ended = timeout(PATIENCE, self.stream.until("\r\n0\r\n\r\n")).await;
        ended.unwrap().unwrap();
    }
}

async fn with(gateway: &Tellable, server: std::net::SocketAddr) {
    gateway.endpoints(&[("a", server, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
}

async fn is_asked(server: &mut Scripted, so: impl Fn(&ReceivedRequest) -> bool) -> ReceivedRequest {
    let found = async {
        loop {
            let asked = server.asked.recv().await.unwrap();
            if so(&asked) {
                return asked;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_find_each_server_and_all_as_one() {
    let gateway = gateway();
    with(&gateway, demo("a").await).await;
    for (path, prefix) in [("/sse/demo", ""), ("/sse/ns/demo", ""), ("/sse", "demo_")] {
        let mut client = OldClient::open(&gateway, path).await;
        let begun = client.begin(&gateway).await;
        assert_eq!(begun["result"]["protocolVersion"], "2024-11-05", "{begun}");
        let list = json!({"jsonrpc": "2.0", "id": "l", "method": "tools/list"});
        let echo = format!("{prefix}echo");
        // What all have is known once they were asked.
        let listed = async {
            loop {
                let tools = client.ask(&gateway, &list).await;
                let tools = tools["result"]["tools"].as_array().unwrap();
                if tools.iter().any(|tool| tool["name"] == *echo) {
                    return;
                }
            }
        };
        timeout(PATIENCE, listed).await.unwrap();
        // One session.
        for count in ["1", "2"] {
            let tool = format!("{prefix}counter");
            assert_eq!(client.count(&gateway, &tool).await, count, "{path}");
        }
        let failed = client.ask(&gateway, &call(&format!("{prefix}fail"))).await;
        assert_eq!(failed["result"]["isError"], true, "{failed}");
        let slow = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
            "name": format!("{prefix}slow"), "arguments": {"seconds": 0.2},
            "_meta": {"progressToken": "p"}}});
        let done = client.ask(&gateway, &slow).await;
        assert!(done["result"]["content"].is_array(), "{done}");
        let progress = loop {
            let heard = client.message().await;
            if heard["method"] == "notifications/progress" {
                break heard;
            }
        };
        assert_eq!(progress["params"]["progressToken"], "p", "{progress}");
    }
    for path in ["/sse/nobody", "/sse/a/b/c"] {
        assert_eq!(gateway.exchange("GET", path, &[], "").await.status, 404);
    }
    let answer = gateway.exchange("DELETE", "/sse/demo", &[], "").await;
    assert_eq!(answer.header("allow"), Some("GET, POST"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_servers_ask_and_tell_them_and_hear_of_their_end() {
    let gateway = gateway();
    let question = json!({"jsonrpc": "2.0", "id": 5, "method": "elicitation/create", "params": {"message": "Who?"}});
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    let first = event(&changed);
    let mut server = scripted(json!({"tools": {}}), move |asked| match asked.rpc() {
        "tools/call" => Some(Said::Open(vec![event(&question)])),
        "prompts/list" => Some(Said::Status(500)),
        "prompts/get" => Some(Said::Events(vec![": nothing\n\n".to_owned()])),
        _ if asked.method == "GET" => Some(Said::Open(vec![first.clone()])),
        _ => None,
    })
    .await;
    with(&gateway, server.address).await;
    let mut client = OldClient::open(&gateway, "/sse/demo?key=x").await;
    client.begin(&gateway).await;
    // It is told what has to do with no request of the client once that has begun.
    let listening = is_asked(&mut server, |asked| asked.method == "GET").await;
    assert_eq!(listening.header("mcp-session-id"), Some("own"));
    assert_eq!(listening.header("mcp-protocol-version"), Some("2024-11-05"));
    assert_eq!(client.message().await, changed);

    assert_eq!(client.post(&gateway, &call("tool")).await.status, 202);
    let called = is_asked(&mut server, |asked| asked.rpc() == "tools/call").await;
    assert_eq!(called.target, "/mcp?key=x");
    let asked = client.message().await;
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    let answer = json!({"jsonrpc": "2.0", "id": 5, "result": {"action": "accept", "content": {"name": "Ada"}}});
    assert_eq!(client.post(&gateway, &answer).await.status, 202);
    let told = is_asked(&mut server, |asked| asked.message["result"].is_object()).await;
    assert_eq!(told.message, answer);
    let done = json!({"jsonrpc": "2.0", "id": "c", "result": {"content": []}});
    server.say.send(event(&done)).unwrap();
    // Both of its streams say so here.
    assert_eq!(client.message().await, done);
    assert_eq!(client.message().await, done);

    // What fails is answered all the same.
    for method in ["prompts/list", "prompts/get"] {
        let request =
            json!({"jsonrpc": "2.0", "id": method, "method": method, "params": {"name": "x"}});
        let failed = client.ask(&gateway, &request).await;
        assert_eq!(failed["error"]["code"], -32603, "{failed}");
    }
    let posted = gateway
        .exchange("POST", &client.endpoint, &[], "no JSON")
        .await;
    assert_eq!(posted.status, 400, "{posted:?}");
    let endpoint = client.endpoint.clone();
    drop(client);
    let ended = is_asked(&mut server, |asked| asked.method == "DELETE").await;
    assert_eq!(ended.header("mcp-session-id"), Some("own"));
    let gone = async {
        while gateway
            .exchange("POST", &endpoint, &[], &changed.to_string())
            .await
            .status
            != 404
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_streams_end_with_what_they_have_begun() {
    let gateway = gateway();
    let server = scripted(json!({"tools": {}}), |asked| match asked.rpc() {
        "tools/call" => Some(Said::Status(404)),
        _ => None,
    })
    .await;
    with(&gateway, server.address).await;
    let mut client = OldClient::open(&gateway, "/sse/demo").await;
    client.begin(&gateway).await;
    let failed = client.ask(&gateway, &call("tool")).await;
    assert!(failed["error"]["message"].is_string(), "{failed}");
    client.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_ends_lets_what_is_in_progress_be_answered() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (gateway, serving) = gateway_until(Box::pin(async { ended.await.unwrap() }));
    let serving = tokio::spawn(serving);
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": 1, "progress": 1}});
    let first = event(&progress);
    let mut server = scripted(json!({"tools": {}}), move |asked| match asked.rpc() {
        "tools/call" => Some(Said::Open(vec![first.clone()])),
        _ => None,
    })
    .await;
    with(&gateway, server.address).await;
    let mut client = OldClient::open(&gateway, "/sse/demo").await;
    client.begin(&gateway).await;
    assert_eq!(client.post(&gateway, &call("tool")).await.status, 202);
    assert_eq!(client.message().await, progress);
    end.send(()).unwrap();
    let done = json!({"jsonrpc": "2.0", "id": "c", "result": {"content": []}});
    server.say.send(event(&done)).unwrap();
    assert_eq!(client.message().await, done);
    client.ends().await;
    is_asked(&mut server, |asked| asked.method == "DELETE").await;
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}

/// A server whose tools ask the client who it is.
async fn asks() -> Scripted {
    let question = json!({"jsonrpc": "2.0", "id": 5, "method": "elicitation/create", "params": {"message": "Who?"}});
    let question = event(&question);
    scripted(json!({"tools": {}}), move |asked| match asked.rpc() {
        "tools/call" => Some(Said::Open(vec![question.clone()])),
        _ => None,
    })
    .await
}

fn answers() -> Value {
    json!({"jsonrpc": "2.0", "id": 5, "result": {"action": "accept", "content": {"name": "Ada"}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_answers_wait_for_none_of_their_calls() {
    let gateway = gateway();
    let mut server = asks().await;
    with(&gateway, server.address).await;
    let mut client = OldClient::open(&gateway, "/sse/demo").await;
    client.begin(&gateway).await;
    // As many as may be in progress; each of them waits for an answer.
    for id in 0..64 {
        let mut call = call("tool");
        call["id"] = id.into();
        assert_eq!(client.post(&gateway, &call).await.status, 202);
        let asked = client.message().await;
        assert_eq!(asked["method"], "elicitation/create", "{asked}");
    }
    assert_eq!(client.post(&gateway, &answers()).await.status, 202);
    is_asked(&mut server, |asked| asked.message["result"].is_object()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_ends_takes_answers_that_calls_wait_for() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (first, serving) = gateway_until(Box::pin(async { ended.await.unwrap() }));
    let serving = tokio::spawn(serving);
    let second = gateway_beside(&first);
    let mut server = asks().await;
    for gateway in [&first, &second] {
        with(gateway, server.address).await;
    }
    ready(&second).await;
    let mut client = OldClient::open(&first, "/sse/demo").await;
    client.begin(&first).await;
    assert_eq!(client.post(&first, &call("tool")).await.status, 202);
    let asked = client.message().await;
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    end.send(()).unwrap();
    let ends = async {
        while Wire::open(first.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ends).await.unwrap();
    assert_eq!(client.post(&second, &answers()).await.status, 202);
    is_asked(&mut server, |asked| asked.message["result"].is_object()).await;
    let done = json!({"jsonrpc": "2.0", "id": "c", "result": {"content": []}});
    server.say.send(event(&done)).unwrap();
    assert_eq!(client.message().await, done);
    client.ends().await;
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_messages_may_come_to_any_replica() {
    let first = gateway();
    let second = gateway_beside(&first);
    let third = gateway_beside(&first);
    let server = demo("a").await;
    for gateway in [&first, &second, &third] {
        with(gateway, server).await;
    }
    for gateway in [&second, &third] {
        ready(gateway).await;
    }
    for (at, by) in [(&first, &second), (&second, &first), (&first, &third)] {
        let mut client = OldClient::open(at, "/sse/demo").await;
        client.begin(by).await;
        for (count, by) in (1..).zip([by, at, by]) {
            assert_eq!(client.count(by, "counter").await, count.to_string());
        }
        let endpoint = client.endpoint.clone();
        drop(client);
        let gone = async {
            while by
                .exchange("POST", &endpoint, &[], &call("echo").to_string())
                .await
                .status
                != 404
            {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, gone).await.unwrap();
    }
    for forged in ["", "?sessionId=", "?sessionId=x", "?session=y"] {
        let path = format!("/sse/demo{forged}");
        let posted = first
            .exchange("POST", &path, &[], &call("echo").to_string())
            .await;
        assert_eq!(posted.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_holds_for_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(["alice", "bob"]);
    let limits = "limits: [{who: ['*'], servers: [demo], tools: ['count*'], rate: 1/day}]";
    let configure = configured(folder.path(), &users, limits);
    let gateway = gateway_like(configure);
    with(&gateway, demo("a").await).await;
    let [alice, bob] = &users;
    let refused = gateway.exchange("GET", "/sse/demo", &[], "").await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").is_some());
    let by_alice = [("Authorization", &*alice.bearer)];
    let mut client = OldClient::open_as(&gateway, "/sse/demo", &by_alice).await;
    client.begin(&gateway).await;
    let body = call("echo").to_string();
    for (headers, status) in [
        (&[][..], 401),
        (&[("Authorization", &*bob.bearer)], 404),
        (&[("Authorization", "Bearer x")], 401),
    ] {
        let posted = gateway
            .exchange("POST", &client.endpoint, headers, &body)
            .await;
        assert_eq!(posted.status, status, "{headers:?}");
    }
    // A session is at the server that it began with.
    let elsewhere = client.endpoint.replace("/sse/demo", "/sse/ns/demo");
    let posted = gateway.exchange("POST", &elsewhere, &by_alice, &body).await;
    assert_eq!(posted.status, 404);
    assert_eq!(client.count(&gateway, "counter").await, "1");
    // It is counted as any other call.
    let limited = client.ask(&gateway, &call("counter")).await;
    let why = limited["error"]["message"].as_str().unwrap();
    assert!(why.contains("more often"), "{limited}");
}

/// Waits until the gateway holds so much of answers.
async fn holds(gateway: &Tellable, so: impl Fn(usize) -> bool) {
    let held = async {
        loop {
            let metrics = gateway.metrics().await;
            let held = metrics.lines().find_map(|line| {
                let value = line.strip_prefix("mcpt_gateway_held_answer_bytes ")?;
                value.parse().ok()
            });
            if so(held.unwrap()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, held).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_they_do_not_read_are_counted_and_given_back() {
    const LONG: usize = 6 * 1024 * 1024;
    let gateway = gateway();
    let text = "x".repeat(LONG);
    let server = scripted(json!({"tools": {}}), move |asked| match asked.rpc() {
        "tools/call" => Some(asked.result(&json!({"content": [{"type": "text", "text": text}]}))),
        _ => None,
    })
    .await;
    with(&gateway, server.address).await;
    let mut clients = Vec::new();
    for path in ["/sse/demo", "/sse", "/sse/demo"] {
        let mut client = OldClient::open(&gateway, path).await;
        client.begin(&gateway).await;
        let name = if path == "/sse" { "demo_tool" } else { "tool" };
        for _ in 0..2 {
            let posted = client.post(&gateway, &call(name)).await;
            assert_eq!(posted.status, 202, "{posted:?}");
        }
        clients.push(client);
    }
    // More than what connections hold of it.
    holds(&gateway, |held| held > 4 * LONG).await;
    // One that is read is whole.
    let mut reader = clients.pop().unwrap();
    let answer = reader.message().await;
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text.len(), LONG);
    drop((clients, reader));
    holds(&gateway, |held| held == 0).await;
}
