//! Which message goes where: pairing, progress, questions of the server, cancellation.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Bridge, text_of};

#[tokio::test(flavor = "multi_thread")]
async fn trap_07_equal_ids_and_tokens_of_two_clients_do_not_mix() {
    const CALLS: u64 = 100;
    let bridge = Bridge::ready().await;
    let clients = [bridge.session().await, bridge.session().await];
    let calls = clients.iter().enumerate().flat_map(|(who, client)| {
        (0..CALLS).map(move |call| async move {
            let message = format!("client {who} call {call}");
            let arguments = json!({"message": message, "count": CALLS});
            // The same 100 ids and tokens in both sessions.
            let reply = client.call(&call.to_string(), "gather", arguments).await;
            let messages = reply.messages();
            assert_eq!(messages.len(), 2, "{}", reply.text);
            assert_eq!(messages[0]["params"]["progressToken"], call);
            assert_eq!(messages[0]["params"]["message"], message);
            assert_eq!(messages[1]["id"], call);
            assert_eq!(text_of(&messages[1]), message);
        })
    });
    join_all(calls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_ids_within_one_session_do_not_mix() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let calls = (0..20).map(|call| {
        let client = client.clone();
        async move {
            let message = format!("call {call}");
            let reply = client
                .call("1", "gather", json!({"message": message, "count": 20}))
                .await;
            assert_eq!(text_of(&reply.messages()[1]), message);
        }
    });
    join_all(calls).await;
}

#[tokio::test]
async fn trap_09_ids_come_back_as_they_went() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    for id in [
        "1",
        r#""1""#,
        "1.50",
        "9007199254740993",
        "123456789012345678901234567890",
        r#""\u0041\n""#,
    ] {
        let reply = client.call(id, "echo", json!({"message": "m"})).await;
        assert!(
            reply.text.contains(&format!(r#""id":{id}"#)),
            "{id}: {}",
            reply.text
        );
        let reply = client.call(id, "slow", json!({})).await;
        assert!(
            reply.text.contains(&format!(r#""progressToken":{id}"#)),
            "{id}: {}",
            reply.text
        );
    }
    let reply = client
        .post(r#"{"jsonrpc":"2.0","id":"u","method":"no/such"}"#)
        .await;
    assert_eq!((reply.status.as_u16(), reply.error_code()), (200, -32601));
}

#[tokio::test]
async fn unknown_parts_of_messages_pass() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    // Line ends between values are legal over HTTP and must not reach a newline-delimited stream.
    let body = "{\n\"jsonrpc\":\"2.0\",\r\n\"id\":1,\"method\":\"tools/call\",\n\"extra\":{},\"params\":{\"name\":\"echo\",\"arguments\":{\"message\":\"a\\nb\"}}}";
    assert_eq!(text_of(&client.post(body).await.message()), "a\nb");
}

#[tokio::test]
async fn the_server_asks_the_client_on_the_stream_of_its_request() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let other = bridge.session().await;
    let mut elsewhere = other.listen().await;
    let mut events = client.stream("1", "ask", json!({})).await;
    let question = events.next().await.unwrap();
    assert_eq!(question["method"], "sampling/createMessage");
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"role": "assistant"}});
    assert_eq!(client.post(&answer.to_string()).await.status, 202);
    let result = events.next().await.unwrap();
    assert_eq!(text_of(&result), r#"{"role":"assistant"}"#);
    assert_eq!(events.next().await, None);
    // The first that the other client hears is its own.
    other.text("announce").await;
    let heard = elsewhere.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn what_belongs_to_no_request_goes_to_the_get_stream() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let changed = |message: Option<Value>| {
        assert_eq!(
            message.unwrap()["method"],
            "notifications/tools/list_changed"
        );
    };
    // Before any stream is open it waits for one.
    client.text("announce").await;
    let mut first = client.listen().await;
    changed(first.next().await);
    client.text("announce").await;
    changed(first.next().await);
    // A second stream takes over, as after a reconnect.
    let mut second = client.listen().await;
    assert_eq!(first.next().await, None);
    client.text("announce").await;
    changed(second.next().await);
    assert_eq!(client.delete().await.status, 204);
    assert_eq!(second.next().await, None);
}

#[tokio::test]
async fn trap_17_cancellation_reaches_the_server_and_disconnection_does_not() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let mut left = client.stream(r#""a""#, "hold", json!({})).await;
    assert_eq!(left.next().await.unwrap()["params"]["message"], "held");
    drop(left);
    let mut cancelled = client.stream(r#""b""#, "hold", json!({})).await;
    assert_eq!(
        cancelled.next().await.unwrap()["params"]["progressToken"],
        "b"
    );
    let cancel = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        )
    };
    assert_eq!(client.post(&cancel(r#""b""#)).await.status, 202);
    // It will not be answered, so its stream ends.
    assert_eq!(cancelled.next().await, None);
    assert_eq!(client.text("cancellations").await, "1");
    // One that is not under way is not passed on, under whatever number the server knows others.
    assert_eq!(client.post(&cancel("1")).await.status, 202);
    assert_eq!(client.text("cancellations").await, "1");
}

#[tokio::test]
async fn trap_08_batches_where_the_version_has_them() {
    let bridge = Bridge::ready().await;
    let mut client = bridge.client();
    client.initialize("2025-03-26").await;
    let call = |id: u32| {
        let params = json!({"name": "echo", "arguments": {"message": format!("m{id}")}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let batch = json!([notification, call(1), call(2)]);
    let reply = client.post(&batch.to_string()).await;
    let mut answers: Vec<String> = reply
        .messages()
        .iter()
        .map(|m| text_of(m).to_owned())
        .collect();
    answers.sort();
    assert_eq!(answers, ["m1", "m2"]);
    assert_eq!(
        client.post(&json!([notification]).to_string()).await.status,
        202
    );
    assert_eq!(client.post("[]").await.status, 400);
    assert_eq!(
        client.post(&json!([call(1), 3]).to_string()).await.status,
        400
    );
}
