//! What real servers do that trips gateways up, by the numbers of the guide's list, as far as no other test is about it.

use mcpt_routing::Conditions;
use serde_json::{Value, json};

use crate::{
    harness::{Tellable, gateway, modern},
    recorded::{ReceivedRequest, Recorded, Reply},
};

async fn ready(
    answer: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
) -> (Tellable, Recorded) {
    let (gateway, server) = (gateway(), Recorded::start(answer).await);
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    (gateway, server)
}

fn result(asked: &ReceivedRequest, result: &Value) -> Reply {
    let id = &asked.message["id"];
    Reply::json(200, json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn error(asked: &ReceivedRequest, status: u16, code: i32, message: &str) -> Reply {
    let (id, error) = (
        &asked.message["id"],
        json!({"code": code, "message": message}),
    );
    Reply::json(status, json!({"jsonrpc": "2.0", "id": id, "error": error}))
}

fn begun(asked: &ReceivedRequest) -> Reply {
    result(
        asked,
        &json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "s", "version": "1"}}),
    )
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
}

fn request(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": {"name": "t", "arguments": {}}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_01_a_session_that_the_server_has_forgotten_is_a_404() {
    let (gateway, _server) = ready(|asked| {
        if asked.what() == "initialize" {
            return begun(asked).with("Mcp-Session-Id", "s1");
        }
        // As a server of the TypeScript SDK says it.
        let error = json!({"code": -32000,
            "message": "Bad Request: No valid session ID provided"});
        let message = json!({"jsonrpc": "2.0", "id": null, "error": error});
        let length = message.to_string().len();
        Reply::json(400, message).with("Content-Length", &length.to_string())
    })
    .await;
    let session = gateway.post(&[], &initialize()).await.session.unwrap();
    let headers = [("Mcp-Session-Id", &*session)];
    let answer = gateway.post(&headers, &request("tools/list")).await;
    assert_eq!(answer.status, 404, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_04_a_server_with_handshakes_and_without_session_ids() {
    let (gateway, server) = ready(|asked| match asked.what() {
        "initialize" => begun(asked),
        "tools/list" => result(asked, &json!({"tools": []})),
        "notifications/initialized" => Reply::nothing(202),
        _ => error(asked, 400, -32601, "no such method"),
    })
    .await;
    let answer = gateway.post(&[], &initialize()).await;
    assert_eq!((answer.status, &answer.session), (200, &None), "{answer:?}");
    let answer = gateway.post(&[], &request("tools/list")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // Nor does it need one for a client of the other era.
    let (headers, body) = modern("tools/list", &json!({}));
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = gateway.exchange("POST", "/mcp/demo", &headers, &body).await;
    assert!(answer.text.contains("resultType"), "{answer:?}");
    assert_eq!(server.asked_for("initialize").len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_06_a_server_that_answers_what_it_does_not_understand() {
    // It takes requests before `initialize` and looks at no version: only what it does not know shows its era.
    let (gateway, server) = ready(|asked| match asked.what() {
        "initialize" => begun(asked).with("Mcp-Session-Id", "s1"),
        "tools/list" => result(asked, &json!({"tools": []})),
        "server/discover" => error(asked, 200, -32601, "Method not found"),
        _ => Reply::nothing(202),
    })
    .await;
    let (headers, body) = modern("tools/list", &json!({}));
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = gateway.exchange("POST", "/mcp/demo", &headers, &body).await;
    assert!(
        answer.text.contains(r#""resultType":"complete""#),
        "{answer:?}"
    );
    let listed = server.asked_for("tools/list").pop().unwrap();
    assert_eq!(listed.header("mcp-session-id"), Some("s1"));
    assert_eq!(listed.message["params"].get("_meta"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_13_an_error_of_a_tool_is_no_failure_of_its_server() {
    let (gateway, server) = ready(|asked| match asked.what() {
        "initialize" => begun(asked).with("Mcp-Session-Id", "s1"),
        "tools/call" => error(asked, 400, -32602, "unknown tool t"),
        _ => Reply::nothing(202),
    })
    .await;
    let session = gateway.post(&[], &initialize()).await.session.unwrap();
    let headers = [("Mcp-Session-Id", &*session)];
    for _ in 0..5 {
        let answer = gateway.post(&headers, &request("tools/call")).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text.contains("unknown tool t"), "{answer:?}");
    }
    assert_eq!(server.asked_for("tools/call").len(), 5);
}

/// A server with one stream per session, as the TypeScript SDK has it: another one is refused while it is there.
async fn with_one_stream() -> std::net::SocketAddr {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    };
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let open = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let open = Arc::clone(&open);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let asked = crate::scripted::read(&mut stream).await?;
                let mut stream = stream.into_inner();
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nMcp-Session-Id: s\r\n";
                let text = match (&*asked.method, asked.rpc()) {
                    ("GET", _) if asked.header("last-event-id").is_some() => {
                        let begins =
                            format!("{head}Content-Type: text/event-stream\r\n\r\n: a call\n\n");
                        stream.write_all(begins.as_bytes()).await.ok()?;
                        // It goes on until its client is gone.
                        while stream.read(&mut [0]).await.is_ok_and(|read| read > 0) {}
                        return Some(());
                    }
                    ("GET", _) if open.swap(true, SeqCst) => {
                        "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                            .to_owned()
                    }
                    ("GET", _) => {
                        format!("{head}Content-Type: text/event-stream\r\n\r\n: one stream\n\n")
                    }
                    (_, "initialize") => {
                        let result = json!({"jsonrpc": "2.0", "id": 1, "result": {
                            "protocolVersion": "2025-06-18", "capabilities": {},
                            "serverInfo": {"name": "s", "version": "1"}}});
                        format!("{head}Content-Type: application/json\r\n\r\n{result}")
                    }
                    _ => "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        .to_owned(),
                };
                stream.write_all(text.as_bytes()).await.ok()?;
                if text.ends_with("one stream\n\n") {
                    // It hears of its client's end only then.
                    while stream.read(&mut [0]).await.is_ok_and(|read| read > 0) {}
                    open.store(false, SeqCst);
                }
                Some(())
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_14_a_client_that_comes_back_for_its_stream_gets_it() {
    let (gateway, server) = (gateway(), with_one_stream().await);
    gateway.endpoints(&[("a", server, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.post(&[], &initialize()).await.session.unwrap();
    let headers = [("Mcp-Session-Id", &*session)];
    let listen = async || {
        let mut wire = crate::wire::Wire::open(gateway.address).await.unwrap();
        wire.send("GET", "/mcp/demo", &headers, "").await.unwrap();
        let begun = wire.until("one stream\n\n").await.unwrap();
        assert!(begun.starts_with("HTTP/1.1 200"), "{begun}");
        wire
    };
    // The first one is not closed: a client that has lost its network cannot do that.
    let mut first = listen().await;
    // The stream of a call, taken up again, is another one.
    let mut call = crate::wire::Wire::open(gateway.address).await.unwrap();
    let resumed = [headers[0], ("Last-Event-ID", "7")];
    call.send("GET", "/mcp/demo", &resumed, "").await.unwrap();
    call.until("a call\n\n").await.unwrap();
    let _second = listen().await;
    let ended = first.until("0\r\n\r\n").await;
    assert!(ended.is_ok(), "the first has ended: {ended:?}");
}
