//! `kill -9` of the command at five points of a deploy: the same command afterwards succeeds, and a delete leaves nothing.

use mcpt_tests::{Mcpt, TestNamespace};

fn interrupted_at(word: &str, mark: &str) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let before = namespace.objects();
    let deploy = ["deploy", "demo", "--replicas", "1", "-c", "greeting=again"];

    mcpt.kill_at(&deploy, mark);
    let _ = mcpt.run(&deploy).ok();
    let echoed = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=x"])
        .ok();
    assert!(echoed.stdout.contains("again"), "{}", echoed.stdout);
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert_eq!(namespace.objects(), before);

    // The same again, but given up instead of finished.
    mcpt.kill_at(&deploy, mark);
    let _ = mcpt.run(&["delete", "demo"]);
    assert_eq!(namespace.objects(), before, "a delete after the kill");
}

#[test]
fn while_checking() {
    interrupted_at("kill-check", "checking");
}

#[test]
fn while_applying() {
    interrupted_at("kill-apply", "applying");
}

#[test]
fn while_pods_are_made() {
    interrupted_at("kill-wait", "waiting for the pods");
}

#[test]
fn while_the_server_starts() {
    interrupted_at("kill-start", "pods ready");
}

#[test]
fn while_the_server_is_asked() {
    interrupted_at("kill-ask", "asking the server");
}
