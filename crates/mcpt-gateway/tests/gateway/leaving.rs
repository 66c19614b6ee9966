//! Clients that leave before their answer has begun: what they asked for is told of all the same, and takes no place any more.

use mcpt_gateway::{AccessLog, AuditLog, AuditOptions};
use mcpt_routing::Conditions;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    harness::{PATIENCE, Tellable, gateway_like, modern},
    limits::{Destination, User, configured, users},
    scripted::{Said, Scripted, scripted},
    wire::Wire,
};

/// Calls a tool that never answers, and leaves once the server has the call.
async fn call_and_leave(
    (gateway, server): (&Tellable, &mut Scripted),
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) {
    let mut wire = Wire::open(gateway.address).await.unwrap();
    wire.send("POST", path, headers, body).await.unwrap();
    let called = async { while server.asked.recv().await.unwrap().rpc() != "tools/call" {} };
    timeout(PATIENCE, called).await.unwrap();
}

async fn leave_in_session(
    (gateway, server): (&Tellable, &mut Scripted),
    alice: &User,
    (path, tool): (&str, &str),
) {
    let session = alice.open(gateway, path).await;
    let headers = [
        ("Authorization", &*alice.bearer),
        ("Mcp-Session-Id", &*session),
    ];
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": tool, "arguments": {"text": "hi", "password": "hunter2"}}});
    call_and_leave((gateway, server), path, &headers, &call.to_string()).await;
}

async fn leave_without_session(
    (gateway, server): (&Tellable, &mut Scripted),
    alice: &User,
    (path, tool): (&str, &str),
) {
    let arguments = json!({"text": "hi", "password": "hunter2"});
    let (headers, body) = modern("tools/call", &json!({"name": tool, "arguments": arguments}));
    let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    headers.push(("Authorization", &alice.bearer));
    call_and_leave((gateway, server), path, &headers, &body).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_client_leaves_before_the_answer_is_recorded_and_frees_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let users = users(["alice"]);
    let [alice] = &users;
    let (recorded, said) = (Destination::default(), Destination::default());
    let options = AuditOptions {
        arguments: true,
        required: true,
    };
    let audit = AuditLog::to(recorded.clone(), options).unwrap();
    let log = AccessLog::to(said.clone()).unwrap();
    // Were a place not given back, the next call would not come to the server.
    let limits = "limits: [{who: ['*'], servers: [demo], tools: ['*'], concurrent: 1}]";
    let configure = configured(folder.path(), &users, limits);
    let gateway = gateway_like(|config| {
        configure(config);
        config.audit = Some(audit);
        config.access_log = Some(log);
    });
    let mut server = scripted(json!({"tools": {}}), |asked| match asked.rpc() {
        "tools/call" => Some(Said::Silence),
        "server/discover" => Some(Said::Status(404)),
        _ => None,
    })
    .await;
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let ways = ["/mcp/demo", "/mcp"];
    let mut left = 0;
    for path in ways {
        for session in [true, false] {
            let tool = if path == "/mcp" { "demo_tool" } else { "tool" };
            let both = (&gateway, &mut server);
            if session {
                leave_in_session(both, alice, (path, tool)).await;
            } else {
                leave_without_session(both, alice, (path, tool)).await;
            }
            left += 1;
            let cancelled = |place: &Destination, field: &str| {
                let lines = place.lines().into_iter();
                let cancelled = lines.filter(|line| line[field] == "cancelled");
                cancelled.collect::<Vec<_>>()
            };
            let told = async {
                while cancelled(&recorded, "outcome").len() < left
                    || cancelled(&said, "error").len() < left
                {
                    tokio::task::yield_now().await;
                }
            };
            let told = timeout(PATIENCE, told).await;
            assert!(told.is_ok(), "{path} {session}: {:?}", recorded.lines());
            let line = cancelled(&recorded, "outcome").pop().unwrap();
            for (field, value) in [
                ("principal", "alice"),
                ("server", "ns/demo"),
                ("method", "tools/call"),
                ("tool", "tool"),
            ] {
                assert_eq!(line[field], value, "{path} {session}: {line}");
            }
            assert!(line.get("status").is_none(), "{line}");
            assert_eq!(
                line["arguments"],
                json!({"text": "hi", "password": "[redacted]"})
            );
            let line = cancelled(&said, "error").pop().unwrap();
            assert_eq!(line["route"], "/mcp/ns/demo", "{line}");
            assert!(line.get("status").is_none(), "{line}");
        }
    }
    gateway.shows("outcome=\"cancelled\"} 4").await;
}
