//! Servers of the older HTTP transport (HTTP+SSE, 2024-11-05): clients find servers like any other.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use mcpt_routing::Conditions;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    aggregate::ready,
    harness::{PATIENCE, Tellable, call, gateway, gateway_beside},
    scripted::{ReceivedRequest, Said, read, scripted},
    wire::Wire,
};

/// One session: what it says goes to its stream, and its count of calls.
struct Session {
    stream: UnboundedSender<String>,
    count: u64,
    /// The call that waits for the client's answer.
    asking: Value,
}

#[derive(Default)]
struct Sessions {
    begun: u64,
    alive: HashMap<String, Session>,
}

/// Such a server.
pub(crate) struct Older {
    pub(crate) address: SocketAddr,
    sessions: Arc<Mutex<Sessions>>,
    pub(crate) asked: UnboundedReceiver<ReceivedRequest>,
    /// Sessions whose clients have gone away.
    left: UnboundedReceiver<String>,
    serving: JoinHandle<()>,
}

impl Older {
    /// One that says of where messages go what `endpoint` says of a session.
    pub(crate) async fn start(endpoint: fn(&str) -> String) -> Self {
        Self::start_at("/mcp", endpoint).await
    }

    /// The same at another path than it is reached at, from which it redirects.
    async fn start_at(path: &'static str, endpoint: fn(&str) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sessions = Arc::<Mutex<Sessions>>::default();
        let (note, asked) = unbounded_channel();
        let (leaves, left) = unbounded_channel();
        let shared = Arc::clone(&sessions);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sessions, note, leaves) = (Arc::clone(&shared), note.clone(), leaves.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let Some(asked) = read(&mut stream).await else {
                        return;
                    };
                    // The test may have no interest in it any more.
                    drop(note.send(asked.clone()));
                    let mut stream = stream.into_inner();
                    if asked.target == "/mcp" && path != "/mcp" {
                        let moved = format!(
                            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {path}\r\n\
                             Content-Length: 0\r\nConnection: close\r\n\r\n"
                        );
                        // The client may be gone.
                        drop(stream.write_all(moved.as_bytes()).await);
                    } else if asked.method == "GET" && asked.header("x-user") == Some("nobody") {
                        let refused = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer a\r\n\
                             Content-Length: 0\r\nConnection: close\r\n\r\n";
                        // The client may be gone.
                        drop(stream.write_all(refused.as_bytes()).await);
                    } else if asked.method == "GET" {
                        let session = listened(stream, &sessions, endpoint).await;
                        drop(leaves.send(session));
                    } else {
                        let beside = path.strip_suffix("mcp").unwrap_or(path);
                        posted(stream, &asked, &sessions, beside).await;
                    }
                });
            }
        });
        Self {
            address,
            sessions,
            asked,
            left,
            serving,
        }
    }

    /// Ends it: from now on nobody answers there.
    async fn end(self) {
        self.serving.abort();
        drop(self.serving.await);
        self.sessions.lock().unwrap().alive.clear();
    }

    /// Ends all its sessions, as a server that is started anew does.
    fn forget(&self) {
        self.sessions.lock().unwrap().alive.clear();
    }
}

/// Serves a stream until its client goes away or the session is over.
async fn listened(
    mut stream: TcpStream,
    sessions: &Mutex<Sessions>,
    endpoint: fn(&str) -> String,
) -> String {
    let (sender, mut events) = unbounded_channel();
    let id = {
        let mut sessions = sessions.lock().unwrap();
        sessions.begun += 1;
        let id = sessions.begun.to_string();
        let session = Session {
            stream: sender,
            count: 0,
            asking: Value::Null,
        };
        sessions.alive.insert(id.clone(), session);
        id
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let first = format!("{head}event: endpoint\r\ndata: {}\r\n\r\n", endpoint(&id));
    let mut sent = stream.write_all(first.as_bytes()).await;
    let mut nothing = [0];
    while sent.is_ok() {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => sent = stream.write_all(event.as_bytes()).await,
                None => break,
            },
            _ = stream.read(&mut nothing) => break,
        }
    }
    sessions.lock().unwrap().alive.remove(&id);
    id
}

/// Takes a message; its answer goes to the stream.
async fn posted(
    mut stream: TcpStream,
    asked: &ReceivedRequest,
    sessions: &Mutex<Sessions>,
    beside: &str,
) {
    let status = {
        let mut sessions = sessions.lock().unwrap();
        let id = asked.target.strip_prefix(beside);
        let id = id.and_then(|rest| rest.strip_prefix("at/messages?sessionId="));
        match id.map(|id| sessions.alive.get_mut(id)) {
            None => "405 Method Not Allowed",
            Some(None) => "404 Not Found",
            Some(Some(session)) => session.take(&asked.message),
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // The client may be gone.
    drop(stream.write_all(answer.as_bytes()).await);
}

impl Session {
    fn take(&mut self, message: &Value) -> &'static str {
        let (id, params) = (&message["id"], &message["params"]);
        let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
        match (message["method"].as_str(), params["name"].as_str()) {
            (Some("initialize"), _) => self.answer(
                id,
                &json!({"protocolVersion": "2024-11-05", "capabilities": {"tools": {}},
                    "serverInfo": {"name": "older", "version": "1"}}),
            ),
            (Some("tools/call"), Some("count")) => {
                self.count += 1;
                self.answer(id, &text(&self.count.to_string()));
            }
            (Some("tools/call"), Some("ask")) => {
                self.asking = id.clone();
                self.say(&json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"}));
            }
            (Some("tools/call"), Some("broken")) => return "500 Internal Server Error",
            (None, _) if id == "q" => {
                let asking = self.asking.take();
                self.answer(&asking, &text(&message["result"].to_string()));
            }
            _ => {}
        }
        "202 Accepted"
    }

    fn answer(&self, id: &Value, result: &Value) {
        self.say(&json!({"jsonrpc": "2.0", "id": id, "result": result}));
    }

    /// Over several lines, as an event may be.
    fn say(&self, message: &Value) {
        let text = serde_json::to_string_pretty(message).unwrap();
        let data = text.replace('\n', "\r\ndata: ");
        // The client may be gone.
        drop(
            self.stream
                .send(format!("event: message\r\ndata: {data}\r\n\r\n")),
        );
    }
}

/// Relative to the stream's own URL, as the reference servers say it relative to their root.
pub(crate) fn beside(session: &str) -> String {
    format!("at/messages?sessionId={session}")
}

async fn before(endpoint: fn(&str) -> String) -> (Tellable, Older) {
    let (gateway, server) = (gateway(), Older::start(endpoint).await);
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    (gateway, server)
}

pub(crate) fn text(answer: &str) -> String {
    // JSON, or the last event of a stream.
    let json = answer.trim_end().rsplit("data: ").next().unwrap();
    let message: Value = serde_json::from_str(json).unwrap_or_else(|_| panic!("{answer}"));
    let text = message["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_18_a_server_of_the_older_transport_is_one_like_any_other() {
    let (gateway, mut server) = before(beside).await;
    let (one, other) = (gateway.open().await, gateway.open().await);
    for count in ["1", "2"] {
        assert_eq!(text(&gateway.call(&one, "count").await.text), count);
    }
    assert_eq!(text(&gateway.call(&other, "count").await.text), "1");
    // Of either era; what tells who asks goes along with all that is said.
    let answer = gateway.modern_call("count").await;
    assert_eq!(
        (answer.status, &*text(&answer.text)),
        (200, "1"),
        "{answer:?}"
    );
    let (headers, body) = crate::harness::modern("tools/call", &json!({"name": "count"}));
    let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    headers.push(("X-User", "ann"));
    let answer = gateway.exchange("POST", "/mcp/demo", &headers, &body).await;
    assert_eq!(text(&answer.text), "1");
    let mut of_ann = (false, false);
    while let Ok(asked) = server.asked.try_recv() {
        assert!(asked.header("mcp-session-id").is_none(), "{asked:?}");
        if asked.header("x-user") == Some("ann") && asked.method == "GET" {
            of_ann.0 = true;
        } else if asked.rpc() == "tools/call" && asked.header("x-user") == Some("ann") {
            of_ann.1 = true;
        }
    }
    assert_eq!(of_ann, (true, true));
    // Each message by itself: a session is not its first request.
    let call = call("count").to_string();
    for user in [Some("bob"), None] {
        let headers = [("Mcp-Session-Id", &*one), ("X-User", user.unwrap_or("-"))];
        let headers = &headers[..=user.iter().count()];
        gateway.exchange("POST", "/mcp/demo", headers, &call).await;
        let asked = loop {
            let asked = server.asked.recv().await.unwrap();
            if asked.rpc() == "tools/call" {
                break asked;
            }
        };
        assert_eq!((asked.rpc(), asked.header("x-user")), ("tools/call", user));
    }
    // A session ends with its DELETE, and then its stream.
    let headers = [("Mcp-Session-Id", &*other)];
    let ended = gateway.exchange("DELETE", "/mcp/demo", &headers, "").await;
    assert_eq!(ended.status, 204);
    let left = async { while server.left.recv().await.is_some_and(|id| id != "3") {} };
    assert!(timeout(PATIENCE, left).await.is_ok());
    assert_eq!(gateway.call(&other, "count").await.status, 404);
    assert_eq!(text(&gateway.call(&one, "count").await.text), "5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_server_has_given_up_is_a_404() {
    let (gateway, server) = before(beside).await;
    let session = gateway.open().await;
    assert_eq!(text(&gateway.call(&session, "count").await.text), "1");
    server.forget();
    let gone = async {
        // Its stream has ended; that is heard a moment later.
        while gateway.call(&session, "count").await.status != 404 {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, gone).await.is_ok());
    let session = gateway.open().await;
    assert_eq!(text(&gateway.call(&session, "count").await.text), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_begin_elsewhere_when_such_a_server_is_gone() {
    let (gateway, gone) = before(beside).await;
    let other = Older::start(beside).await;
    drop(gateway.open().await);
    let endpoints = [
        ("a", gone.address, Conditions::READY),
        ("b", other.address, Conditions::READY),
    ];
    gone.end().await;
    gateway.endpoints(&endpoints);
    gateway.shows("condition=\"ready\"} 2").await;
    // Each begins where fewer are, so that the one that is gone has its turn.
    for _ in 0..4 {
        let session = gateway.open().await;
        assert_eq!(text(&gateway.call(&session, "count").await.text), "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_such_a_server_asks_reaches_the_client() {
    let (gateway, _server) = before(beside).await;
    let session = gateway.open().await;
    let headers = [("Mcp-Session-Id", &*session)];
    let mut wire = Wire::open(gateway.address).await.unwrap();
    wire.send("POST", "/mcp/demo", &headers, &call("ask").to_string())
        .await
        .unwrap();
    let begun = wire.until("roots/list").await.unwrap();
    assert!(begun.contains("text/event-stream"), "{begun}");
    let answer = json!({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}});
    assert_eq!(gateway.post(&headers, &answer).await.status, 202);
    let rest = wire.until("content").await.unwrap();
    assert!(rest.contains("\"c\""), "its own id: {rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_such_a_server_wants_is_asked_for() {
    let (gateway, _server) = before(beside).await;
    drop(gateway.open().await);
    let mut wire = Wire::open(gateway.address).await.unwrap();
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    wire.send(
        "POST",
        "/mcp/demo",
        &[("X-User", "nobody")],
        &message.to_string(),
    )
    .await
    .unwrap();
    let answer = wire.until("should be").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let answer = answer.to_ascii_lowercase();
    assert!(answer.contains("www-authenticate: bearer a"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_does_not_arrive_is_answered() {
    let (gateway, _server) = before(beside).await;
    let session = gateway.open().await;
    let answer = gateway.call(&session, "broken").await;
    let message: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(message["id"], "c");
    let why = message["error"]["message"].as_str().unwrap();
    assert!(why.contains("answers 500"), "{why}");
    assert_eq!(text(&gateway.call(&session, "count").await.text), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_beside_the_stream_where_that_is_redirected_to() {
    let (gateway, server) = (gateway(), Older::start_at("/mcp/", beside).await);
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.open().await;
    assert_eq!(text(&gateway.call(&session, "count").await.text), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_to_no_other_address() {
    let (gateway, _server) =
        before(|_| "http://192.0.2.1/at/messages?sessionId=1".to_owned()).await;
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let answer = gateway.post(&[], &message).await;
    assert!(answer.text.contains("to another address"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_looked_at_once() {
    looked_at_once(|_| Said::Status(405)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_silent_stream_is_looked_at_once() {
    looked_at_once(|asked| match &*asked.method {
        "GET" => Said::Open(Vec::new()),
        _ => Said::Status(405),
    })
    .await;
}

async fn looked_at_once(script: fn(&ReceivedRequest) -> Said) {
    let gateway = gateway();
    let mut server = scripted(json!({}), move |asked| Some(script(asked))).await;
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}});
    for _ in 0..3 {
        assert_eq!(gateway.post(&[], &message).await.status, 405);
    }
    let mut looks = 0;
    while let Ok(asked) = server.asked.try_recv() {
        looks += usize::from(asked.method == "GET");
    }
    assert_eq!(looks, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_goes_on_whichever_replica_its_requests_come_to() {
    let server = Older::start(beside).await;
    let first = gateway();
    let second = gateway_beside(&first);
    for gateway in [&first, &second] {
        gateway.endpoints(&[("a", server.address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
    }
    ready(&second).await;
    for (at, by) in [(&first, &second), (&second, &first)] {
        let session = at.open().await;
        for (count, by) in (1..).zip([by, at, by]) {
            let counted = by.call(&session, "count").await;
            assert_eq!(text(&counted.text), count.to_string());
        }
        // A question comes by the one, and its answer by the other.
        let headers = [("Mcp-Session-Id", &*session)];
        let mut wire = Wire::open(by.address).await.unwrap();
        wire.send("POST", "/mcp/demo", &headers, &call("ask").to_string())
            .await
            .unwrap();
        let begun = timeout(PATIENCE, wire.until("roots/list")).await.unwrap();
        assert!(begun.unwrap().contains("text/event-stream"));
        let answer = json!({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}});
        assert_eq!(at.post(&headers, &answer).await.status, 202);
        let rest = timeout(PATIENCE, wire.until("content")).await.unwrap();
        assert!(rest.unwrap().contains("\"c\""), "its own id");
        let ended = by.exchange("DELETE", "/mcp/demo", &headers, "").await;
        assert_eq!(ended.status, 204);
        for gateway in [by, at] {
            assert_eq!(gateway.call(&session, "count").await.status, 404);
        }
    }
}
