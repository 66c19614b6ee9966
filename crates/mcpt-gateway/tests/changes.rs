//! What changes of a source do to requests and sessions: real servers behind a real gateway, the changes made by hand.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use futures_util::stream::{BoxStream, StreamExt as _, poll_fn};
use mcpt_core::{Namespace, Secret, ServerName, Sessions};
use mcpt_demo::DemoSettings;
use mcpt_gateway::{Gateway, GatewayConfig};
use mcpt_protocol::AccessRules;
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, ServerKey, ServerSpec,
    SessionKeys,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A source that says what the test tells it.
#[derive(Debug)]
struct Told(UnboundedReceiver<Change>);

impl Discovery for Told {
    fn name(&self) -> &'static str {
        "the test"
    }

    fn watch(mut self: Box<Self>) -> BoxStream<'static, Change> {
        poll_fn(move |context| self.0.poll_recv(context)).boxed()
    }
}

/// A demo server of this process.
async fn demo(instance: &str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = DemoSettings {
        greeting: String::new(),
        token_set: false,
        instance: instance.to_owned(),
        access: AccessRules::for_listener(address),
        drain_grace: Duration::ZERO,
    };
    tokio::spawn(mcpt_demo::serve(listener, settings, std::future::pending()));
    address
}

/// A gateway of this process, with what tells it of servers.
struct Tellable {
    address: SocketAddr,
    tell: UnboundedSender<Change>,
}

fn gateway() -> Tellable {
    let (tell, told) = unbounded_channel();
    let key = Secret::new("the key that all gateways of this test have");
    let mut config = GatewayConfig::new(
        "127.0.0.1:0".parse().unwrap(),
        Namespace::new("ns").unwrap(),
        SessionKeys::parse(&key).unwrap(),
    );
    config.sources.push(Box::new(Told(told)));
    let gateway = Gateway::bind(config).unwrap();
    let address = gateway.address();
    tokio::spawn(gateway.serve(std::future::pending()));
    Tellable { address, tell }
}

impl Tellable {
    fn endpoints(&self, endpoints: &[(&str, SocketAddr, Conditions)]) {
        let server = ServerSpec {
            key: ServerKey {
                namespace: Namespace::new("ns").unwrap(),
                name: ServerName::new("demo").unwrap(),
            },
            sessions: Sessions::Stateful,
            endpoints: endpoints
                .iter()
                .map(|(id, address, conditions)| EndpointSpec {
                    id: EndpointId::new(id),
                    address: Address::parse(&format!("http://{address}/mcp")).unwrap(),
                    conditions: *conditions,
                })
                .collect(),
        };
        self.tell.send(Change::Snapshot(vec![server])).unwrap();
    }

    /// Waits until `/metrics` has a sample: what was told is taken in by then.
    async fn shows(&self, sample: &str) {
        loop {
            let address = self.address;
            let metrics = blocking(move || send(address, "GET", "/metrics", &[], "").read()).await;
            if metrics.text.contains(sample) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn post(&self, headers: &[(&str, &str)], message: Value) -> Answer {
        let address = self.address;
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        blocking(move || {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
            send(address, "POST", "/mcp/demo", &headers, &message.to_string()).read()
        })
        .await
    }

    async fn open(&self) -> String {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let answer = self.post(&[], message).await;
        let session = answer.session.unwrap();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let headers = [("Mcp-Session-Id", &*session)];
        assert_eq!(self.post(&headers, initialized).await.status, 202);
        session
    }

    async fn call(&self, session: &str, tool: &str) -> Answer {
        self.post(&[("Mcp-Session-Id", session)], call(tool)).await
    }

    async fn modern_call(&self, tool: &str) -> Answer {
        let mut message = call(tool);
        message["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}});
        let headers = [
            ("MCP-Protocol-Version", "2026-07-28"),
            ("Mcp-Method", "tools/call"),
            ("Mcp-Name", tool),
        ];
        self.post(&headers, message).await
    }
}

fn call(tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": tool}})
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A request that is sent and whose answer was not read yet.
struct Sent(BufReader<TcpStream>);

fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Sent {
    let mut stream = TcpStream::connect(address).unwrap();
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let headers = lines.concat();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    Sent(BufReader::new(stream))
}

#[derive(Debug)]
struct Answer {
    status: u16,
    session: Option<String>,
    retry_after: bool,
    /// The body as sent, with the framing of chunks if there is one.
    text: String,
}

impl Sent {
    fn read(mut self) -> Answer {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let mut answer = Answer {
            status: line.split(' ').nth(1).unwrap().parse().unwrap(),
            session: None,
            retry_after: false,
            text: String::new(),
        };
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some(("mcp-session-id", id)) => answer.session = Some(id.to_owned()),
                Some(("retry-after", _)) => answer.retry_after = true,
                Some(_) => {}
                None => break,
            }
        }
        self.0.read_to_string(&mut answer.text).unwrap();
        answer
    }
}

impl Answer {
    /// The instance that answered `whoami`.
    fn instance(&self) -> &str {
        let Some((_, rest)) = self
            .text
            .split_once("\"structuredContent\":{\"instance\":\"")
        else {
            panic!("no instance in {self:?}")
        };
        rest.split('"').next().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_away_before_the_servers_are_known() {
    let gateway = gateway();
    let address = gateway.address;
    let ready = || blocking(move || send(address, "GET", "/readyz", &[], "").read());
    let waiting = ready().await;
    assert_eq!(waiting.status, 503);
    assert!(waiting.text.contains("the test"), "{waiting:?}");
    let early = gateway.call("some-session", "counter").await;
    assert_eq!((early.status, early.retry_after), (503, true), "{early:?}");
    gateway.endpoints(&[("a", demo("a").await, Conditions::UNREADY)]);
    gateway.shows("condition=\"ready\"} 0").await;
    assert_eq!(ready().await.status, 200);
    let idle = gateway.modern_call("whoami").await;
    assert_eq!((idle.status, idle.retry_after), (503, true), "{idle:?}");
    gateway.tell.send(Change::Snapshot(Vec::new())).unwrap();
    while gateway.modern_call("whoami").await.status != 404 {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_terminates_keeps_its_sessions_and_gets_nothing_new() {
    let (a, b) = (demo("a").await, demo("b").await);
    let gateway = gateway();
    gateway.endpoints(&[("a", a, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.open().await;
    gateway.endpoints(&[("a", a, Conditions::DRAINING), ("b", b, Conditions::READY)]);
    gateway.shows("condition=\"terminating\"} 1").await;
    for count in 1..=5 {
        let answer = gateway.call(&session, "counter").await;
        assert!(
            answer.text.contains(&format!("\"text\":\"{count}\"")),
            "{answer:?}"
        );
        let other = gateway.open().await;
        assert_eq!(gateway.call(&other, "whoami").await.instance(), "b");
        assert_eq!(gateway.modern_call("whoami").await.instance(), "b");
    }
    assert_eq!(gateway.call(&session, "whoami").await.instance(), "a");
    gateway.shows("endpoint=\"a\"} 1").await;
    gateway.endpoints(&[("b", b, Conditions::READY)]);
    gateway.shows("condition=\"terminating\"} 0").await;
    let gone = gateway.call(&session, "counter").await;
    assert_eq!(gone.status, 404, "{gone:?}");
    assert!(gone.text.contains("\"id\":\"c\""), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_waits_for_the_endpoint_of_a_session_that_just_began_elsewhere() {
    let (a, b) = (demo("a").await, demo("b").await);
    let (ahead, behind) = (gateway(), gateway());
    ahead.endpoints(&[("a", a, Conditions::READY)]);
    behind.endpoints(&[("b", b, Conditions::READY)]);
    for gateway in [&ahead, &behind] {
        gateway.shows("condition=\"ready\"} 1").await;
    }
    let session = ahead.open().await;
    let headers = [("Mcp-Session-Id", &*session)];
    let body = call("counter").to_string();
    let sent = send(behind.address, "POST", "/mcp/demo", &headers, &body);
    behind.endpoints(&[("a", a, Conditions::READY), ("b", b, Conditions::READY)]);
    let answer = blocking(move || sent.read()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text.contains("\"text\":\"1\""), "{answer:?}");
}
