//! The end of a server, seen by its connections.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{Either, Full};
use hyper::{
    Method, Response,
    body::{Body, Frame},
    header::CONTENT_TYPE,
    service::service_fn,
};
use mcpt_http::Connections;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
};

/// A stream that says nothing and never ends.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Pending
    }
}

/// A server that opens a stream for a GET, and answers a POST once it is allowed to.
struct Server {
    address: SocketAddr,
    connections: Connections,
    allowed: Arc<Semaphore>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, allowed) = (Connections::default(), Arc::new(Semaphore::new(0)));
        let serving = {
            let (connections, allowed) = (connections.clone(), Arc::clone(&allowed));
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let allowed = Arc::clone(&allowed);
                async move {
                    let response = if request.method() == Method::GET {
                        let response =
                            Response::builder().header(CONTENT_TYPE, "text/event-stream");
                        response.body(Either::Left(Silent)).unwrap()
                    } else {
                        allowed.acquire().await.unwrap().forget();
                        Response::new(Either::Right(Full::<Bytes>::from("answer")))
                    };
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(async move { connections.serve(listener, service).await })
        };
        Self {
            address,
            connections,
            allowed,
            serving,
        }
    }

    async fn client(&self) -> TcpStream {
        let open = self.connections.open();
        let stream = TcpStream::connect(self.address).await.unwrap();
        while self.connections.open() == open {
            tokio::task::yield_now().await;
        }
        stream
    }
}

/// The server, on the same thread, does what it can with what it was sent.
async fn server_reads() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

async fn ask(client: &mut TcpStream, method: &str) {
    let request = format!("{method} / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
}

/// The answer, on a connection that stays open.
async fn answer(client: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.ends_with("answer") {
        answer.push(char::from(client.read_u8().await.unwrap()));
    }
    answer
}

/// What comes until the connection is closed.
async fn last_answer(client: &mut TcpStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_is_quiet_when_streams_alone_are_left() {
    let server = Server::start().await;
    let mut stream = server.client().await;
    ask(&mut stream, "GET").await;
    // Its head is there.
    stream.read_u8().await.unwrap();
    let mut silent = server.client().await;
    server.allowed.add_permits(1);
    ask(&mut silent, "POST").await;
    answer(&mut silent).await;
    let mut caller = server.client().await;
    ask(&mut caller, "POST").await;

    server.connections.stop();
    server.serving.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    last_answer(&mut silent).await;
    assert_eq!(server.connections.quiet().now_or_never(), None);
    server.allowed.add_permits(1);
    let answer = last_answer(&mut caller).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("answer"),
        "{answer}"
    );
    server.connections.quiet().await;
    assert_eq!(server.connections.closed().now_or_never(), None);
    drop(stream);
    server.connections.closed().await;
}

#[tokio::test]
async fn whoever_has_connected_is_heard() {
    let server = Server::start().await;
    let mut late = server.client().await;
    server.allowed.add_permits(1);
    server.connections.stop();
    server.serving.await.unwrap();
    assert_eq!(server.connections.quiet().now_or_never(), None);
    ask(&mut late, "POST").await;
    let answer = last_answer(&mut late).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("answer"),
        "{answer}"
    );
    server.connections.quiet().await;
}

/// One that is used again, with a request that waits to be read when the server stops.
#[tokio::test]
async fn a_request_on_its_way_is_answered() {
    let server = Server::start().await;
    let mut client = server.client().await;
    server.allowed.add_permits(2);
    ask(&mut client, "POST").await;
    let answered = answer(&mut client).await;
    assert!(!answered.contains("connection: close"), "{answered}");

    // Nobody else has a turn between the two.
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.try_write(request).unwrap(), request.len());
    server.connections.stop();
    let answer = last_answer(&mut client).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("answer"),
        "{answer}"
    );
    server.connections.closed().await;
}

#[tokio::test]
async fn a_request_of_which_a_part_has_come_is_answered() {
    let server = Server::start().await;
    let mut client = server.client().await;
    server.allowed.add_permits(2);
    ask(&mut client, "POST").await;
    answer(&mut client).await;
    client.write_all(b"POST / HTTP/1.1\r\nHo").await.unwrap();
    server_reads().await;
    server.connections.stop();
    server_reads().await;
    let rest = b"st: localhost\r\nContent-Length: 0\r\n\r\n";
    client.write_all(rest).await.unwrap();
    let answer = last_answer(&mut client).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("answer"),
        "{answer}"
    );
    server.connections.closed().await;
}

#[tokio::test]
async fn clients_are_asked_before_they_are_sent_away() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let leaving = {
        let connections = server.connections.clone();
        tokio::spawn(async move { connections.leave().await })
    };
    tokio::task::yield_now().await;
    server.allowed.add_permits(2);
    ask(&mut client, "POST").await;
    let answer = last_answer(&mut client).await;
    assert!(answer.contains("connection: close"), "{answer}");
    // New ones are heard until it stops.
    let mut new = TcpStream::connect(server.address).await.unwrap();
    ask(&mut new, "POST").await;
    assert!(last_answer(&mut new).await.ends_with("answer"));
    leaving.await.unwrap();
    server.connections.stop();
    server.connections.closed().await;
}
