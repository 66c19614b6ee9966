//! What can be seen of calls: figures by tool, the access log, traces, instances and sessions.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use mcpt_gateway::AccessLog;
use mcpt_gateway_api::{EndpointState, EndpointsPage, ServersPage, SessionPage};
use mcpt_routing::Conditions;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{PATIENCE, Tellable, call, demo, gateway, gateway_like},
    naming::server,
    wire::{Answer, Wire},
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A place for lines that the test reads as they come.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines, once there are so many.
    async fn of(&self, count: usize) -> Vec<Value> {
        let all = async {
            while self.text().matches('\n').count() < count {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(PATIENCE, all).await.is_ok(), "{}", self.text());
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

async fn ask(gateway: &Tellable, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut wire = Wire::open(gateway.admin).await.unwrap();
    wire.exchange("GET", path, headers, "").await.unwrap()
}

async fn page<T: DeserializeOwned>(gateway: &Tellable, path: &str) -> T {
    serde_json::from_str(&ask(gateway, path, &[]).await.text).unwrap()
}

async fn place(gateway: &Tellable, session: &str) -> Option<(String, EndpointState, bool)> {
    let headers = [("Mcp-Session-Id", session)];
    let answer = ask(gateway, "/api/v1/session", &headers).await;
    assert!(!answer.text.contains(session), "{answer:?}");
    let page: SessionPage = serde_json::from_str(&answer.text).unwrap();
    let [place] = &*page.session?.places else {
        panic!("one place is wanted")
    };
    assert_eq!((&*place.namespace, &*place.server), ("ns", "demo"));
    Some((place.endpoint.clone(), place.state, place.since.is_some()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_counted_by_tool_in_both_eras() {
    let gateway = gateway();
    gateway.endpoints(&[("a", demo("a").await, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.open().await;
    for _ in 0..3 {
        gateway.call(&session, "counter").await;
    }
    gateway.modern_call("whoami").await;
    gateway.call("no-session", "counter").await;
    let headers = [("Mcp-Session-Id", &*session)];
    gateway.post(&headers, &json!([call("counter")])).await;
    let of = |labels: &str, count: u32| {
        format!(
            "mcp_server_operation_duration_seconds_count{{namespace=\"ns\",server=\"demo\"{labels}}} {count}\n"
        )
    };
    let tool = |name: &str| format!(",mcp_method_name=\"tools/call\",gen_ai_tool_name=\"{name}\"");
    gateway.shows(&of(&tool("counter"), 3)).await;
    gateway.shows(&of(&tool("whoami"), 1)).await;
    gateway
        .shows(&of(",mcp_method_name=\"initialize\"", 1))
        .await;
    gateway
        .shows(&of(",mcp_method_name=\"notifications/initialized\"", 1))
        .await;
    // Refused before it was read.
    gateway
        .shows(&of(",error_type=\"unknown_session\"", 1))
        .await;
    // A batch, which the server refuses.
    gateway.shows(&of(",error_type=\"client_error\"", 1)).await;
    let servers: ServersPage = page(&gateway, "/api/v1/servers").await;
    let figures = &servers.servers[0].figures;
    assert_eq!(figures.outcomes["answered"], 6, "{figures:?}");
    assert_eq!(figures.latency.last().map(|bucket| bucket.count), Some(6));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_tells_no_secret() {
    let lines = Lines::default();
    let log = AccessLog::to(lines.clone()).unwrap();
    let gateway = gateway_like(|config| config.access_log = Some(log));
    gateway.endpoints(&[("a", demo("a").await, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.open().await;
    let headers = [
        ("Mcp-Session-Id", &*session),
        ("Authorization", "Bearer to-be-kept"),
        ("traceparent", TRACE),
    ];
    let body = call("counter").to_string();
    let path = "/mcp/demo?key=to-be-kept";
    let answer = gateway.exchange("POST", path, &headers, &body).await;
    gateway.exchange("GET", "/to-be-kept", &[], "").await;
    let all = lines.of(4).await;
    let called = &all[2];
    assert_eq!(called["route"], "/mcp/ns/demo");
    assert_eq!(called["httpMethod"], "POST");
    assert_eq!(called["method"], "tools/call");
    assert_eq!(called["tool"], "counter");
    assert_eq!(called["status"], 200);
    assert_eq!(called["bytes"], answer.text.len());
    assert_eq!(called["endpoint"], "a");
    assert_eq!(called["trace"], TRACE[3..35]);
    assert!(
        called["seconds"].is_number() && called.get("error").is_none(),
        "{called}"
    );
    assert_eq!(all[3]["status"], 404);
    assert!(all[3].get("route").is_none(), "{}", all[3]);
    for secret in [&*session, "to-be-kept"] {
        assert!(!lines.text().contains(secret), "{}", lines.text());
    }
    assert!(
        gateway
            .metrics()
            .await
            .contains("mcpt_gateway_access_log_lost_total 0\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_on_to_the_server() {
    let (address, heads) = server("/mcp", String::new()).await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let mut told = call("x");
    told["params"]["_meta"] = json!({"traceparent": TRACE});
    gateway.post(&[], &told).await;
    let other = TRACE.replace("0af7", "1af7");
    gateway.post(&[("traceparent", &other)], &told).await;
    gateway.post(&[], &call("x")).await;
    let heads = heads.lock().unwrap();
    for (head, trace) in heads.iter().zip([Some(TRACE), Some(&*other), None]) {
        let (head, body) = head.split_once("\r\n\r\n").unwrap();
        let told = head
            .lines()
            .find_map(|line| line.strip_prefix("traceparent: "));
        assert_eq!(told, trace, "{head}");
        // The message is the client's.
        assert_eq!(body.contains(TRACE), trace.is_some(), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_session_lives_is_told_to_who_has_its_id() {
    let gateway = gateway();
    let (a, b) = (demo("a").await, demo("b").await);
    gateway.endpoints(&[("a", a, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.open().await;
    let at = |state| Some(("a".to_owned(), state, true));
    assert_eq!(place(&gateway, &session).await, at(EndpointState::Ready));
    let endpoints: EndpointsPage = page(&gateway, "/api/v1/endpoints").await;
    let [endpoint] = &*endpoints.endpoints else {
        panic!("{endpoints:?}")
    };
    assert_eq!((&*endpoint.id, endpoint.sessions), ("a", 1));
    assert_eq!(endpoint.url, format!("http://{a}/mcp"));
    gateway.endpoints(&[("a", a, Conditions::DRAINING), ("b", b, Conditions::READY)]);
    gateway.shows("condition=\"terminating\"} 1").await;
    assert_eq!(
        place(&gateway, &session).await,
        at(EndpointState::Terminating)
    );
    gateway.endpoints(&[("b", b, Conditions::READY)]);
    gateway.shows("condition=\"terminating\"} 0").await;
    assert_eq!(place(&gateway, &session).await, at(EndpointState::Gone));
    assert_eq!(place(&gateway, "nothing-of-ours").await, None);
}
