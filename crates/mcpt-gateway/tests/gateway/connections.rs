//! Connections to servers that close them at the worst moment.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use mcpt_core::Sessions;
use mcpt_routing::Conditions;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::harness::{Demo, demo, gateway};

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const ANSWER_WITH_ID: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Mcp-Session-Id: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";

/// A server that reads a request for each of `answers` on each connection, and closes where there is none: what a request meets
/// that is sent while the connection is being closed. Counts the requests that it read.
async fn raw(answers: &'static [Option<&'static str>]) -> (SocketAddr, Arc<AtomicUsize>) {
    raw_counting("", answers).await
}

/// The same, which counts only requests with `what` in them: one that says nothing of its era is asked for it again after a second.
async fn raw_counting(
    what: &'static str,
    answers: &'static [Option<&'static str>],
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, answers, what, Arc::clone(&counted)));
        }
    });
    (address, requests)
}

async fn answer(
    mut stream: TcpStream,
    answers: &[Option<&str>],
    what: &str,
    requests: Arc<AtomicUsize>,
) {
    for answer in answers {
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                return;
            }
        }
        if String::from_utf8_lossy(&read).contains(what) {
            requests.fetch_add(1, Relaxed);
        }
        if let Some(answer) = answer {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_changes_nothing_is_sent_twice() {
    let (address, requests) = raw_counting("anything", &[Some(ANSWER), None]).await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    for _ in 0..20 {
        let answer = gateway.modern("tools/list", &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let (mut sent, mut broken) = (0, 0);
    requests.store(0, Relaxed);
    while broken < 5 {
        let answer = gateway.modern_call("anything").await;
        sent += 1;
        if answer.status != 200 {
            assert_eq!(answer.status, 502, "{answer:?}");
            assert!(answer.text.contains("\"id\":\"c\""), "{answer:?}");
            broken += 1;
        }
    }
    assert_eq!(requests.load(Relaxed), sent, "each call was sent once");
}

/// It accepts connections, and has the fewest sessions: all would go there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_each_connection_is_passed_over() {
    let (broken, requests) = raw(&[None]).await;
    let gateway = gateway();
    gateway.endpoints(&[("a", broken, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let alone = gateway.modern("tools/list", &json!({})).await;
    assert_eq!(alone.status, 502, "{alone:?}");
    // It is asked for its era first.
    assert_eq!(requests.swap(0, Relaxed), 3, "there is nobody else");
    gateway.endpoints(&[
        ("b", broken, Conditions::READY),
        ("c", demo("c").await, Conditions::READY),
    ]);
    gateway.shows("condition=\"ready\"} 2").await;
    for _ in 0..20 {
        let answer = gateway.modern("tools/list", &json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        gateway.open().await;
    }
    // Each break doubles the pause: ten need two minutes.
    let requests = requests.load(Relaxed);
    assert!((1..10).contains(&requests), "{requests} were sent there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_03_only_initialize_begins_a_session() {
    let (address, _) = raw(&[Some(ANSWER_WITH_ID)]).await;
    let gateway = gateway();
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    for (method, sessions) in [("tools/list", 0), ("ping", 0), ("initialize", 1)] {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
        let answer = gateway.post(&[], &message).await;
        let id = answer.session.as_deref();
        assert!(id.is_some_and(|id| id != "x"), "{answer:?}");
        let sample = format!(
            "endpoint_sessions{{namespace=\"ns\",server=\"demo\",endpoint=\"a\"}} {sessions}"
        );
        let metrics = gateway.metrics().await;
        assert!(metrics.contains(&sample), "{method}: {metrics}");
    }
}

/// A rolling update as the cluster tells it: a new server, the old one terminating, its end, and so on; all the while
/// calls that nobody may repeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_servers_come_and_go() {
    let gateway = Arc::new(gateway());
    let mut old = Demo::start("0").await;
    gateway.endpoints(&[("0", old.address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move {
                loop {
                    let answer = gateway.modern_call("whoami").await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    if answer.instance() == "last" {
                        return;
                    }
                }
            })
        })
        .collect();
    for generation in 1..=10 {
        let (before, id) = ((generation - 1).to_string(), generation.to_string());
        let new = Demo::start(&id).await;
        gateway.endpoints(&[
            (&before, old.address, Conditions::DRAINING),
            (&id, new.address, Conditions::READY),
        ]);
        gateway.shows("condition=\"terminating\"} 1").await;
        // What was on its way there arrives; nothing follows.
        gateway
            .shows(&format!(
                "in_flight{{namespace=\"ns\",server=\"demo\",endpoint=\"{before}\"}} 0"
            ))
            .await;
        std::mem::replace(&mut old, new).stop().await;
        gateway.endpoints(&[(&id, old.address, Conditions::READY)]);
        gateway.shows("condition=\"terminating\"} 0").await;
    }
    let last = demo("last").await;
    gateway.endpoints(&[("last", last, Conditions::READY)]);
    for client in clients {
        client.await.unwrap();
    }
}

/// Of a server that keeps nothing for its sessions any endpoint answers in them, when the one where a session began is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_stateless_server_outlive_their_endpoint() {
    const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
        Mcp-Session-Id: x\r\nContent-Length: 2\r\n\r\n{}";
    let gateway = gateway();
    let (first, _) = raw(&[Some(BEGUN), Some(BEGUN), Some(ANSWER)]).await;
    gateway.server(Sessions::Stateless, &[("a", first, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = {
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"});
        gateway.post(&[], &initialize).await.session.unwrap()
    };
    let (second, requests) = raw(&[Some(BEGUN), Some(BEGUN)]).await;

    // It is there, but refuses connections.
    let refusing = TcpSocket::new_v4().unwrap();
    refusing.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = refusing.local_addr().unwrap();
    let there = [
        ("a", nobody, Conditions::READY),
        ("b", second, Conditions::READY),
    ];
    gateway.server(Sessions::Stateless, &there);
    gateway.shows("condition=\"ready\"} 2").await;
    let answer = gateway.call(&session, "t").await;
    assert_eq!(
        (answer.status, answer.session),
        (200, Some(session.clone()))
    );

    // It is gone.
    gateway.server(Sessions::Stateless, &there[1..]);
    gateway.shows("condition=\"ready\"} 1").await;
    let answer = gateway.call(&session, "t").await;
    assert_eq!(
        (answer.status, answer.session),
        (200, Some(session.clone()))
    );
    assert_eq!(requests.load(Relaxed), 2);

    // Nobody is there now: that says nothing of the session.
    gateway.server(Sessions::Stateless, &[]);
    gateway.shows("condition=\"ready\"} 0").await;
    assert_eq!(gateway.call(&session, "t").await.status, 503);
}

/// One that terminates or is not ready is spared what others can answer as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_stateless_server_leave_an_endpoint_that_takes_nothing_new() {
    let gateway = gateway();
    let (home, at_home) = raw(&[Some(ANSWER_WITH_ID)]).await;
    let (other, elsewhere) = raw(&[Some(ANSWER_WITH_ID)]).await;
    gateway.server(Sessions::Stateless, &[("a", home, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"});
    let session = gateway.post(&[], &initialize).await.session.unwrap();
    let terminates_soon = Conditions {
        terminating: true,
        ..Conditions::READY
    };
    for (a, b, answers_at_home) in [
        (Conditions::READY, Conditions::READY, 1),
        (Conditions::DRAINING, Conditions::READY, 0),
        (terminates_soon, Conditions::READY, 0),
        (Conditions::UNREADY, Conditions::READY, 0),
        (Conditions::UNREADY, Conditions::DRAINING, 0),
        // Better one that is said to be unready than none.
        (Conditions::UNREADY, Conditions::UNREADY, 1),
    ] {
        gateway.server(Sessions::Stateless, &[("a", home, a), ("b", other, b)]);
        for (condition, of) in [
            ("ready", [a.ready, b.ready]),
            ("serving", [a.serving, b.serving]),
            ("terminating", [a.terminating, b.terminating]),
        ] {
            let count = of.into_iter().filter(|is| *is).count();
            let sample = format!("condition=\"{condition}\"}} {count}");
            gateway.shows(&sample).await;
        }
        at_home.store(0, Relaxed);
        elsewhere.store(0, Relaxed);
        assert_eq!(gateway.call(&session, "t").await.status, 200);
        let answers = (at_home.load(Relaxed), elsewhere.load(Relaxed));
        assert_eq!(
            answers,
            (answers_at_home, 1 - answers_at_home),
            "{a:?} {b:?}"
        );
    }
}
