//! `/mcp`: all servers as one, for clients with sessions.

use std::net::SocketAddr;

use mcpt_core::{Namespace, ServerName, Sessions};
use mcpt_gateway::Peers;
use mcpt_routing::{Address, Change, Conditions, EndpointId, EndpointSpec, ServerKey, ServerSpec};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    harness::{Demo, PATIENCE, Tellable, demo, gateway, gateway_like, mortal},
    scripted::{ReceivedRequest, Said, Scripted, event, scripted},
    wire::{Answer, Wire},
};

/// A server of one instance at an address.
fn server(name: &str, address: SocketAddr) -> ServerSpec {
    let (namespace, name) = name.split_once('/').unwrap_or(("ns", name));
    ServerSpec {
        key: ServerKey {
            namespace: Namespace::new(namespace).unwrap(),
            name: ServerName::new(name).unwrap(),
        },
        sessions: Sessions::Stateful,
        handling: mcpt_routing::Handling::default(),
        endpoints: vec![EndpointSpec {
            weight: std::num::NonZeroU32::MIN,
            id: EndpointId::new(&address.to_string()),
            address: Address::parse(&format!("http://{address}/mcp")).unwrap(),
            conditions: Conditions::READY,
        }],
    }
}

pub(crate) fn servers(gateway: &Tellable, servers: &[(&str, SocketAddr)]) {
    let all = servers.iter().map(|(name, address)| server(name, *address));
    gateway.tell.send(Change::Snapshot(all.collect())).unwrap();
}

/// A client with a session at `/mcp`.
pub(crate) struct Client<'g> {
    gateway: &'g Tellable,
    session: String,
}

impl<'g> Client<'g> {
    pub(crate) async fn open(gateway: &'g Tellable) -> Self {
        let (client, _) = Self::opened(gateway, &json!({})).await;
        client
    }

    /// With what the gateway told it.
    pub(crate) async fn opened(gateway: &'g Tellable, capabilities: &Value) -> (Self, Value) {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
            {"protocolVersion": "2025-11-25", "capabilities": capabilities,
             "clientInfo": {"name": "t", "version": "1"}}});
        let answer = gateway
            .exchange("POST", "/mcp", &[], &message.to_string())
            .await;
        let session = answer.session.clone().unwrap();
        let client = Self { gateway, session };
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.tell(&initialized).await.status, 202);
        (client, response(&answer))
    }

    async fn exchange(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let own = [
            ("Mcp-Session-Id", &*self.session),
            ("MCP-Protocol-Version", "2025-11-25"),
        ];
        let headers = [&own, headers].concat();
        self.gateway.exchange(method, "/mcp", &headers, body).await
    }

    async fn tell(&self, message: &Value) -> Answer {
        self.exchange("POST", &[], &message.to_string()).await
    }

    pub(crate) async fn ask(&self, method: &str, params: &Value) -> Answer {
        let message = json!({"jsonrpc": "2.0", "id": "c", "method": method, "params": params});
        self.tell(&message).await
    }

    /// Sends a call on a connection, whose answer nobody reads so far.
    pub(crate) async fn begin_call(&self, wire: &mut Wire, tool: &str) {
        let message =
            json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": tool}});
        let message = message.to_string();
        let headers = [
            ("Mcp-Session-Id", &*self.session),
            ("MCP-Protocol-Version", "2025-11-25"),
        ];
        let sent = wire.send("POST", "/mcp", &headers, &message);
        sent.await.unwrap();
    }

    pub(crate) async fn call(&self, tool: &str) -> Answer {
        self.ask("tools/call", &json!({"name": tool})).await
    }

    pub(crate) async fn count(&self, tool: &str) -> Value {
        response(&self.call(tool).await)["result"]["content"][0]["text"].clone()
    }

    pub(crate) async fn tools(&self) -> (Vec<String>, Value) {
        let listed = response(&self.ask("tools/list", &json!({})).await);
        let tools = listed["result"]["tools"].as_array().unwrap().iter();
        let names = tools.map(|tool| tool["name"].as_str().unwrap().to_owned());
        let unavailable = listed["result"]["_meta"]["mcpt.io/unavailable"].clone();
        (names.collect(), unavailable)
    }

    /// Asks until the tools are these.
    pub(crate) async fn has(&self, wanted: &[&str]) {
        let asked = timeout(PATIENCE, async {
            while self.tools().await.0 != wanted {
                tokio::task::yield_now().await;
            }
        });
        assert!(asked.await.is_ok(), "{:?}", self.tools().await);
    }

    /// Asks until there are so many tools.
    pub(crate) async fn has_so_many(&self, wanted: usize) {
        let asked = timeout(PATIENCE, async {
            while self.tools().await.0.len() != wanted {
                tokio::task::yield_now().await;
            }
        });
        assert!(asked.await.is_ok(), "{} tools", self.tools().await.0.len());
    }

    /// The same client at another replica.
    pub(crate) fn at(&self, gateway: &'g Tellable) -> Self {
        Self {
            gateway,
            session: self.session.clone(),
        }
    }

    /// Opens the stream of what no request has to do with.
    async fn listen(&self) -> Wire {
        let mut wire = Wire::open(self.gateway.address).await.unwrap();
        let headers = [("Mcp-Session-Id", &*self.session)];
        wire.send("GET", "/mcp", &headers, "").await.unwrap();
        wire.until("\r\n\r\n").await.unwrap();
        wire
    }
}

/// The response in an answer, be it JSON or a stream of events.
pub(crate) fn response(answer: &Answer) -> Value {
    let lines = answer.text.lines();
    let lines = lines.map(|line| line.strip_prefix("data: ").unwrap_or(line));
    let mut messages = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let response = messages.find(|message| message.get("method").is_none());
    response.unwrap_or_else(|| panic!("no response in {answer:?}"))
}

/// What a server is asked next, of this method.
pub(crate) async fn asked(server: &mut Scripted, method: &str) -> ReceivedRequest {
    let found = timeout(PATIENCE, async {
        loop {
            let asked = server.asked.recv().await.unwrap();
            if asked.rpc() == method || asked.method == method {
                return asked;
            }
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("{method} does not come"))
}

/// Waits until a stream has said this.
pub(crate) async fn heard(stream: &mut Wire, wanted: &str) {
    let heard = timeout(PATIENCE, stream.until(wanted)).await;
    assert!(matches!(heard, Ok(Ok(_))), "{wanted} does not come");
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn one_session_has_to_do_with_many_servers_of_which_some_are_dead() {
    let (one, two) = (demo("one").await, demo("two").await);
    let hung = scripted(json!({}), |_| Some(Said::Silence)).await;
    let gateway = gateway();
    servers(
        &gateway,
        &[
            ("one", one),
            ("x/two", two),
            ("dead", nobody().await),
            ("hung", hung.address),
        ],
    );
    let client = Client::open(&gateway).await;
    let (tools, unavailable) = client.tools().await;
    let wanted = ["add", "counter", "echo", "fail", "slow", "whoami"];
    let of = |prefix: &str| wanted.map(|tool| format!("{prefix}_{tool}")).to_vec();
    assert_eq!(tools, [of("one"), of("x__two")].concat());
    for (server, says) in [("dead", "cannot be reached"), ("hung", "has not answered")] {
        let why = unavailable[server].as_str().unwrap();
        assert!(why.contains(says), "{unavailable}");
    }
    let other = Client::open(&gateway).await;
    for count in ["1", "2", "3"] {
        assert_eq!(client.count("one_counter").await, count);
        assert_eq!(client.count("x__two_counter").await, count);
        assert_eq!(other.count("one_counter").await, count);
    }
    assert_eq!(client.call("one_whoami").await.instance(), "one");
    assert_eq!(client.call("x__two_whoami").await.instance(), "two");
    for (tool, says) in [
        ("nothing", "no tool nothing"),
        ("counter", "no tool counter"),
    ] {
        let refused = client.call(tool).await;
        assert_eq!(refused.status, 200);
        assert_eq!(response(&refused)["error"]["message"], says);
    }
}

#[tokio::test]
async fn servers_come_and_go_and_clients_hear_of_it() {
    let gateway = gateway();
    servers(&gateway, &[]);
    let client = Client::open(&gateway).await;
    client.has(&[]).await;
    let mut stream = client.listen().await;
    let scripted = scripted(json!({"tools": {}}), |_| None).await;
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    servers(&gateway, &[("new", scripted.address)]);
    heard(&mut stream, changed).await;
    client.has(&["new_tool"]).await;
    servers(&gateway, &[]);
    heard(&mut stream, changed).await;
    client.has(&[]).await;
}

#[tokio::test]
async fn a_server_that_tells_of_a_change_is_asked_again() {
    let named = std::sync::Mutex::new(["second", "first"].to_vec());
    let server = scripted(json!({"tools": {"listChanged": true}}), move |asked| {
        let mut named = named.lock().unwrap();
        match (asked.rpc(), &*asked.method) {
            ("tools/list", _) => {
                let name = if named.len() > 1 {
                    named.pop()
                } else {
                    named.last().copied()
                };
                Some(asked.result(&json!({"tools": [{"name": name}]})))
            }
            (_, "GET") => Some(Said::Open(Vec::new())),
            _ => None,
        }
    });
    let mut server = server.await;
    let gateway = gateway();
    servers(&gateway, &[("s", server.address)]);
    let client = Client::open(&gateway).await;
    client.has(&["s_first"]).await;
    let _ = asked(&mut server, "GET").await;
    let told = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
    while server.say.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    server.say.send(event(&told)).unwrap();
    client.has(&["s_second"]).await;
}

#[tokio::test]
async fn questions_within_a_call_are_answered_and_uris_are_rewritten() {
    let server = scripted(json!({"tools": {}}), |asked| {
        if asked.rpc() != "tools/call" {
            return None;
        }
        let question = json!({"jsonrpc": "2.0", "id": 0, "method": "elicitation/create",
            "params": {"message": "?"}});
        let result = json!({"jsonrpc": "2.0", "id": asked.message["id"], "result":
            {"content": [{"type": "resource_link", "uri": "file:///a", "name": "a"}]}});
        let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": 7, "progress": 1}});
        Some(Said::Events(vec![
            "id: 5\r\ndata: \r\n\r\n: alive\n\n".to_owned(),
            event(&question),
            event(&progress),
            event(&result),
        ]))
    });
    let mut server = server.await;
    let gateway = gateway();
    servers(&gateway, &[("x/s", server.address)]);
    let (client, _) = Client::opened(&gateway, &json!({"elicitation": {}})).await;
    let answer = client.call("x__s_tool").await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    for piece in [
        "id: x.s 5\ndata: \n\n",
        r#""id":"x.s 0""#,
        r#""progressToken":7"#,
        r#""uri":"mcpt+x.s+file:///a""#,
    ] {
        assert!(answer.text.contains(piece), "{piece} in {}", answer.text);
    }
    // What the gateway asked for itself came before it.
    let own = asked(&mut server, "initialize").await;
    assert_eq!(own.message["params"]["clientInfo"]["name"], "mcpt-gateway");
    let hello = asked(&mut server, "initialize").await;
    assert_eq!(hello.message["params"]["clientInfo"]["name"], "t");
    assert_eq!(
        hello.message["params"]["capabilities"],
        json!({"elicitation": {}})
    );
    let call = asked(&mut server, "tools/call").await;
    assert_eq!(call.message["params"]["name"], "tool");
    assert_eq!(call.message["id"], "c");
    assert_eq!(call.header("mcp-session-id"), Some("own"));

    let said = json!({"jsonrpc": "2.0", "id": "x.s 0", "result": {"action": "accept"}});
    assert_eq!(client.tell(&said).await.status, 202);
    let answered = asked(&mut server, "POST").await;
    assert_eq!(answered.message["id"], 0);
    assert_eq!(answered.message["result"]["action"], "accept");
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": "c"}});
    assert_eq!(client.tell(&cancelled).await.status, 202);
    let told = asked(&mut server, "notifications/cancelled").await;
    assert_eq!(told.message, cancelled);
    let stray = json!({"jsonrpc": "2.0", "id": 9, "result": {}});
    assert_eq!(client.tell(&stray).await.status, 400);
}

/// Servers refuse in the name of no request, or of one that they have made up, what they have not read; and a connection that
/// breaks names none either.
pub(crate) fn unnamed(asked: &ReceivedRequest) -> Option<Said> {
    let error = |id: Value| {
        let error = json!({"code": -32600, "message": "not now", "data": [id]});
        Some(Said::Json(
            json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string(),
        ))
    };
    match asked.message["params"]["arguments"]["how"].as_str()? {
        "null" => error(Value::Null),
        "made up" => error(json!("server-error")),
        "foreign" => Some(Said::Json(
            json!({"jsonrpc": "2.0", "id": "another", "result": {"content": []}}).to_string(),
        )),
        _ => Some(Said::Broken),
    }
}

/// In which ways, and what the client reads.
pub(crate) const UNNAMED: [(&str, &str); 4] = [
    ("null", "not now"),
    ("made up", "not now"),
    ("foreign", "another request"),
    ("broken", "closed the connection"),
];

#[tokio::test]
async fn each_answer_names_the_request_that_the_client_waits_for() {
    let server = scripted(json!({"tools": {}}), unnamed).await;
    let gateway = gateway();
    servers(&gateway, &[("s", server.address)]);
    let client = Client::open(&gateway).await;
    client.has(&["s_tool"]).await;
    for (how, why) in UNNAMED {
        let params = json!({"name": "s_tool", "arguments": {"how": how}});
        let answer = client.ask("tools/call", &params).await;
        let response = response(&answer);
        assert_eq!(response["id"], "c", "{how}: {answer:?}");
        assert!(
            response["error"]["message"].to_string().contains(why),
            "{how}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn what_a_server_says_by_itself_comes_on_the_stream() {
    let server = scripted(json!({"tools": {}}), |asked| {
        let resumed = asked.header("last-event-id").map(|id| {
            let said = json!({"jsonrpc": "2.0", "id": "c", "result": {"after": id}});
            Said::Events(vec![event(&said)])
        });
        match (asked.rpc(), &*asked.method) {
            (_, "GET") => Some(resumed.unwrap_or(Said::Open(Vec::new()))),
            ("tools/call", _) => Some(asked.result(&json!({}))),
            _ => None,
        }
    });
    let mut server = server.await;
    let gateway = gateway();
    servers(&gateway, &[("s", server.address)]);
    let client = Client::open(&gateway).await;
    let mut stream = client.listen().await;
    client.call("s_tool").await;
    let _ = asked(&mut server, "GET").await;
    while server.say.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    let question = json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"});
    server.say.send(event(&question)).unwrap();
    heard(
        &mut stream,
        r#""id":"s \"q\"","jsonrpc":"2.0","method":"roots/list"}"#,
    )
    .await;
    // A second stream takes the place of the first.
    let _second = client.listen().await;
    heard(&mut stream, "0\r\n\r\n").await;
    let resumed = client
        .exchange("GET", &[("Last-Event-ID", "s 4 2")], "")
        .await;
    assert_eq!(response(&resumed)["result"]["after"], "4 2");
    let unknown = client.exchange("GET", &[("Last-Event-ID", "17")], "").await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn a_session_ends_with_an_instance_that_kept_something_for_it() {
    let (first, other) = (Demo::start("first").await, demo("other").await);
    let gateway = gateway();
    servers(&gateway, &[("s", first.address), ("other", other)]);
    let client = Client::open(&gateway).await;
    assert_eq!(client.count("s_counter").await, "1");
    assert_eq!(client.count("other_counter").await, "1");
    let idle = Client::open(&gateway).await;
    first.stop().await;
    let second = demo("second").await;
    servers(&gateway, &[("s", second), ("other", other)]);
    let gone = client.call("s_counter").await;
    assert_eq!(gone.status, 404, "{gone:?}");
    assert_eq!(response(&gone)["id"], "c");
    assert_eq!(client.call("other_counter").await.status, 404);
    // Who had nothing there has lost nothing.
    assert_eq!(idle.count("s_counter").await, "1");
    let again = Client::open(&gateway).await;
    assert_eq!(again.call("s_whoami").await.instance(), "second");
}

#[tokio::test]
async fn ended_sessions_and_foreign_ones_are_unknown() {
    let mut server = scripted(json!({"tools": {}}), |asked| {
        (asked.rpc() == "tools/call").then(|| asked.result(&json!({})))
    })
    .await;
    let gateway = gateway();
    servers(&gateway, &[("demo", server.address)]);
    let client = Client::open(&gateway).await;
    client.call("demo_tool").await;
    assert_eq!(client.exchange("DELETE", &[], "").await.status, 204);
    let deleted = asked(&mut server, "DELETE").await;
    assert_eq!(deleted.header("mcp-session-id"), Some("own"));
    assert_eq!(client.call("demo_tool").await.status, 404);
    assert_eq!(client.exchange("DELETE", &[], "").await.status, 404);

    let single = gateway.open().await;
    let client = Client::open(&gateway).await;
    assert_eq!(gateway.call(&client.session, "tool").await.status, 404);
    for (session, status) in [(Some(&*single), 404), (Some("x"), 404), (None, 400)] {
        let headers: Vec<_> = session
            .map(|id| ("Mcp-Session-Id", id))
            .into_iter()
            .collect();
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        let refused = gateway.exchange("POST", "/mcp", &headers, &ping).await;
        assert_eq!(refused.status, status, "{session:?}");
    }
    let batch = client.exchange("POST", &[], "[]").await;
    assert_eq!(batch.status, 400);
    assert_eq!(
        response(&client.ask("ping", &json!({})).await)["result"],
        json!({})
    );
    let unknown = client.ask("tasks/list", &json!({})).await;
    assert_eq!(unknown.status, 200);
    assert_eq!(response(&unknown)["error"]["code"], -32601);
}

/// Waits until a gateway is ready.
pub(crate) async fn ready(gateway: &Tellable) {
    let ready = timeout(PATIENCE, async {
        while gateway.exchange("GET", "/readyz", &[], "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    });
    assert!(ready.await.is_ok(), "not ready");
}

#[tokio::test]
async fn a_session_outlives_all_replicas_that_it_began_at() {
    let (one, two, three) = (demo("one").await, demo("two").await, demo("three").await);
    let known = [("one", one), ("two", two), ("three", three)];
    let (first, first_life) = mortal(None);
    servers(&first, &known);
    ready(&first).await;
    let before = Client::open(&first).await;
    assert_eq!(before.count("one_counter").await, "1");

    let (second, second_life) = mortal(Some(&first));
    servers(&second, &known);
    ready(&second).await;
    // What there was before it came, and what comes from now on, at either of them.
    assert_eq!(before.at(&second).count("one_counter").await, "2");
    let client = Client::open(&first).await;
    assert_eq!(client.count("one_counter").await, "1");
    assert_eq!(client.at(&second).count("two_counter").await, "1");
    assert_eq!(client.count("two_counter").await, "2");
    first_life.abort();
    let _ = first_life.await;
    for (tool, count) in [("one_counter", "2"), ("two_counter", "3")] {
        assert_eq!(client.at(&second).count(tool).await, count);
    }
    assert_eq!(client.at(&second).count("three_counter").await, "1");

    let (third, third_life) = mortal(Some(&second));
    servers(&third, &known);
    ready(&third).await;
    second_life.abort();
    let _ = second_life.await;
    let client = client.at(&third);
    for (tool, count) in [
        ("one_counter", "3"),
        ("two_counter", "4"),
        ("three_counter", "2"),
    ] {
        assert_eq!(client.count(tool).await, count);
    }
    assert_eq!(before.at(&third).count("one_counter").await, "3");

    // One that takes its place for good.
    let pages = third.admin;
    let fourth = gateway_like(|config| config.peers = Some(Peers::before(pages)));
    servers(&fourth, &known);
    ready(&fourth).await;
    let meanwhile = Client::open(&third).await;
    assert_eq!(meanwhile.count("one_counter").await, "1");
    third_life.abort();
    let _ = third_life.await;
    assert_eq!(client.at(&fourth).count("three_counter").await, "3");
    assert_eq!(meanwhile.at(&fourth).count("one_counter").await, "2");
    let client = Client::open(&fourth).await;
    assert_eq!(client.count("one_counter").await, "1");
}

#[tokio::test]
async fn replicas_agree_on_what_is_over() {
    let server = demo("one").await;
    let (first, _first_life) = mortal(None);
    servers(&first, &[("one", server)]);
    ready(&first).await;
    let (second, _second_life) = mortal(Some(&first));
    servers(&second, &[("one", server)]);
    ready(&second).await;
    let client = Client::open(&second).await;
    assert_eq!(client.at(&first).count("one_counter").await, "1");
    assert_eq!(client.exchange("DELETE", &[], "").await.status, 204);
    let client = client.at(&first);
    let over = timeout(PATIENCE, async {
        while client.call("one_counter").await.status != 404 {
            tokio::task::yield_now().await;
        }
    });
    assert!(over.await.is_ok(), "it goes on");
}

#[tokio::test]
async fn only_replicas_are_told_of_sessions_and_believed() {
    let (first, _life) = mortal(None);
    servers(&first, &[("one", demo("one").await)]);
    ready(&first).await;
    let client = Client::open(&first).await;
    assert_eq!(client.count("one_counter").await, "1");
    let mut wire = Wire::open(first.admin).await.unwrap();
    let forged = r#"{"by":1,"at":"127.0.0.1:1","sessions":[]}"#;
    let refused = wire.exchange("POST", "/api/v1/legs", &[], forged).await;
    assert_eq!(refused.unwrap().status, 403);
    let mut found = 0;
    for part in 0..64 {
        let mut wire = Wire::open(first.admin).await.unwrap();
        let path = format!("/api/v1/legs/{part}");
        let told = wire.exchange("GET", &path, &[], "").await.unwrap();
        assert_eq!(told.status, 200);
        assert!(!told.text.contains("ns/one"), "{told:?}");
        found += usize::from(told.text.len() > 200);
    }
    assert_eq!(found, 1, "one session, and nobody can read it");
}
