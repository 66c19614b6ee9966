//! What a server is called, and where it says that its endpoint is.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use mcpt_routing::Conditions;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::harness::{call, gateway};

pub(crate) type Heads = Arc<Mutex<Vec<String>>>;

/// Answers a request for a path with a text, and with a redirect to `location` anywhere else.
pub(crate) async fn server(path: &'static str, location: String) -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Heads::default();
    let noted = Arc::clone(&heads);
    let location = location.replace("PORT", &address.port().to_string());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, path, location.clone(), Arc::clone(&noted)));
        }
    });
    (address, heads)
}

async fn serve(mut stream: TcpStream, path: &str, location: String, heads: Heads) {
    loop {
        let mut read = Vec::new();
        while !(read.ends_with(b"}") || (read.starts_with(b"GET") && read.ends_with(b"\r\n\r\n"))) {
            if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                return;
            }
        }
        let head = String::from_utf8(read).unwrap();
        let asked = head.split(' ').nth(1).unwrap().split('?').next().unwrap();
        let answer = if asked == path {
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                .to_owned()
        } else {
            format!("HTTP/1.1 307 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
        };
        heads.lock().unwrap().push(head);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_15_a_bare_address_is_called_localhost() {
    let (address, heads) = server("/mcp", String::new()).await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    assert_eq!(gateway.post(&[], &call("x")).await.status, 200);
    let heads = heads.lock().unwrap();
    let host = format!("\r\nhost: localhost:{}\r\n", address.port());
    assert!(heads[0].to_ascii_lowercase().contains(&host), "{heads:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_at_another_path_is_found() {
    for location in [
        "/mcp/",
        "mcp/",
        "http://localhost:PORT/mcp/",
        "http://127.0.0.1:PORT/mcp/",
    ] {
        let (address, heads) = server("/mcp/", location.to_owned()).await;
        let gateway = gateway();
        gateway.endpoints(&[("a", address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        for _ in 0..3 {
            let answer = gateway
                .exchange("POST", "/mcp/demo?a=b", &[], &call("x").to_string())
                .await;
            assert_eq!(answer.status, 200, "{location}: {answer:?}");
        }
        let heads = heads.lock().unwrap();
        let lines: Vec<_> = heads
            .iter()
            .map(|head| head.lines().next().unwrap())
            .collect();
        let (asked, found) = ("POST /mcp?a=b HTTP/1.1", "POST /mcp/?a=b HTTP/1.1");
        assert_eq!(lines, [asked, found, found, found], "{location}");
        let twice = heads[..2].iter().map(|head| head.split("\r\n\r\n").nth(1));
        assert!(
            twice.is_sorted_by(|one, other| one == other),
            "the same body"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_to_another_address() {
    for location in [
        "http://evil.example.com/mcp",
        "https://localhost:PORT/mcp",
        "//127.0.0.1:1/",
    ] {
        let (address, _) = server("/elsewhere", location.to_owned()).await;
        let gateway = gateway();
        gateway.endpoints(&[("a", address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        let answer = gateway.post(&[], &call("x")).await;
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.text.contains("redirects"), "{answer:?}");
        assert!(answer.header("location").is_none(), "{answer:?}");
    }
    let (address, heads) = server("/nowhere", "/round".to_owned()).await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let answer = gateway
        .post(&[], &json!({"jsonrpc": "2.0", "id": 1, "method": "x"}))
        .await;
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(heads.lock().unwrap().len() < 10);
}
