//! Real servers and a real gateway in this process; the test itself is the source that tells of servers.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{BoxStream, StreamExt as _, poll_fn},
};
use mcpt_core::{Namespace, Secret, ServerName, Sessions};
use mcpt_demo::{DemoError, DemoSettings};
use mcpt_gateway::{Gateway, GatewayConfig, GatewayError, LockConfig};
use mcpt_protocol::HostRules;
use mcpt_routing::{
    Address, Change, Conditions, Discovery, EndpointId, EndpointSpec, Handling, ServerKey,
    ServerSpec, SessionKeys,
};
use serde_json::{Value, json};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::JoinHandle,
};

use crate::wire::{Answer, Wire};

/// Longest wait for what is bound to come, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The session key of all gateways.
pub(crate) const KEY: &str = "the key that all gateways of this test have";

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

/// A demo server.
pub(crate) struct Demo {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), DemoError>>,
}

impl Demo {
    pub(crate) async fn start(instance: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = DemoSettings {
            max_sessions: 1000,
            max_connections: 1000,
            greeting: String::new(),
            token_set: false,
            instance: instance.to_owned(),
            access: HostRules::for_listener(address),
            drain_grace: Duration::from_secs(10),
        };
        let (stop, stopped) = oneshot::channel();
        let served = mcpt_demo::serve(listener, settings, stopped.map(drop));
        Self {
            address,
            stop,
            ended: tokio::spawn(served),
        }
    }

    /// Lets it end in order, as SIGTERM does.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

/// A demo server that goes on to the end of the test.
pub(crate) async fn demo(instance: &str) -> SocketAddr {
    let demo = Demo::start(instance).await;
    // A sender that is dropped would stop it.
    std::mem::forget(demo.stop);
    demo.address
}

/// A gateway with what tells it of servers.
pub(crate) struct Tellable {
    pub(crate) address: SocketAddr,
    /// Where its own pages are.
    pub(crate) admin: SocketAddr,
    /// Where autoscalers ask.
    pub(crate) metrics_api: Option<SocketAddr>,
    pub(crate) tell: UnboundedSender<Change>,
}

pub(crate) fn gateway() -> Tellable {
    let (gateway, serving) = gateway_until(std::future::pending().boxed());
    tokio::spawn(serving);
    gateway
}

/// A gateway beside another one.
pub(crate) fn gateway_beside(other: &Tellable) -> Tellable {
    let peers = other.admin.to_string().parse().unwrap();
    let change = |config: &mut GatewayConfig| config.peers = Some(peers);
    let (gateway, serving) = gateway_with(change, std::future::pending().boxed());
    tokio::spawn(serving);
    gateway
}

/// The same, told to shut down by `shutdown`, and what serves it.
pub(crate) fn gateway_beside_until(
    other: &Tellable,
    shutdown: BoxFuture<'static, ()>,
) -> (Tellable, BoxFuture<'static, Result<(), GatewayError>>) {
    let peers = other.admin.to_string().parse().unwrap();
    gateway_with(|config| config.peers = Some(peers), shutdown)
}

/// A gateway that is configured further.
pub(crate) fn gateway_like(change: impl FnOnce(&mut GatewayConfig)) -> Tellable {
    let (gateway, serving) = gateway_with(change, std::future::pending().boxed());
    tokio::spawn(serving);
    gateway
}

/// A gateway that wants a key.
pub(crate) fn gateway_locked(lock: LockConfig) -> Tellable {
    let change = |config: &mut GatewayConfig| config.lock = Some(lock);
    let (gateway, serving) = gateway_with(change, std::future::pending().boxed());
    tokio::spawn(serving);
    gateway
}

/// A gateway beside another one, if there is one; it dies when the task is aborted.
pub(crate) fn mortal(
    beside: Option<&Tellable>,
) -> (Tellable, JoinHandle<Result<(), GatewayError>>) {
    let peers = beside.map(|other| other.admin.to_string().parse().unwrap());
    let change = |config: &mut GatewayConfig| config.peers = peers;
    let (gateway, serving) = gateway_with(change, std::future::pending().boxed());
    (gateway, tokio::spawn(serving))
}

/// A gateway that is told to shut down by `shutdown`, and what serves it.
pub(crate) fn gateway_until(
    shutdown: BoxFuture<'static, ()>,
) -> (Tellable, BoxFuture<'static, Result<(), GatewayError>>) {
    gateway_with(|_| {}, shutdown)
}

fn gateway_with(
    change: impl FnOnce(&mut GatewayConfig),
    shutdown: BoxFuture<'static, ()>,
) -> (Tellable, BoxFuture<'static, Result<(), GatewayError>>) {
    let (tell, told) = unbounded_channel();
    let key = Secret::new(KEY);
    let mut config = GatewayConfig::new(
        "127.0.0.1:0".parse().unwrap(),
        Namespace::new("ns").unwrap(),
        SessionKeys::parse(&key).unwrap(),
    );
    config.sources.push(Box::new(Told(told)));
    change(&mut config);
    let gateway = Gateway::bind(config).unwrap();
    let (address, admin) = (gateway.address(), gateway.admin_address());
    let tellable = Tellable {
        address,
        admin,
        metrics_api: gateway.metrics_api_address(),
        tell,
    };
    (tellable, gateway.serve(shutdown).boxed())
}

impl Tellable {
    pub(crate) fn endpoints(&self, endpoints: &[(&str, SocketAddr, Conditions)]) {
        self.server(Sessions::Stateful, endpoints);
    }

    pub(crate) fn server(&self, sessions: Sessions, endpoints: &[(&str, SocketAddr, Conditions)]) {
        let server = ServerSpec {
            key: ServerKey {
                namespace: Namespace::new("ns").unwrap(),
                name: ServerName::new("demo").unwrap(),
            },
            sessions,
            handling: Handling::default(),
            endpoints: endpoints
                .iter()
                .map(|(id, address, conditions)| EndpointSpec {
                    id: EndpointId::new(id),
                    address: Address::parse(&format!("http://{address}/mcp")).unwrap(),
                    conditions: *conditions,
                    weight: NonZeroU32::MIN,
                })
                .collect(),
        };
        self.tell.send(Change::Snapshot(vec![server])).unwrap();
    }

    /// An exchange over a connection of its own.
    pub(crate) async fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut wire = Wire::open(self.address).await.unwrap();
        wire.exchange(method, path, headers, body).await.unwrap()
    }

    /// Waits until `/metrics` has a sample: what was told is taken in by then.
    pub(crate) async fn shows(&self, sample: &str) {
        let shown = async {
            while !self.metrics().await.contains(sample) {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, shown).await;
        assert!(in_time.is_ok(), "never: {sample}");
    }

    pub(crate) async fn metrics(&self) -> String {
        let mut wire = Wire::open(self.admin).await.unwrap();
        wire.exchange("GET", "/metrics", &[], "")
            .await
            .unwrap()
            .text
    }

    pub(crate) async fn post(&self, headers: &[(&str, &str)], message: &Value) -> Answer {
        self.exchange("POST", "/mcp/demo", headers, &message.to_string())
            .await
    }

    pub(crate) async fn open(&self) -> String {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
            {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
        let session = self.post(&[], &message).await.session.unwrap();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let headers = [("Mcp-Session-Id", &*session)];
        assert_eq!(self.post(&headers, &initialized).await.status, 202);
        session
    }

    pub(crate) async fn call(&self, session: &str, tool: &str) -> Answer {
        self.post(&[("Mcp-Session-Id", session)], &call(tool)).await
    }

    pub(crate) async fn modern(&self, method: &str, params: &Value) -> Answer {
        let (headers, body) = modern(method, params);
        let headers = headers.each_ref().map(|(n, v)| (*n, v.as_str()));
        self.exchange("POST", "/mcp/demo", &headers, &body).await
    }

    pub(crate) async fn modern_call(&self, tool: &str) -> Answer {
        self.modern("tools/call", &json!({"name": tool})).await
    }
}

pub(crate) fn call(tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": tool}})
}

/// Headers and body of a request of the stateless era.
pub(crate) fn modern(method: &str, params: &Value) -> ([(&'static str, String); 3], String) {
    let mut message = json!({"jsonrpc": "2.0", "id": "c", "method": method, "params": params});
    message["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    let name = params["name"].as_str().unwrap_or("-");
    let headers = [
        ("MCP-Protocol-Version", "2026-07-28".to_owned()),
        ("Mcp-Method", method.to_owned()),
        ("Mcp-Name", name.to_owned()),
    ];
    (headers, message.to_string())
}
