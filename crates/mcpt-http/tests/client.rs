//! Exchanges with servers that answer well, badly, or not at all.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Version, header::HOST};
use mcpt_http::client::{self, ExchangeError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
    task::JoinHandle,
};

/// Answers one connection so, and gives back what it was asked.
async fn answering(listen: &str, answer: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind(listen).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            assert!(stream.read_buf(&mut asked).await.unwrap() > 0);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(asked).unwrap().to_lowercase()
    });
    (port, asked)
}

fn request() -> Request<Full<Bytes>> {
    let request = Request::get("/x")
        .header(HOST, "demo")
        .version(Version::HTTP_10);
    request.body(Full::default()).unwrap()
}

async fn asked(host: &str, port: u16, max: usize) -> Result<Bytes, ExchangeError> {
    client::body(client::exchange(host, port, request()).await?, max).await
}

#[tokio::test]
async fn one_exchange_in_our_own_version_and_its_connection_ends() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let (port, server) = answering("127.0.0.1:0", answer).await;
    assert_eq!(asked("127.0.0.1", port, 2).await.unwrap(), "ok");
    let head = server.await.unwrap();
    assert!(head.starts_with("get /x http/1.1\r\n"), "{head}");
    for line in ["host: demo\r\n", "connection: close\r\n"] {
        assert!(head.contains(line), "{head}");
    }
}

#[tokio::test]
async fn localhost_is_both_loopbacks() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let (port, _server) = answering(listen, answer).await;
        asked("LocalHost", port, 0).await.unwrap();
    }
}

#[tokio::test]
async fn faults_are_told_apart() {
    let long = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
    let (port, _server) = answering("127.0.0.1:0", long).await;
    let error = asked("127.0.0.1", port, 2).await.unwrap_err();
    assert!(matches!(error, ExchangeError::TooLong(2)), "{error}");

    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab";
    let (port, _server) = answering("127.0.0.1:0", cut).await;
    let error = asked("127.0.0.1", port, 9).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Lost(_)), "{error}");

    let (port, _server) = answering("127.0.0.1:0", "220 smtp ready\r\n").await;
    let error = asked("127.0.0.1", port, 9).await.unwrap_err();
    assert!(matches!(error, ExchangeError::NotHttp(_)), "{error}");

    // Bound, so that nobody else gets the port, and not listened on.
    let refusing = TcpSocket::new_v4().unwrap();
    refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = refusing.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let error = asked(host, port, 9).await.unwrap_err();
        let ExchangeError::Connect(reason) = error else {
            panic!("{host}: {error}");
        };
        assert_eq!(reason.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
