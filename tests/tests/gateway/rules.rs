//! Rules as a black box: five users, five servers and every tool of theirs, in both eras, by lists and by calls.

#![expect(
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{collections::BTreeSet, fs};

use mcpt_tests::{
    Mcpt,
    processes::Process,
    raw::{Answer, agent, call, modern_call_as, post},
};
use serde_json::{Value, json};

const RULES: &str = "
allow:
- {who: ['key:alice'], servers: ['*']}
- {who: ['group:dev'], servers: [one, two], tools: ['e*', add]}
- {who: ['group:ops'], servers: ['*/three', 'mcp-servers/four'], tools: [whoami]}
- {who: ['key:dave'], servers: [two], tools: [counter]}
- {who: ['*'], servers: [five], tools: [echo]}
";
const SERVERS: [&str; 5] = ["one", "two", "three", "four", "five"];
const USERS: [(&str, &[&str]); 5] = [
    ("alice", &[]),
    ("bob", &["dev"]),
    ("carol", &["ops"]),
    ("dave", &["dev", "ops"]),
    ("erin", &[]),
];
const TOOLS: [&str; 6] = ["add", "counter", "echo", "fail", "slow", "whoami"];

/// What the rules above say, said another way.
fn may(user: &str, server: &str, tool: &str) -> bool {
    let dev = matches!(user, "bob" | "dave");
    let ops = matches!(user, "carol" | "dave");
    match (user, server, tool) {
        ("alice", _, _) => true,
        (_, "five", "echo") => true,
        (_, "one" | "two", "echo" | "add") => dev,
        (_, "three" | "four", "whoami") => ops,
        ("dave", "two", "counter") => true,
        _ => false,
    }
}

struct Before {
    mcpt: Mcpt,
    gateway: Process,
    keys: Vec<String>,
    _demo: Process,
}

fn before() -> Before {
    let mcpt = Mcpt::default();
    let demo = Process::demo();
    let keys = mcpt.file("keys.txt", "");
    let rules = mcpt.file("rules.yaml", RULES);
    let made = USERS.map(|(name, groups)| {
        let mut arguments = vec!["gateway", "key", "new", name, "--keys", &keys];
        for group in groups {
            arguments.extend(["--group", group]);
        }
        mcpt.run(&arguments).ok().stdout.trim_end().to_owned()
    });
    let mut arguments = vec!["--keys".to_owned(), keys, "--rules".to_owned(), rules];
    for server in SERVERS {
        arguments.push(format!("--server={server}={}", demo.url("/mcp")));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Before {
        gateway: Process::gateway(&arguments),
        mcpt,
        keys: made.to_vec(),
        _demo: demo,
    }
}

/// The arguments that let a call of a tool succeed and be short.
fn arguments(tool: &str) -> Value {
    match tool {
        "add" => json!({"a": 1, "b": 2}),
        "echo" => json!({"message": "m"}),
        "slow" => json!({"seconds": 0}),
        _ => json!({}),
    }
}

fn tools_in(answer: Answer) -> BTreeSet<String> {
    let message = answer.message();
    let tools = message["result"]["tools"].as_array().expect("tools");
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn lists_and_calls_agree_with_the_rules() {
    let before = before();
    let agent = agent();
    let mut wrong = Vec::new();
    for ((user, _), key) in USERS.iter().zip(&before.keys) {
        let bearer = format!("Bearer {key}");
        let authorization = ("Authorization", &*bearer);
        for server in SERVERS {
            let url = before.gateway.url(&format!("/mcp/{server}"));
            let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
                {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
            let begun = post(&agent, &url, &[authorization], &begin);
            let allowed: BTreeSet<_> = TOOLS
                .iter()
                .filter(|tool| may(user, server, tool))
                .map(|tool| (*tool).to_owned())
                .collect();
            if allowed.is_empty() {
                assert_eq!(begun.status(), 403, "{user} {server}");
                for tool in TOOLS {
                    let answer = modern_call_as(&agent, &url, key, tool, &arguments(tool));
                    assert_eq!(answer.status(), 403, "{user} {server} {tool}");
                }
                continue;
            }
            let session = begun
                .header("mcp-session-id")
                .expect("a session")
                .to_owned();
            let headers = [authorization, ("Mcp-Session-Id", &*session)];
            let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
            let listed = tools_in(post(&agent, &url, &headers, &list));
            let shown: BTreeSet<_> = listed
                .iter()
                .filter(|tool| TOOLS.contains(&&***tool))
                .cloned()
                .collect();
            assert_eq!(shown, allowed, "{user} {server}");
            for tool in TOOLS {
                let modern = modern_call_as(&agent, &url, key, tool, &arguments(tool)).status();
                let legacy = post(&agent, &url, &headers, &call(tool, &arguments(tool))).status();
                let wanted = if may(user, server, tool) { 200 } else { 403 };
                if (modern, legacy) != (wanted, wanted) {
                    wrong.push(format!("{user} {server} {tool}: {modern} {legacy}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let before = before();
    let (agent, bob) = (agent(), format!("Bearer {}", before.keys[1]));
    let url = before.gateway.url("/mcp/one");
    let era = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    for (params, name, status) in [
        (
            format!(r#"{{"name":"add","arguments":{{"a":1,"b":2}},{era}}}"#),
            "add",
            200,
        ),
        (format!(r#"{{"name":"whoami",{era}}}"#), "add", 403),
        (format!(r#"{{"name":"add",{era}}}"#), "whoami", 403),
        (
            format!(r#"{{"name":"add","name":"whoami",{era}}}"#),
            "add",
            400,
        ),
        (
            format!(r#"{{"name":"add","Name":"whoami",{era}}}"#),
            "add",
            400,
        ),
        (
            format!(r#"{{"name":"add","x":"{}",{era}}}"#, "x".repeat(70_000)),
            "add",
            413,
        ),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#);
        for body in [body.clone(), format!("[{body}]")] {
            let wanted = if body.starts_with('[') && status != 413 {
                400
            } else {
                status
            };
            let request = agent
                .post(&url)
                .header("Authorization", &bob)
                .header("Content-Type", "application/json")
                .header("Accept", "application/json, text/event-stream")
                .header("MCP-Protocol-Version", "2026-07-28")
                .header("Mcp-Method", "tools/call")
                .header("Mcp-Name", name);
            let answer = request.send(body.as_str()).expect("an answer");
            assert_eq!(answer.status().as_u16(), wanted, "{body:.300}");
        }
    }
}

/// What may be at each server, at all of them as one, in both eras.
#[test]
fn all_servers_as_one_are_those_that_a_caller_may_use() {
    let before = before();
    let agent = agent();
    let url = before.gateway.url("/mcp");
    let mut wrong = Vec::new();
    for ((user, _), key) in USERS.iter().zip(&before.keys) {
        let bearer = format!("Bearer {key}");
        let authorization = ("Authorization", &*bearer);
        let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let begun = post(&agent, &url, &[authorization], &begin);
        let session = begun.header("mcp-session-id").expect("a session");
        let session = session.to_owned();
        let headers = [authorization, ("Mcp-Session-Id", &*session)];
        let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
        let listed = tools_in(post(&agent, &url, &headers, &list));
        for (server, tool) in SERVERS.iter().flat_map(|s| TOOLS.map(|tool| (s, tool))) {
            let name = format!("{server}_{tool}");
            let wanted = may(user, server, tool);
            let works = |answer: Answer| answer.message()["result"].is_object();
            let modern = works(modern_call_as(&agent, &url, key, &name, &arguments(tool)));
            let legacy = post(&agent, &url, &headers, &call(&name, &arguments(tool)));
            let found = (listed.contains(&name), modern, works(legacy));
            if found != (wanted, wanted, wanted) {
                wrong.push(format!("{user} {name}: {found:?}"));
            }
        }
        // Two names: what a server takes is what was judged.
        let twice = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"five_echo","Name":"two_slow","arguments":{"message":"m"}}}"#;
        let request = agent.post(&url).header("Authorization", &bearer);
        let request = request
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("Mcp-Session-Id", &session);
        let status = request.send(twice).expect("an answer").status().as_u16();
        let whole = *user == "alice";
        assert_eq!(status == 200, whole, "{user}: {status}");
        // What asks for no answer is passed on to all that the session knows: it must not be a call.
        let silent = json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "slow"}});
        let silent = post(&agent, &url, &headers, &silent).status();
        assert_eq!(silent, 400, "{user}");
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn rules_are_changed_while_the_gateway_runs() {
    let before = before();
    let (agent, erin) = (agent(), &before.keys[4]);
    let url = before.gateway.url("/mcp/one");
    let status = || modern_call_as(&agent, &url, erin, "whoami", &json!({})).status();
    assert_eq!(status(), 403);
    let file = before.mcpt.home().join("rules.yaml");
    fs::write(
        &file,
        "allow: [{who: ['key:erin'], servers: [one], tools: ['who*']}]",
    )
    .expect("writing");
    while status() != 200 {
        std::thread::yield_now();
    }
    // What is none changes nothing.
    fs::write(&file, "allow: [{who: [erin], servers: [one]}]").expect("writing");
    assert_eq!(status(), 200);
}
