//! Sets of servers: each its own view, with its own names, by path and by host.

use std::path::{Path, PathBuf};

use mcpt_access::ApiKey;
use mcpt_gateway::LockConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::{
    aggregate::servers,
    harness::{PATIENCE, Tellable, gateway_like, modern},
    scripted::{Said, scripted},
    wire::{Answer, Wire},
};

const TEAM: &str = "sets:
- name: team
  hosts: [team.example]
  servers:
  - {server: one, tools: [get_*, echo], without: [get_secret], prefix: o, rename: {echo: say}}
  - {server: 'other/*', prefix: ''}
hosts:
- {host: one.example, server: one}
";
/// What the set of [`TEAM`] shows.
const SHOWN: [&str; 4] = ["say", "o_get_it", "get_it", "post"];

/// A server with these tools, which tells what it was asked for.
async fn with_tools(tools: &'static [&'static str]) -> std::net::SocketAddr {
    let server = scripted(json!({"tools": {}}), move |asked| match asked.rpc() {
        "tools/list" => {
            let tools: Vec<_> = tools.iter().map(|name| json!({"name": name})).collect();
            Some(asked.result(&json!({"tools": tools})))
        }
        "tools/call" => {
            let called = &asked.message["params"]["name"];
            Some(asked.result(&json!({"content": [], "called": called, "of": tools[0]})))
        }
        "resources/read" => Some(Said::Status(500)),
        _ => None,
    })
    .await;
    // What came to it is nobody's business here.
    std::mem::forget(server.asked);
    server.address
}

fn write(file: &Path, text: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// A gateway with sets before three servers.
async fn before(text: &str, lock: Option<LockConfig>) -> (Tellable, PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sets");
    write(&file, text);
    let sets = file.clone();
    let gateway = gateway_like(|config| {
        config.sets = Some(sets);
        config.lock = lock;
    });
    let one = with_tools(&["echo", "get_it", "get_secret", "other"]).await;
    let two = with_tools(&["get_it", "post"]).await;
    let three = with_tools(&["hidden"]).await;
    servers(
        &gateway,
        &[("one", one), ("other/two", two), ("three", three)],
    );
    gateway
        .shows("server=\"three\",condition=\"ready\"} 1")
        .await;
    (gateway, file, folder)
}

async fn post(gateway: &Tellable, path: &str, headers: &[(&str, &str)], message: &Value) -> Answer {
    let body = message.to_string();
    gateway.exchange("POST", path, headers, &body).await
}

fn request(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": "c", "method": method, "params": params})
}

async fn open(gateway: &Tellable, path: &str, headers: &[(&str, &str)]) -> (String, Value) {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"}});
    let answer = post(gateway, path, headers, &request("initialize", &params)).await;
    let told = serde_json::from_str(&answer.text).unwrap();
    (answer.session.unwrap(), told)
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn tools(gateway: &Tellable, path: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let listed = post(gateway, path, headers, &request("tools/list", &json!({}))).await;
    names(&serde_json::from_str(&listed.text).unwrap())
}

async fn modern_answer(
    gateway: &Tellable,
    path: &str,
    more: &[(&str, &str)],
    (method, params): (&str, &Value),
) -> Value {
    let (headers, body) = modern(method, params);
    let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    headers.extend(more);
    let answer = gateway.exchange("POST", path, &headers, &body).await;
    serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// Asks until the tools are these.
async fn has(gateway: &Tellable, path: &str, headers: &[(&str, &str)], wanted: &[&str]) {
    let shown = timeout(PATIENCE, async {
        while tools(gateway, path, headers).await != wanted {
            tokio::task::yield_now().await;
        }
    });
    let shown = shown.await.is_ok();
    assert!(shown, "{path}: {:?}", tools(gateway, path, headers).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_is_a_view_of_its_own_in_both_eras() {
    let (gateway, _, _folder) = before(TEAM, None).await;
    let path = "/mcp/set/team";
    let (session, told) = open(&gateway, path, &[]).await;
    let title = told["result"]["serverInfo"]["title"].as_str().unwrap();
    assert_eq!(title, "The set team of servers");
    let own = [("Mcp-Session-Id", &*session)];
    has(&gateway, path, &own, &SHOWN).await;
    let mut pages = Wire::open(gateway.admin).await.unwrap();
    let known = pages.exchange("GET", "/api/v1/servers", &[], "").await;
    let known: Value = serde_json::from_str(&known.unwrap().text).unwrap();
    let wanted = json!([{"name": "team", "path": path, "hosts": ["team.example"],
        "servers": ["ns/one", "other/two"]}]);
    assert_eq!(known["sets"], wanted);
    let listed = modern_answer(&gateway, path, &[], ("tools/list", &json!({}))).await;
    assert_eq!(names(&listed), SHOWN);
    // What is listed can be called, and what is not cannot, by whatever name.
    for (name, called) in [
        ("say", Some(("echo", "echo"))),
        ("o_get_it", Some(("get_it", "echo"))),
        ("get_it", Some(("get_it", "get_it"))),
        ("post", Some(("post", "get_it"))),
        ("echo", None),
        ("o_echo", None),
        ("o_get_secret", None),
        ("one_get_it", None),
        ("one_other", None),
        ("three_hidden", None),
        ("hidden", None),
    ] {
        let params = json!({"name": name});
        let called_in_session = post(&gateway, path, &own, &request("tools/call", &params)).await;
        let in_session: Value = serde_json::from_str(&called_in_session.text).unwrap();
        let alone = modern_answer(&gateway, path, &[], ("tools/call", &params)).await;
        for answer in [in_session, alone] {
            match called {
                Some((tool, of)) => {
                    assert_eq!(answer["result"]["called"], tool, "{name}: {answer}");
                    assert_eq!(answer["result"]["of"], of, "{name}: {answer}");
                }
                None => assert_eq!(answer["error"]["code"], -32602, "{name}: {answer}"),
            }
        }
    }
    // Nor is a resource of a server that is not in it.
    let hidden = json!({"uri": "mcpt+three+file:///x"});
    let hidden = post(&gateway, path, &own, &request("resources/read", &hidden)).await;
    assert!(hidden.text.contains("-32602"), "{hidden:?}");
    // All of them are elsewhere, by their usual names; and a session is with the servers that it began with.
    let (all, _) = open(&gateway, "/mcp", &[]).await;
    let everything = [
        "one_echo",
        "one_get_it",
        "one_get_secret",
        "one_other",
        "three_hidden",
    ];
    let all = [("Mcp-Session-Id", &*all)];
    let others = ["other__two_get_it", "other__two_post"];
    has(&gateway, "/mcp", &all, &[&everything[..], &others].concat()).await;
    for (path, headers) in [("/mcp", &own), (path, &all)] {
        let list = request("tools/list", &json!({}));
        let answer = post(&gateway, path, headers, &list).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    let none = post(&gateway, "/mcp/set/none", &[], &request("ping", &json!({}))).await;
    assert_eq!(none.status, 404, "{none:?}");
}

/// Some readers of JSON do not heed case, and some take the last of two fields.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_calls_another_tool_to_another_reader_does_not_get_to_a_server_of_a_set() {
    let mut server = scripted(json!({"tools": {}}), |asked| match asked.rpc() {
        "tools/list" => Some(asked.result(&json!({"tools": [{"name": "echo"}]}))),
        "tools/call" => Some(asked.result(&json!({"content": []}))),
        _ => None,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sets");
    write(&file, TEAM);
    let gateway = gateway_like(|config| config.sets = Some(file));
    servers(&gateway, &[("one", server.address)]);
    gateway.shows("server=\"one\",condition=\"ready\"} 1").await;
    let path = "/mcp/set/team";
    let (session, _) = open(&gateway, path, &[]).await;
    let own = [("Mcp-Session-Id", &*session)];
    has(&gateway, path, &own, &["say"]).await;
    let plain = request("tools/call", &json!({"name": "say"}));
    let answer = post(&gateway, path, &own, &plain).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for text in [
        r#""method":"tools/call","params":{"name":"say","Name":"get_secret"}"#,
        r#""method":"tools/call","params":{"name":"say","arguments":{}},"Params":{"name":"get_secret"}"#,
        r#""method":"tools/call","params":{"name":"say"},"METHOD":"tools/call""#,
        r#""method":"notifications/x","Method":"tools/call","params":{"name":"get_secret"}"#,
    ] {
        let notification = text.contains("notifications/");
        let id = if notification { "" } else { r#""id":"c","# };
        let text = format!(r#"{{"jsonrpc":"2.0",{id}{text}}}"#);
        let answer = gateway.exchange("POST", path, &own, &text).await;
        assert_ne!(answer.status, 200, "{text}: {answer:?}");
        if notification {
            continue;
        }
        let (headers, _) = modern("tools/call", &json!({"name": "say"}));
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let meta = r#""params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"#;
        let text = text.replace(r#""params":{"#, meta);
        let answer = gateway.exchange("POST", path, &headers, &text).await;
        assert_ne!(answer.status, 200, "{text}: {answer:?}");
    }
    // What is certain goes on.
    let last = json!({"jsonrpc": "2.0", "method": "notifications/last"});
    assert_eq!(post(&gateway, path, &own, &last).await.status, 202);
    let heard = async {
        while let Some(asked) = server.asked.recv().await {
            let message = asked.message.to_string();
            assert!(!message.contains("get_secret"), "{message}");
            if asked.rpc() == "notifications/last" {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_shows_a_set_or_a_server() {
    let (gateway, _, _folder) = before(TEAM, None).await;
    let team = [("X-Forwarded-Host", "team.example")];
    for path in ["/", "/mcp"] {
        let (session, _) = open(&gateway, path, &team).await;
        let own = [team[0], ("Mcp-Session-Id", &*session)];
        has(&gateway, path, &own, &SHOWN).await;
        // It is the same set.
        let own = [("Mcp-Session-Id", &*session)];
        assert_eq!(tools(&gateway, "/mcp/set/team", &own).await, SHOWN);
    }
    // By the name that the client itself sends, on a gateway of loopback.
    let one = ["echo", "get_it", "get_secret", "other"];
    for (host, path, status) in [
        ("One.example:8900", "/mcp", 200),
        ("one.example", "/", 200),
        ("one.example", "/mcp/three", 200),
        ("two.example", "/mcp", 403),
    ] {
        let body = request(
            "initialize",
            &json!({"protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"}}),
        )
        .to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut wire = Wire::open(gateway.address).await.unwrap();
        wire.write(head.as_bytes()).await.unwrap();
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.status, status, "{host}{path}: {answer:?}");
        if path == "/mcp" && status == 200 {
            let shown = ("X-Forwarded-Host", "one.example");
            let session = answer.session.unwrap();
            let own = [shown, ("Mcp-Session-Id", &*session)];
            assert_eq!(tools(&gateway, path, &own).await, one);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_holds_at_once_and_listeners_hear_of_it() {
    let (gateway, file, _folder) = before(TEAM, None).await;
    let path = "/mcp/set/team";
    let (session, _) = open(&gateway, path, &[]).await;
    let own = [("Mcp-Session-Id", &*session)];
    has(&gateway, path, &own, &SHOWN).await;
    let mut stream = Wire::open(gateway.address).await.unwrap();
    let listening = [own[0], ("MCP-Protocol-Version", "2025-11-25")];
    stream.send("GET", path, &listening, "").await.unwrap();
    // It listens by then.
    stream.until(": keep-alive\n\n").await.unwrap();
    // One that cannot be used changes nothing.
    write(&file, "sets: [{name: team, servers: []}]");
    write(
        &file,
        "sets: [{name: team, servers: [{server: three, rename: {hidden: shown}}]}]",
    );
    has(&gateway, path, &own, &["shown"]).await;
    let heard = timeout(
        PATIENCE,
        stream.until("notifications/tools/list_changed\"}\n\n"),
    );
    heard.await.unwrap().unwrap();
    // What is on the stream besides is of servers that may be none of the set any more: it ends.
    let ended = timeout(PATIENCE, stream.until("\r\n0\r\n\r\n"));
    ended.await.unwrap().unwrap();
    write(&file, "sets: []");
    let gone = async {
        let list = request("tools/list", &json!({}));
        while post(&gateway, path, &own, &list).await.status != 404 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_in_sets_and_may_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let users = ["alice", "bob", "carol"].map(|name| ApiKey::draw(name, &[]).unwrap());
    let lines: Vec<_> = users
        .iter()
        .map(|key| format!("{}\n", key.line()))
        .collect();
    let (keys, rules) = (folder.path().join("keys"), folder.path().join("rules"));
    std::fs::write(&keys, lines.concat()).unwrap();
    let text = "allow:
- {who: ['key:alice'], sets: [team]}
- {who: ['key:bob'], servers: [one], tools: [get_*]}
- {who: ['key:carol'], sets: [other]}
";
    std::fs::write(&rules, text).unwrap();
    let lock = LockConfig {
        keys: Some(keys),
        tokens: None,
        rules: Some(rules),
    };
    let (gateway, _, _folder) = before(TEAM, Some(lock)).await;
    let bearers = users
        .each_ref()
        .map(|key| format!("Bearer {}", key.key().expose()));
    let [alice, bob, carol] = bearers
        .each_ref()
        .map(|bearer| ("Authorization", &**bearer));
    let path = "/mcp/set/team";
    for (user, shown, elsewhere) in [
        (alice, &SHOWN[..], &[][..]),
        (bob, &["o_get_it"], &["one_get_it", "one_get_secret"]),
        (carol, &[], &[]),
    ] {
        for (path, wanted) in [(path, shown), ("/mcp", elsewhere)] {
            let (session, _) = open(&gateway, path, &[user]).await;
            let own = [user, ("Mcp-Session-Id", &*session)];
            has(&gateway, path, &own, wanted).await;
        }
        // What is shown can be called, and nothing else.
        for name in SHOWN {
            let params = json!({"name": name});
            let called = modern_answer(&gateway, path, &[user], ("tools/call", &params)).await;
            let may = called["result"]["called"].is_string();
            assert_eq!(may, shown.contains(&name), "{name}: {called}");
        }
        let direct = modern("tools/call", &json!({"name": "echo"}));
        let mut headers: Vec<_> = direct.0.iter().map(|(n, v)| (*n, v.as_str())).collect();
        headers.push(user);
        let answer = gateway
            .exchange("POST", "/mcp/one", &headers, &direct.1)
            .await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
}
