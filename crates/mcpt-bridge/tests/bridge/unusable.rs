//! What servers say that is no message, or not quite.

use serde_json::json;

use crate::harness::{Bridge, scripted, text_of, until};

const OK: &str = r#"{"content":[{"type":"text","text":"usable"}]}"#;

#[tokio::test]
async fn answers_that_can_be_made_out_arrive() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let good = format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{OK}}}"#);
    let pretty = format!(
        "{{\n  \"jsonrpc\": \"2.0\",\n\n  \"id\": ID,\n  \"result\": {}\n}}\n",
        OK.replace(',', ",\n")
    );
    for text in [
        good.replace("ID", "\"ID\""),
        good.replace("ID", "ID.0"),
        good.replace("ID", "\"ID.0\""),
        format!("\u{feff}{good}"),
        format!("Loading... {good}"),
        format!("\u{1b}[?1h\u{1b}={good}\r"),
        pretty.clone(),
        pretty.replace('\n', "\r\n"),
        format!("{{ not json\n{good}"),
        format!("{{\"jsonrpc\": \"2.0\", \"id\"\n{good}"),
    ] {
        let text = format!("{text}\n");
        let reply = client.call("\"a\"", "say", json!({"text": text})).await;
        let message = reply.message();
        assert_eq!(message["id"], "a", "{text}");
        assert_eq!(text_of(&message), "usable", "{text}");
    }
}

#[tokio::test]
async fn answers_that_cannot_be_used_end_their_requests_and_are_quoted() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    for (text, quoted) in [
        (r#"{"jsonrpc":"2.0","id":ID,"result":{"mean":NaN}}"#, "NaN"),
        (
            r#"{"jsonrpc":"2.0","id":ID,"result":{"text":"café"}}"#,
            "caf",
        ),
        (r#"{"id":ID,"result":{"text":"no version"}}"#, "no version"),
        (r#"{"jsonrpc":"1.0","id":ID,"result":{}}"#, "1.0"),
        (
            r#"{"jsonrpc":"2.0","id":ID,"result":null,"error":{"code":1,"message":"no such row"}}"#,
            "no such row",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}"#,
            "Parse error",
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"whose?"}}"#,
            "whose?",
        ),
        (
            r#"{"jsonrpc":"2.0","id":"what","result":{"text":"other"}}"#,
            "other",
        ),
        (
            r#"{"jsonrpc":"2.0","id":4711,"result":{"text":"later"}}"#,
            "later",
        ),
        (r#"{"jsonrpc":"2.0","id":ID}"#, "jsonrpc"),
        (
            "{\n\"jsonrpc\": \"2.0\",\n\"id\": ID,\n\"result\": {\"mean\": NaN}\n}",
            "NaN",
        ),
        (
            r#"{"result":{"mean":-Infinity},"jsonrpc":"2.0","id":ID}"#,
            "Infinity",
        ),
    ] {
        let say = json!({"text": format!("{text}\n"), "latin1": true});
        let reply = client.call("\"a\"", "say", say).await;
        let message = reply.message();
        assert_eq!(message["id"], "a", "{text}");
        let error = message["error"]["message"]
            .as_str()
            .unwrap_or_else(|| panic!("{message}"));
        assert!(error.contains(quoted), "{error}");
        assert_eq!(message["error"]["code"], -32603);
    }
    assert_eq!(client.text("noise").await, "after the noise");
}

#[tokio::test]
async fn nobody_is_answered_with_what_names_nobody() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let mut held = client.stream("1", "hold", json!({})).await;
    held.next().await.unwrap();
    let text = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"Parse error\"}}\n";
    let good = format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{OK}}}"#);
    let say = json!({"text": format!("{text}{good}\n")});
    assert_eq!(
        text_of(&client.call("2", "say", say).await.message()),
        "usable"
    );
    assert_eq!(client.text("release").await, "done");
    assert_eq!(text_of(&held.next().await.unwrap()), "released");
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_only_its_own_request() {
    let bridge = Bridge::start(scripted(&[]), |c| c.max_message = 100_000).await;
    bridge.until_ready().await;
    let client = bridge.session().await;
    let mut held = client.stream("1", "hold", json!({})).await;
    held.next().await.unwrap();
    for text in [
        r#"{"jsonrpc":"2.0","id":ID,"result":{"text":"LONGLONG"}}"#,
        r#"{"result":{"text":"LONGLONG","id":3},"jsonrpc":"2.0","id":ID}"#,
    ] {
        let say = json!({"text": format!("{text}\n"), "long": 40_000});
        let reply = client.call("2", "say", say).await;
        let error = reply.message()["error"]["message"].to_string();
        assert!(error.contains("longer than 100000 bytes"), "{error}");
    }
    assert_eq!(client.text("release").await, "done");
    assert_eq!(text_of(&held.next().await.unwrap()), "released");
}

#[tokio::test]
async fn tokens_and_cancelled_ids_are_compared_by_value() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"ID","progress":1}}"#;
    let answer = format!(r#"{{"jsonrpc":"2.0","id":ID,"result":{OK}}}"#);
    let say = json!({"text": format!("{progress}\n{answer}\n")});
    let messages = client.call("\"a\"", "say", say).await.messages();
    assert_eq!(messages[0]["params"]["progressToken"], "a");
    assert_eq!(text_of(&messages[1]), "usable");
    let mut held = client.stream(r#""ab""#, "hold", json!({})).await;
    held.next().await.unwrap();
    let cancel =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\u0061b"}}"#;
    assert_eq!(client.post(cancel).await.status, 202);
    assert_eq!(held.next().await, None);
    assert_eq!(client.text("cancellations").await, "1");
}

#[tokio::test]
async fn a_ping_that_no_stream_takes_is_answered() {
    let bridge = Bridge::ready().await;
    let client = bridge.session().await;
    assert_eq!(client.text("ping me later").await, "answered first");
    until("the server has its answer", async || {
        let messages = client.call("77", "pongs", json!({})).await.messages();
        // It may have come while this very question was open, and was the client's then.
        if messages.iter().any(|message| message["method"] == "ping") {
            client.text("ping me later").await;
        }
        messages.last().map(text_of) == Some("1")
    })
    .await;
    // With a stream, it is the client's.
    let mut events = client.listen().await;
    client.text("ping me later").await;
    assert_eq!(events.next().await.unwrap()["method"], "ping");
    assert_eq!(client.text("pongs").await, "1");
}

#[tokio::test]
async fn readiness_is_as_strict_as_a_session() {
    for (answer, why) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            "names no protocol version",
        ),
        (r#"{"id":1,"result":{}}"#, "cannot be used"),
        (
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}"#,
            "names no request",
        ),
        (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, "not asked"),
    ] {
        let script = r#"read x; echo "$1"; read y"#;
        let command = ["sh", "-c", script, "sh", answer].map(Into::into).to_vec();
        let bridge = Bridge::start(command, |_| {}).await;
        until("the failure is known", async || {
            let reply = bridge.client().get("/readyz").await;
            reply.status == 503 && reply.text.contains(why)
        })
        .await;
    }
}
