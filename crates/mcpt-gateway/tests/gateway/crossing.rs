//! Whose answer a client gets, behind a server that reads as little of a request as it may.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use mcpt_routing::Conditions;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    harness::{PATIENCE, Tellable, gateway},
    wire::Wire,
};

/// What it has seen.
#[derive(Default)]
struct VisibleServers {
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// Requests that stood in the body of another one.
    smuggled: AtomicUsize,
    /// Requests of another version than HTTP/1.1.
    old_versions: AtomicUsize,
}

/// A server that reads the body of a request only when it cannot answer without: a message that nobody refuses by its
/// head. What it leaves is the beginning of the next request to it.
async fn lazy_server() -> (SocketAddr, Arc<VisibleServers>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(VisibleServers::default());
    let counted = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.connections.fetch_add(1, Relaxed);
            tokio::spawn(serve(stream, Arc::clone(&counted)));
        }
    });
    (address, seen)
}

async fn serve(mut stream: TcpStream, seen: Arc<VisibleServers>) {
    let mut unread = Vec::new();
    while let Some(head) = head(&mut stream, &mut unread).await {
        seen.requests.fetch_add(1, Relaxed);
        if !head
            .lines()
            .next()
            .is_some_and(|line| line.ends_with("HTTP/1.1"))
        {
            seen.old_versions.fetch_add(1, Relaxed);
        }
        if head.contains("x-smuggled") {
            seen.smuggled.fetch_add(1, Relaxed);
        }
        let refused = header(&head, "x-answer");
        let length = header(&head, "content-length").and_then(|n| n.parse().ok());
        let answer = match (refused, length) {
            (Some("early"), _) => answer("200 OK", "text/html", "<p>log in"),
            (Some("informed"), _) => {
                let last = answer("401 Unauthorized", "application/json", "{}");
                format!("HTTP/1.1 103 Early Hints\r\n\r\n{last}")
            }
            (Some("old"), _) => answer("200 OK", "application/json", "{}")
                .replace("HTTP/1.1", "HTTP/1.0")
                .replace("\r\n\r\n", "\r\nConnection: keep-alive\r\n\r\n"),
            (Some("empty"), _) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            (Some("overlong"), _) => {
                let fake = answer("200 OK", "application/json", "{\"for\":\"nobody\"}");
                format!("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n{fake}")
            }
            (Some(status), _) => answer(status, "application/json", "{}"),
            (None, Some(length)) if head.starts_with("POST") => {
                while unread.len() < length {
                    if stream.read_buf(&mut unread).await.unwrap_or_default() == 0 {
                        return;
                    }
                }
                let body: Vec<u8> = unread.drain(..length).collect();
                let message: Value = serde_json::from_slice(&body).unwrap_or_default();
                let result = json!({"jsonrpc": "2.0", "id": message["id"],
                    "result": {"for": message["params"]["who"], "auth": header(&head, "authorization")}});
                answer("200 OK", "application/json", &result.to_string())
            }
            _ => answer("405 Method Not Allowed", "application/json", "{}"),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(status: &str, kind: &str, text: &str) -> String {
    let length = text.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{text}")
}

/// The next head, which begins with whatever was left of the request before.
async fn head(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = unread.drain(..end + 4).collect();
            return Some(String::from_utf8_lossy(&head).into_owned());
        }
        if stream.read_buf(unread).await.unwrap_or_default() == 0 {
            return None;
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

fn request(who: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"who": who}})
}

async fn before(address: SocketAddr) -> Tellable {
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    gateway
}

/// Each way of leaving something on a connection: method, headers.
const ATTACKS: [(&str, &[(&str, &str)]); 15] = [
    ("GET", &[]),
    ("DELETE", &[]),
    ("GET", &[("Transfer-Encoding", "chunked")]),
    ("DELETE", &[("Transfer-Encoding", "chunked")]),
    ("POST", &[("X-Answer", "401 Unauthorized")]),
    ("POST", &[("X-Answer", "400 Bad Request")]),
    ("POST", &[("X-Answer", "500 Internal Server Error")]),
    ("POST", &[("X-Answer", "302 Found")]),
    ("POST", &[("X-Answer", "early")]),
    ("POST", &[("X-Answer", "informed")]),
    ("POST", &[("X-Answer", "old")]),
    ("POST", &[("X-Answer", "empty")]),
    ("GET", &[("X-Answer", "overlong")]),
    (
        "POST",
        &[
            ("X-Answer", "401 Unauthorized"),
            ("Transfer-Encoding", "chunked"),
        ],
    ),
    (
        "POST",
        &[("Expect", "100-continue"), ("X-Answer", "417 No")],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_the_answer_to_what_they_asked() {
    for (method, headers) in ATTACKS {
        let (address, seen) = lazy_server().await;
        let gateway = before(address).await;
        for round in 0..3 {
            let inner = request("the attacker's choice").to_string();
            let smuggled = format!(
                "POST /mcp HTTP/1.1\r\nx-smuggled: 1\r\nContent-Length: {}\r\n\r\n{inner}",
                inner.len()
            );
            let body = if round == 1 { &inner } else { &smuggled };
            attack(gateway.address, method, headers, body).await;
            for who in ["victim", "attacker"] {
                let case = format!("{method} {headers:?}, round {round}, {who}");
                let answer = gateway.post(&[("Authorization", who)], &request(who)).await;
                assert_eq!(answer.status, 200, "{case}: {answer:?}");
                let message: Value = serde_json::from_str(&answer.text).unwrap();
                let result = json!({"for": who, "auth": who});
                assert_eq!(message["result"], result, "{case}");
            }
        }
        // What stands in the body of a POST is between the attacker and the server: it meets no other client.
        let smuggled = seen.smuggled.load(Relaxed);
        assert!(
            method == "POST" || smuggled == 0,
            "{method} {headers:?}: {smuggled}"
        );
    }
}

/// Sends a request with a body whatever its method, and reads what answers it.
async fn attack(address: SocketAddr, method: &str, headers: &[(&str, &str)], body: &str) {
    let mut wire = Wire::open(address).await.unwrap();
    let chunked = headers.iter().any(|(name, _)| *name == "Transfer-Encoding");
    let framed = if chunked {
        format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    } else {
        body.to_owned()
    };
    let framing = format!("Content-Length: {}\r\n", body.len());
    let framing = if chunked { "" } else { &framing };
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    let head =
        format!("{method} /mcp/demo HTTP/1.1\r\nHost: localhost\r\n{lines}{framing}\r\n{framed}");
    wire.write(head.as_bytes()).await.unwrap();
    let mut status = wire.answer().await.unwrap().status;
    while status < 200 {
        status = wire.answer().await.unwrap().status;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_were_read_share_a_connection() {
    let (address, seen) = lazy_server().await;
    let gateway = before(address).await;
    let shared = async {
        loop {
            let answer = gateway.post(&[], &request("anybody")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            if seen.requests.load(Relaxed) > seen.connections.load(Relaxed) {
                return;
            }
        }
    };
    timeout(PATIENCE, shared).await.unwrap();
}

/// What old proxies send, nginx's default among it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_version_changes_nothing_for_others() {
    let (address, seen) = lazy_server().await;
    let gateway = before(address).await;
    for round in 0..10 {
        let body = request("old").to_string();
        let mut old = Wire::open(gateway.address).await.unwrap();
        let head = format!(
            "POST /mcp/demo HTTP/1.0\r\nHost: localhost\r\nX-Version: 1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        old.write(head.as_bytes()).await.unwrap();
        let answer = old.answer().await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = gateway.post(&[], &request("new")).await;
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        assert!(answer.text.contains("\"for\":\"new\""), "{answer:?}");
    }
    assert_eq!(seen.old_versions.load(Relaxed), 0);
}
