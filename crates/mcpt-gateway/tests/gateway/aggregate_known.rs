//! Which sessions at `/mcp` each replica of a gateway knows: none that nobody has heard of, and those that began while it was away.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use mcpt_core::Secret;
use mcpt_gateway::GatewayConfig;
use mcpt_routing::{Carried, SessionKeys, Sightings};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use crate::{
    aggregate::{Client, ready, servers},
    harness::{KEY, PATIENCE, Tellable, demo, gateway, gateway_like},
    scripted::{ReceivedRequest, Said, scripted},
    wire::Wire,
};

/// The sessions that a gateway tells other replicas of.
async fn known(gateway: &Tellable) -> Vec<Value> {
    let keys = SessionKeys::parse(&Secret::new(KEY)).unwrap();
    let mut known = Vec::new();
    let mut wire = Wire::open(gateway.admin).await.unwrap();
    for part in 0..mcpt_routing::JOINED_PARTS {
        let path = format!("/api/v1/legs/{part}");
        let told = wire.exchange("GET", &path, &[], "").await.unwrap();
        let told = keys
            .open_carried(Carried::Legs, told.text.as_bytes())
            .unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        known.extend(told["sessions"].as_array().unwrap().iter().cloned());
    }
    known
}

async fn comes_to_know(gateway: &Tellable, wanted: impl Fn(&[Value]) -> bool) {
    let mut last = Vec::new();
    let known = timeout(PATIENCE, async {
        loop {
            last = known(gateway).await;
            if wanted(&last) {
                return;
            }
        }
    });
    assert!(known.await.is_ok(), "{last:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_over_whose_client_leaves_before_it_hears_of_it() {
    // Another replica, which takes its time once it knows this one.
    let late = Arc::new(AtomicBool::new(false));
    let is_late = Arc::clone(&late);
    let mut other = scripted(json!({}), move |asked: &ReceivedRequest| {
        Some(match (&*asked.method, &*asked.target) {
            ("GET", "/api/v1/sessions") => Said::Json(json!(Sightings::default()).to_string()),
            ("POST", "/api/v1/legs") if is_late.load(SeqCst) => Said::Silence,
            ("POST", _) => Said::Json(String::new()),
            _ => Said::Status(403),
        })
    })
    .await;
    let peers = other.address.to_string().parse().unwrap();
    let gateway = gateway_like(|config: &mut GatewayConfig| config.peers = Some(peers));
    servers(&gateway, &[("one", demo("one").await)]);
    ready(&gateway).await;
    late.store(true, SeqCst);
    while other.asked.try_recv().is_ok() {}
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let mut wire = Wire::open(gateway.address).await.unwrap();
    wire.send("POST", "/mcp", &[], &hello.to_string())
        .await
        .unwrap();
    let told = async { while other.asked.recv().await.unwrap().target != "/api/v1/legs" {} };
    timeout(PATIENCE, told).await.unwrap();
    drop(wire);
    comes_to_know(
        &gateway,
        |known| matches!(known, [one] if one["ended"] == true),
    )
    .await;
}

/// A way to an address that can be cut.
async fn cuttable(target: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, is_cut) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut is_cut = is_cut.clone();
            tokio::spawn(async move {
                if *is_cut.borrow() {
                    return;
                }
                let mut far = TcpStream::connect(target).await.unwrap();
                tokio::select! {
                    // Either side may end it.
                    ended = tokio::io::copy_bidirectional(&mut near, &mut far) => drop(ended),
                    cut = is_cut.wait_for(|cut| *cut) => drop(cut),
                }
            });
        }
    });
    (address, cut)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_could_not_be_reached_is_told_afterwards_what_has_begun() {
    let server = demo("one").await;
    let far = gateway();
    servers(&far, &[("one", server)]);
    ready(&far).await;
    let (way, cut) = cuttable(far.admin).await;
    let near = gateway_like(|config| config.peers = Some(way.to_string().parse().unwrap()));
    servers(&near, &[("one", server)]);
    ready(&near).await;
    let before = Client::open(&near).await;
    assert_eq!(before.count("one_counter").await, "1");
    comes_to_know(&far, |known| known.len() == 1).await;

    cut.send(true).unwrap();
    let meanwhile = Client::open(&near).await;
    assert_eq!(meanwhile.count("one_counter").await, "1");
    assert_eq!(before.count("one_counter").await, "2");
    assert_eq!(known(&far).await.len(), 1);

    cut.send(false).unwrap();
    comes_to_know(&far, |known| {
        known.len() == 2 && known.iter().all(|one| one["legs"]["ns/one"].is_object())
    })
    .await;
    for (client, count) in [(before, "3"), (meanwhile, "2")] {
        assert_eq!(client.at(&far).count("one_counter").await, count);
    }
}
