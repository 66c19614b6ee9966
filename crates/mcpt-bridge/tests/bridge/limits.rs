//! Clients that send too much, too slowly, or read nothing.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{Bridge, RawClient, SOON, call_body, scripted, text_of, until};

/// A request whose body is not complete.
async fn unfinished(client: &RawClient, length: usize, sent: usize) -> TcpStream {
    let address = client.address();
    let session = client.session.as_deref().unwrap_or_default();
    let session = if session.is_empty() {
        String::new()
    } else {
        format!("Mcp-Session-Id: {session}\r\n")
    };
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\n{session}Content-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n\r\n",
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; sent]).await.unwrap();
    stream
}

fn padded(id: u32, bytes: usize) -> String {
    call_body(
        &id.to_string(),
        "echo",
        &json!({"message": "m", "pad": "x".repeat(bytes)}),
    )
}

#[tokio::test]
async fn what_is_kept_of_a_request_is_not_large() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let long = "i".repeat(1100);
    for body in [
        json!({"jsonrpc": "2.0", "id": long, "method": "ping"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {"progressToken": long}}}),
    ] {
        let reply = client.post(&body.to_string()).await;
        assert_eq!((reply.status.as_u16(), reply.error_code()), (400, -32600));
        assert!(
            reply.text.contains("longer than 1024 bytes"),
            "{}",
            reply.text
        );
        assert!(reply.text.len() < 300);
    }
    let mut batches = bridge.client();
    batches.initialize("2025-03-26").await;
    let batch = json!([{"jsonrpc": "2.0", "id": long, "method": "ping"}]);
    assert_eq!(batches.post(&batch.to_string()).await.status, 400);
    let long = "i".repeat(1000);
    let reply = client
        .call(&format!("{long:?}"), "echo", json!({"message": "m"}))
        .await;
    assert_eq!(reply.message()["id"], long);
}

#[tokio::test]
async fn bodies_have_a_budget_and_small_ones_always_pass() {
    let bridge = Bridge::start(scripted(&[]), |c| {
        c.max_message = 200_000;
        c.max_held = 400_000;
        c.max_sessions = 10;
    })
    .await;
    bridge.until_ready().await;
    let (greedy, other) = (bridge.session().await, bridge.session().await);
    let mut held = unfinished(&greedy, 150_000, 149_999).await;
    until("the session has had its share", async || {
        let reply = greedy.post(&padded(1, 60_000)).await;
        assert!(
            [200, 429].contains(&reply.status.as_u16()),
            "{}",
            reply.text
        );
        reply.status == 429 && reply.text.contains("of this client are held already")
    })
    .await;
    let refused = greedy.post(&padded(1, 60_000)).await;
    assert_eq!(refused.headers["retry-after"], "1");
    // Others have room for what is large, all for what is small, and nobody for what is too large.
    assert_eq!(
        text_of(&other.post(&padded(2, 50_000)).await.message()),
        "m"
    );
    let reply = other.post(&padded(2, 190_000)).await;
    assert_eq!(reply.status, 503);
    assert!(reply.text.contains("try again"), "{}", reply.text);
    assert_eq!(other.post(&padded(2, 200_000)).await.status, 413);
    assert_eq!(text_of(&other.post(&padded(3, 10)).await.message()), "m");
    // It is given back.
    held.write_all(b"x").await.unwrap();
    let mut answer = [0; 12];
    held.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    assert_eq!(
        text_of(&greedy.post(&padded(4, 60_000)).await.message()),
        "m"
    );
}

#[tokio::test]
async fn clients_that_stay_away_leave_nothing_held() {
    let bridge = Bridge::start(scripted(&[]), |c| {
        c.max_message = 200_000;
        c.max_held = 400_000;
        c.max_sessions = 10;
    })
    .await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    for id in 0..20 {
        drop(unfinished(&client, 150_000, 140_000).await);
        drop(unfinished(&bridge.client(), 150_000, 140_000).await);
        let mut events = client.stream(&id.to_string(), "hold", json!({})).await;
        events.next().await.unwrap();
    }
    until("there is room again", async || {
        client.post(&padded(1, 100_000)).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_server_that_does_not_read_fills_no_memory() {
    let bridge = Bridge::start(scripted(&[]), |c| {
        c.max_held = 4_000_000;
        c.max_sessions = 10;
    })
    .await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    let deaf = client
        .stream("1", "slow", json!({"milliseconds": 1_000_000}))
        .await;
    let waiting: Vec<_> = (0..4)
        .map(|id| {
            let client = client.clone();
            tokio::spawn(async move { client.post(&padded(id, 400_000)).await.status })
        })
        .collect();
    until("no more waits for it", async || {
        let body = padded(9, 400_000);
        let reply = tokio::time::timeout(Duration::from_millis(200), client.post(&body));
        reply.await.is_ok_and(|reply| reply.status == 429)
    })
    .await;
    // Nobody else is touched.
    assert_eq!(
        bridge.session().await.text("noise").await,
        "after the noise"
    );
    for waits in waiting {
        waits.abort();
    }
    drop(deaf);
}

#[tokio::test]
async fn a_body_that_brings_nothing_is_given_up() {
    let bridge = Bridge::start(scripted(&[]), |c| {
        c.body_silence = Duration::from_millis(300);
    })
    .await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    let mut silent = unfinished(&client, 50, 10).await;
    let mut answer = [0; 12];
    let ended = tokio::time::timeout(SOON, silent.read_exact(&mut answer));
    ended.await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn silent_connections_lock_nobody_out() {
    let bridge = Bridge::start(scripted(&[]), |c| c.max_connections = 16).await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    let mut silent = Vec::new();
    for round in 0..40 {
        for _ in 0..4 {
            silent.push(TcpStream::connect(client.address()).await.unwrap());
        }
        let kept = client
            .post(&call_body("1", "echo", &json!({"message": "m"})))
            .await;
        assert_eq!(kept.status, 200, "round {round}: {}", kept.text);
        let new = bridge.client().get("/healthz").await;
        assert_eq!(new.status, 200, "round {round}: {}", new.text);
    }
    // The first ones made room.
    let mut byte = [0];
    let ended = tokio::time::timeout(SOON, silent[0].read(&mut byte));
    assert_eq!(ended.await.unwrap().unwrap_or_default(), 0);
}

#[tokio::test]
async fn a_batch_of_thousands_is_answered_whole() {
    const MESSAGES: u64 = 5000;
    let bridge = Bridge::ready().await;
    let mut client = bridge.client();
    client.initialize("2025-03-26").await;
    let call = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "echo", "arguments": {"message": "m"}}});
    let batch: Vec<Value> = (0..MESSAGES).map(call).collect();
    let reply = client.post(&json!(batch).to_string()).await;
    let mut ids: Vec<u64> = reply
        .messages()
        .iter()
        .map(|m| m["id"].as_u64().unwrap())
        .collect();
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..MESSAGES));
    let batch: Vec<Value> = (0..10_001).map(call).collect();
    let reply = client.post(&json!(batch).to_string()).await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (400, -32600));
}

#[tokio::test]
async fn a_message_of_sixteen_mebibytes_passes_both_ways() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let message = "x".repeat(16 * 1024 * 1024 - 1000);
    let reply = client.call("1", "echo", json!({"message": message})).await;
    assert_eq!(reply.status, 200);
    let answer = reply.message();
    assert_eq!(
        answer["result"]["content"][0]["text"]
            .as_str()
            .map(str::len),
        Some(message.len())
    );
}
