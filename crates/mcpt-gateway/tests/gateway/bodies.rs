//! Bodies of requests on their way: large ones stream, small ones are held until they are complete.

use std::{net::SocketAddr, time::Duration};

use mcpt_routing::Conditions;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::harness::gateway;

/// Long enough for anything but a deadlock.
const FOR_EVER: Duration = Duration::from_secs(30);
const HALF: usize = 512 * 1024;

/// A server that tells when half of a body is there, and answers when it is complete.
async fn server_of_large_messages() -> (SocketAddr, oneshot::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (half, seen) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut half = Some(half);
        let mut read = Vec::new();
        while !read.ends_with(b"}") && !read.ends_with(b"}\r\n0\r\n\r\n") {
            stream.read_buf(&mut read).await.unwrap();
            if read.len() > HALF
                && let Some(half) = half.take()
            {
                half.send(()).unwrap();
            }
        }
        assert!(read.len() > 2 * HALF);
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    (address, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_streams() {
    for framing in [
        format!("Content-Length: {}", 2 * HALF + 1),
        "Transfer-Encoding: chunked".to_owned(),
    ] {
        let (address, half_arrived) = server_of_large_messages().await;
        let gateway = gateway();
        gateway.endpoints(&[("a", address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        let chunked = framing.contains("chunked");
        let piece = |text: &str| {
            if chunked {
                format!("{:x}\r\n{text}\r\n", text.len())
            } else {
                text.to_owned()
            }
        };
        let exchange = async {
            let mut client = TcpStream::connect(gateway.address).await.unwrap();
            let head = format!("POST /mcp/demo HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n");
            client.write_all(head.as_bytes()).await.unwrap();
            let half = piece(&" ".repeat(HALF));
            client.write_all(half.as_bytes()).await.unwrap();
            half_arrived.await.unwrap();
            client.write_all(half.as_bytes()).await.unwrap();
            client.write_all(piece("}").as_bytes()).await.unwrap();
            if chunked {
                client.write_all(b"0\r\n\r\n").await.unwrap();
            }
            let mut answer = vec![0; 15];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, b"HTTP/1.1 200 OK");
        };
        tokio::time::timeout(FOR_EVER, exchange).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_show_what_is_held() {
    let gateway = gateway();
    gateway.endpoints(&[]);
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = "POST /mcp/demo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{";
    client.write_all(head.as_bytes()).await.unwrap();
    // What has arrived counts, not what was announced.
    gateway.shows("mcpt_gateway_held_request_bytes 1\n").await;
    drop(client);
    gateway.shows("mcpt_gateway_held_request_bytes 0").await;
}
