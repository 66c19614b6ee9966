//! A server that mcpt deployed is a Helm release like any other: both real helms list, inspect and uninstall it.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use mcpt_tests::{Helm, Mcpt, TestNamespace};
use serde_json::Value;

fn deployed(word: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let _ = mcpt
        .run(&["deploy", "demo", "-c", "greeting=first", "--replicas", "1"])
        .ok();
    (namespace, mcpt)
}

fn inspects(helm: Helm, word: &str) {
    let (namespace, mcpt) = deployed(word);
    let before_anything = TestNamespace::new(&format!("{word}-empty")).objects();

    let listed: Value =
        serde_json::from_str(&helm.run(&namespace, &["list", "-o", "json"])).expect("JSON");
    assert_eq!(listed[0]["name"], "demo");
    assert_eq!(listed[0]["status"], "deployed");
    assert_eq!(listed[0]["revision"].to_string().trim_matches('"'), "1");

    let status: Value =
        serde_json::from_str(&helm.run(&namespace, &["status", "demo", "-o", "json"]))
            .expect("JSON");
    assert_eq!(status["info"]["status"], "deployed");

    let values: Value =
        serde_json::from_str(&helm.run(&namespace, &["get", "values", "demo", "-o", "json"]))
            .expect("JSON");
    assert!(values.to_string().contains("first"), "{values}");

    let manifest = helm.run(&namespace, &["get", "manifest", "demo"]);
    for kind in ["kind: Deployment", "kind: Service", "kind: ServiceAccount"] {
        assert!(manifest.contains(kind), "{kind} in\n{manifest}");
    }
    assert!(
        helm.run(&namespace, &["get", "hooks", "demo"])
            .contains("helm.sh/hook")
    );
    assert!(
        !helm
            .run(&namespace, &["get", "notes", "demo"])
            .trim()
            .is_empty()
    );

    // An update by mcpt is a revision for helm; what was there before is in its history.
    let _ = mcpt
        .run(&["deploy", "demo", "-c", "greeting=second", "--replicas", "1"])
        .ok();
    let history: Value =
        serde_json::from_str(&helm.run(&namespace, &["history", "demo", "-o", "json"]))
            .expect("JSON");
    let statuses: Vec<_> = history
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| r["status"].clone())
        .collect();
    assert_eq!(statuses, ["superseded", "deployed"]);

    helm.run(&namespace, &["uninstall", "demo", "--wait"]);
    // Pods may still be ending; what counts is what stays.
    mcpt_tests::kubectl(&[
        "wait",
        "-n",
        namespace.name(),
        "--for=delete",
        "pod",
        "-l",
        "mcpt.io/server=demo",
        "--timeout=60s",
    ]);
    assert_eq!(namespace.objects(), before_anything, "after helm uninstall");
    let _ = mcpt.run(&["status", "demo"]).exits(3);
}

#[test]
fn helm_3_reads_and_uninstalls() {
    inspects(Helm::V3, "helm3");
}

#[test]
fn helm_4_reads_and_uninstalls() {
    inspects(Helm::V4, "helm4");
}

/// Without a conflict of field managers, and with the image and settings kept.
#[test]
fn helm_4_upgrades_what_mcpt_deployed() {
    let (namespace, mcpt) = deployed("helm4-upgrade");
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/mcp-server");
    Helm::V4.run(
        &namespace,
        &[
            "upgrade",
            "demo",
            chart,
            "--reuse-values",
            "--set",
            "replicaCount=2",
            "--wait",
        ],
    );
    let status = mcpt.json(&["status", "demo"]);
    assert_eq!(
        (&status["revision"], &status["ready"]),
        (&2.into(), &2.into()),
        "{status}"
    );
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "1"]).ok();
    assert_eq!(mcpt.json(&["status", "demo"])["revision"], 3);
}
