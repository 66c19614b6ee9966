//! More connections than there is room for.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use mcpt_http::Connections;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, unbounded_channel},
    },
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Answers at once, or for `/slow` when it is allowed to. It tells of each of these that it has heard.
async fn server(most: usize) -> (SocketAddr, Arc<Semaphore>, UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let allowed = Arc::new(Semaphore::new(0));
    let (tell, heard) = unbounded_channel();
    let permits = Arc::clone(&allowed);
    let service = service_fn(move |request: Request<Incoming>| {
        let (permits, tell) = (Arc::clone(&permits), tell.clone());
        async move {
            if request.uri().path() == "/slow" {
                tell.send(()).unwrap();
                permits.acquire().await.unwrap().forget();
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
    });
    tokio::spawn(async move { Connections::at_most(most).serve(listener, service).await });
    (address, allowed, heard)
}

async fn ask(stream: &mut TcpStream, path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    while !(read.ends_with(b"ok") || read.ends_with(b"connections\n")) {
        let more = timeout(PATIENCE, stream.read_buf(&mut read)).await.unwrap();
        if more.unwrap_or_default() == 0 {
            return None;
        }
    }
    Some(String::from_utf8(read).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_keep_nobody_out() {
    let (address, ..) = server(16).await;
    let mut established = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut established, "/").await.is_some());
    let mut silent = Vec::new();
    for round in 0..8 {
        for _ in 0..16 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let answer = ask(&mut established, "/").await;
        assert!(answer.is_some(), "round {round}: it was there before");
        let mut new = TcpStream::connect(address).await.unwrap();
        let answer = ask(&mut new, "/").await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "round {round}: {answer}"
        );
    }
    // The first ones were closed.
    let end = timeout(PATIENCE, silent[0].read(&mut [0; 1]))
        .await
        .unwrap();
    assert_eq!(end.unwrap_or_default(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_exchange_is_ended_for_another() {
    let (address, allowed, mut heard) = server(4).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
        busy.push(stream);
    }
    let mut new = TcpStream::connect(address).await.unwrap();
    let refused = ask(&mut new, "/").await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("Retry-After"), "{refused}");
    allowed.add_permits(4);
    for stream in &mut busy {
        assert!(answer(stream).await.is_some());
    }
    assert!(
        ask(&mut TcpStream::connect(address).await.unwrap(), "/")
            .await
            .is_some()
    );
}
