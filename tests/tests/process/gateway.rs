//! `mcpt gateway install` on this machine: a gateway that goes on running, is replaced without a gap and leaves nothing.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use mcpt_tests::{
    Mcpt,
    raw::{Session, agent},
};
use serde_json::json;

use super::signal;

/// The address of all servers as one, as the command tells it.
fn url_of(output: &str) -> String {
    let urls = output.lines().filter_map(|line| line.split_once("/mcp "));
    let mut urls = urls.map(|(base, _)| format!("{base}/mcp"));
    urls.next().expect("a line with the URL")
}

/// A port that was free a moment ago.
fn some_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string()
}

#[test]
fn it_goes_on_over_replacements_and_crashes_and_goes_without_a_trace() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let port = some_port();
    let installed = mcpt.run(&["gateway", "install", "--port", &port]).ok();
    let url = url_of(&installed.stdout);
    assert_eq!(url, format!("http://127.0.0.1:{port}/mcp"));

    let agent = agent();
    let demo = format!("{url}/demo");
    let session = Session::open(&agent, &demo);
    assert_eq!(session.count(&demo), 1);
    let joined = Session::open(&agent, &url);
    let count_joined = || {
        let counted = joined.call(&url, "demo_counter", &json!({}));
        counted.tool_text()
    };
    assert_eq!(count_joined(), "1");
    // The same again changes nothing; another way to run replaces it, at the same address and with the same keys.
    let _ = mcpt
        .run(&["gateway", "install"])
        .ok()
        .says(&["already runs"]);
    let other = ["gateway", "install", "--", "--balance", "round-robin"];
    let replaced = mcpt.run(&other).ok();
    assert_eq!(url_of(&replaced.stdout), url);
    assert_eq!(session.count(&demo), 2);
    assert_eq!(count_joined(), "2");

    // What would not run does not take its place.
    let wrong = ["gateway", "install", "--", "--balance", "nonsense"];
    let _ = mcpt
        .run(&wrong)
        .exits(1)
        .says(&["cannot install the gateway", "nonsense", "goes on"]);
    assert_eq!(session.count(&demo), 3);

    let status = mcpt.json(&["gateway", "status"]);
    assert_eq!(status["state"], "running", "{status}");
    assert_eq!(status["urls"][0], url.as_str(), "{status}");
    assert_eq!(status["servers"][0]["name"], "demo", "{status}");
    let process = status["replicas"][0]["name"].as_str().expect("a process");
    signal(process, "KILL");
    // While nobody is behind its port a connection is closed without an answer.
    let deadline = Instant::now() + Duration::from_mins(1);
    while session.try_count(&demo).is_err() {
        assert!(
            Instant::now() < deadline,
            "the gateway was not started again"
        );
        thread::yield_now();
    }
    let list = mcpt.run(&["list", "-o", "name"]).ok();
    assert_eq!(list.stdout.lines().count(), 1, "{}", list.stdout);
    let top = mcpt.json(&["gateway", "top", "--interval", "100ms"]);
    assert_eq!(top[0]["name"], "demo", "{top}");

    let _ = mcpt.run(&["gateway", "uninstall"]).ok();
    let gone = mcpt.run(&["gateway", "status"]).exits(3);
    let _ = gone.says(&["there is no gateway", "mcpt gateway install"]);
    assert!(!mcpt.home().join("state/gateways").exists());
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

#[test]
fn a_port_that_somebody_has_is_refused() {
    let mcpt = Mcpt::new(&[]);
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("an address").port().to_string();
    let _ = mcpt
        .run(&["gateway", "install", "--port", &port])
        .exits(2)
        .says(&["another program has port", &port]);
    for (option, value, lacks) in [
        ("--replicas", "2", "process"),
        ("--set", "replicaCount=2", "process"),
    ] {
        let refused = mcpt.run(&["gateway", "install", option, value]).exits(2);
        let _ = refused.says(&[option, lacks]);
    }
    let _ = mcpt.run(&["gateway", "uninstall"]).exits(3);
}
