//! A command that is killed at a step, and one that meets another: what is left is taken over, and nothing is lost.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use mcpt_tests::{Helm, TestNamespace, eventually, kubectl};

use crate::{
    charts::hooked,
    tools::{Tool, history},
};

/// Starts a command that its hook holds, and waits until the hook's job is there.
pub(crate) fn held(tool: Tool, namespace: &TestNamespace, arguments: &[&str]) -> Child {
    // That of an earlier command says nothing of this one.
    let (name, gone) = (namespace.name(), "--ignore-not-found");
    kubectl(&["delete", "-n", name, "job/web-held", gone]);
    let child = tool
        .command(namespace, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    kubectl(&[
        "wait",
        "-n",
        namespace.name(),
        "--for=create",
        "job/web-held",
        "--timeout=60s",
    ]);
    child
}

pub(crate) fn statuses(namespace: &TestNamespace) -> Vec<String> {
    let lines = history(namespace, "web");
    let status = |line: String| line.split('"').nth(1).unwrap().to_owned();
    lines.into_iter().map(status).collect()
}

#[test]
fn what_a_killed_command_left_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let chart = hooked(folder.path());
    let namespace = TestNamespace::new("chart-killed");
    let holds = ["--set", "holds=true"];
    let mut killed = held(
        Tool::Mcpt,
        &namespace,
        &[&["install", "web", &chart], &holds[..]].concat(),
    );
    assert_eq!(statuses(&namespace), ["pending-install"]);

    // Two at once: the second one is told.
    let busy = Tool::Mcpt.run(&namespace, &["upgrade", "-i", "web", &chart]);
    let said = String::from_utf8_lossy(&busy.stderr).into_owned();
    assert!(
        said.contains("another operation (install/upgrade/rollback) is in progress"),
        "{said}"
    );
    let busy = Tool::Mcpt.run(&namespace, &["uninstall", "web"]);
    assert!(!busy.status.success());
    let busy = Tool::Helm(Helm::V4).run(&namespace, &["upgrade", "web", &chart]);
    assert!(!busy.status.success());

    killed.kill().unwrap();
    killed.wait().unwrap();
    let again = ["upgrade", "-i", "web", &chart, "--reset-values"];
    Tool::Mcpt.succeeds(&namespace, &again);
    // As with helm: nothing else ran that the second one could lie over.
    assert_eq!(statuses(&namespace), ["superseded", "deployed"]);

    let upgrade = [&["upgrade", "web", &chart], &holds[..]].concat();
    let mut killed = held(Tool::Mcpt, &namespace, &upgrade);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(statuses(&namespace).last().unwrap(), "pending-upgrade");
    Tool::Mcpt.succeeds(&namespace, &["rollback", "web", "2"]);
    assert_eq!(
        statuses(&namespace),
        ["superseded", "superseded", "failed", "deployed"]
    );

    // A deletion that is killed in its hook is finished by the next one.
    let set = [
        "upgrade",
        "web",
        &chart,
        "--no-hooks",
        "--set",
        "holds=true",
    ];
    Tool::Mcpt.succeeds(&namespace, &set);
    let mut killed = held(Tool::Mcpt, &namespace, &["uninstall", "web"]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(statuses(&namespace).last().unwrap(), "uninstalling");
    Tool::Mcpt.succeeds(&namespace, &["uninstall", "web", "--no-hooks", "--wait"]);
    assert_eq!(statuses(&namespace), Vec::<String>::new());
    eventually(Duration::from_mins(1), || {
        let maps = kubectl(&["get", "configmap", "-n", namespace.name(), "-o", "name"]);
        let gone = maps.trim() == "configmap/kube-root-ca.crt";
        gone.then_some(()).ok_or(maps)
    });
}

/// What is helm's own and interrupted cannot be judged: `rollback` and `uninstall` go on, as with helm.
#[test]
fn what_helm_left_pending_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let chart = hooked(folder.path());
    let namespace = TestNamespace::new("chart-foreign");
    Tool::Mcpt.succeeds(&namespace, &["install", "web", &chart]);
    let upgrade = ["upgrade", "web", &chart, "--set", "holds=true"];
    let mut helm = held(Tool::Helm(Helm::V4), &namespace, &upgrade);
    helm.kill().unwrap();
    helm.wait().unwrap();
    let busy = Tool::Mcpt.run(&namespace, &["upgrade", "web", &chart]);
    assert!(!busy.status.success());
    Tool::Mcpt.succeeds(&namespace, &["rollback", "web", "1"]);
    Tool::Mcpt.succeeds(&namespace, &["uninstall", "web"]);
    assert_eq!(history(&namespace, "web"), Vec::<String>::new());
}
