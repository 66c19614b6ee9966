//! What holds however a server is called: how many requests it gets at once, how long it may take, and that no session is left
//! there that nobody has; and streams that end when their client may not hear them any more.

use std::{num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use mcpt_access::ApiKey;
use mcpt_gateway::LockConfig;
use mcpt_routing::{Change, Conditions};
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, mpsc::UnboundedReceiver},
    time::timeout,
};

use crate::{
    aggregate::{Client, servers},
    harness::{PATIENCE, Tellable, call, demo, gateway, gateway_like, modern},
    scripted::{ReceivedRequest, Said, scripted},
    wire::Wire,
};

/// The head and the body of a modern call, as a connection sends them.
async fn send(gateway: &Tellable, tool: &str) -> Wire {
    let (headers, body) = modern("tools/call", &json!({"name": tool}));
    let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
    let mut wire = Wire::open(gateway.address).await.unwrap();
    wire.send("POST", "/mcp/demo", &headers, &body)
        .await
        .unwrap();
    wire
}

/// Waits for a request.
async fn comes(
    asked: &mut UnboundedReceiver<ReceivedRequest>,
    wanted: impl Fn(&ReceivedRequest) -> bool,
) -> ReceivedRequest {
    let found = async {
        loop {
            let asked = asked.recv().await.unwrap();
            if wanted(&asked) {
                return asked;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap()
}

/// A server with sessions alone: what the calls of its tool `tool` get.
fn sessions_only(asked: &ReceivedRequest, called: &Said) -> Option<Said> {
    match asked.rpc() {
        "server/discover" => Some(Said::Status(404)),
        "tools/call" => Some(called.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_gets_so_many_requests_at_once_however_it_is_called() {
    let mut server = scripted(json!({"tools": {}}), |asked| {
        sessions_only(asked, &Said::Open(Vec::new()))
    })
    .await;
    let gateway = gateway_like(|config| config.handling.max_requests = NonZeroU32::new(1));
    servers(&gateway, &[("demo", server.address)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let client = Client::open(&gateway).await;
    client.has(&["demo_tool"]).await;
    // Translated: the server has sessions, the client none.
    let held = send(&gateway, "tool").await;
    comes(&mut server.asked, |asked| asked.rpc() == "tools/call").await;
    let busy = gateway.modern_call("tool").await;
    assert_eq!((busy.status, busy.retry_after), (503, true), "{busy:?}");
    let busy = client.call("demo_tool").await;
    assert!(busy.text.contains("requests in progress"), "{busy:?}");
    drop(held);
    // Its place is free once it is over, and a call in a session at `/mcp` takes it.
    let mut wire = Wire::open(gateway.address).await.unwrap();
    let taken = async {
        loop {
            client.begin_call(&mut wire, "demo_tool").await;
            let called = comes(&mut server.asked, |asked| asked.rpc() == "tools/call");
            if timeout(Duration::from_millis(500), called).await.is_ok() {
                return;
            }
            wire = Wire::open(gateway.address).await.unwrap();
        }
    };
    timeout(PATIENCE, taken).await.unwrap();
    let busy = gateway.modern_call("tool").await;
    assert_eq!((busy.status, busy.retry_after), (503, true), "{busy:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_begin_is_given_up_in_a_translated_call() {
    let server = scripted(json!({"tools": {}}), |asked| {
        sessions_only(asked, &Said::Silence)
    })
    .await;
    let limit = Some(Duration::from_millis(50));
    let gateway = gateway_like(|config| config.handling.answer_within = limit);
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let late = timeout(PATIENCE, gateway.modern_call("tool"))
        .await
        .unwrap();
    assert!(late.text.contains("has not begun to answer"), "{late:?}");
}

/// A server that begins sessions when it is let.
fn slow_to_begin(
    let_through: &Arc<Semaphore>,
) -> impl Fn(&ReceivedRequest) -> Option<Said> + use<> {
    let let_through = Arc::clone(let_through);
    move |asked| match asked.rpc() {
        "initialize" => {
            let begun = json!({"jsonrpc": "2.0", "id": asked.message["id"], "result": {
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "slow", "version": "1"}}});
            Some(Said::Held(Arc::clone(&let_through), begun.to_string()))
        }
        _ => sessions_only(asked, &Said::Status(202)),
    }
}

fn ends_it(asked: &ReceivedRequest) -> bool {
    asked.method == "DELETE" && asked.header("mcp-session-id") == Some("own")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_nobody_waits_for_any_more_is_ended() {
    let let_through = Arc::new(Semaphore::new(0));
    let initialize = |asked: &ReceivedRequest| asked.rpc() == "initialize";
    // A client that goes away, and one that is told that it takes too long.
    for limit in [None, Some(Duration::from_millis(50))] {
        let mut server = scripted(json!({}), slow_to_begin(&let_through)).await;
        let gateway = gateway_like(|config| config.handling.answer_within = limit);
        gateway.endpoints(&[("a", server.address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        if limit.is_some() {
            let late = gateway.modern_call("tool").await;
            assert_eq!(late.status, 504, "{late:?}");
        } else {
            let going_on = |count: u32| {
                format!(
                    "requests_in_flight{{namespace=\"ns\",server=\"demo\",endpoint=\"a\"}} {count}\n"
                )
            };
            let wire = send(&gateway, "tool").await;
            comes(&mut server.asked, initialize).await;
            gateway.shows(&going_on(2)).await;
            drop(wire);
            // The client's own is over once the gateway has seen it leave.
            gateway.shows(&going_on(1)).await;
        }
        let_through.add_permits(1);
        comes(&mut server.asked, ends_it).await;
    }
    // The gateway's own, with which it asks for lists.
    let mut server = scripted(json!({}), slow_to_begin(&let_through)).await;
    let gateway = gateway();
    servers(&gateway, &[("demo", server.address)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let _client = Client::open(&gateway).await;
    comes(&mut server.asked, initialize).await;
    gateway.tell.send(Change::Snapshot(Vec::new())).unwrap();
    let gone = async {
        while gateway.metrics().await.contains("condition=\"ready\"") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
    let_through.add_permits(1);
    comes(&mut server.asked, ends_it).await;
}

struct User {
    bearer: String,
    line: String,
}

fn user(name: &str) -> User {
    let key = ApiKey::draw(name, &[]).unwrap();
    User {
        bearer: format!("Bearer {}", key.key().expose()),
        line: format!("{}\n", key.line()),
    }
}

fn write(folder: &Path, file: &str, text: &str) {
    std::fs::write(folder.join("new"), text).unwrap();
    std::fs::rename(folder.join("new"), folder.join(file)).unwrap();
}

/// A stream that a user has open at a path, in a session there.
async fn listening(gateway: &Tellable, user: &User, path: &str) -> Wire {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let own = ("Authorization", &*user.bearer);
    let begun = gateway
        .exchange("POST", path, &[own], &message.to_string())
        .await;
    let session = begun.session.unwrap();
    let mut wire = Wire::open(gateway.address).await.unwrap();
    let headers = [
        own,
        ("Mcp-Session-Id", &*session),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    wire.send("GET", path, &headers, "").await.unwrap();
    // It is open from then on: what changes later finds it.
    let head = timeout(PATIENCE, wire.until("\r\n\r\n")).await.unwrap();
    let head = head.unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    wire
}

/// Waits for the orderly end of a stream.
async fn ends(stream: &mut Wire) {
    let end = stream.until("0\r\n\r\n");
    timeout(PATIENCE, end).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_any_more_hears_nothing_more() {
    let (alice, bob) = (user("alice"), user("bob"));
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let both = [&*alice.line, &bob.line].concat();
    let rule = |who: &str| format!("- {{who: ['key:{who}'], servers: [demo]}}\n");
    let rules = |entries: &[String]| format!("allow:\n{}", entries.concat());
    write(folder, "keys", &both);
    write(folder, "rules", &rules(&[rule("alice"), rule("bob")]));
    let (keys, rules_file) = (folder.join("keys"), folder.join("rules"));
    let gateway = gateway_like(|config| {
        config.lock = Some(LockConfig {
            keys: Some(keys),
            tokens: None,
            rules: Some(rules_file),
        });
    });
    let server = scripted(json!({"tools": {}}), |asked| {
        (asked.method == "GET").then(|| Said::Open(vec![": here\n\n".to_owned()]))
    })
    .await;
    servers(&gateway, &[("demo", server.address)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let mut streams = Vec::new();
    for path in ["/mcp/demo", "/mcp"] {
        let alices = listening(&gateway, &alice, path).await;
        let bobs = listening(&gateway, &bob, path).await;
        streams.push((alices, bobs));
    }
    let (_, bobs) = &mut streams[0];
    timeout(PATIENCE, bobs.until(": here\n\n"))
        .await
        .unwrap()
        .unwrap();
    // Rules that say the same of them change nothing at a server; alice's key is taken back then.
    let same = rules(&[rule("bob"), rule("alice"), rule("carol")]);
    write(folder, "rules", &same);
    write(folder, "keys", &bob.line);
    let (at_server, at_all) = {
        let mut streams = streams.into_iter();
        (streams.next().unwrap(), streams.next().unwrap())
    };
    let (mut alices, mut bobs) = at_server;
    ends(&mut alices).await;
    // At `/mcp` any change of the rules has each of them judged anew.
    for mut stream in [at_all.0, at_all.1] {
        ends(&mut stream).await;
    }
    // Bob's is still there: the server is heard on it, until he may not.
    server.say.send("data: {}\n\n".to_owned()).unwrap();
    let heard = bobs.until("data: {}\n\n");
    timeout(PATIENCE, heard).await.unwrap().unwrap();
    write(folder, "rules", "allow: []");
    ends(&mut bobs).await;
    let headers = [("Authorization", &*bob.bearer)];
    let body = call("tool").to_string();
    let refused = gateway.exchange("POST", "/mcp/demo", &headers, &body);
    assert_eq!(refused.await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_sees_follows_lists_and_rules() {
    let alice = user("alice");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "keys", &alice.line);
    let only = |tool: &str| format!("allow: [{{who: ['*'], servers: [demo], tools: [{tool}]}}]");
    write(folder, "rules", &only("whoami"));
    let (keys, rules) = (folder.join("keys"), folder.join("rules"));
    let gateway = gateway_like(|config| {
        config.lock = Some(LockConfig {
            keys: Some(keys),
            tokens: None,
            rules: Some(rules),
        });
    });
    servers(&gateway, &[("demo", demo("a").await)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let listed = async || {
        let (headers, body) = modern("tools/list", &json!({}));
        let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        headers.retain(|(name, _)| *name != "Mcp-Name");
        headers.push(("Authorization", &alice.bearer));
        let answer = gateway.exchange("POST", "/mcp", &headers, &body).await;
        let answer: Value = serde_json::from_str(&answer.text).unwrap();
        let tools = answer["result"]["tools"].as_array().cloned();
        let names = tools.unwrap_or_default();
        names
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (rules, wanted) in [
        (None, &["demo_whoami"][..]),
        (Some(only("counter")), &["demo_counter"]),
        (Some(only("nothing")), &[]),
        (Some(only("whoami")), &["demo_whoami"]),
    ] {
        if let Some(rules) = rules {
            write(folder, "rules", &rules);
        }
        let seen = async {
            while listed().await != wanted {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, seen).await.unwrap();
    }
}
