//! Requests of 2026-07-28: with a server that knows that version, and with one that knows sessions only.

use hyper::{Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use sse_stream::SseStream;

use crate::harness::{Bridge, Events, RawClient, scripted, text_of, until};

const NONE: &[(&str, &str)] = &[];

async fn before(mode: &str) -> Bridge {
    let bridge = Bridge::start(scripted(&[mode]), |_| {}).await;
    bridge.until_ready().await;
    bridge
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({"name": tool, "arguments": arguments})
}

/// A client that says that it can be asked.
fn asked() -> Value {
    json!({"io.modelcontextprotocol/clientCapabilities": {"sampling": {}, "roots": {}}})
}

async fn events(
    client: &RawClient,
    more: &[(&str, &str)],
    method: &str,
    params: &Value,
    meta: &Value,
) -> Events {
    let response = client.send_stateless(more, method, params, meta).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    Events(SseStream::new(response.into_body()))
}

#[tokio::test]
async fn a_server_with_sessions_is_translated() {
    let bridge = before("").await;
    let client = bridge.client();
    let discovered = client
        .stateless(NONE, "server/discover", &json!({}), &json!({}))
        .await;
    assert_eq!(discovered.status, 200, "{}", discovered.text);
    let result = &discovered.message()["result"];
    assert_eq!(
        result["supportedVersions"],
        json!(["2026-07-28", "2025-11-25"])
    );
    assert_eq!(result["resultType"], "complete");
    let name = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
    assert_eq!(name, "scripted");
    assert!(!discovered.headers.contains_key("mcp-session-id"));

    let params = call("echo", &json!({"message": "hé"}));
    let reply = client
        .stateless(NONE, "tools/call", &params, &json!({}))
        .await;
    let message = reply.message();
    assert_eq!((&message["id"], text_of(&message)), (&json!("m"), "hé"));
    assert_eq!(message["result"]["resultType"], "complete");
    let unknown = client
        .stateless(NONE, "nothing/like", &json!({}), &json!({}))
        .await;
    assert_eq!(unknown.status, 404);
    let ping = client.stateless(NONE, "ping", &json!({}), &json!({})).await;
    assert_eq!(ping.status, 404);
}

#[tokio::test]
async fn children_are_lent_within_one_identity() {
    let bridge = before("").await;
    let client = bridge.client();
    let count = async |headers: &[(&str, &str)], meta: &Value| {
        let params = call("count", &json!({}));
        let reply = client.stateless(headers, "tools/call", &params, meta).await;
        text_of(&reply.message()).to_owned()
    };
    let (ann, bob) = ([("mcpt-caller", "ann")], [("mcpt-caller", "bob")]);
    assert_eq!(count(&ann, &json!({})).await, "1");
    assert_eq!(
        count(&[ann[0], ("x-request-id", "7")], &json!({})).await,
        "2"
    );
    assert_eq!(count(&bob, &json!({})).await, "1");
    // What a client can do is a part of its session.
    assert_eq!(count(&ann, &asked()).await, "1");
    assert_eq!(count(&ann, &json!({})).await, "3");
}

#[tokio::test]
async fn what_a_server_asks_becomes_another_round() {
    let bridge = before("").await;
    let client = bridge.client();
    let ann = [("mcpt-caller", "ann")];
    let params = call("ask", &json!({}));
    let reply = client
        .stateless(&ann, "tools/call", &params, &asked())
        .await;
    let first = reply.message();
    let result = &first["result"];
    assert_eq!(result["resultType"], "input_required");
    let asked_for = &result["inputRequests"]["question-1"];
    assert_eq!(asked_for["method"], "sampling/createMessage");
    let again = |state: &Value, answers: Value, tool: &str| json!({"name": tool, "arguments": {}, "requestState": state, "inputResponses": answers});
    let state = &result["requestState"];
    let answers = json!({"question-1": {"role": "assistant"}});
    // Nobody else has it, nothing else is asked by it, and what is not answered is asked again.
    for (headers, params) in [
        (
            &[("mcpt-caller", "bob")],
            again(state, answers.clone(), "ask"),
        ),
        (&ann, again(state, answers.clone(), "echo")),
        (&ann, again(&json!("mcpt-bridge.0"), answers.clone(), "ask")),
    ] {
        let reply = client
            .stateless(headers, "tools/call", &params, &asked())
            .await;
        assert_eq!(
            (reply.status, reply.error_code()),
            (StatusCode::BAD_REQUEST, -32602)
        );
    }
    let params = again(state, json!({}), "ask");
    let reply = client
        .stateless(&ann, "tools/call", &params, &asked())
        .await;
    let second = reply.message();
    let state = &second["result"]["requestState"];
    assert_eq!(second["result"]["resultType"], "input_required");
    let params = again(state, answers, "ask");
    let reply = client
        .stateless(&ann, "tools/call", &params, &asked())
        .await;
    assert_eq!(text_of(&reply.message()), r#"{"role":"assistant"}"#);
}

#[tokio::test]
async fn trap_05_finding_the_era_harms_no_child() {
    for mode in ["both", "deaf", ""] {
        let bridge = before(mode).await;
        for _ in 0..2 {
            let client = bridge.client();
            let params = call("echo", &json!({"message": "hello"}));
            let reply = client
                .stateless(NONE, "tools/call", &params, &json!({}))
                .await;
            assert_eq!(text_of(&reply.message()), "hello", "{mode}");
            let session = bridge.session().await;
            let reply = session.call("1", "echo", json!({"message": "hello"})).await;
            assert_eq!(text_of(&reply.message()), "hello", "{mode}");
        }
    }
}

#[tokio::test]
async fn a_server_of_the_version_gets_requests_as_they_are() {
    let bridge = before("both").await;
    let client = bridge.client();
    let reply = client
        .stateless(NONE, "server/discover", &json!({}), &json!({}))
        .await;
    // The child's own answer.
    assert_eq!(reply.message()["result"]["ttlMs"], 5);
    let pid = client.stateless_text("pid").await;
    assert_eq!(
        client.stateless_text("pid").await,
        pid,
        "all share one child"
    );
    assert_ne!(bridge.session().await.text("pid").await, pid);
    let reply = client
        .stateless(NONE, "tasks/get", &json!({}), &json!({}))
        .await;
    let message = reply.message();
    assert_eq!(
        (reply.status, &message["id"]),
        (StatusCode::NOT_FOUND, &json!("m"))
    );
    // It is the server that says so: an extension may have it.
    assert_eq!(message["error"]["message"], "tasks/get");
    // What would take the child out of its era does not reach it.
    let reply = client
        .stateless(NONE, "initialize", &json!({}), &json!({}))
        .await;
    assert_eq!(
        (reply.status, reply.error_code()),
        (StatusCode::NOT_FOUND, -32601)
    );
    // Session ids mean nothing here.
    let headers = [("mcp-session-id", "none")];
    let reply = client
        .stateless(&headers, "tools/list", &json!({}), &json!({}))
        .await;
    assert!(reply.text.contains("-32601"), "{}", reply.text);
}

#[tokio::test]
async fn trap_07_equal_ids_and_tokens_of_two_clients_on_one_child() {
    let bridge = before("both").await;
    let one = async |client: RawClient, number: usize| {
        let message = format!("payload {number}");
        let params = call("gather", &json!({"message": message, "count": 200}));
        let meta = json!({"progressToken": "same"});
        let reply = client.stateless(NONE, "tools/call", &params, &meta).await;
        let [progress, answer] = &reply.messages()[..] else {
            panic!("{}", reply.text)
        };
        assert_eq!(progress["params"]["progressToken"], "same");
        assert_eq!(progress["params"]["message"], message.as_str());
        assert_eq!(
            (&answer["id"], text_of(answer)),
            (&json!("m"), message.as_str())
        );
    };
    let (first, second) = (bridge.client(), bridge.client());
    let all = (0..200).map(|number| {
        let client = if number % 2 == 0 { &first } else { &second };
        one(client.clone(), number)
    });
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn trap_10_headers_that_say_something_else_are_refused() {
    let bridge = before("both").await;
    let client = bridge.client();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = |meta: &Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "danger", "arguments": {}, "_meta": meta}})
        .to_string()
    };
    let version = ("mcp-protocol-version", "2026-07-28");
    let (method, name) = (("mcp-method", "tools/call"), ("mcp-name", "danger"));
    for (headers, meta, code) in [
        (vec![version, method, ("mcp-name", "safe")], &meta, -32020),
        (vec![version, method, name, name], &meta, -32020),
        (vec![version, ("mcp-method", "ping"), name], &meta, -32020),
        (vec![version, method], &meta, -32020),
        (vec![method, name], &meta, -32020),
        (
            vec![("mcp-protocol-version", "2025-11-25"), method, name],
            &meta,
            -32020,
        ),
        (vec![version, method, name], &json!({}), -32602),
        (
            vec![("mcp-protocol-version", "2199-01-01"), method, name],
            &json!({
                "io.modelcontextprotocol/protocolVersion": "2199-01-01",
                "io.modelcontextprotocol/clientCapabilities": {},
            }),
            -32022,
        ),
    ] {
        let reply = client
            .exchange(Method::POST, "/mcp", &headers, &body(meta))
            .await;
        let got = (reply.status, reply.error_code());
        assert_eq!(got, (StatusCode::BAD_REQUEST, code), "{headers:?}");
    }
}

#[tokio::test]
async fn trap_12_a_round_goes_back_to_the_child_that_asked() {
    let bridge = before("both").await;
    let client = bridge.client();
    // Log messages take a further child, so that there are two.
    let log = json!({"io.modelcontextprotocol/logLevel": "info"});
    let params = call("hold", &json!({}));
    let meta = json!({"io.modelcontextprotocol/logLevel": "info", "progressToken": 1});
    let mut held = events(&client, NONE, "tools/call", &params, &meta).await;
    held.next().await.unwrap();
    for meta in [&json!({}), &log] {
        let params = call("rounds", &json!({}));
        let reply = client.stateless(NONE, "tools/call", &params, meta).await;
        let message = reply.message();
        let state = &message["result"]["requestState"];
        for meta in [&json!({}), &log] {
            let params = json!({"name": "rounds", "arguments": {}, "requestState": state,
                "inputResponses": {"q": {"roots": []}}});
            let reply = client.stateless(NONE, "tools/call", &params, meta).await;
            assert_eq!(text_of(&reply.message()), r#"{"q":{"roots":[]}}"#);
        }
    }
}

#[tokio::test]
async fn trap_17_a_client_that_goes_away_ends_its_call() {
    for mode in ["both", ""] {
        let bridge = before(mode).await;
        let client = bridge.client();
        let pid = client.stateless_text("pid").await;
        let params = call("hold", &json!({}));
        let meta = json!({"progressToken": 1});
        let mut held = events(&client, NONE, "tools/call", &params, &meta).await;
        held.next().await.unwrap();
        drop(held);
        if mode == "both" {
            until("its child is told", async || {
                client.stateless_text("cancellations").await == "1"
            })
            .await;
            assert_eq!(client.stateless_text("pid").await, pid);
        } else {
            let process = format!("/proc/{pid}");
            until("its child has left", async || {
                !std::path::Path::new(&process).exists()
            })
            .await;
        }
    }
}

#[tokio::test]
async fn trap_19_log_messages_are_for_the_request_that_takes_them() {
    let bridge = before("both").await;
    let client = bridge.client();
    let params = call("hold", &json!({}));
    let level = json!({"io.modelcontextprotocol/logLevel": "info", "progressToken": 1});
    let mut held = events(&client, NONE, "tools/call", &params, &level).await;
    held.next().await.unwrap();
    let params = call("log", &json!({"message": "of the second"}));
    let reply = client.stateless(NONE, "tools/call", &params, &level).await;
    let messages = reply.messages();
    assert_eq!(
        messages[0]["params"]["data"], "of the second",
        "{}",
        reply.text
    );
    // One that takes none gets none, and its child's go to nobody.
    let reply = client
        .stateless(NONE, "tools/call", &params, &json!({}))
        .await;
    assert_eq!(reply.messages().len(), 1, "{}", reply.text);
}

#[tokio::test]
async fn trap_19_log_messages_of_an_abandoned_call_reach_nobody() {
    let bridge = before("both").await;
    let client = bridge.client();
    let params = call("hold", &json!({}));
    let level = json!({"io.modelcontextprotocol/logLevel": "info", "progressToken": 1});
    let mut held = events(&client, NONE, "tools/call", &params, &level).await;
    held.next().await.unwrap();
    drop(held);
    until("its child is told", async || {
        client.stateless_text("cancellations").await == "1"
    })
    .await;
    for _ in 0..2 {
        let params = call("log", &json!({"message": "of the second"}));
        let reply = client.stateless(NONE, "tools/call", &params, &level).await;
        let [log, answer] = &reply.messages()[..] else {
            panic!("{}", reply.text)
        };
        assert_eq!(log["params"]["data"], "of the second");
        assert_eq!(text_of(answer), "logged");
    }
}

#[tokio::test]
async fn listening_ends_with_its_result() {
    for mode in ["both", ""] {
        let mut bridge = before(mode).await;
        let client = bridge.client();
        let params = json!({"notifications": {"toolsListChanged": true}});
        let mut listening =
            events(&client, NONE, "subscriptions/listen", &params, &json!({})).await;
        let subscription = |message: &Value, of: &str| {
            message[of]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone()
        };
        let first = listening.next().await.unwrap();
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(subscription(&first, "params"), "m");
        if mode == "both" {
            assert_eq!(client.stateless_text("announce").await, "announced");
            let changed = listening.next().await.unwrap();
            assert_eq!(changed["method"], "notifications/tools/list_changed");
            assert_eq!(subscription(&changed, "params"), "m");
        }
        bridge.ask_to_stop();
        let last = listening.next().await.unwrap();
        assert_eq!(
            (&last["id"], subscription(&last, "result")),
            (&json!("m"), json!("m"))
        );
        assert!(listening.next().await.is_none());
        bridge.stopped().await;
    }
}

#[tokio::test]
async fn where_one_child_may_run_what_is_idle_gives_way() {
    for mode in ["both", ""] {
        let bridge = Bridge::start(scripted(&[mode]), |config| config.max_sessions = 1).await;
        bridge.until_ready().await;
        let client = bridge.client();
        for _ in 0..2 {
            client.stateless_text("pid").await;
            let session = bridge.session().await;
            session.text("pid").await;
            // A session keeps its place for as long as it lasts.
            let params = call("pid", &json!({}));
            let reply = client
                .stateless(NONE, "tools/call", &params, &json!({}))
                .await;
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{mode}");
            assert!(reply.headers.contains_key("retry-after"));
            session.delete().await;
            until("its place is free", async || {
                let reply = client
                    .stateless(NONE, "tools/call", &params, &json!({}))
                    .await;
                reply.status == StatusCode::OK
            })
            .await;
        }
    }
}
