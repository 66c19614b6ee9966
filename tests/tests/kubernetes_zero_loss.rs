//! No call is lost while versions and sizes change and gateways are restarted: seen by clients that try nothing again, in both
//! eras, at single servers and at `/mcp`.
//!
//! The clients with sessions are those of `cargo xtask survive`: each of their calls must count exactly one further, and a
//! session may only be over when its pod is.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

use mcpt_tests::{
    Mcpt, TestNamespace,
    calls::{Record, SteadyCalls},
    kubectl,
};
use serde_json::Value;

/// Sessions, and the calls that they make together in a second.
const SESSIONS: &str = "40";
const CALLS: &str = "20";
/// What they make at least while all that happens.
const LEAST: u64 = 500;

#[test]
fn no_call_is_lost() {
    let namespace = TestNamespace::new("zero-loss");
    let name = namespace.name();
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", name]);
    let run = |arguments: &[&str]| drop(mcpt.run(arguments).ok());
    run(&["deploy", "demo", "--replicas", "3", "-c", "greeting=first"]);
    run(&["gateway", "install", "--replicas", "2"]);
    let service = format!("{}/mcp", namespace.service_url("demo"));
    let gateway = namespace.service_url("mcpt-gateway");
    let (one, all) = (format!("{gateway}/mcp/demo"), format!("{gateway}/mcp"));

    let sessions = CountingSessions::start(&[&one, &all]);
    let calls = SteadyCalls::start(&[("service", &service), ("gateway", &one)]);
    for greeting in ["second", "third", "fourth"] {
        run(&["deploy", "demo", "-c", &format!("greeting={greeting}")]);
    }
    kubectl(&["rollout", "restart", "deployment/mcpt-gateway", "-n", name]);
    run(&["rollback", "demo"]);
    run(&["rollback", "demo", "1"]);
    namespace.rolled_out("mcpt-gateway");
    run(&["scale", "demo", "--replicas", "5"]);
    run(&["scale", "demo", "--replicas", "2"]);
    // Until the last of the pods that leave is gone.
    let leaving = kubectl(&[
        "get",
        "pods",
        "-n",
        name,
        "-o",
        "jsonpath={range .items[?(@.metadata.deletionTimestamp)]}pod/{.metadata.name} {end}",
    ]);
    for pod in leaving.split_whitespace() {
        kubectl(&["wait", "--for=delete", pod, "-n", name, "--timeout=60s"]);
    }
    all_answered(&calls.finish());
    sessions.lost_nothing();
}

/// Clients with sessions, in a process of their own.
struct CountingSessions(Child);

impl CountingSessions {
    fn start(urls: &[&str]) -> Self {
        let xtask = std::env::var_os("MCPT_XTASK");
        let xtask = xtask.expect("MCPT_XTASK, as cargo xtask cluster exec sets it");
        let mut survive = Command::new(xtask);
        survive.args(["survive", "--stateless", "0", "--sessions", SESSIONS]);
        survive.args(["--calls-per-second", CALLS, "--sessions-may-end"]);
        // How soon is measured on machines that have nothing else to do.
        survive.args(["--again-within", "20s", "--output", "json"]);
        for url in urls {
            survive.args(["--url", url]);
        }
        let survive = survive.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut survive = survive.stderr(Stdio::piped()).spawn().expect("xtask");
        let mut told = BufReader::new(survive.stderr.take().expect("stderr"));
        let mut line = String::new();
        told.read_line(&mut line).expect("a line");
        let begun = line.trim() == "calling";
        if !begun {
            told.read_to_string(&mut line).expect("why not");
        }
        assert!(begun, "{line}");
        survive.stderr = Some(told.into_inner());
        Self(survive)
    }

    /// Lets them end, and looks at what they have seen.
    fn lost_nothing(mut self) {
        drop(self.0.stdin.take());
        let ended = self.0.wait_with_output().expect("waiting for xtask");
        let seen: Value = serde_json::from_slice(&ended.stdout).expect("a document");
        assert!(ended.status.success(), "{seen:#}");
        let calls = seen[0]["calls"].as_u64();
        assert!(calls >= Some(LEAST), "too few to prove anything: {seen:#}");
    }
}

fn all_answered(records: &[Record]) {
    let failures: Vec<_> = records
        .iter()
        .flat_map(|record| {
            record
                .failures
                .iter()
                .map(move |why| format!("{}: {why}", record.client))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} calls were lost:\n{}",
        failures.len(),
        failures.join("\n")
    );
    for record in records {
        let least = if record.client.ends_with("Long") {
            5
        } else {
            300
        };
        assert!(
            record.answered >= least,
            "{record:?} called too seldom to prove anything"
        );
    }
}
