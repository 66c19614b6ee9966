//! What the charts promise to a cluster with rules: limits for its quotas, names that are texts, volumes that one pod holds alone,
//! and an apply that changes nothing when nothing changed.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::path::Path;

use mcpt_tests::{
    Helm, Mcpt, TestNamespace, kubectl_with_input,
    raw::{Session, agent},
};
use serde_json::{Value, json};

fn place(word: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    (namespace, mcpt)
}

/// A quota refuses pods of which one container, be it of an init container or a test, has no limit.
#[test]
fn a_quota_on_limits_takes_server_gateway_and_tests() {
    let (namespace, mcpt) = place("quota");
    namespace.apply(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team}\nspec: {hard: {limits.cpu: '20', \
         limits.memory: 16Gi, requests.cpu: '10', requests.memory: 8Gi}}\n",
    );
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "1"]).ok();
    let _ = mcpt.run(&["gateway", "install", "--replicas", "1"]).ok();
    for release in ["demo", "mcpt-gateway"] {
        let tested = Helm::V4.run(&namespace, &["test", release]);
        assert!(tested.contains("Succeeded"), "{tested}");
    }
}

/// YAML reads these names as numbers, booleans and nothing.
#[test]
fn names_are_texts() {
    let (_namespace, mcpt) = place("names");
    for name in ["42", "on", "null", "1e3"] {
        let account = format!("serviceAccount.name=x{name}");
        let deploy = ["deploy", "demo", "--name", name, "--replicas", "1"];
        let _ = mcpt.run(&[&deploy[..], &["--set", &account]].concat()).ok();
        let said = mcpt.run(&["call", name, "echo", "--arg", "message=here"]);
        assert!(said.ok().stdout.contains("here"), "{name}");
    }
}

/// The old pod has to let the volume go before the new one can have it.
#[test]
fn a_volume_of_one_pod_alone_can_be_updated() {
    let (namespace, mcpt) = place("alone");
    let deploy = [
        "deploy",
        "filesystem",
        "--replicas",
        "1",
        "--set",
        "persistence.enabled=true,persistence.accessModes={ReadWriteOncePod}",
    ];
    let _ = mcpt.run(&deploy).ok();
    let write = [
        "write_file",
        "--arg",
        "path=/workspace/a.txt",
        "--arg",
        "content=kept",
    ];
    let _ = mcpt
        .run(&[&["call", "filesystem"][..], &write].concat())
        .ok();
    let update = [&deploy[..], &["--set", "podAnnotations.update=second"]].concat();
    let _ = mcpt.run(&update).ok();
    let read = [
        "call",
        "filesystem",
        "read_text_file",
        "--arg",
        "path=/workspace/a.txt",
    ];
    let read = mcpt.run(&read).ok().stdout;
    assert!(read.contains("kept"), "{read}");
    let strategy = namespace.get("deployment/filesystem")["spec"]["strategy"].take();
    assert_eq!(strategy["type"], "Recreate");
}

/// Its pod has a session at a time, and says so to who comes meanwhile; it is ready all the while.
#[test]
fn a_server_that_can_exist_once_has_one_session() {
    let (namespace, mcpt) = place("only-one");
    let template = json!({
        "name": "only-one", "description": "A test.", "version": "1.0.0",
        "docker_image": "localhost/mcp-server-time", "docker_tag": "2026.10.19",
        "command": ["python3", "-c", include_str!("../clients/only_one.py")],
        "sessions": "single",
    });
    let folder = mcpt.home().join("only-one");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("template.json"), template.to_string()).expect("a template");
    let folder = folder.to_str().expect("UTF-8");
    let deploy = ["deploy", folder, "--timeout", "6m", "--replicas", "1"];
    let _ = mcpt.run(&deploy).ok();
    let url = namespace.service_url("only-one") + "/mcp";
    let agent = agent();
    let session = Session::open(&agent, &url);
    let other = Session::initialize(&agent, &url);
    assert!(other.header("Retry-After").is_some());
    let why = other.refused(503);
    assert!(why.contains("one session at a time"), "{why}");
    let status = mcpt.json(&["status", "only-one"]);
    assert_eq!(status["ready"], 1, "{status}");
    assert!(matches!(session.delete(&url).status(), 200 | 202 | 204));
    let container =
        &namespace.get("deployment/only-one")["spec"]["template"]["spec"]["containers"][0];
    let told = json!({"name": "MCPT_BRIDGE_START_TIMEOUT", "value": "360s"});
    let env = container["env"].as_array().expect("variables");
    assert!(env.contains(&told), "{env:?}");
    assert_eq!(container["startupProbe"]["failureThreshold"], 360);
}

/// By whom and when the fields of an object were last applied.
fn ownership(namespace: &TestNamespace, manifest: &str) -> Vec<Value> {
    let apply = [
        "apply",
        "--server-side",
        "--field-manager=helm",
        "--show-managed-fields",
    ];
    let place = ["-n", namespace.name(), "-o", "json", "-f", "-"];
    let applied = kubectl_with_input(&[&apply[..], &place].concat(), manifest);
    let applied: Value = serde_json::from_str(&applied).expect("JSON");
    let objects = applied["items"].as_array().expect("a list").iter();
    objects
        .filter_map(|object| object["metadata"]["managedFields"].as_array())
        .flatten()
        .filter(|fields| fields["manager"] == "helm")
        .cloned()
        .collect()
}

/// A zero that Kubernetes does not store would be a change each time, and a field to fight over.
#[test]
fn applying_again_changes_nothing() {
    let namespace = TestNamespace::new("again");
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts");
    for (chart, values) in [
        (
            "mcp-server",
            "mcp.transport=stdio,mcp.command={x},env.A=b,workspace.mounts[0].path=/data",
        ),
        ("mcpt-gateway", "sessionKeys.existingSecret=x"),
    ] {
        let folder = charts.join(chart);
        let folder = folder.to_str().expect("UTF-8");
        let template = ["template", chart, folder, "--no-hooks", "--set", values];
        let manifest = Helm::V4.run(&namespace, &template);
        let first = ownership(&namespace, &manifest);
        assert!(first.len() > 2, "{first:?}");
        assert_eq!(first, ownership(&namespace, &manifest), "{chart}");
    }
}
