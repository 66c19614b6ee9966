//! Answers of servers that cannot be passed on as they are.

use std::net::SocketAddr;

use mcpt_routing::Conditions;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};

use crate::harness::{PATIENCE, call, gateway};

/// A server that says the same to everybody: `first`, and then `again` for as long as anybody listens.
async fn says(first: &'static str, again: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = Vec::new();
                while !read.ends_with(b"}") {
                    if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                        return;
                    }
                }
                let mut sent = stream.write_all(first.as_bytes()).await;
                while sent.is_ok() && !again.is_empty() {
                    sent = stream.write_all(again.as_bytes()).await;
                }
                drop(stream.read_to_end(&mut read).await);
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_readers_would_understand_differently_is_refused() {
    for (first, again, says_why) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"a\":1}\n\r\n0\r\n\r\n",
            "",
            "Transfer-Encoding",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "",
            "chunked",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "",
            "protocol",
        ),
        ("", "HTTP/1.1 103 Early Hints\r\n\r\n", "interim"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "interim"),
    ] {
        let gateway = gateway();
        let address = says(first, again).await;
        gateway.endpoints(&[("a", address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        let message = call("x");
        let answer = timeout(PATIENCE, gateway.post(&[], &message))
            .await
            .unwrap();
        assert_eq!(answer.status, 502, "{first}{again}: {answer:?}");
        assert!(answer.text.contains(says_why), "{answer:?}");
        assert!(answer.text.contains("\"id\":\"c\""), "{answer:?}");
    }
}
