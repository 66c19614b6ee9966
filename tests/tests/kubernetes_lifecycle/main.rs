//! The life of a server on Kubernetes after its first deploy: crossed with stock Helm, scaled, autoscaled, rolled back.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod autoscaling;
mod commands;
mod crossed;
mod ended;

use mcpt_tests::{Mcpt, TestNamespace, kubectl, kubectl_json};
use serde_json::Value;

/// The chart as stock Helm takes it.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/mcp-server");

/// mcpt in a namespace.
fn mcpt(namespace: &TestNamespace) -> Mcpt {
    Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()])
}

/// Deploys the demo server so that its pods end at once.
fn deploy(mcpt: &Mcpt, more: &[&str]) {
    let quick = ["deploy", "demo", "--set", "drainSeconds=0"];
    let _ = mcpt.run(&[&quick, more].concat()).ok();
}

/// `spec.replicas` of the demo server.
fn replicas(namespace: &TestNamespace) -> u64 {
    let number = &namespace.get("deployment/demo")["spec"]["replicas"];
    number.as_u64().expect("a number of pods")
}

/// The revisions by one tool's JSON: number, status and description.
fn revisions(history: &Value) -> Vec<(u64, String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().expect(key).to_owned();
    let history = history.as_array().expect("a list of revisions");
    history
        .iter()
        .map(|entry| {
            assert_eq!(entry["chart"], "mcp-server-0.2.0", "{entry}");
            let number = entry["revision"].as_u64().expect("a revision");
            (number, text(entry, "status"), text(entry, "description"))
        })
        .collect()
}

/// Holds an object so that it does not go when it is deleted.
fn hold(namespace: &TestNamespace, object: &str) {
    finalizers(namespace, object, r#"["mcpt.io/test"]"#);
}

/// Ends that.
fn let_go(namespace: &TestNamespace, object: &str) {
    finalizers(namespace, object, "null");
}

fn finalizers(namespace: &TestNamespace, object: &str, finalizers: &str) {
    let patch = format!(r#"{{"metadata": {{"finalizers": {finalizers}}}}}"#);
    let at = ["patch", "-n", namespace.name(), object];
    kubectl(&[&at[..], &["--type=merge", "-p", &patch]].concat());
}

/// Objects of several kinds as one list.
fn objects(namespace: &TestNamespace, names: &[&str]) -> Vec<Value> {
    let list = kubectl_json(&[&["get", "-n", namespace.name()], names].concat());
    list["items"].as_array().expect("a list").clone()
}
