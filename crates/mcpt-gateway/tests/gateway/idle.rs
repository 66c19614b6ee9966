//! Servers that are stopped while nobody calls them, and started by the next call.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{BoxStream, StreamExt as _, poll_fn},
};
use mcpt_core::{Namespace, ServerName, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, Handling, ServerKey,
    ServerSpec, StartError, Starter,
};
use serde_json::json;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::timeout,
};

use crate::{
    aggregate::Client,
    handling::held,
    harness::{PATIENCE, Tellable, call, demo, gateway_like, modern},
    scripted::{ReceivedRequest, Said, event, scripted},
    wire::Wire,
};

/// What a gateway wants done.
#[derive(Debug, PartialEq)]
enum Wanted {
    Started(String),
    Stopped(String),
}

/// A source that tells what the test says, and says to the test what is to be started and stopped.
#[derive(Debug)]
struct Platform {
    changes: UnboundedReceiver<Change>,
    starter: Arc<Noting>,
}

#[derive(Debug)]
struct Noting {
    wanted: UnboundedSender<Wanted>,
    answer: Result<bool, StartError>,
}

impl Noting {
    fn note(&self, wanted: Wanted) -> BoxFuture<'_, Result<bool, StartError>> {
        // The test may have no interest in it any more.
        drop(self.wanted.send(wanted));
        std::future::ready(self.answer.clone()).boxed()
    }
}

impl Starter for Noting {
    fn start<'s>(&'s self, server: &'s ServerKey) -> BoxFuture<'s, Result<bool, StartError>> {
        self.note(Wanted::Started(server.name.to_string()))
    }

    fn stop<'s>(&'s self, server: &'s ServerKey) -> BoxFuture<'s, Result<bool, StartError>> {
        self.note(Wanted::Stopped(server.name.to_string()))
    }
}

impl Discovery for Platform {
    fn name(&self) -> &'static str {
        "the test"
    }

    fn starter(&self) -> Option<Arc<dyn Starter>> {
        Some(Arc::clone(&self.starter) as Arc<dyn Starter>)
    }

    fn watch(mut self: Box<Self>) -> BoxStream<'static, Change> {
        poll_fn(move |context| self.changes.poll_recv(context)).boxed()
    }
}

/// A gateway and what it wants done.
struct Stage {
    gateway: Arc<Tellable>,
    wanted: UnboundedReceiver<Wanted>,
}

impl Stage {
    fn new(answer: Result<bool, StartError>, beside: Option<&Self>) -> Self {
        let (tell, changes) = unbounded_channel();
        let (want, wanted) = unbounded_channel();
        let peers = beside.map(|other| other.gateway.admin.to_string().parse().unwrap());
        let starter = Noting {
            wanted: want,
            answer,
        };
        let mut gateway = gateway_like(|config| {
            config.peers = peers;
            config.sources = vec![Box::new(Platform {
                changes,
                starter: Arc::new(starter),
            })];
        });
        gateway.tell = tell;
        let gateway = Arc::new(gateway);
        Self { gateway, wanted }
    }

    fn has(&self, seconds: u64, servers: &[(&str, Option<SocketAddr>)]) {
        tell(&self.gateway, seconds, servers);
    }

    async fn wants(&mut self) -> Wanted {
        timeout(PATIENCE, self.wanted.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

/// There are servers of one instance, or of none, which are stopped after so many seconds.
fn tell(gateway: &Tellable, seconds: u64, servers: &[(&str, Option<SocketAddr>)]) {
    let spec = |(name, address): &(&str, Option<SocketAddr>)| ServerSpec {
        key: ServerKey {
            namespace: Namespace::new("ns").unwrap(),
            name: ServerName::new(*name).unwrap(),
        },
        sessions: Sessions::Stateful,
        handling: Handling {
            idle_timeout: Some(Duration::from_secs(seconds)),
            ..Handling::default()
        },
        endpoints: address
            .iter()
            .map(|address| EndpointSpec {
                id: EndpointId::new(&address.to_string()),
                address: Address::parse(&format!("http://{address}/mcp")).unwrap(),
                conditions: Conditions::READY,
                weight: NonZeroU32::MIN,
            })
            .collect(),
    };
    let all = servers.iter().map(spec).collect();
    gateway.tell.send(Change::Snapshot(all)).unwrap();
}

fn started(name: &str) -> Wanted {
    Wanted::Started(name.to_owned())
}

fn stopped(name: &str) -> Wanted {
    Wanted::Stopped(name.to_owned())
}

/// Longer than any of these tests.
const NEVER: u64 = 3600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_start_a_server_and_wait_for_it() {
    let mut stage = Stage::new(Ok(true), None);
    stage.has(NEVER, &[("demo", None)]);
    stage.gateway.shows("condition=\"ready\"} 0").await;
    let address = stage.gateway.address;
    let mut calls = JoinSet::new();
    for number in 0..10 {
        let (headers, body) = if number % 2 == 0 {
            modern("tools/call", &json!({"name": "whoami"}))
        } else {
            let mut message = call("ignored");
            message["method"] = "initialize".into();
            message["params"] = json!({"protocolVersion": "2025-11-25",
                "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
            let headers = ["MCP-Protocol-Version", "X-A", "X-B"];
            (
                headers.map(|name| (name, "2025-11-25".to_owned())),
                message.to_string(),
            )
        };
        calls.spawn(async move {
            let mut wire = Wire::open(address).await.unwrap();
            let headers = headers
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            let sent = wire.exchange("POST", "/mcp/demo", &headers, &body);
            sent.await.unwrap().status
        });
    }
    assert_eq!(stage.wants().await, started("demo"));
    stage.has(NEVER, &[("demo", Some(demo("a").await))]);
    let statuses = timeout(PATIENCE, calls.join_all()).await.unwrap();
    assert_eq!(statuses, [200; 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_start_it_is_told_at_once() {
    for answer in [Err(StartError::Refused("no right".to_owned())), Ok(false)] {
        let stage = Stage::new(answer, None);
        stage.has(NEVER, &[("demo", None)]);
        stage.gateway.shows("condition=\"ready\"} 0").await;
        let refused = stage.gateway.modern_call("whoami").await;
        assert_eq!(
            (refused.status, refused.retry_after),
            (503, true),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_calls_is_stopped_whatever_streams_are_open() {
    let mut stage = Stage::new(Ok(true), None);
    let address = demo("a").await;
    stage.has(1, &[("demo", Some(address))]);
    stage.gateway.shows("condition=\"ready\"} 1").await;
    let session = stage.gateway.open().await;
    let mut stream = Wire::open(stage.gateway.address).await.unwrap();
    let headers = [("Mcp-Session-Id", &*session)];
    stream.send("GET", "/mcp/demo", &headers, "").await.unwrap();
    assert_eq!(stage.wants().await, stopped("demo"));
    stage.has(NEVER, &[("demo", None)]);
    stage.gateway.shows("condition=\"ready\"} 0").await;
    // That session is gone, which starts nothing.
    let gone = stage.gateway.call(&session, "counter").await;
    assert_eq!(gone.status, 404, "{gone:?}");
    let gateway = Arc::clone(&stage.gateway);
    let opened = tokio::spawn(async move { gateway.open().await });
    let mut wanted = stage.wants().await;
    while wanted == stopped("demo") {
        // It was stopped again before it was gone.
        wanted = stage.wants().await;
    }
    assert_eq!(wanted, started("demo"));
    stage.has(NEVER, &[("demo", Some(address))]);
    let session = timeout(PATIENCE, opened).await.unwrap().unwrap();
    assert_eq!(stage.gateway.call(&session, "counter").await.status, 200);
}

/// The other server shows that time enough has gone by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_progress_keeps_its_server_running_at_all_replicas() {
    let (demo_address, let_through) = held().await;
    let (other, _) = held().await;
    let mut first = Stage::new(Ok(true), None);
    let mut second = Stage::new(Ok(true), Some(&first));
    let servers = [("demo", Some(demo_address)), ("other", Some(other))];
    for stage in [&first, &second] {
        stage.has(NEVER, &servers);
        stage
            .gateway
            .shows("server=\"demo\",condition=\"ready\"} 1")
            .await;
    }
    let session = first.gateway.open().await;
    let mut wire = Wire::open(first.gateway.address).await.unwrap();
    let headers = [("Mcp-Session-Id", &*session)];
    let message = call("x").to_string();
    wire.send("POST", "/mcp/demo", &headers, &message)
        .await
        .unwrap();
    first
        .gateway
        .shows(&format!(
            "requests_in_flight{{namespace=\"ns\",server=\"demo\",endpoint=\"{demo_address}\"}} 1"
        ))
        .await;
    // The call is in progress from here on, however long all this has taken; the second has heard of it before the first stops
    // anything.
    for stage in [&mut first, &mut second] {
        stage.has(6, &servers);
        assert_eq!(stage.wants().await, stopped("other"));
    }
    first.has(6, &servers[..1]);
    second.has(6, &servers[..1]);
    let_through.add_permits(1);
    assert_eq!(wire.answer().await.unwrap().status, 200);
    for stage in [&mut first, &mut second] {
        // It may have been stopped again before it was gone.
        while stage.wants().await == stopped("other") {}
    }
}

/// Neither takes a place of a request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_for_their_client_and_streams_taken_up_again_keep_servers_running() {
    let question = json!({"jsonrpc": "2.0", "id": 0, "method": "elicitation/create",
        "params": {"message": "Who?"}});
    let script = move |asked: &ReceivedRequest| match (asked.rpc(), &*asked.method) {
        ("tools/call", _) => Some(Said::Open(vec![event(&question)])),
        ("server/discover", _) => Some(Said::Status(404)),
        // Any other GET is refused: how the gateway looks at a server is not what this is about.
        (_, "GET") if asked.header("last-event-id").is_some() => {
            Some(Said::Open(vec![": resumed\r\n\r\n".to_owned()]))
        }
        _ => None,
    };
    let asks = scripted(json!({"tools": {}}), script.clone()).await;
    let streams = scripted(json!({"tools": {}}), script).await;
    let (other, _) = held().await;
    let mut stage = Stage::new(Ok(true), None);
    let servers = [
        ("asks", Some(asks.address)),
        ("demo", Some(streams.address)),
        ("other", Some(other)),
    ];
    stage.has(NEVER, &servers);
    stage
        .gateway
        .shows("server=\"other\",condition=\"ready\"} 1")
        .await;
    let (headers, body) = modern("tools/call", &json!({"name": "tool"}));
    let asked = body.replace(
        "clientCapabilities\":{}",
        "clientCapabilities\":{\"elicitation\":{}}",
    );
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let gateway = Arc::clone(&stage.gateway);
    let parking = gateway.exchange("POST", "/mcp/asks", &headers, &asked);
    let parked = timeout(PATIENCE, parking).await.unwrap();
    assert!(parked.text.contains("input_required"), "{parked:?}");
    let session = stage.gateway.open().await;
    let mut stream = Wire::open(stage.gateway.address).await.unwrap();
    let headers = [("Mcp-Session-Id", &*session), ("Last-Event-ID", "7")];
    stream.send("GET", "/mcp/demo", &headers, "").await.unwrap();
    let resumed = timeout(PATIENCE, stream.until(": resumed\r\n\r\n"));
    resumed.await.unwrap().unwrap();
    stage.has(1, &servers);
    // The other one is stopped again and again, which shows that time enough has gone by for all.
    for _ in 0..2 {
        assert_eq!(stage.wants().await, stopped("other"));
    }
    drop(stream);
    let stops = async { while stage.wants().await != stopped("demo") {} };
    timeout(PATIENCE, stops).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_as_one_shows_stopped_servers_and_starts_them_for_calls_alone() {
    let stage = Stage::new(Ok(true), None);
    let address = demo("a").await;
    stage.has(1, &[("demo", Some(address))]);
    stage.gateway.shows("condition=\"ready\"} 1").await;
    let Stage {
        gateway,
        mut wanted,
    } = stage;
    let client = Client::open(&gateway).await;
    let counts = async || {
        let (tools, _) = client.tools().await;
        tools.iter().any(|tool| tool == "demo_counter")
    };
    let listed = async { while !counts().await {} };
    timeout(PATIENCE, listed).await.unwrap();
    // To be asked for its lists keeps no server running.
    let first = timeout(PATIENCE, wanted.recv()).await.unwrap();
    assert_eq!(first, Some(stopped("demo")));
    tell(&gateway, 1, &[("demo", None)]);
    gateway.shows("condition=\"ready\"} 0").await;
    assert!(counts().await);
    let told = async { while !client.tools().await.1.is_null() {} };
    timeout(PATIENCE, told).await.unwrap();
    let starts = async {
        while wanted.recv().await.unwrap() != started("demo") {}
        tell(&gateway, NEVER, &[("demo", Some(address))]);
    };
    let called = async { tokio::join!(client.call("demo_counter"), starts).0 };
    let answer = timeout(PATIENCE, called).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text.contains("\"text\":\"1\""), "{answer:?}");
}
