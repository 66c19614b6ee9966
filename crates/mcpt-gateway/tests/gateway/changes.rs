//! What changes of a source do to requests and sessions.

use std::{net::SocketAddr, num::NonZeroU32, time::Duration};

use mcpt_core::{Namespace, ServerName, Sessions};
use mcpt_routing::{
    Address, Change, Conditions, EndpointId, EndpointSpec, Handling, ServerKey, ServerSpec,
};
use serde_json::json;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    aggregate::nobody,
    harness::{PATIENCE, call, demo, gateway},
    scripted::{Said, scripted},
    wire::Wire,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_sent_away_before_the_servers_are_known() {
    let gateway = gateway();
    let ready = || gateway.exchange("GET", "/readyz", &[], "");
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
    let gone = async { while gateway.modern_call("whoami").await.status != 404 {} };
    timeout(PATIENCE, gone).await.unwrap();
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

/// An address that nobody answers at, as that of a pod that is gone.
async fn silent() -> (SocketAddr, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // Once its queue is full the system lets no further connection be made.
    while let Ok(made) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        waiting.push(made.unwrap());
    }
    std::mem::forget(listener);
    (address, waiting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_endpoint_goes_while_it_is_being_reached_is_gone() {
    let (silent, _full) = silent().await;
    let gateway = gateway();
    gateway.endpoints(&[("a", demo("a").await, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.open().await;
    gateway.endpoints(&[("a", silent, Conditions::DRAINING)]);
    gateway.shows("condition=\"terminating\"} 1").await;
    let mut wire = Wire::open(gateway.address).await.unwrap();
    let headers = [("Mcp-Session-Id", &*session)];
    wire.send("POST", "/mcp/demo", &headers, &call("counter").to_string())
        .await
        .unwrap();
    gateway
        .shows("requests_in_flight{namespace=\"ns\",server=\"demo\",endpoint=\"a\"} 1")
        .await;
    gateway.endpoints(&[("b", demo("b").await, Conditions::READY)]);
    let gone = wire.answer().await.unwrap();
    assert_eq!(gone.status, 404, "{gone:?}");
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
    let mut wire = Wire::open(behind.address).await.unwrap();
    wire.send("POST", "/mcp/demo", &headers, &call("counter").to_string())
        .await
        .unwrap();
    behind.endpoints(&[("a", a, Conditions::READY), ("b", b, Conditions::READY)]);
    let answer = wire.answer().await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text.contains("\"text\":\"1\""), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_url_of_one_endpoint_goes_to_no_other() {
    let gateway = gateway();
    let mut server = scripted(json!({"tools": {}}), |asked| match asked.rpc() {
        "server/discover" => Some(Said::Status(404)),
        _ => None,
    })
    .await;
    let mut endpoints = Vec::new();
    for number in 0..9 {
        let address = if number == 4 {
            server.address
        } else {
            nobody().await
        };
        endpoints.push(EndpointSpec {
            id: EndpointId::new(&number.to_string()),
            address: Address::parse(&format!("http://{address}/mcp?key=of-{number}")).unwrap(),
            conditions: Conditions::READY,
            weight: NonZeroU32::MIN,
        });
    }
    let spec = ServerSpec {
        key: ServerKey {
            namespace: Namespace::new("ns").unwrap(),
            name: ServerName::new("demo").unwrap(),
        },
        sessions: Sessions::Stateful,
        handling: Handling::default(),
        endpoints,
    };
    gateway.tell.send(Change::Snapshot(vec![spec])).unwrap();
    gateway.shows("condition=\"ready\"} 9").await;
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let answer = gateway
        .exchange("POST", "/mcp/demo?mine=too", &[], &hello.to_string())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = timeout(PATIENCE, async {
        loop {
            let asked = server.asked.recv().await.unwrap();
            if asked.rpc() == "initialize" {
                return asked;
            }
        }
    });
    assert_eq!(asked.await.unwrap().target, "/mcp?key=of-4&mine=too");
}
