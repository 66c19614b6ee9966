//! Streams of calls that are taken up again by `Last-Event-ID`.

use futures_util::StreamExt as _;
use hyper::{Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use sse_stream::SseStream;

use crate::harness::{Bridge, Events, RawClient, SOON, call_body, text_of, until};

/// The next event's id and message, if it has one.
async fn event(events: &mut Events) -> Option<(String, Option<Value>)> {
    let next = tokio::time::timeout(SOON, events.0.next()).await.unwrap();
    let event = next?.unwrap();
    let data = event.data.filter(|data| !data.is_empty());
    let message = data.map(|data| serde_json::from_str(&data).unwrap());
    Some((event.id.unwrap(), message))
}

async fn called(client: &RawClient, id: &str, tool: &str, arguments: Value) -> Events {
    let body = call_body(id, tool, &arguments);
    let response = client.send(Method::POST, "/mcp", &[], &body).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    Events(SseStream::new(response.into_body()))
}

async fn resumed(client: &RawClient, after: &str) -> Events {
    let headers = [("last-event-id", after)];
    let response = client.send(Method::GET, "/mcp", &headers, "").await;
    assert_eq!(response.status(), 200);
    Events(SseStream::new(response.into_body()))
}

#[tokio::test]
async fn what_was_said_while_a_client_was_away_is_there() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let mut events = called(&client, "\"long\"", "hold", json!({})).await;
    let (beginning, nothing) = event(&mut events).await.unwrap();
    assert_eq!(
        nothing, None,
        "where it can be taken up before anything came"
    );
    let (first, progress) = event(&mut events).await.unwrap();
    assert_eq!(progress.unwrap()["params"]["progressToken"], "long");
    drop(events);
    assert_eq!(client.text("release").await, "done");
    for _ in 0..2 {
        let mut events = resumed(&client, &first).await;
        let (_, answer) = event(&mut events).await.unwrap();
        let answer = answer.unwrap();
        assert_eq!(
            (&answer["id"], text_of(&answer)),
            (&json!("long"), "released")
        );
        assert_eq!(event(&mut events).await, None);
    }
    let mut events = resumed(&client, &beginning).await;
    let (id, progress) = event(&mut events).await.unwrap();
    assert_eq!(
        (id, &progress.unwrap()["params"]["message"]),
        (first, &json!("held"))
    );
    let (last, _) = event(&mut events).await.unwrap();
    // After its end there is nothing.
    assert_eq!(event(&mut resumed(&client, &last).await).await, None);
}

#[tokio::test]
async fn a_call_goes_on_where_it_is_taken_up() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let mut lost = called(&client, "1", "hold", json!({})).await;
    let (_, _) = event(&mut lost).await.unwrap();
    let (first, _) = event(&mut lost).await.unwrap();
    // One that is not closed, as when a network is gone, ends when the client comes back.
    let mut events = resumed(&client, &first).await;
    assert_eq!(event(&mut lost).await, None);
    assert_eq!(client.text("release").await, "done");
    let (_, answer) = event(&mut events).await.unwrap();
    assert_eq!(text_of(&answer.unwrap()), "released");
    // A client that is away does not keep a session from being asked by others, nor a ping from being answered.
    drop(called(&client, "2", "hold", json!({})).await);
    until("a ping is answered", async || {
        client.text("ping me later").await;
        client.text("pongs").await != "0"
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    for after in ["999-1", "1-99", "0-0"] {
        let headers = [("last-event-id", after)];
        let reply = client.exchange(Method::GET, "/mcp", &headers, "").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{after}");
    }
    // Nobody else's.
    let mut events = called(&client, "1", "hold", json!({})).await;
    let (beginning, _) = event(&mut events).await.unwrap();
    let other = bridge.session().await;
    let headers = [("last-event-id", &*beginning)];
    let reply = other.exchange(Method::GET, "/mcp", &headers, "").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    // Whose ids are not of a call are of the session's own stream.
    let mut general = resumed(&client, "something").await;
    assert_eq!(client.text("announce").await, "answered first");
    let changed = general.next().await.unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn older_clients_get_no_event_without_a_message() {
    let bridge = Bridge::ready().await;
    let mut client = bridge.client();
    client.initialize("2025-06-18").await;
    let mut events = called(&client, "1", "hold", json!({})).await;
    let (_, progress) = event(&mut events).await.unwrap();
    assert!(progress.is_some());
}
