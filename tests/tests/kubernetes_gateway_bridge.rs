//! A stdio server that others wrote, bridged in three pods behind the gateway: each session is a process in one pod, and
//! what it says of its progress comes through while the call goes on.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read},
};

use mcpt_tests::{Mcpt, TestNamespace, calls::agent};
use serde_json::{Value, json};
use ureq::{Agent, Body, http::Response};

const SESSIONS: usize = 6;
const STEPS: u64 = 4;

/// A session, as raw as it is on the wire.
struct Session {
    agent: Agent,
    url: String,
    id: Option<String>,
    requests: u64,
}

impl Session {
    fn begin(url: &str) -> Self {
        let mut session = Self {
            agent: agent(2),
            url: url.to_owned(),
            id: None,
            requests: 0,
        };
        let parameters = json!({"protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "bridge-suite", "version": "1"}});
        let response = session.request("initialize", &parameters);
        let id = response.headers().get("mcp-session-id");
        session.id = Some(
            id.expect("a session id")
                .to_str()
                .expect("a text")
                .to_owned(),
        );
        let answer = messages(response).last().expect("an answer to initialize");
        assert_eq!(
            answer["result"]["serverInfo"]["name"], "mcp-servers/everything",
            "{answer}"
        );
        let done = session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        assert_eq!(done.status(), 202);
        session
    }

    fn post(&self, message: &Value) -> Response<Body> {
        let mut request = self
            .agent
            .post(&self.url)
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json");
        if let Some(id) = &self.id {
            request = request
                .header("Mcp-Session-Id", id)
                .header("MCP-Protocol-Version", "2025-11-25");
        }
        request.send(message.to_string()).expect("a response")
    }

    fn request(&mut self, method: &str, parameters: &Value) -> Response<Body> {
        self.requests += 1;
        let id = self.requests;
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters});
        let response = self.post(&message);
        assert_eq!(response.status(), 200, "{method}");
        response
    }

    /// A call whose progress is told under this token.
    fn long_call(&mut self, seconds: f64, steps: u64, token: &Value) -> Response<Body> {
        let parameters = json!({"name": "trigger-long-running-operation",
            "arguments": {"duration": seconds, "steps": steps}, "_meta": {"progressToken": token}});
        self.request("tools/call", &parameters)
    }

    /// The pod that the session's process runs in.
    fn pod(&mut self) -> String {
        let response = self.request("tools/call", &json!({"name": "get-env", "arguments": {}}));
        let answer = messages(response).last().expect("an answer to get-env");
        let text = answer["result"]["content"][0]["text"].as_str();
        let environment = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let environment = environment.expect("the environment as JSON");
        environment["POD_NAME"]
            .as_str()
            .expect("POD_NAME")
            .to_owned()
    }

    fn end(self) {
        let deleted = self
            .agent
            .delete(&self.url)
            .header("Mcp-Session-Id", self.id.as_deref().unwrap_or_default())
            .call()
            .expect("a response to DELETE");
        assert!(deleted.status().is_success(), "{}", deleted.status());
    }
}

/// The messages of a response as they come: one, or those of an event stream.
fn messages(response: Response<Body>) -> Box<dyn Iterator<Item = Value>> {
    let (head, body) = response.into_parts();
    let stream = head
        .headers
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut reader = BufReader::new(body.into_reader());
    if !stream {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("the body");
        let message = serde_json::from_str(&text);
        return Box::new(std::iter::once(message.expect("JSON")));
    }
    let lines = reader
        .lines()
        .map(|line| line.expect("a line of the stream"));
    // Each event of these servers has one line of data, and some have none.
    Box::new(lines.filter_map(|line| {
        let data = line.strip_prefix("data:")?.trim();
        (!data.is_empty()).then(|| serde_json::from_str(data).expect("JSON in the stream"))
    }))
}

#[test]
fn bridged_sessions_stay_and_progress_streams() {
    let namespace = TestNamespace::new("gateway-bridge");
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let deploy = [
        "deploy",
        "everything",
        "--transport",
        "stdio",
        "--replicas",
        "3",
    ];
    let _ = mcpt.run(&deploy).ok();
    let _ = mcpt.run(&["gateway", "install", "--replicas", "2"]).ok();
    let url = format!("{}/mcp/everything", namespace.service_url("mcpt-gateway"));

    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| Session::begin(&url)).collect();
    let mut spread = BTreeMap::<String, usize>::new();
    for session in &mut sessions {
        let pod = session.pod();
        for _ in 0..5 {
            assert_eq!(session.pod(), pod);
        }
        *spread.entry(pod).or_default() += 1;
    }
    assert_eq!(spread.len(), 3, "{spread:?}");

    // The same token in every session: each hears of its own call alone, all at the same time.
    let calls: Vec<_> = sessions
        .iter_mut()
        .map(|session| session.long_call(1.0, STEPS, &json!("the-token")))
        .collect();
    for (session, call) in sessions.iter().zip(calls) {
        let mut steps = 0;
        let mut result = None;
        for message in messages(call) {
            assert!(result.is_none(), "{message} after the result");
            if message["method"] == "notifications/progress" {
                steps += 1;
                assert_eq!(message["params"]["progressToken"], "the-token");
                assert_eq!(message["params"]["progress"], steps);
            } else {
                assert_eq!(message["id"], session.requests, "{message}");
                result = Some(message);
            }
        }
        assert_eq!(steps, STEPS);
        let result = result.expect("a result");
        let text = result["result"]["content"][0]["text"].as_str();
        assert!(
            text.is_some_and(|text| text.contains("completed")),
            "{result}"
        );
    }

    // Of a call that takes an hour the first step is heard of within its first second: nothing on the way waits for more.
    let mut session = sessions.pop().expect("a session");
    let call = session.long_call(3600.0, 3600, &json!(7));
    let first = messages(call).next().expect("a first message");
    assert_eq!(
        first["params"],
        json!({"progressToken": 7, "progress": 1, "total": 3600})
    );
    sessions.push(session);
    for session in sessions {
        session.end();
    }
}
