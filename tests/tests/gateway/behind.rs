//! Limits, the audit log and what servers behind want to see, as a black box.

use std::{fs, path::Path, time::Duration};

use mcpt_tests::{
    Mcpt, eventually,
    processes::Process,
    raw::{agent, modern_call, modern_call_as},
};
use serde_json::{Value, json};

/// Long enough on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lines of an audit log.
fn recorded(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines.collect()
}

#[test]
fn who_calls_too_often_is_told_so_and_all_is_recorded() {
    let mcpt = Mcpt::default();
    let (inner_keys, keys) = (mcpt.file("inner.txt", ""), mcpt.file("keys.txt", ""));
    let key = |name: &str, file: &str| {
        let made = mcpt.run(&["gateway", "key", "new", name, "--keys", file]);
        made.ok().stdout.trim_end().to_owned()
    };
    // A gateway that wants a key is what the server behind is here.
    let demo = Process::demo();
    let server = format!("--server=demo={}", demo.url("/mcp"));
    let inner = Process::gateway(&["--keys", &inner_keys, &server]);
    let token = mcpt.file("token", &key("outer", &inner_keys));
    let (alice, bob) = (key("alice", &keys), key("bob", &keys));
    let described = json!({"servers": [{
        "name": "demo",
        "urls": [inner.url("/mcp/demo?from=outside")],
        "headers": [{"name": "Authorization", "prefix": "Bearer ", "file": token}],
    }]});
    let described = mcpt.file("servers.yaml", &described.to_string());
    let limits = json!({"limits": [
        {"who": ["key:alice"], "servers": ["*"], "tools": ["echo"], "rate": "2/day"},
    ]});
    let limits = mcpt.file("limits.yaml", &limits.to_string());
    let audit = mcpt.home().join("audit.jsonl");
    let gateway = Process::gateway(&[
        "--keys",
        &keys,
        "--servers",
        &described,
        "--limits",
        &limits,
        "--audit",
        audit.to_str().expect("UTF-8"),
        "--audit-arguments",
        "--audit-required",
    ]);
    let url = gateway.url("/mcp/demo");
    let agent = agent();
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let echo = json!({"message": format!("hi {secret}")});
    let users = [alice, bob];
    let as_user = |user: usize| modern_call_as(&agent, &url, &users[user], "echo", &echo);
    // To the end: who leaves before has given the answer up.
    let good = |user: usize| {
        let answer = as_user(user);
        assert_eq!(answer.status(), 200);
        assert!(answer.text().contains("hi"));
    };
    for user in [0, 1, 0] {
        good(user);
    }
    let limited = as_user(0);
    assert!(limited.header("Retry-After").is_some());
    assert!(limited.refused(429).contains("more often"));
    good(1);
    assert_eq!(modern_call(&agent, &url, "echo", &echo).status(), 401);
    eventually(PATIENCE, || {
        let lines = recorded(&audit);
        let of = |who: &str, outcome: &str| {
            let same = |line: &&Value| {
                line["principal"] == who && line["outcome"] == outcome && line["tool"] == "echo"
            };
            lines.iter().filter(same).count()
        };
        let counts = (
            of("alice", "answered"),
            of("alice", "limited"),
            of("bob", "answered"),
        );
        if counts == (2, 1, 2) && lines.len() >= 6 {
            Ok(())
        } else {
            Err(format!("{counts:?}: {lines:?}"))
        }
    });
    let text = fs::read_to_string(&audit).expect("the log");
    assert!(text.contains("\"message\":\"hi [redacted]\""), "{text}");
    for secret in [secret, &*users[0], "from=outside"] {
        assert!(!text.contains(secret), "{text}");
    }
    // Moved away, it is made anew.
    let moved = mcpt.home().join("audit.1");
    fs::rename(&audit, &moved).expect("moved");
    eventually(PATIENCE, || {
        good(1);
        let lines = recorded(&audit).len();
        (lines > 0)
            .then_some(())
            .ok_or_else(|| "nothing".to_owned())
    });
}

#[test]
fn what_cannot_be_used_is_said_at_the_start() {
    let mcpt = Mcpt::default();
    let servers = mcpt.file(
        "servers.yaml",
        "servers: [{name: a, urls: ['https://a.example'], tls: {ca: gone.pem}}]",
    );
    let limits = mcpt.file("limits.yaml", "limits: [{who: ['*'], servers: [a]}]");
    for (option, file, says) in [
        ("--servers", &servers, "gone.pem"),
        ("--limits", &limits, "limits nothing"),
    ] {
        let run = mcpt.run(&["gateway", "run", "--listen", "127.0.0.1:0", option, file]);
        let _ = run.exits(2).says(&[says]);
    }
    let run = mcpt.run(&["gateway", "run", "--audit", "/nowhere/audit"]);
    let _ = run
        .exits(2)
        .says(&["cannot write the audit log /nowhere/audit"]);
}
