//! A gateway that may open nothing more says so, and blames no server for it.

#![expect(
    clippy::expect_used,
    reason = "a helper of a test fails as the test does"
)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    num::NonZeroUsize,
    process::Command,
    thread,
};

use mcpt_tests::{
    processes::{Process, servers},
    raw::{Answer, Session, agent, call},
};
use serde_json::{Value, json};

/// A connection of a client that is kept.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn to(gateway: &Process) -> Self {
        let stream = TcpStream::connect(gateway.address()).expect("connecting");
        Self(BufReader::new(stream))
    }

    fn send(&mut self, session: &str, message: &Value) {
        let body = message.to_string();
        let request = format!(
            "POST /mcp/demo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMcp-Session-Id: {session}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let sent = self.0.get_mut().write_all(request.as_bytes());
        sent.expect("sending a request");
    }

    /// Status of the answer that begins, and its length if it says one.
    fn begin(&mut self) -> (u16, Option<usize>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = self.0.read_until(b'\n', &mut head).expect("a line");
            assert!(read > 0, "the connection ended");
        }
        let head = String::from_utf8(head).expect("text").to_lowercase();
        let status = head.split(' ').nth(1).expect("a status");
        let mut lines = head.lines();
        let length = lines.find_map(|line| line.strip_prefix("content-length: "));
        (
            status.parse().expect("a number"),
            length.map(|length| length.parse().expect("a number")),
        )
    }

    /// Status and body of a whole answer.
    fn answer(&mut self) -> (u16, String) {
        let (status, length) = self.begin();
        let mut body = vec![0; length.unwrap_or_default()];
        self.0.read_exact(&mut body).expect("the body");
        while length.is_none() && !body.ends_with(b"\r\n0\r\n\r\n") {
            let read = self.0.read_until(b'\n', &mut body).expect("a line");
            assert!(read > 0, "the connection ended");
        }
        (status, String::from_utf8(body).expect("text"))
    }
}

/// Lets a process open descriptors up to this number.
fn limit(process: &Process, files: &str) {
    let pid = format!("--pid={}", process.pid());
    let limited = Command::new("prlimit")
        .args([&pid, &format!("--nofile={files}:")])
        .status();
    assert!(limited.expect("running prlimit").success());
}

#[test]
fn no_server_is_blamed_for_a_want_of_descriptors() {
    let demos = [Process::demo()];
    let gateway = Process::gateway(&[&servers("demo", &demos)]);
    let session = Session::open(&agent(), &gateway.url("/mcp/demo")).id;
    // Each thread of the gateway keeps its own connection to the server.
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut busy: Vec<_> = (0..threads).map(|_| Kept::to(&gateway)).collect();
    let mut kept = Kept::to(&gateway);
    for client in busy.iter_mut().chain([&mut kept]) {
        client.send(&session, &call("counter", &json!({})));
        assert_eq!(client.answer().0, 200);
    }
    limit(&gateway, "3");
    // They take whatever connections to the server are still there.
    for client in &mut busy {
        client.send(&session, &call("slow", &json!({"seconds": 3600})));
        client.begin();
    }
    kept.send(&session, &call("counter", &json!({})));
    let (status, text) = kept.answer();
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("no connection to spare"), "{text}");
    limit(&gateway, "1024");
    kept.send(&session, &call("counter", &json!({})));
    assert_eq!(kept.answer().0, 200);
    let metrics = agent().get(gateway.admin_url("/metrics")).call();
    let metrics = Answer(metrics.expect("metrics")).text();
    assert!(metrics.contains("outcome=\"unreachable\"} 0"), "{metrics}");
}
