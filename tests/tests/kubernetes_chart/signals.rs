//! A command that a signal ends says so in its record, and ends as that of helm does.

use mcpt_tests::{Helm, TestNamespace, beside_helm::said, kubectl};

use crate::{
    charts::hooked,
    interrupted::{held, statuses},
    tools::{Tool, history},
};

/// What a command said that a signal ended, its exit code, and the history after it.
fn ended(tool: Tool, namespace: &TestNamespace, signal: &str, arguments: &[&str]) -> Vec<String> {
    let command = held(tool, namespace, arguments);
    let signalled = std::process::Command::new("kill")
        .args(["-s", signal, &command.id().to_string()])
        .status();
    assert!(signalled.unwrap().success());
    let said = said(&command.wait_with_output().unwrap());
    let mut all = vec![format!("{:?} {}", said.code, said.error)];
    all.extend(said.lines);
    all.extend(history(namespace, "web"));
    all
}

#[test]
fn an_installation_and_an_upgrade_end_as_those_of_helm() {
    let folder = tempfile::tempdir().unwrap();
    let chart = hooked(folder.path());
    let holds = ["--set", "holds=true"];
    let [ours, theirs] = [Tool::Mcpt, Tool::Helm(Helm::V4)].map(|tool| {
        let namespace = TestNamespace::new("chart-signal");
        let run = |signal: &str, arguments: &[&str]| {
            let arguments = [arguments, &holds[..]].concat();
            ended(tool, &namespace, signal, &arguments)
        };
        let install = run("INT", &["install", "web", &chart]);
        tool.succeeds(&namespace, &["uninstall", "web", "--no-hooks", "--wait"]);
        tool.succeeds(&namespace, &["install", "web", &chart]);
        let upgrade = run("TERM", &["upgrade", "web", &chart]);
        let undone = run("INT", &["upgrade", "web", &chart, "--rollback-on-failure"]);
        [install, upgrade, undone]
    });
    assert_eq!(ours, theirs);
    assert!(ours[0][0].contains("context canceled"), "{ours:?}");
}

/// Helm lets the signal end it, and leaves a release that is being uninstalled.
#[test]
fn an_uninstallation_is_finished_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let chart = hooked(folder.path());
    let namespace = TestNamespace::new("chart-signal-two");
    let install = [
        "install",
        "web",
        &chart,
        "--no-hooks",
        "--set",
        "holds=true",
    ];
    Tool::Mcpt.succeeds(&namespace, &install);
    let said = ended(Tool::Mcpt, &namespace, "TERM", &["uninstall", "web"]);
    assert_eq!(said[0], "Some(130) interrupted");
    assert_eq!(statuses(&namespace), ["failed"]);
    Tool::Mcpt.succeeds(&namespace, &["uninstall", "web", "--no-hooks", "--wait"]);
    let left = kubectl(&["get", "configmap", "-n", namespace.name(), "-o", "name"]);
    assert_eq!(left.trim(), "configmap/kube-root-ca.crt");
}
