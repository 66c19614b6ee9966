//! Limits: whose calls are counted, wherever and by whichever replica they come, and what those hear who call too often; and the
//! record of who called what.

use std::{
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use mcpt_access::ApiKey;
use mcpt_gateway::{AuditLog, AuditOptions, GatewayConfig, LockConfig};
use mcpt_routing::Conditions;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{PATIENCE, Tellable, call, demo, gateway_like, modern},
    wire::{Answer, Wire},
};

/// A user with a key.
pub(crate) struct User {
    name: &'static str,
    pub(crate) bearer: String,
    line: String,
}

pub(crate) fn users<const N: usize>(names: [&'static str; N]) -> [User; N] {
    names.map(|name| {
        let key = ApiKey::draw(name, &[]).unwrap();
        User {
            name,
            bearer: format!("Bearer {}", key.key().expose()),
            line: format!("{}\n", key.line()),
        }
    })
}

pub(crate) fn configured(
    folder: &Path,
    users: &[User],
    limits: &str,
) -> impl FnOnce(&mut GatewayConfig) {
    let lines: Vec<_> = users.iter().map(|user| user.line.clone()).collect();
    std::fs::write(folder.join("keys"), lines.concat()).unwrap();
    std::fs::write(folder.join("limits"), limits).unwrap();
    let (keys, limits) = (folder.join("keys"), folder.join("limits"));
    move |config| {
        config.lock = Some(LockConfig {
            keys: Some(keys),
            ..LockConfig::default()
        });
        config.limits = Some(limits);
    }
}

async fn with_demo(gateway: &Tellable) {
    gateway.endpoints(&[("a", demo("a").await, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
}

impl User {
    async fn post(&self, gateway: &Tellable, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.say(gateway, path, headers, &call("whoami")).await
    }

    async fn say(
        &self,
        gateway: &Tellable,
        path: &str,
        headers: &[(&str, &str)],
        message: &Value,
    ) -> Answer {
        let own = [("Authorization", &*self.bearer)];
        let headers = [&own, headers].concat();
        gateway
            .exchange("POST", path, &headers, &message.to_string())
            .await
    }

    /// A session at a path.
    pub(crate) async fn open(&self, gateway: &Tellable, path: &str) -> String {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let begun = self.say(gateway, path, &[], &message).await;
        assert_eq!(begun.status, 200, "{}: {}", self.name, begun.text);
        begun.session.unwrap()
    }

    /// One call outside of sessions.
    async fn modern(&self, gateway: &Tellable, path: &str, tool: &str) -> Answer {
        let (headers, body) = modern("tools/call", &json!({"name": tool}));
        let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        headers.push(("Authorization", &self.bearer));
        gateway.exchange("POST", path, &headers, &body).await
    }
}

fn is_limited(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text);
    let after: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(after >= 1);
    let error: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(error["id"], "c", "{error}");
    assert!(error["error"]["code"].is_number(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_caller_are_counted_wherever_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(["alice", "bob"]);
    let text = "limits: [{who: ['*'], servers: [demo], tools: [who*], rate: 4/day}]";
    let gateway = gateway_like(configured(folder.path(), &users, text));
    with_demo(&gateway).await;
    let [alice, bob] = &users;
    let session = alice.open(&gateway, "/mcp/demo").await;
    let headers = [("Mcp-Session-Id", &*session)];
    // In a session, outside of any, and by the server's other name.
    for path in ["/mcp/demo", "/mcp/ns/demo"] {
        let answer = alice.post(&gateway, path, &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(
        alice.modern(&gateway, "/mcp/demo", "whoami").await.status,
        200
    );
    // And among all servers.
    let answer = alice.modern(&gateway, "/mcp", "demo_whoami").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    is_limited(&alice.post(&gateway, "/mcp/demo", &headers).await);
    is_limited(&alice.modern(&gateway, "/mcp/demo", "whoami").await);
    is_limited(&alice.modern(&gateway, "/mcp", "demo_whoami").await);
    let all = alice.open(&gateway, "/mcp").await;
    let joined = [("Mcp-Session-Id", &*all)];
    let message = json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": "demo_whoami"}});
    is_limited(&alice.say(&gateway, "/mcp", &joined, &message).await);
    // Other tools, other callers, and what is no call are not counted by it.
    assert_eq!(
        alice.modern(&gateway, "/mcp/demo", "counter").await.status,
        200
    );
    let answer = alice
        .say(&gateway, "/mcp/demo", &headers, &call("counter"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        bob.modern(&gateway, "/mcp/demo", "whoami").await.status,
        200
    );
    // A batch hides what it calls.
    let batch = json!([call("whoami")]);
    let answer = alice.say(&gateway, "/mcp/demo", &headers, &batch).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    gateway.shows("outcome=\"limited\"} 4").await;
    // A file that says otherwise holds at once.
    let more = "limits: [{who: ['key:alice'], servers: [demo], concurrent: 3}]";
    std::fs::write(folder.path().join("new"), more).unwrap();
    std::fs::rename(folder.path().join("new"), folder.path().join("limits")).unwrap();
    let allowed = async {
        while alice.modern(&gateway, "/mcp/demo", "whoami").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, allowed).await.unwrap();
}

/// Waits until a gateway has found its peers, and they it.
async fn joined(gateway: &Tellable) {
    let ready = async {
        loop {
            let mut wire = Wire::open(gateway.admin).await.unwrap();
            let answer = wire.exchange("GET", "/readyz", &[], "").await.unwrap();
            if answer.status == 200 {
                return;
            }
        }
    };
    timeout(PATIENCE, ready).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_count_together_and_no_call_is_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(["alice", "bob", "carol"]);
    let text = "limits: [{who: ['*'], servers: [demo], tools: [whoami], rate: 6/day}]";
    let first = gateway_like(configured(folder.path(), &users, text));
    with_demo(&first).await;
    let peers = first.admin.to_string().parse().unwrap();
    let configure = configured(folder.path(), &users, text);
    let second = gateway_like(|config| {
        configure(config);
        config.peers = Some(peers);
    });
    with_demo(&second).await;
    joined(&second).await;
    let [alice, bob, carol] = &users;
    let both = [&first, &second];
    // One after the other at both, and all at one of them.
    for (user, at) in [(alice, both), (bob, [&first, &first])] {
        for index in 0..6 {
            let answer = user.modern(at[index % 2], "/mcp/demo", "whoami").await;
            assert_eq!(answer.status, 200, "{} {index}: {}", user.name, answer.text);
        }
        for gateway in both {
            is_limited(&user.modern(gateway, "/mcp/demo", "whoami").await);
        }
    }
    // Many at once: never too many.
    let calls = (0..40).map(|index| carol.modern(both[index % 2], "/mcp/demo", "whoami"));
    let answers = futures_util::future::join_all(calls).await;
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..=6).contains(&good), "{good}");
    // What those have not got who asked at the same moment is still there.
    let mut all = good;
    let rest = async {
        while all < 6 {
            for gateway in both {
                let answer = carol.modern(gateway, "/mcp/demo", "whoami").await;
                all += usize::from(answer.status == 200);
            }
        }
    };
    timeout(PATIENCE, rest).await.unwrap();
    assert_eq!(all, 6);
    for gateway in both {
        is_limited(&carol.modern(gateway, "/mcp/demo", "whoami").await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_calls_go_on_at_once_over_all_replicas() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(["alice", "bob"]);
    let text = "limits: [{who: ['*'], servers: [demo], concurrent: 2}]";
    let (server, let_through) = crate::handling::held().await;
    let first = gateway_like(configured(folder.path(), &users, text));
    let peers = first.admin.to_string().parse().unwrap();
    let configure = configured(folder.path(), &users, text);
    let second = gateway_like(|config| {
        configure(config);
        config.peers = Some(peers);
    });
    for gateway in [&first, &second] {
        gateway.endpoints(&[("a", server, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
    }
    joined(&second).await;
    let [alice, bob] = &users;
    let begun = |gateway: &Tellable, count: u32| {
        let sample = format!("endpoint=\"a\"}} {count}\n");
        let sample = format!(
            "mcpt_gateway_endpoint_requests_in_flight{{namespace=\"ns\",server=\"demo\",{sample}"
        );
        (gateway.admin, sample)
    };
    let calls = async {
        let one = alice.modern(&first, "/mcp/demo", "x");
        let two = async {
            shown(begun(&first, 1)).await;
            alice.modern(&second, "/mcp/demo", "x").await
        };
        let others = async {
            shown(begun(&second, 1)).await;
            for gateway in [&first, &second] {
                is_limited(&alice.modern(gateway, "/mcp/demo", "x").await);
            }
            let_through.add_permits(3);
            // Somebody else's calls are counted apart.
            assert_eq!(bob.modern(&first, "/mcp/demo", "x").await.status, 200);
        };
        let (one, two, ()) = tokio::join!(one, two, others);
        assert_eq!((one.status, two.status), (200, 200));
    };
    timeout(PATIENCE, calls).await.unwrap();
    // Places are free again once answers are over.
    let_through.add_permits(100);
    let again = async {
        while alice.modern(&second, "/mcp/demo", "x").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

async fn shown((admin, sample): (std::net::SocketAddr, String)) {
    loop {
        let mut wire = Wire::open(admin).await.unwrap();
        let answer = wire.exchange("GET", "/metrics", &[], "").await.unwrap();
        if answer.text.contains(&sample) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// A place for lines, which may be full.
#[derive(Clone, Default)]
pub(crate) struct Destination(Arc<Mutex<(Vec<u8>, bool)>>);

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut place = self.0.lock().unwrap();
        if place.1 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        place.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination {
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap();
        let lines = text.lines().filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn has(&self, count: usize) -> Vec<Value> {
        let written = async {
            while self.lines().len() < count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, written).await.unwrap();
        self.lines()
    }

    fn is_full(&self, full: bool) {
        self.0.lock().unwrap().1 = full;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_called_what_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(["alice"]);
    let limits = "limits: [{who: ['*'], servers: [demo], tools: [counter], rate: 1/day}]";
    let place = Destination::default();
    let options = AuditOptions {
        arguments: true,
        required: false,
    };
    let audit = AuditLog::to(place.clone(), options).unwrap();
    let configure = configured(folder.path(), &users, limits);
    let gateway = gateway_like(|config| {
        configure(config);
        config.audit = Some(audit);
    });
    with_demo(&gateway).await;
    let [alice] = &users;
    let session = alice.open(&gateway, "/mcp/demo").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("Mcp-Session-Id", &*session), ("traceparent", trace)];
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "echo", "arguments": {"text": "hi", "password": "hunter2"}}});
    alice.say(&gateway, "/mcp/demo", &headers, &message).await;
    alice.modern(&gateway, "/mcp", "demo_counter").await;
    alice.modern(&gateway, "/mcp/demo", "counter").await;
    gateway.exchange("POST", "/mcp/demo", &[], "{}").await;
    let lines = place.has(5).await;
    let echo = &lines[1];
    for (field, value) in [
        ("principal", json!("alice")),
        ("server", json!("ns/demo")),
        ("httpMethod", json!("POST")),
        ("method", json!("tools/call")),
        ("tool", json!("echo")),
        ("status", json!(200)),
        ("outcome", json!("answered")),
        ("trace", json!(trace[3..35])),
        ("arguments", json!({"text": "hi", "password": "[redacted]"})),
    ] {
        assert_eq!(echo[field], value, "{field}: {echo}");
    }
    assert!(echo["seconds"].is_number() && echo.get("issuer").is_none());
    let outcomes = lines.iter().map(|line| {
        let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
        (
            text("principal"),
            text("server"),
            text("tool"),
            text("outcome"),
        )
    });
    let own = |tool: &str, outcome: &str| {
        let text = str::to_owned;
        (text("alice"), text("ns/demo"), text(tool), text(outcome))
    };
    let outcomes: Vec<_> = outcomes.collect();
    assert_eq!(outcomes[2], own("counter", "answered"));
    assert_eq!(outcomes[3], own("counter", "limited"));
    let nobody = ["-", "-", "-", "refused"].map(str::to_owned);
    assert_eq!(outcomes[4], nobody.into());
    let text = serde_json::to_string(&lines).unwrap();
    for secret in ["hunter2", &*session, &alice.bearer[7..]] {
        assert!(!text.contains(secret), "{text}");
    }
    // What cannot be written costs no call, and is written once it can be.
    place.is_full(true);
    for _ in 0..3 {
        let answer = alice.modern(&gateway, "/mcp/demo", "whoami").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    place.is_full(false);
    place.has(8).await;
    gateway.shows("mcpt_gateway_audit_lost_total 0\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_be_recorded_and_cannot_is_not_done() {
    let place = Destination::default();
    let options = AuditOptions {
        arguments: false,
        required: true,
    };
    let audit = AuditLog::to(place.clone(), options).unwrap();
    let gateway = gateway_like(|config| config.audit = Some(audit));
    with_demo(&gateway).await;
    assert_eq!(gateway.modern_call("whoami").await.status, 200);
    let lines = place.has(1).await;
    assert_eq!(lines[0]["tool"], "whoami");
    assert!(lines[0].get("arguments").is_none() && lines[0].get("principal").is_none());
    place.is_full(true);
    // The one by which it is found out was done; further ones are not.
    let refused = async {
        loop {
            let answer = gateway.modern_call("whoami").await;
            if answer.status != 200 {
                return answer;
            }
        }
    };
    let answer = timeout(PATIENCE, refused).await.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.retry_after && answer.text.contains("recorded"));
    place.is_full(false);
    let again = async {
        while gateway.modern_call("whoami").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}
