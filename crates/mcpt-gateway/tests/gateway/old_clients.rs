//! Clients with sessions in front of a server of 2026-07-28 alone.

use mcpt_routing::Conditions;
use serde_json::{Value, json};

use crate::{
    harness::{Tellable, gateway},
    recorded::{ReceivedRequest, Recorded, Reply},
    wire::{Answer, Wire},
};

/// A server that knows no sessions.
fn answer(asked: &ReceivedRequest) -> Reply {
    let id = asked.message["id"].clone();
    let result = |mut result: Value| {
        result["resultType"] = json!("complete");
        Reply::json(
            200,
            json!({"jsonrpc": "2.0", "id": id.clone(), "result": result}),
        )
    };
    let error = |status, code: i32, data: Value| {
        let error = json!({"code": code, "message": "no", "data": data});
        Reply::json(
            status,
            json!({"jsonrpc": "2.0", "id": id.clone(), "error": error}),
        )
    };
    if asked.method != "POST" {
        return Reply::nothing(405);
    }
    match asked.what() {
        "initialize" => error(
            400,
            -32022,
            json!({"supported": ["2026-07-28"], "requested": "x"}),
        ),
        "server/discover" => result(json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {"listChanged": true}, "resources": {"subscribe": true}},
            "instructions": "Be kind.", "ttlMs": 1, "cacheScope": "public",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "new", "version": "7"}},
        })),
        "tools/list" => result(json!({
            "tools": [
                {"name": "a", "inputSchema": {"type": "object"}, "outputSchema": {"type": "array"}},
                {"name": "b", "inputSchema": {"type": "object"}, "outputSchema": {"type": "object"}},
            ],
            "ttlMs": 1000, "cacheScope": "public",
        })),
        "tools/call" if asked.message["params"]["name"] == "slow" => {
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": 1, "progress": 1}});
            Reply::events(vec![progress], true)
        }
        "tools/call" => result(json!({"content": [], "structuredContent": [1], "n": 1.0})),
        "resources/read" => error(400, -32602, json!(null)),
        "subscriptions/listen" => {
            let said = |method: &str| {
                json!({"jsonrpc": "2.0", "method": method, "params": {
                    "uri": "a:b", "_meta": {"io.modelcontextprotocol/subscriptionId": id}}})
            };
            let all = [
                "notifications/subscriptions/acknowledged",
                "notifications/resources/updated",
            ];
            Reply::events(all.map(said).to_vec(), true)
        }
        _ => error(404, -32601, json!(null)),
    }
}

async fn ready() -> (Tellable, Recorded) {
    let (gateway, server) = (gateway(), Recorded::start(answer).await);
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    (gateway, server)
}

async fn open(gateway: &Tellable) -> (String, Value) {
    let message = json!({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {"sampling": {}},
        "clientInfo": {"name": "old", "version": "1"}}});
    let answer = gateway.post(&[], &message).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let message = serde_json::from_str(&answer.text).unwrap();
    (answer.session.unwrap(), message)
}

async fn ask(gateway: &Tellable, session: &str, method: &str, params: &Value) -> Answer {
    let message = json!({"jsonrpc": "2.0", "id": "x", "method": method, "params": params});
    gateway.post(&[("Mcp-Session-Id", session)], &message).await
}

fn message(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{answer:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_with_the_gateway_and_goes_on_anywhere() {
    let (gateway, server) = ready().await;
    let (session, begun) = open(&gateway).await;
    assert_eq!(
        begun,
        json!({"jsonrpc": "2.0", "id": "i", "result": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": true}, "resources": {"subscribe": true}},
            "serverInfo": {"name": "new", "version": "7"}, "instructions": "Be kind."}})
    );
    let called = ask(
        &gateway,
        &session,
        "tools/call",
        &json!({"name": "caf\u{e9}"}),
    )
    .await;
    assert_eq!(called.status, 200);
    assert_eq!(message(&called)["id"], "x");
    assert_eq!(
        called.text.matches("\"n\":1.0").count(),
        1,
        "{}",
        called.text
    );
    assert!(!called.text.contains("structuredContent") && !called.text.contains("resultType"));
    let asked = &server.asked_for("tools/call")[0];
    assert_eq!(asked.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(asked.header("mcp-method"), Some("tools/call"));
    assert_eq!(asked.header("mcp-name"), Some("=?base64?Y2Fmw6k=?="));
    assert_eq!(asked.header("mcp-session-id"), None);
    let meta = &asked.message["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/protocolVersion"],
        "2026-07-28"
    );
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({"sampling": {}})
    );
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "old");

    // Another replica knows the session by its id alone, and no second client has to be refused first.
    let other = crate::harness::gateway();
    other.endpoints(&[("a", server.address, Conditions::READY)]);
    other.shows("condition=\"ready\"} 1").await;
    let listed = message(&ask(&other, &session, "tools/list", &json!({})).await);
    let tools = &listed["result"]["tools"];
    assert!(tools[0].get("outputSchema").is_none() && tools[1].get("outputSchema").is_some());
    assert!(listed["result"].get("ttlMs").is_none(), "{listed}");
    open(&gateway).await;
    assert_eq!(server.asked_for("initialize").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_02_what_servers_do_not_know_any_more_is_answered_by_the_gateway() {
    let (gateway, server) = ready().await;
    let (session, _) = open(&gateway).await;
    for (method, params) in [
        ("ping", json!({})),
        ("logging/setLevel", json!({"level": "error"})),
        ("resources/subscribe", json!({"uri": "a:b"})),
    ] {
        let answer = ask(&gateway, &session, method, &params).await;
        assert_eq!(message(&answer)["result"], json!({}), "{method}");
        assert!(server.asked_for(method).is_empty());
    }
    ask(&gateway, &session, "tools/call", &json!({"name": "a"})).await;
    let level = &server.asked_for("tools/call")[0].message["params"]["_meta"];
    assert_eq!(level["io.modelcontextprotocol/logLevel"], "error");
    // A client that is answered 404 would begin anew.
    for (method, code) in [
        ("some/thing", -32601),
        ("resources/read", -32002),
        ("tasks/list", -32601),
    ] {
        let answer = ask(&gateway, &session, method, &json!({"uri": "x"})).await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(message(&answer)["error"]["code"], code, "{method}");
    }
    let headers = [("Mcp-Session-Id", &*session)];
    let mut stream = Wire::open(gateway.address).await.unwrap();
    stream.send("GET", "/mcp/demo", &headers, "").await.unwrap();
    let heard = stream.until("\"uri\":\"a:b\"}}\n\n").await.unwrap();
    assert!(heard.contains("notifications/resources/updated"), "{heard}");
    assert!(
        !heard.contains("acknowledged") && !heard.contains("subscriptionId"),
        "{heard}"
    );
    let listens = server.asked_for("subscriptions/listen").pop().unwrap();
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["a:b"]});
    assert_eq!(listens.message["params"]["notifications"], wanted);
    ask(
        &gateway,
        &session,
        "resources/unsubscribe",
        &json!({"uri": "a:b"}),
    )
    .await;
    let fewer = json!({"toolsListChanged": true});
    server
        .is_asked(|asked| asked.message["params"]["notifications"] == fewer)
        .await;

    assert_eq!(
        gateway
            .exchange("DELETE", "/mcp/demo", &headers, "")
            .await
            .status,
        200
    );
    stream.until("\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(
        ask(&gateway, &session, "ping", &json!({})).await.status,
        404
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_17_only_a_client_that_says_so_cancels_its_call() {
    let (gateway, server) = ready().await;
    let (session, _) = open(&gateway).await;
    let headers = [("Mcp-Session-Id", &*session)];
    let call = |id: u64| {
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "slow",
            "_meta": {"progressToken": 1}}})
    };
    for id in [1, 2] {
        let mut stream = Wire::open(gateway.address).await.unwrap();
        let body = call(id).to_string();
        stream
            .send("POST", "/mcp/demo", &headers, &body)
            .await
            .unwrap();
        stream.until("\"progressToken\":1}}\n\n").await.unwrap();
        // The connection of the first one is lost here.
    }
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 2.0}});
    assert_eq!(gateway.post(&headers, &cancelled).await.status, 202);
    server.is_left(1).await;
    gateway
        .shows("in_flight{namespace=\"ns\",server=\"demo\",endpoint=\"a\"} 1")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_the_server_wants_at_the_beginning_reaches_the_client() {
    let gateway = gateway();
    let server = Recorded::start(|asked| {
        let initialize = asked.what() == "initialize";
        if initialize || asked.header("authorization") == Some("Bearer good") {
            return answer(asked);
        }
        Reply::nothing(401).with("WWW-Authenticate", "Bearer scope=\"a\"")
    })
    .await;
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let hello = json!({"jsonrpc": "2.0", "id": "i", "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "old", "version": "1"}}});
    let good = [("Authorization", "Bearer good")];
    // It is found out that the server has no sessions.
    assert_eq!(gateway.post(&good, &hello).await.status, 200);
    for more in [&[][..], &[("Authorization", "Bearer old")]] {
        let refused = gateway.post(more, &hello).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(challenge.contains("scope=\"a\""), "{challenge}");
        assert_eq!(message(&refused)["id"], "i");
    }
    assert_eq!(gateway.post(&good, &hello).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_reads_is_not_compressed() {
    let gateway = gateway();
    let server = Recorded::start(|asked| {
        let mut reply = answer(asked);
        if asked.header("accept-encoding").is_some() {
            // No text, as what is compressed is none.
            reply.messages = vec![json!("compressed")];
            reply.headers.push(("Content-Encoding", "gzip".to_owned()));
        }
        reply
    })
    .await;
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let (session, _) = open(&gateway).await;
    let call = json!({"jsonrpc": "2.0", "id": "x", "method": "tools/list"});
    let headers = [("Mcp-Session-Id", &*session), ("Accept-Encoding", "gzip")];
    let listed = gateway.post(&headers, &call).await;
    assert_eq!(message(&listed)["result"]["tools"][0]["name"], "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_client_does_wrong_changes_no_session_of_others() {
    // It knows both eras, and is particular about what it begins a session by.
    let both = |asked: &ReceivedRequest| {
        if asked.what() != "initialize" {
            return answer(asked);
        }
        let sound = asked.message["params"]["protocolVersion"].is_string();
        match asked.header("x-wrong") {
            Some(_) => Reply::nothing(406),
            _ if !sound => Reply::json(
                400,
                json!({"jsonrpc": "2.0", "id": 1,
                "error": {"code": -32602, "message": "no"}}),
            ),
            _ => {
                let result = json!({"protocolVersion": "2025-06-18", "capabilities": {},
                    "serverInfo": {"name": "both", "version": "1"}});
                let id = &asked.message["id"];
                Reply::json(200, json!({"jsonrpc": "2.0", "id": id, "result": result}))
                    .with("Mcp-Session-Id", "own")
            }
        }
    };
    let unsound = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}});
    let sound = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "old", "version": "1"}}});
    for known in [false, true] {
        let (gateway, server) = (gateway(), Recorded::start(both).await);
        gateway.endpoints(&[("a", server.address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        if known {
            open(&gateway).await;
        }
        assert_eq!(gateway.post(&[], &unsound).await.status, 400);
        let wrong = [("X-Wrong", "1")];
        assert_eq!(gateway.post(&wrong, &sound).await.status, 406);
        let (_, begun) = open(&gateway).await;
        assert_eq!(begun["result"]["serverInfo"]["name"], "both");
        assert_eq!(server.asked_for("initialize").len(), 3 + usize::from(known));
    }
}
