//! What others change on the objects of a release, and what is left of an earlier failure: the next command has a way on.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use mcpt_tests::{Mcpt, TestNamespace, eventually, kubectl, kubectl_json};

const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);

fn place(word: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    (namespace, mcpt)
}

fn image(namespace: &TestNamespace) -> String {
    let deployment = namespace.get("deployment/demo");
    let containers = &deployment["spec"]["template"]["spec"]["containers"];
    containers[0]["image"]
        .as_str()
        .expect("an image")
        .to_owned()
}

/// A hot fix by hand, and then the next release, a rollback and another number of instances.
#[test]
fn a_hot_fix_is_taken_over_when_that_is_said() {
    let (namespace, mcpt) = place("hotfix");
    let deploy = |tag: &str, more: &[&str]| {
        let image = format!("localhost/mcpt:{tag}");
        let words = ["deploy", "demo", "--no-wait", "--image", &image];
        mcpt.run(&[&words[..], more].concat())
    };
    let hot_fix = || {
        kubectl(&[
            "-n",
            namespace.name(),
            "set",
            "image",
            "deploy/demo",
            "server=localhost/mcpt:hotfix",
        ]);
    };
    let _ = deploy("one", &[]).ok();
    hot_fix();
    let _ = deploy("two", &[])
        .exits(1)
        .says(&["kubectl-set owns these fields", "--force-conflicts"]);
    assert_eq!(image(&namespace), "localhost/mcpt:hotfix");
    let _ = deploy("two", &["--force-conflicts"]).ok();
    assert_eq!(image(&namespace), "localhost/mcpt:two");
    // From then on it is the release's again.
    let _ = deploy("three", &[]).ok();

    hot_fix();
    let back = ["rollback", "demo", "1", "--no-wait"];
    let _ = mcpt.run(&back).exits(1).says(&["--force-conflicts"]);
    let _ = mcpt.run(&[&back[..], &["--force-conflicts"]].concat()).ok();
    assert_eq!(image(&namespace), "localhost/mcpt:one");

    hot_fix();
    let scale = ["scale", "demo", "--replicas", "0", "--no-wait"];
    let _ = mcpt.run(&scale).exits(1).says(&["--force-conflicts"]);
    let _ = mcpt
        .run(&[&scale[..], &["--force-conflicts"]].concat())
        .ok();
    assert_eq!(image(&namespace), "localhost/mcpt:one");
}

/// The quota refuses the first deployment; the mended one's pods take longer than a refusal is waited for.
#[test]
fn a_mended_deploy_is_not_called_failed_with_the_old_words() {
    let (namespace, mcpt) = place("mended");
    namespace.apply(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: team}\nspec: {hard: {limits.memory: 100Mi}}\n",
    );
    // The quota is in force once its controller has counted.
    eventually(PATIENCE, || {
        let quota = kubectl_json(&["-n", namespace.name(), "get", "resourcequota", "team"]);
        let counted = quota["status"]["hard"].is_object();
        counted.then_some(()).ok_or_else(|| quota.to_string())
    });
    let refused = mcpt.run(&["deploy", "demo", "--replicas", "1"]).exits(1);
    let _ = refused.says(&["exceeded quota: team"]);
    let _ = mcpt
        .run(&[
            "deploy",
            "demo",
            "--atomic",
            "--replicas",
            "1",
            "--set",
            "resources.limits.memory=64Mi,mcpt.resources.limits.memory=64Mi",
            "--set",
            "probes.startup.initialDelaySeconds=12",
        ])
        .ok();
    let status = mcpt.json(&["status", "demo"]);
    assert_eq!(status["state"], "running", "{status}");
}
