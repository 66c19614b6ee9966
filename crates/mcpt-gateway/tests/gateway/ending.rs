//! The end of a gateway: nothing that was sent to it is lost.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use futures_util::future::FutureExt as _;
use mcpt_routing::Conditions;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::oneshot,
};

use crate::{
    harness::{Tellable, demo, gateway_until, modern},
    wire::Wire,
};

/// A client of the stateless era that keeps its connection until it is told to leave. What it sent must be answered.
async fn call_until_told(address: SocketAddr, calls: Arc<AtomicUsize>) {
    let (headers, body) = modern("tools/call", &json!({"name": "whoami"}));
    let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
    let mut wire = Wire::open(address).await.unwrap();
    loop {
        let answer = wire.exchange("POST", "/mcp/demo", &headers, &body).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        calls.fetch_add(1, Relaxed);
        if !answer.kept {
            return;
        }
    }
}

async fn ready() -> (Tellable, oneshot::Sender<()>, impl Future<Output = ()>) {
    let (shutdown, told) = oneshot::channel();
    let (gateway, serving) = gateway_until(told.map(drop).boxed());
    let serving = tokio::spawn(serving);
    gateway.endpoints(&[("a", demo("a").await, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    (gateway, shutdown, async { serving.await.unwrap().unwrap() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_clients_are_sent_away_without_a_lost_call() {
    let (gateway, shutdown, ended) = ready().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| tokio::spawn(call_until_told(gateway.address, Arc::clone(&calls))))
        .collect();
    while calls.load(Relaxed) < 100 {
        tokio::task::yield_now().await;
    }
    // Connected before the end began, heard only after it.
    let mut late = Wire::open(gateway.address).await.unwrap();
    shutdown.send(()).unwrap();
    for client in clients {
        client.await.unwrap();
    }
    let answer = late.exchange("GET", "/readyz", &[], "").await.unwrap();
    assert_eq!((answer.status, answer.kept), (503, false), "{answer:?}");
    ended.await;
}

/// A server of 2026-07-28 whose subscriptions begin with `first`, and then are silent.
async fn subscribed(first: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut stream = loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"}") {
                stream.read_buf(&mut read).await.unwrap();
            }
            if !String::from_utf8_lossy(&read).contains("server/discover") {
                break stream;
            }
            let versions =
                r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"]}}"#;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{versions}",
                versions.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n",
            first.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        drop(stream.read_to_end(&mut Vec::new()).await);
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_end_with_their_result_where_it_can_be_said() {
    const RESULT: &str = r#"data: {"jsonrpc":"2.0","id":"c","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"c"}}}"#;
    for (first, ended) in [("data: {}\r\n\r\n", true), ("data: {\"half", false)] {
        let (shutdown, told) = oneshot::channel();
        let (gateway, serving) = gateway_until(told.map(drop).boxed());
        let serving = tokio::spawn(serving);
        gateway.endpoints(&[("a", subscribed(first).await, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        let (headers, body) = modern("subscriptions/listen", &json!({"notifications": {}}));
        let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
        let mut stream = Wire::open(gateway.address).await.unwrap();
        stream
            .send("POST", "/mcp/demo", &headers, &body)
            .await
            .unwrap();
        stream.until(first).await.unwrap();
        shutdown.send(()).unwrap();
        let rest = stream.until("\r\n0\r\n\r\n").await.unwrap();
        assert_eq!(rest.contains(RESULT), ended, "{rest:?}");
        serving.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_end_in_order_and_calls_are_answered() {
    let (gateway, shutdown, ended) = ready().await;
    let session = gateway.open().await;
    let headers = [("Mcp-Session-Id", &*session)];
    let mut stream = Wire::open(gateway.address).await.unwrap();
    stream.send("GET", "/mcp/demo", &headers, "").await.unwrap();
    let mut slow = Wire::open(gateway.address).await.unwrap();
    let call = json!({"jsonrpc": "2.0", "id": "s", "method": "tools/call",
        "params": {"name": "slow", "arguments": {"seconds": 3}}});
    slow.send("POST", "/mcp/demo", &headers, &call.to_string())
        .await
        .unwrap();
    gateway
        .shows("in_flight{namespace=\"ns\",server=\"demo\",endpoint=\"a\"} 2")
        .await;
    let mut idle = Wire::open(gateway.address).await.unwrap();
    assert!(idle.exchange("GET", "/readyz", &[], "").await.unwrap().kept);

    shutdown.send(()).unwrap();
    // Ended, not broken off: the last chunk is there.
    let streamed = stream.answer().await.unwrap();
    assert_eq!(streamed.status, 200, "{streamed:?}");
    let unready = idle.exchange("GET", "/readyz", &[], "").await.unwrap();
    assert_eq!((unready.status, unready.kept), (503, false), "{unready:?}");
    let answer = slow.answer().await.unwrap();
    assert!(answer.text.contains("done after 3 s"), "{answer:?}");
    ended.await;
}
