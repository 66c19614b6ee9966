//! How many requests a server gets at once and how long it may take, where sessions go, and what becomes of a call whose server
//! dies.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use mcpt_routing::{Conditions, Handling};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use crate::{
    harness::{PATIENCE, call, demo, gateway, gateway_like},
    wire::Wire,
};

/// What a server does with calls.
#[derive(Debug, Clone)]
enum Calls {
    /// Answers each when it is let.
    Held(Arc<Semaphore>),
    /// Dies with the connection at this point.
    Dies(Point),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Point {
    Connected,
    Head,
    Message,
    HalfStatus,
    HalfAnswer,
}

/// A server that answers as many calls as it is let.
pub(crate) async fn held() -> (SocketAddr, Arc<Semaphore>) {
    let let_through = Arc::new(Semaphore::new(0));
    let (address, _) = server(Calls::Held(Arc::clone(&let_through))).await;
    (address, let_through)
}

/// A server that begins sessions, takes notifications, and counts the calls that it got whole.
async fn server(calls: Calls) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, calls.clone(), Arc::clone(&counted)));
        }
    });
    (address, count)
}

async fn serve(mut stream: TcpStream, calls: Calls, counted: Arc<AtomicUsize>) {
    let mut read = Vec::new();
    loop {
        let point = match &calls {
            Calls::Dies(point) => Some(*point),
            Calls::Held(_) => None,
        };
        // Messages of these tests are flat enough to end with the first brace at the very end.
        while !read.ends_with(b"}") {
            if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
                return;
            }
            let called = find(&read, b"tools/call");
            let head = called && find(&read, b"\r\n\r\n");
            if (called && point == Some(Point::Connected)) || (head && point == Some(Point::Head)) {
                return;
            }
        }
        let message = std::mem::take(&mut read);
        let answer = if find(&message, b"\"method\":\"initialize\"") {
            respond("Mcp-Session-Id: own\r\n", "{}")
        } else if find(&message, b"server/discover") {
            // It speaks both, so that nothing is translated.
            let versions = r#"{"supportedVersions":["2026-07-28","2025-11-25"]}"#;
            respond(
                "",
                &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{versions}}}"#),
            )
        } else if find(&message, b"notifications/") {
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            counted.fetch_add(1, Relaxed);
            let whole = respond("", r#"{"jsonrpc":"2.0","id":"c","result":{}}"#);
            match &calls {
                Calls::Held(let_through) => {
                    let_through.acquire().await.unwrap().forget();
                    whole
                }
                Calls::Dies(Point::HalfStatus) => {
                    stream.write_all(b"HTTP/1.1 20").await.unwrap();
                    return;
                }
                Calls::Dies(Point::HalfAnswer) => {
                    let half = &whole.as_bytes()[..whole.len() - 5];
                    stream.write_all(half).await.unwrap();
                    return;
                }
                Calls::Dies(_) => return,
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}

fn respond(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_gets_so_many_requests_at_once() {
    let let_through = Arc::new(Semaphore::new(0));
    let (address, count) = server(Calls::Held(Arc::clone(&let_through))).await;
    let gateway = Arc::new(gateway_like(|config| {
        config.handling = Handling {
            max_requests: NonZeroU32::new(2),
            ..Handling::default()
        };
    }));
    gateway.endpoints(&[("a", address, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let session = gateway.open().await;
    let mut calls = JoinSet::new();
    let (inside, outside) = (Arc::clone(&gateway), Arc::clone(&gateway));
    let id = session.clone();
    calls.spawn(async move { inside.call(&id, "x").await.status });
    calls.spawn(async move { outside.modern_call("x").await.status });
    let both = async {
        while count.load(Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, both).await.unwrap();
    for refused in [
        gateway.modern_call("x").await,
        gateway.call(&session, "x").await,
    ] {
        assert_eq!(
            (refused.status, refused.retry_after),
            (503, true),
            "{refused:?}"
        );
    }
    // What ends calls is taken all the same.
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}});
    let headers = [("Mcp-Session-Id", &*session)];
    assert_eq!(gateway.post(&headers, &cancelled).await.status, 202);
    let_through.add_permits(3);
    while let Some(answered) = calls.join_next().await {
        assert_eq!(answered.unwrap(), 200);
    }
    assert_eq!(gateway.call(&session, "x").await.status, 200);
    assert_eq!(count.load(Relaxed), 3, "what was refused was not sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_does_not_begin_is_given_up_and_the_call_not_repeated() {
    let (address, count) = server(Calls::Held(Arc::new(Semaphore::new(0)))).await;
    let gateway = gateway_like(|config| {
        config.handling.answer_within = Some(Duration::from_millis(50));
    });
    gateway.endpoints(&[
        ("a", address, Conditions::READY),
        ("b", address, Conditions::READY),
    ]);
    gateway.shows("condition=\"ready\"} 2").await;
    let late = gateway.modern_call("x").await;
    assert_eq!(late.status, 504, "{late:?}");
    let session = gateway.open().await;
    assert_eq!(gateway.call(&session, "x").await.status, 504);
    assert_eq!(count.load(Relaxed), 2);
    gateway.shows("outcome=\"late\"} 2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_server_dies_is_never_made_twice() {
    for point in [
        Point::Connected,
        Point::Head,
        Point::Message,
        Point::HalfStatus,
        Point::HalfAnswer,
    ] {
        let (dying, died) = server(Calls::Dies(point)).await;
        let (well, elsewhere) = server(Calls::Held(Arc::new(Semaphore::new(9)))).await;
        let gateway = gateway();
        // Whoever is alone there first gets the session.
        gateway.endpoints(&[("dying", dying, Conditions::READY)]);
        gateway.shows("condition=\"ready\"} 1").await;
        let session = gateway.open().await;
        let mut wire = Wire::open(gateway.address).await.unwrap();
        let headers = [("Mcp-Session-Id", &*session)];
        let body = call("x").to_string();
        let answer = wire.exchange("POST", "/mcp/demo", &headers, &body);
        let status = timeout(PATIENCE, answer).await.unwrap();
        let status = status.ok().map(|answer| answer.status);
        // An answer that has begun breaks where the server has broken it, which a client sees.
        let wanted = (point != Point::HalfAnswer).then_some(502);
        assert_eq!(status, wanted, "{point:?}");
        gateway.endpoints(&[
            ("dying", dying, Conditions::READY),
            ("well", well, Conditions::UNREADY),
        ]);
        gateway.shows("condition=\"serving\"} 1").await;
        if point != Point::HalfAnswer {
            assert_eq!(gateway.modern_call("x").await.status, 502, "{point:?}");
        }
        let once = usize::from(!matches!(point, Point::Connected | Point::Head));
        let calls = if point == Point::HalfAnswer { 1 } else { 2 };
        assert_eq!(died.load(Relaxed), once * calls, "{point:?}");
        assert_eq!(elsewhere.load(Relaxed), 0, "{point:?}");
        // Where nobody listens nothing was sent, and somebody else may have it.
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = closed.local_addr().unwrap();
        drop(closed);
        gateway.endpoints(&[
            ("nobody", nobody, Conditions::READY),
            ("well", well, Conditions::READY),
        ]);
        gateway.shows("condition=\"ready\"} 2").await;
        assert_eq!(gateway.modern_call("x").await.status, 200, "{point:?}");
        assert_eq!(elsewhere.load(Relaxed), 1, "{point:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_are_spread_evenly_and_new_instances_get_the_next() {
    let gateway = gateway();
    let names: Vec<_> = (0..6).map(|n| n.to_string()).collect();
    let mut all = Vec::new();
    for name in &names {
        all.push((name.as_str(), demo(name).await, Conditions::READY));
    }
    gateway.endpoints(&all[..5]);
    gateway.shows("condition=\"ready\"} 5").await;
    let mut homes = BTreeMap::<String, u32>::new();
    for _ in 0..1000 {
        let session = gateway.open().await;
        let home = gateway.call(&session, "whoami").await.instance().to_owned();
        *homes.entry(home).or_default() += 1;
    }
    let largest = homes.values().max().copied().unwrap_or_default();
    assert!(homes.len() == 5 && largest * 10 <= 200 * 11, "{homes:?}");
    gateway.endpoints(&all);
    gateway.shows("condition=\"ready\"} 6").await;
    for _ in 0..10 {
        let session = gateway.open().await;
        assert_eq!(gateway.call(&session, "whoami").await.instance(), "5");
    }
}
