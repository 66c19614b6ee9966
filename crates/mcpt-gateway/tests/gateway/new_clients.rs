//! Clients of 2026-07-28 in front of a server with sessions alone.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::FutureExt as _;
use mcpt_routing::Conditions;
use serde_json::{Value, json};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    harness::{PATIENCE, Tellable, gateway, gateway_until, modern},
    recorded::{ReceivedRequest, Recorded, Reply},
    scripted::{Said, scripted},
    wire::{Answer, Wire},
};

/// A server with sessions, numbered from 1. Those before `SESSIONS` are unknown if the test says so.
async fn server(forgets: &'static AtomicUsize) -> Recorded {
    let sessions = AtomicUsize::new(0);
    Recorded::start(move |asked| answer(asked, &sessions, forgets)).await
}

fn answer(asked: &ReceivedRequest, sessions: &AtomicUsize, forgets: &AtomicUsize) -> Reply {
    let id = asked.message["id"].clone();
    let result = |result: Value| {
        Reply::json(
            200,
            json!({"jsonrpc": "2.0", "id": id.clone(), "result": result}),
        )
    };
    let error = |status, code: i32| {
        let error = json!({"code": code, "message": "no"});
        Reply::json(
            status,
            json!({"jsonrpc": "2.0", "id": id.clone(), "error": error}),
        )
    };
    if asked.what() == "initialize" {
        let number = sessions.fetch_add(1, Relaxed) + 1;
        let begun = json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}, "logging": {},
            "tasks": {}}, "serverInfo": {"name": "old", "version": "3"}});
        return result(begun).with("Mcp-Session-Id", &number.to_string());
    }
    let session = asked
        .header("mcp-session-id")
        .and_then(|id| id.parse::<usize>().ok());
    let Some(session) = session else {
        return error(400, -32000);
    };
    if session <= forgets.load(Relaxed) {
        return error(404, -32001);
    }
    match (asked.method.as_str(), asked.what()) {
        ("GET", _) if asked.header("last-event-id").is_some() => {
            let after = asked.header("last-event-id").unwrap_or_default();
            let (tool, call) = after.split_once(' ').unwrap_or_default();
            match tool {
                "closes" => Reply::stream(&format!("id: closed {call}\nretry: 1\ndata:\n\n")),
                "closed" => Reply::stream(&format!(
                    "data: {{\"jsonrpc\":\"2.0\",\"id\":{call},\"result\":{{\"content\":[]}}}}\n\n"
                )),
                "silent" => Reply::stream(": nothing\n\n"),
                _ => Reply::nothing(405),
            }
        }
        ("GET", _) => {
            let changed = |what: &str| {
                let method = format!("notifications/{what}/list_changed");
                json!({"jsonrpc": "2.0", "method": method})
            };
            Reply::events(vec![changed("prompts"), changed("tools")], true)
        }
        ("DELETE", _) => Reply::nothing(200),
        (_, "notifications/initialized" | "notifications/cancelled") => Reply::nothing(202),
        (_, "logging/setLevel") => result(json!({})),
        (_, "tools/list") => result(json!({"tools": [], "session": session})),
        (_, "tools/call")
            if ["closes", "silent", "refuses"]
                .contains(&asked.message["params"]["name"].as_str().unwrap_or_default()) =>
        {
            let tool = asked.message["params"]["name"].as_str().unwrap_or_default();
            Reply::stream(&format!("id: {tool} {id}\nretry: 1\ndata:\n\n"))
        }
        (_, "tools/call") if asked.message["params"]["name"] == "slow" => {
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": 1, "progress": 1}});
            Reply::events(vec![progress], true)
        }
        (_, "tools/call") if asked.message["params"]["name"] == "asks" => {
            let asks = json!({"jsonrpc": "2.0", "id": 0, "method": "elicitation/create",
                "params": {"message": "Who?"}});
            Reply::events(vec![asks], true)
        }
        (_, "tools/call") => {
            let log = json!({"jsonrpc": "2.0", "method": "notifications/message",
                "params": {"level": "info", "data": "logged"}});
            let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}});
            Reply::events(vec![log, answer], false)
        }
        (_, "resources/read") => error(200, -32002),
        (_, "") => Reply::nothing(202),
        _ => error(400, -32601),
    }
}

async fn ready(forgets: &'static AtomicUsize) -> (Tellable, Recorded) {
    let (gateway, server) = (gateway(), server(forgets).await);
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    (gateway, server)
}

static NOTHING: AtomicUsize = AtomicUsize::new(0);

fn message(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// A request with further headers, and with changes of its `_meta`.
async fn ask(
    gateway: &Tellable,
    (method, params): (&str, &Value),
    more: &[(&str, &str)],
    meta: &Value,
) -> Answer {
    let (headers, body) = modern(method, params);
    let mut body: Value = serde_json::from_str(&body).unwrap();
    for (name, value) in meta.as_object().into_iter().flatten() {
        body["params"]["_meta"][name] = value.clone();
    }
    let mut headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    headers.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    headers.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    gateway
        .exchange("POST", "/mcp/demo", &headers, &body.to_string())
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_share_a_session_in_turn_and_only_of_one_identity() {
    let (gateway, server) = ready(&NOTHING).await;
    let list = ("tools/list", &json!({}));
    let session = async |headers: &[(&str, &str)]| {
        let answer = ask(&gateway, list, headers, &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let result = message(&answer)["result"].clone();
        assert_eq!(result["resultType"], "complete");
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"]),
            (&json!(0), &json!("private"))
        );
        let who = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(who["name"], "old");
        result["session"].as_u64().unwrap()
    };
    let first = session(&[]).await;
    assert_eq!(
        session(&[("User-Agent", "x"), ("Traceparent", "00-1-1-00")]).await,
        first
    );
    let ada = [("Authorization", "Bearer ada")];
    let hers = session(&ada).await;
    assert_ne!(hers, first);
    assert_ne!(session(&[("Authorization", "Bearer bob")]).await, hers);
    assert_ne!(session(&[("X-Api-Key", "k")]).await, first);
    assert_eq!(session(&ada).await, hers);
    for asked in server.asked_for("tools/list") {
        assert_eq!(asked.header("mcp-protocol-version"), Some("2025-06-18"));
        assert_eq!(asked.header("mcp-method"), None);
        assert!(asked.message["params"].get("_meta").is_none(), "{asked:?}");
    }
    assert_eq!(server.asked_for("server/discover").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_gone_is_replaced() {
    static FORGETS: AtomicUsize = AtomicUsize::new(0);
    let (gateway, _server) = ready(&FORGETS).await;
    let list = ("tools/list", &json!({}));
    let session = async || {
        let answer = ask(&gateway, list, &[], &json!({})).await;
        message(&answer)["result"]["session"].as_u64()
    };
    let first = session().await.unwrap();
    FORGETS.store(first as usize, Relaxed);
    let second = session().await;
    assert!(second > Some(first), "{second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_10_requests_are_checked_as_their_era_demands() {
    let (gateway, server) = ready(&NOTHING).await;
    let discovered = ask(&gateway, ("server/discover", &json!({})), &[], &json!({})).await;
    let discovered = message(&discovered)["result"].clone();
    assert_eq!(discovered["supportedVersions"][0], "2026-07-28");
    assert_eq!(
        discovered["capabilities"],
        json!({"tools": {}, "logging": {}})
    );
    let name = "io.modelcontextprotocol/protocolVersion";
    let call = ("tools/call", &json!({"name": "safe"}));
    let nothing = json!({});
    for (asked, headers, meta, status, code) in [
        (call, &[("Mcp-Name", "danger")][..], &nothing, 400, -32020),
        (call, &[("Mcp-Name", "")], &nothing, 400, -32020),
        (call, &[("Mcp-Method", "tools/list")], &nothing, 400, -32020),
        (call, &[], &json!({name: null}), 400, -32602),
        (call, &[], &json!({name: "v999"}), 400, -32020),
        (
            call,
            &[("MCP-Protocol-Version", "v999")],
            &json!({name: "v999"}),
            400,
            -32022,
        ),
        (("ping", &nothing), &[], &nothing, 404, -32601),
        (("initialize", &nothing), &[], &nothing, 404, -32601),
        (("some/thing", &nothing), &[], &nothing, 404, -32601),
        (
            ("resources/read", &json!({"uri": "-"})),
            &[],
            &nothing,
            200,
            -32602,
        ),
    ] {
        let answer = ask(&gateway, asked, headers, meta).await;
        assert_eq!(answer.status, status, "{asked:?} {headers:?} {answer:?}");
        let message = message(&answer);
        assert_eq!(
            message["error"]["code"], code,
            "{asked:?} {headers:?} {message}"
        );
        assert_eq!(message["id"], "c", "{message}");
    }
    assert!(server.asked_for("tools/call").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_19_log_messages_come_only_to_those_who_want_them() {
    let (gateway, server) = ready(&NOTHING).await;
    let call = ("tools/call", &json!({"name": "logs"}));
    let quiet = ask(&gateway, call, &[], &json!({})).await;
    assert!(!quiet.text.contains("logged"), "{quiet:?}");
    assert!(server.asked_for("logging/setLevel").is_empty());
    let level = json!({"io.modelcontextprotocol/logLevel": "info"});
    let told = ask(&gateway, call, &[], &level).await;
    assert!(told.text.contains("logged"), "{told:?}");
    assert_eq!(
        server.asked_for("logging/setLevel")[0].message["params"]["level"],
        "info"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_17_a_client_that_goes_away_has_cancelled_its_call() {
    let (gateway, server) = ready(&NOTHING).await;
    let (headers, body) = modern("tools/call", &json!({"name": "slow"}));
    let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
    let mut stream = Wire::open(gateway.address).await.unwrap();
    stream
        .send("POST", "/mcp/demo", &headers, &body)
        .await
        .unwrap();
    stream.until("\"progressToken\":1}}\n\n").await.unwrap();
    drop(stream);
    let cancelled = server
        .is_asked(|asked| asked.what() == "notifications/cancelled")
        .await;
    let call = server.asked_for("tools/call").pop().unwrap();
    assert_eq!(cancelled.message["params"]["requestId"], call.message["id"]);
    assert_eq!(
        cancelled.header("mcp-session-id"),
        call.header("mcp-session-id")
    );
    server.is_asked(|asked| asked.method == "DELETE").await;
    server.is_left(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_the_answer_of_its_own_client() {
    let (gateway, server) = ready(&NOTHING).await;
    let elicits = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    let params = json!({"name": "asks"});
    let asked = ask(&gateway, ("tools/call", &params), &[], &elicits).await;
    let asked = message(&asked)["result"].clone();
    assert_eq!(asked["resultType"], "input_required");
    let (key, question) = asked["inputRequests"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(
        question,
        &json!({"method": "elicitation/create", "params": {"message": "Who?"}})
    );
    let state = asked["requestState"].as_str().unwrap();
    let round = |name: &str, state: &str, answers: Value| json!({"name": name, "requestState": state, "inputResponses": answers});
    let good = json!({key: {"action": "accept", "content": {"name": "Ada"}}});
    for (params, headers) in [
        (round("other", state, good.clone()), &[][..]),
        (round("asks", &format!("{state}x"), good.clone()), &[]),
        (
            round("asks", state, good.clone()),
            &[("Authorization", "Bearer eve")],
        ),
    ] {
        let refused = ask(&gateway, ("tools/call", &params), headers, &elicits).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(message(&refused)["error"]["code"], -32602);
    }
    // Without the answer it is asked once more.
    let again = round("asks", state, json!({"other": {}}));
    let again = ask(&gateway, ("tools/call", &again), &[], &elicits).await;
    let again = message(&again)["result"].clone();
    assert_eq!(again["inputRequests"], asked["inputRequests"]);
    let state = again["requestState"].as_str().unwrap();
    let (headers, body) = modern("tools/call", &round("asks", state, good));
    let body = body.replace(
        "clientCapabilities\":{}",
        "clientCapabilities\":{\"elicitation\":{}}",
    );
    let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
    let mut stream = Wire::open(gateway.address).await.unwrap();
    stream
        .send("POST", "/mcp/demo", &headers, &body)
        .await
        .unwrap();
    let answered = server
        .is_asked(|asked| asked.message["result"].is_object())
        .await;
    assert_eq!(answered.message["id"], 0);
    assert_eq!(answered.message["result"]["content"]["name"], "Ada");
    let call = server.asked_for("tools/call").pop().unwrap();
    assert_eq!(
        answered.header("mcp-session-id"),
        call.header("mcp-session-id")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_hears_what_was_wanted_alone() {
    let (gateway, server) = ready(&NOTHING).await;
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let (headers, body) = modern("subscriptions/listen", &wanted);
    let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
    let mut stream = Wire::open(gateway.address).await.unwrap();
    stream
        .send("POST", "/mcp/demo", &headers, &body)
        .await
        .unwrap();
    let heard = stream.until("list_changed\",\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"c\"}}}\n\n");
    let heard = heard.await.unwrap();
    let (acknowledged, changed) = heard.split_once("}\n\n").unwrap();
    assert!(
        acknowledged.contains("notifications/subscriptions/acknowledged"),
        "{heard}"
    );
    assert!(
        acknowledged.contains("\"notifications\":{\"toolsListChanged\":true}"),
        "{heard}"
    );
    assert!(
        changed.contains("tools/list_changed") && !heard.contains("prompts"),
        "{heard}"
    );
    drop(stream);
    server.is_asked(|asked| asked.method == "DELETE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_ends_leaves_no_session_behind() {
    let (shutdown, told) = oneshot::channel();
    let (gateway, serving) = gateway_until(told.map(drop).boxed());
    let serving = tokio::spawn(serving);
    let server = server(&NOTHING).await;
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let answer = ask(&gateway, ("tools/list", &json!({})), &[], &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    shutdown.send(()).unwrap();
    serving.await.unwrap().unwrap();
    let ended = server.is_asked(|asked| asked.method == "DELETE").await;
    assert_eq!(ended.header("mcp-session-id"), Some("1"));
}

/// Whatever keeps a call from its answer, its session is ended at the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_breaks_leaves_no_session_behind() {
    for broken in ["tools/call", "logging/setLevel", "tools/list"] {
        let capabilities = json!({"tools": {}, "logging": {}});
        let mut server = scripted(capabilities, move |asked| match asked.rpc() {
            "server/discover" => Some(Said::Status(404)),
            method if method == broken => Some(Said::Broken),
            "logging/setLevel" => Some(asked.result(&json!({}))),
            _ => None,
        })
        .await;
        let gateway = gateway();
        gateway.endpoints(&[("a", server.address, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        let level = json!({"io.modelcontextprotocol/logLevel": "info"});
        let params = json!({"name": "tool"});
        let asked = match broken {
            "tools/list" => (broken, &json!({})),
            _ => ("tools/call", &params),
        };
        let answer = ask(&gateway, asked, &[], &level).await;
        assert_eq!(answer.status, 502, "{broken}: {answer:?}");
        let ended = async {
            loop {
                let asked = server.asked.recv().await.unwrap();
                // What was begun by asking for the version is none of these.
                let named = asked.header("mcp-protocol-version").is_some();
                if asked.method == "DELETE" && named {
                    return asked;
                }
            }
        };
        let ended = timeout(PATIENCE, ended).await;
        assert!(ended.is_ok(), "{broken}");
        assert_eq!(ended.unwrap().header("mcp-session-id"), Some("own"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_its_server_closes_is_taken_up_again() {
    let (gateway, server) = ready(&NOTHING).await;
    for (tool, status, times) in [("closes", 200, 2), ("silent", 502, 5), ("refuses", 502, 1)] {
        let params = json!({"name": tool, "arguments": {}});
        let answer = ask(&gateway, ("tools/call", &params), &[], &json!({})).await;
        assert_eq!(answer.status, status, "{tool}: {answer:?}");
        let again = server.asked().into_iter().filter(|asked| {
            let after = asked.header("last-event-id").unwrap_or_default();
            let tools = [tool, "closed"];
            tool == "closes" && tools.contains(&after.split(' ').next().unwrap())
                || after.starts_with(tool)
        });
        assert_eq!(again.count(), times, "{tool}");
    }
    let calls = server.asked_for("tools/call").len();
    assert_eq!(calls, 3, "no call is made twice");
}

/// The answer to a `server/discover`, and the server that was asked.
async fn discovered_by(
    answer: impl Fn(&ReceivedRequest) -> Reply + Send + Sync + 'static,
) -> (Answer, Recorded) {
    let (gateway, server) = (gateway(), Recorded::start(answer).await);
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let token = [("Authorization", "Bearer once")];
    let discovered = ask(
        &gateway,
        ("server/discover", &json!({})),
        &token,
        &json!({}),
    )
    .await;
    (discovered, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discovery_of_the_client_is_asked_once() {
    let says =
        json!({"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"});
    for events in [false, true] {
        let result = says.clone();
        let (discovered, server) = discovered_by(move |asked| {
            let id = &asked.message["id"];
            let message = json!({"jsonrpc": "2.0", "id": id, "result": result});
            let reply = if events {
                Reply::events(vec![message], false)
            } else {
                Reply::json(200, message)
            };
            reply.with("X-Own", "1").with("Mcp-Session-Id", "unwanted")
        })
        .await;
        assert_eq!(discovered.status, 200, "{discovered:?}");
        assert_eq!(message(&discovered)["result"], says);
        assert_eq!(discovered.header("x-own"), Some("1"));
        assert_eq!(discovered.session, None);
        let asked = server.asked_for("server/discover");
        assert_eq!(asked.len(), 1, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discovery_that_wants_a_login_reaches_the_client_as_it_is() {
    let (discovered, server) = discovered_by(|_| {
        Reply::json(401, json!({"error": "own"})).with("WWW-Authenticate", "Bearer scope=\"a\"")
    })
    .await;
    assert_eq!(discovered.status, 401);
    assert_eq!(message(&discovered), json!({"error": "own"}));
    assert!(discovered.header("www-authenticate").is_some());
    assert_eq!(server.asked_for("server/discover").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discovery_of_a_server_with_sessions_is_translated() {
    let sessions = AtomicUsize::new(0);
    let (discovered, server) = discovered_by(move |asked| answer(asked, &sessions, &NOTHING)).await;
    assert_eq!(discovered.status, 200, "{discovered:?}");
    let versions = &message(&discovered)["result"]["supportedVersions"];
    assert_eq!(versions[0], "2026-07-28", "{discovered:?}");
    assert_eq!(server.asked_for("server/discover").len(), 1);
}
