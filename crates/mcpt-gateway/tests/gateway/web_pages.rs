//! What a browser asks before a page may use a server, and what it is told.

use mcpt_routing::Conditions;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    harness::{call, demo, gateway},
    wire::Wire,
};

const PAGE: &str = "http://localhost:5173";
const STRANGER: &str = "https://evil.example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_may_ask_before_it_sends() {
    let gateway = gateway();
    gateway.endpoints(&[("a", demo("a").await, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let wanted = [
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "content-type,mcp-session-id",
        ),
    ];
    let asked = |origin| [&[("Origin", origin)][..], &wanted].concat();
    let told = gateway
        .exchange("OPTIONS", "/mcp/demo", &asked(PAGE), "")
        .await;
    assert_eq!(told.status, 204, "{told:?}");
    for (name, value) in [
        ("access-control-allow-origin", PAGE),
        ("access-control-allow-methods", "GET, POST, DELETE"),
        (
            "access-control-allow-headers",
            "content-type,mcp-session-id",
        ),
    ] {
        assert_eq!(told.header(name), Some(value), "{told:?}");
    }
    let refused = gateway
        .exchange("OPTIONS", "/mcp/demo", &asked(STRANGER), "")
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    // No browser asks so.
    let plain = gateway.exchange("OPTIONS", "/mcp/demo", &[], "").await;
    assert_eq!(plain.status, 405, "{plain:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_may_read_answers_and_refusals() {
    let gateway = gateway();
    gateway.endpoints(&[("a", demo("a").await, Conditions::READY)]);
    gateway.shows("condition=\"ready\"} 1").await;
    let origin = ("Origin", PAGE);
    let session = gateway.open().await;
    let in_session = [origin, ("Mcp-Session-Id", session.as_str())];
    let answers = [
        gateway.post(&in_session, &call("whoami")).await,
        gateway
            .post(&[origin, ("Mcp-Session-Id", "x")], &call("whoami"))
            .await,
        gateway.exchange("POST", "/nowhere", &[origin], "{}").await,
    ];
    for (answer, status) in answers.into_iter().zip([200, 404, 404]) {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("Mcp-Session-Id"), "{exposed}");
    }
    let answer = gateway.post(&in_session[1..], &call("whoami")).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hosts_or_origins_none_counts() {
    let gateway = gateway();
    gateway.endpoints(&[]);
    for (lines, status) in [
        ("Host: localhost\r\nHost: evil.example.com", 400),
        ("Host: localhost\r\nHost: localhost", 400),
        (
            "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: https://evil.example.com",
            400,
        ),
        ("Host: [::1].evil.com", 403),
        ("Host: localhost\r\nOrigin: http://[::1].evil.com", 403),
        ("Host: [::1]:80", 503),
    ] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let head = format!("POST /mcp/demo HTTP/1.1\r\n{lines}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = Wire::from(stream).answer().await.unwrap();
        assert_eq!(answer.status, status, "{lines}: {answer:?}");
    }
}
