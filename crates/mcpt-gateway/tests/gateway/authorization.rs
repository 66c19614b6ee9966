//! A server that wants a login and knows nothing of the gateway: a client finds its way to it all the same.

use std::net::SocketAddr;

use mcpt_routing::Conditions;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::harness::{Tellable, call, gateway};

const METADATA: &str =
    r#"{"resource":"RESOURCE","authorization_servers":["http://login.example.com"]}"#;

/// What it says: `challenge` to every POST, and metadata with `resource` at one path. `PORT` in them is its own.
struct Guarded {
    challenge: &'static str,
    metadata_at: &'static str,
    resource: &'static str,
}

impl Guarded {
    /// Begins to serve; what is received are the heads of requests.
    async fn start(self) -> (SocketAddr, UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port().to_string();
        let (heads, seen) = unbounded_channel();
        let challenge = self.challenge.replace("PORT", &port);
        let metadata = METADATA.replace("RESOURCE", &self.resource.replace("PORT", &port));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = [
                    format!(
                        "401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
                    ),
                    format!(
                        "200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{metadata}",
                        metadata.len()
                    ),
                    "404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
                ];
                tokio::spawn(serve(stream, self.metadata_at, answers, heads.clone()));
            }
        });
        (address, seen)
    }
}

async fn serve(
    mut stream: TcpStream,
    metadata_at: &str,
    [challenge, metadata, nothing]: [String; 3],
    heads: UnboundedSender<String>,
) {
    loop {
        let mut read = Vec::new();
        while !(read.ends_with(b"}") || (read.starts_with(b"GET") && read.ends_with(b"\r\n\r\n"))) {
            if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                return;
            }
        }
        let head = String::from_utf8(read).unwrap();
        let answer = match head.split(' ').nth(1) {
            Some("/mcp") => &challenge,
            Some(path) if path == metadata_at => &metadata,
            _ => &nothing,
        };
        // Nobody may want to know any more.
        let _ = heads.send(head);
        if stream
            .write_all(format!("HTTP/1.1 {answer}").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn before(server: Guarded) -> (Tellable, UnboundedReceiver<String>) {
    let (address, heads) = server.start().await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    (gateway, heads)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_20_metadata_is_found_by_the_challenge_and_is_about_the_url_that_was_called() {
    const STANDARD: &str = "http://localhost/.well-known/oauth-protected-resource/mcp/demo";
    for (challenge, metadata_at, resource, sealed) in [
        (
            r#"Bearer resource_metadata="http://localhost:PORT/.well-known/oauth-protected-resource/mcp", scope="a b""#,
            "/.well-known/oauth-protected-resource/mcp",
            "http://localhost:PORT/mcp",
            false,
        ),
        (
            r#"Bearer resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp""#,
            "/.well-known/oauth-protected-resource/mcp",
            "http://localhost/mcp",
            false,
        ),
        (
            r#"Bearer resource_metadata="http://127.0.0.1:PORT/custom/place.json?x=1""#,
            "/custom/place.json?x=1",
            "http://127.0.0.1:PORT",
            true,
        ),
    ] {
        let server = Guarded {
            challenge,
            metadata_at,
            resource,
        };
        let (gateway, _) = before(server).await;
        let answer = gateway.post(&[], &call("x")).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        let told = answer.header("www-authenticate").unwrap();
        let url = told.split('"').nth(1).unwrap();
        let query = url.strip_prefix(STANDARD).unwrap();
        assert_eq!(query.starts_with("?at="), sealed, "{told}");
        assert_eq!(
            challenge.contains("scope"),
            told.ends_with(r#", scope="a b""#)
        );

        let path = url.strip_prefix("http://localhost").unwrap();
        let answer = gateway.exchange("GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let metadata: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(metadata["resource"], "http://localhost/mcp/demo");
        assert_eq!(
            metadata["authorization_servers"][0],
            "http://login.example.com"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_at_the_root_of_a_server_is_found_by_its_path() {
    let server = Guarded {
        challenge: "Bearer",
        metadata_at: "/.well-known/oauth-protected-resource",
        resource: "http://localhost:PORT/",
    };
    let (gateway, _) = before(server).await;
    let path = "/.well-known/oauth-protected-resource/mcp/ns/demo";
    let headers = [("X-Forwarded-Proto", "https")];
    let answer = gateway.exchange("GET", path, &headers, "").await;
    let metadata: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(metadata["resource"], "https://localhost/mcp/ns/demo");

    for (method, path, status) in [
        ("POST", path, 405),
        (
            "GET",
            "/.well-known/oauth-protected-resource/mcp/nobody",
            404,
        ),
        ("GET", "/.well-known/oauth-protected-resource", 404),
        // Nothing else of a server can be asked for.
        (
            "GET",
            "/.well-known/oauth-protected-resource/mcp/demo?at=L21ldHJpY3M",
            404,
        ),
    ] {
        let answer = gateway.exchange(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_elsewhere_stays_as_it_is() {
    let challenge = r#"Bearer resource_metadata="https://login.example.com/metadata""#;
    let server = Guarded {
        challenge,
        metadata_at: "/.well-known/oauth-protected-resource/mcp",
        resource: "https://public.example.com/mcp",
    };
    let (gateway, _) = before(server).await;
    let answer = gateway.post(&[], &call("x")).await;
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    let path = "/.well-known/oauth-protected-resource/mcp/demo";
    let answer = gateway.exchange("GET", path, &[], "").await;
    assert!(
        answer.text.contains("https://public.example.com/mcp"),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_told_the_url_that_was_called() {
    let server = Guarded {
        challenge: "Bearer",
        metadata_at: "-",
        resource: "-",
    };
    let (gateway, mut heads) = before(server).await;
    let forged = [
        ("X-Forwarded-Host", "evil.example.com"),
        ("X-Forwarded-Path", "/x"),
    ];
    let believed = [
        ("X-Forwarded-Host", "127.0.0.1:1"),
        ("X-Forwarded-Proto", "https"),
    ];
    for (headers, told) in [
        (&[][..], ["localhost", "http", "/mcp/demo"]),
        (&forged, ["localhost", "http", "/mcp/demo"]),
        (&believed, ["127.0.0.1:1", "https", "/mcp/demo"]),
    ] {
        gateway.post(headers, &call("x")).await;
        let head = heads.recv().await.unwrap().to_ascii_lowercase();
        for (name, told) in ["host", "proto", "path"].iter().zip(told) {
            let said = format!("\r\nx-forwarded-{name}: {told}\r\n");
            assert_eq!(head.matches(&said).count(), 1, "{said}{head}");
            assert_eq!(head.matches(&format!("x-forwarded-{name}")).count(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_for_the_whole_host_that_was_called_is_believed() {
    let server = Guarded {
        challenge: "Bearer",
        metadata_at: "/.well-known/oauth-protected-resource",
        resource: "http://localhost:PORT",
    };
    let (address, _heads) = server.start().await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let own = format!("localhost:{}", address.port());
    let path = "/.well-known/oauth-protected-resource/mcp/demo";
    for (host, wanted) in [
        (&*own, format!("http://{own}")),
        // Under another name it is one of several.
        ("localhost", "http://localhost/mcp/demo".to_owned()),
    ] {
        let headers = [("X-Forwarded-Host", host)];
        let answer = gateway.exchange("GET", path, &headers, "").await;
        let metadata: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(metadata["resource"], wanted, "{host}");
    }
}
