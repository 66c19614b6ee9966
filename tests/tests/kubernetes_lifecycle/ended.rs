//! After the end of a server, or half of it: Helm kept its history, or its deletion failed or was interrupted.

use mcpt_tests::{Helm, Mcpt, TestNamespace, kubectl};
use serde_json::json;

use crate::{deploy, hold, let_go, mcpt, replicas, revisions};

fn statuses(mcpt: &Mcpt) -> Vec<String> {
    let history = revisions(&mcpt.json(&["history", "demo"]));
    history.into_iter().map(|(_, status, _)| status).collect()
}

/// Uninstalls it and keeps its history.
fn uninstall(helm: Helm, namespace: &TestNamespace) {
    helm.run(
        namespace,
        &["uninstall", "demo", "--keep-history", "--wait"],
    );
    let pods = ["pod", "-l", "mcpt.io/server=demo", "--timeout=60s"];
    kubectl(&[&["wait", "-n", namespace.name(), "--for=delete"], &pods[..]].concat());
}

fn keeps_its_history(helm: Helm, word: &str) {
    let namespace = TestNamespace::new(word);
    let mcpt = mcpt(&namespace);
    let empty = namespace.objects();
    deploy(&mcpt, &["--replicas", "2"]);

    uninstall(helm, &namespace);
    assert_eq!(mcpt.json(&["list"]), json!([]));
    for command in [
        &["status", "demo"][..],
        &["scale", "demo", "--replicas", "1"],
    ] {
        let _ = mcpt
            .run(command)
            .exits(3)
            .says(&["was uninstalled", " rollback demo"]);
    }
    assert_eq!(statuses(&mcpt), ["uninstalled"]);

    // A new server of that name: the next revision, and no size of the old one.
    deploy(&mcpt, &[]);
    assert_eq!(replicas(&namespace), 1);
    assert_eq!(statuses(&mcpt), ["superseded", "deployed"]);

    uninstall(helm, &namespace);
    let back = mcpt.json(&["rollback", "demo"]);
    assert_eq!(
        (&back["revision"], &back["state"]),
        (&3.into(), &"running".into())
    );
    let history = revisions(&mcpt.json(&["history", "demo"]));
    assert_eq!(history[2].2, "Rollback to 2");

    uninstall(helm, &namespace);
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert_eq!(namespace.objects(), empty);
}

#[test]
fn helm_3_keeps_its_history() {
    keeps_its_history(Helm::V3, "kept-3");
}

#[test]
fn helm_4_keeps_its_history() {
    keeps_its_history(Helm::V4, "kept-4");
}

#[test]
fn a_deletion_that_failed_is_undone() {
    let namespace = TestNamespace::new("half-deleted");
    let mcpt = mcpt(&namespace);
    let empty = namespace.objects();
    deploy(&mcpt, &["--replicas", "1"]);

    hold(&namespace, "service/demo");
    let delete = ["delete", "demo", "--timeout", "3s"];
    let _ = mcpt.run(&delete).exits(6);
    let status = mcpt.json(&["status", "demo"]);
    let reason = status["reason"].as_str().expect("a reason");
    assert!(reason.contains("Deletion failed"), "{status}");
    let_go(&namespace, "service/demo");
    let _ = mcpt
        .run(&["scale", "demo", "--replicas", "2"])
        .ok()
        .says(&["all of revision 1 is made again"]);
    assert_eq!(replicas(&namespace), 2);

    // Interrupted; the next command takes over and undoes it, and not what was before it.
    hold(&namespace, "service/demo");
    mcpt.kill_at(&["delete", "demo"], "waiting until they are gone");
    let_go(&namespace, "service/demo");
    let _ = mcpt.run(&["rollback", "demo"]).ok();
    assert_eq!(replicas(&namespace), 2);
    let history = revisions(&mcpt.json(&["history", "demo"]));
    assert_eq!(statuses(&mcpt), ["failed", "failed", "deployed"]);
    assert_eq!(history[2].2, "Rollback to 2");

    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert_eq!(namespace.objects(), empty);
}
