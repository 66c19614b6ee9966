//! A server that is told to end loses no request, however busy its connections are: clients are told to leave before any
//! connection is closed.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{process::Command, sync::Barrier, thread};

use mcpt_tests::{
    BareHttp, Mcpt,
    calls::{agent, call},
    mcpt_binary,
};
use serde_json::json;
use ureq::{Agent, http::HeaderMap};

/// Enough for some request to be on its way at any moment.
const CLIENTS: usize = 24;

/// Keeps `ask` busy on kept connections, ends the server, and expects each client to be told so by an answer.
fn loses_nothing(
    server: &mut BareHttp,
    ask: impl Fn(&Agent, u64) -> Result<HeaderMap, String> + Sync,
) {
    let warm = Barrier::new(CLIENTS + 1);
    let failures: Vec<String> = thread::scope(|scope| {
        let client = || {
            let agent = agent(1);
            let first = ask(&agent, 0);
            warm.wait();
            first?;
            for number in 1.. {
                let headers =
                    ask(&agent, number).map_err(|why| format!("request {number}: {why}"))?;
                if headers
                    .get("connection")
                    .is_some_and(|value| value == "close")
                {
                    break;
                }
            }
            Ok(())
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        warm.wait();
        let ended = Command::new("kill").arg(server.id().to_string()).status();
        assert!(ended.is_ok_and(|status| status.success()));
        clients
            .into_iter()
            .filter_map(|client| client.join().expect("a client").err())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(server.end(), Some(0));
}

fn echo(url: &str) -> impl Fn(&Agent, u64) -> Result<HeaderMap, String> + Sync {
    move |agent, number| {
        let text = format!("text-{number}");
        call(
            agent,
            url,
            number,
            ("echo", &json!({"message": text})),
            &text,
        )
    }
}

fn demo() -> BareHttp {
    BareHttp::start(&mut Command::new(mcpt_binary()), "demo")
}

#[test]
fn demo_server() {
    let mut demo = demo();
    let url = demo.url().to_owned();
    loses_nothing(&mut demo, echo(&url));
}

#[test]
fn gateway() {
    let demo = demo();
    let server = format!("demo={}", demo.url());
    let mcpt = Mcpt::new(&["--backend", "process", "--quiet"]);
    let arguments = ["--server", &server];
    let mut gateway = BareHttp::start_with(&mut mcpt.command(&[]), "gateway run", &arguments);
    let url = format!("{}/demo", gateway.url());
    loses_nothing(&mut gateway, echo(&url));
}

#[test]
fn bridge() {
    let mut bridge =
        BareHttp::start_with(&mut Command::new(mcpt_binary()), "bridge", &["--", "cat"]);
    let url = bridge.url().replace("/mcp", "/healthz");
    loses_nothing(&mut bridge, |agent, _| {
        let response = agent.get(&url).call().map_err(|error| error.to_string())?;
        let (head, mut body) = response.into_parts();
        body.read_to_string().map_err(|error| error.to_string())?;
        Ok(head.headers)
    });
}
