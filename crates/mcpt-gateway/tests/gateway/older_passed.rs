//! Sessions with servers of the older transport, whose requests come to another replica of the gateway than the one that has
//! their stream.

use mcpt_routing::Conditions;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    aggregate::ready,
    harness::{
        PATIENCE, Tellable, call, gateway, gateway_beside, gateway_beside_until, gateway_like,
        gateway_until,
    },
    limits::{configured, users},
    older::{Older, beside, text},
    scripted::ReceivedRequest,
    wire::Wire,
};

async fn knows(gateway: &Tellable, server: &Older) {
    gateway.endpoints(&[("a", server.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
}

async fn called(server: &mut Older) -> ReceivedRequest {
    let called = async {
        loop {
            let asked = server.asked.recv().await.unwrap();
            if asked.rpc() == "tools/call" {
                return asked;
            }
        }
    };
    timeout(PATIENCE, called).await.unwrap()
}

async fn listening(gateway: &Tellable, session: &str) -> Wire {
    let headers = [("Mcp-Session-Id", session)];
    let mut wire = Wire::open(gateway.address).await.unwrap();
    wire.send("GET", "/mcp/demo", &headers, "").await.unwrap();
    let head = timeout(PATIENCE, wire.until("\r\n\r\n")).await.unwrap();
    let head = head.unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_pass_on_keeps_no_probe_from_a_replica() {
    let mut server = Older::start(beside).await;
    let first = gateway();
    let second = gateway_beside(&first);
    for gateway in [&first, &second] {
        knows(gateway, &server).await;
    }
    ready(&second).await;
    let session = first.open().await;
    let headers = [("Mcp-Session-Id", &*session)];
    let ask = call("ask").to_string();
    let mut wires = Vec::new();
    for _ in 0..128 {
        let mut wire = Wire::open(second.address).await.unwrap();
        wire.send("POST", "/mcp/demo", &headers, &ask)
            .await
            .unwrap();
        called(&mut server).await;
        wires.push(wire);
    }
    let full = second.call(&session, "count").await;
    assert_eq!((full.status, full.retry_after), (503, true), "{full:?}");
    assert!(full.text.contains("\"c\""), "{full:?}");
    let mut probe = Wire::open(first.admin).await.unwrap();
    let probed = probe.exchange("GET", "/readyz", &[], "").await.unwrap();
    assert_eq!(probed.status, 200);
    // What calls wait for comes through, and a call that comes to the replica itself.
    let answer = json!({"jsonrpc": "2.0", "id": "x", "result": {"roots": []}});
    assert_eq!(second.post(&headers, &answer).await.status, 202);
    assert_eq!(text(&first.call(&session, "count").await.text), "1");
    drop(wires);
    let room = async {
        while second.call(&session, "count").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, room).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_ends_answers_what_others_have_passed_on() {
    let mut server = Older::start(beside).await;
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (first, serving) = gateway_until(Box::pin(async { ended.await.unwrap() }));
    let serving = tokio::spawn(serving);
    let second = gateway_beside(&first);
    for gateway in [&first, &second] {
        knows(gateway, &server).await;
    }
    ready(&second).await;
    let session = first.open().await;
    let headers = [("Mcp-Session-Id", &*session)];
    let mut wire = Wire::open(second.address).await.unwrap();
    wire.send("POST", "/mcp/demo", &headers, &call("ask").to_string())
        .await
        .unwrap();
    called(&mut server).await;
    timeout(PATIENCE, wire.until("roots/list"))
        .await
        .unwrap()
        .unwrap();
    end.send(()).unwrap();
    let ends = async {
        while Wire::open(first.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ends).await.unwrap();
    assert!(!serving.is_finished(), "a call is in progress");
    let answer = json!({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}});
    assert_eq!(second.post(&headers, &answer).await.status, 202);
    let rest = timeout(PATIENCE, wire.until("\r\n0\r\n\r\n"))
        .await
        .unwrap();
    assert!(rest.unwrap().contains("\"c\""), "it is answered");
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_ends_ends_streams_that_it_has_passed_on() {
    let server = Older::start(beside).await;
    let first = gateway();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let (second, serving) = gateway_beside_until(&first, Box::pin(async { ended.await.unwrap() }));
    let serving = tokio::spawn(serving);
    for gateway in [&first, &second] {
        knows(gateway, &server).await;
    }
    ready(&second).await;
    let session = first.open().await;
    let mut stream = listening(&second, &session).await;
    end.send(()).unwrap();
    timeout(PATIENCE, stream.until("0\r\n\r\n"))
        .await
        .unwrap()
        .unwrap();
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
    assert_eq!(text(&first.call(&session, "count").await.text), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_are_passed_on_too_and_callers_are_told_of() {
    let mut server = Older::start(beside).await;
    let folder = tempfile::tempdir().unwrap();
    let users = users(["alice"]);
    let first = gateway_like(configured(folder.path(), &users, "limits: []"));
    let configure = configured(folder.path(), &users, "limits: []");
    let peers = first.admin.to_string().parse().unwrap();
    let second = gateway_like(|config| {
        configure(config);
        config.peers = Some(peers);
    });
    for gateway in [&first, &second] {
        knows(gateway, &server).await;
    }
    ready(&second).await;
    let by = ("Authorization", &*users[0].bearer);
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let session = first.post(&[by], &hello).await.session.unwrap();
    let headers = [by, ("Mcp-Session-Id", &*session)];
    let mut large = call("count");
    // More than one read, and much of it takes twice its room as text in JSON.
    large["params"]["arguments"] = json!({"text": "\"x".repeat(100_000)});
    let mut told = Vec::new();
    for (gateway, message) in [(&first, call("count")), (&second, large)] {
        let counted = gateway.post(&headers, &message).await;
        assert_eq!(counted.status, 200, "{}", counted.text);
        let asked = called(&mut server).await;
        told.push(asked.header("mcpt-caller").unwrap().to_owned());
    }
    assert_eq!(told[0], told[1]);
}
