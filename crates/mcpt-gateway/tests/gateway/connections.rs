//! Connections to servers that close them at the worst moment.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use mcpt_routing::Conditions;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::harness::{Demo, demo, gateway};

/// A server that answers one request per connection, reads the next one, and closes without an answer: what a request meets
/// that is sent while the connection is being closed. Counts the requests that it read.
async fn fickle() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_once(stream, Arc::clone(&counted)));
        }
    });
    (address, requests)
}

async fn answer_once(mut stream: TcpStream, requests: Arc<AtomicUsize>) {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    for answer in [Some(answer), None] {
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                return;
            }
        }
        requests.fetch_add(1, Relaxed);
        if let Some(answer) = answer {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changes_nothing_is_sent_twice() {
    let (address, requests) = fickle().await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    for _ in 0..20 {
        let answer = gateway.modern("tools/list", &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let (mut sent, mut broken) = (0, 0);
    requests.store(0, Relaxed);
    while broken < 5 {
        let answer = gateway.modern_call("anything").await;
        sent += 1;
        if answer.status != 200 {
            assert_eq!(answer.status, 502, "{answer:?}");
            assert!(answer.text.contains("\"id\":\"c\""), "{answer:?}");
            broken += 1;
        }
    }
    assert_eq!(requests.load(Relaxed), sent, "each call was sent once");
}

/// A rolling update as the cluster tells it: a new server, the old one terminating, its end, and so on; all the while
/// calls that nobody may repeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_servers_come_and_go() {
    let gateway = Arc::new(gateway());
    let mut old = Demo::start("0").await;
    gateway.endpoints(&[("0", old.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move {
                loop {
                    let answer = gateway.modern_call("whoami").await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    if answer.instance() == "last" {
                        return;
                    }
                }
            })
        })
        .collect();
    for generation in 1..=10 {
        let (before, id) = ((generation - 1).to_string(), generation.to_string());
        let new = Demo::start(&id).await;
        gateway.endpoints(&[
            (&before, old.address, Conditions::DRAINING),
            (&id, new.address, Conditions::READY),
        ]);
        gateway.shows("condition=\"terminating\"} 1").await;
        // What was on its way there arrives; nothing follows.
        gateway
            .shows(&format!(
                "in_flight{{namespace=\"ns\",server=\"demo\",endpoint=\"{before}\"}} 0"
            ))
            .await;
        std::mem::replace(&mut old, new).stop().await;
        gateway.endpoints(&[(&id, old.address, Conditions::READY)]);
        gateway.shows("condition=\"terminating\"} 0").await;
    }
    let last = demo("last").await;
    gateway.endpoints(&[("last", last, Conditions::READY)]);
    for client in clients {
        client.await.unwrap();
    }
}
