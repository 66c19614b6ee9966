//! The same commands by mcpt and by helm 4, each in a namespace of its own: the same output, the same exit codes, the same objects.

use std::{collections::BTreeMap, process::Output, thread};

use mcpt_tests::{Helm, TestNamespace, beside_helm::said, kubectl};
use serde_json::Value;

use crate::{
    charts::{full, hooked, unserved},
    tools::{Tool, history, objects},
};

/// What a command said, without what differs each time.
#[derive(Debug, PartialEq, Eq)]
struct Masked {
    code: Option<i32>,
    output: String,
    error: String,
}

fn masked(output: &Output, namespace: &TestNamespace) -> Masked {
    let said = said(output);
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.replace(namespace.name(), "NAMESPACE");
    let lines = text.lines().map(|line| {
        let timed = [
            "LAST DEPLOYED: ",
            "DEPLOYED_AT: ",
            "LABELS: ",
            "Last Started: ",
            "Last Completed: ",
        ];
        let key = timed.iter().find(|key| line.starts_with(*key));
        key.map_or(line, |key| *key)
    });
    Masked {
        code: said.code,
        output: lines.collect::<Vec<_>>().join("\n"),
        error: said.error.replace(namespace.name(), "NAMESPACE"),
    }
}

/// The kinds that are looked at. The chart's own is not: it comes with the first installation of whoever is faster.
const KINDS: &str = "configmaps,secrets,services,deployments,jobs";

/// What is done one after the other; `FULL` and `HOOKED` are charts. Of those with `?` the error's words may differ.
const STEPS: &[&str] = &[
    "status web",
    "install web FULL --dry-run=client --hide-secret",
    "install web HOOKED --dry-run=server",
    "upgrade -i web UNSERVED",
    "install web FULL --wait --timeout 3m --labels own=label",
    "install web FULL",
    "test web --logs",
    "upgrade web FULL --set word=second,extra=true --description because",
    "upgrade web FULL --reuse-values --set number=5",
    "get values web -a",
    "upgrade web FULL --reset-then-reuse-values --set keep=false --hide-notes",
    "get values web",
    "get values web",
    "upgrade web FULL --reset-values --wait --wait-for-jobs --timeout 3m",
    "get values web",
    "?upgrade web FULL --set broken=true --cleanup-on-fail",
    "?upgrade web FULL --set broken=true --rollback-on-failure --timeout 3m",
    "uninstall web --wait --timeout 3m",
    "install web FULL --no-hooks",
    "upgrade web FULL --force-replace --force-conflicts",
    "upgrade web FULL --server-side=false --force-replace --set word=fourth,extra=true",
    "upgrade web FULL --force --set word=fifth",
    "get metadata web",
    "rollback web 1 --server-side=false --force-replace",
    "upgrade web FULL --server-side=true --set word=sixth",
    "get manifest web",
    "get hooks web",
    "rollback web 1 --wait --timeout 3m --history-max 5",
    "rollback web 99",
    "upgrade none FULL",
    "install FULL",
    "install web FULL --dry-run=other",
    "uninstall none --ignore-not-found",
    "uninstall web --keep-history --wait --timeout 3m",
    "install web FULL --no-hooks",
    "upgrade --install web FULL --skip-crds --no-hooks",
    "uninstall web",
    "upgrade -i hooked HOOKED",
    "upgrade hooked UNSERVED",
    "upgrade hooked HOOKED --set fails=true --atomic --timeout 3m",
    "uninstall hooked --cascade foreground --wait",
    "upgrade -i hooked HOOKED --set fails=true",
    "upgrade -i hooked HOOKED --set word=third",
    "install other HOOKED --set fails=true --rollback-on-failure --timeout 3m",
    "uninstall hooked other",
    "list",
];

/// What a program did: what it said, and of what changes anything what is there then, with the history of the release.
type Done = (Masked, Option<(BTreeMap<String, Value>, Vec<String>)>);

fn step(tool: Tool, namespace: &TestNamespace, arguments: &[&str], words_differ: bool) -> Done {
    let output = tool.run(namespace, arguments);
    let mut masked = masked(&output, namespace);
    if words_differ {
        masked.error.clear();
    }
    if ["status", "get", "list", "test"].contains(&arguments[0]) {
        return (masked, None);
    }
    let releases = ["web", "hooked", "other"];
    let release = releases.iter().find(|name| arguments.contains(name));
    let lines = history(namespace, release.unwrap_or(&"none"));
    let lines = lines.into_iter().map(|line| {
        let failed = line.find("failed: ").filter(|_| words_differ);
        line[..failed.unwrap_or(line.len())].to_owned()
    });
    (masked, Some((objects(namespace, KINDS), lines.collect())))
}

#[test]
fn commands_do_and_say_what_those_of_helm_do() {
    let folder = tempfile::tempdir().unwrap();
    let group = format!("b{}.example.com", std::process::id());
    let (full, hooked) = (full(folder.path(), &group), hooked(folder.path()));
    let unserved = unserved(folder.path());
    let lines: Vec<(bool, Vec<&str>)> = STEPS
        .iter()
        .map(|line| {
            let words = line.trim_matches('?').split(' ').map(|word| match word {
                "FULL" => full.as_str(),
                "HOOKED" => hooked.as_str(),
                "UNSERVED" => unserved.as_str(),
                other => other,
            });
            (line.starts_with('?'), words.collect())
        })
        .collect();
    let all = |tool: Tool, name: &'static str| {
        let lines = &lines;
        move || {
            let namespace = TestNamespace::new(name);
            let done = lines
                .iter()
                .map(|(words_differ, arguments)| step(tool, &namespace, arguments, *words_differ));
            done.collect::<Vec<Done>>()
        }
    };
    let (ours, theirs) = thread::scope(|scope| {
        let ours = scope.spawn(all(Tool::Mcpt, "chart-mcpt"));
        let theirs = scope.spawn(all(Tool::Helm(Helm::V4), "chart-helm"));
        (ours.join().unwrap(), theirs.join().unwrap())
    });
    kubectl(&["delete", "crd", &format!("things.{group}"), "--wait=false"]);
    let mut failures = Vec::new();
    for ((line, ours), theirs) in STEPS.iter().zip(ours).zip(theirs) {
        if ours != theirs {
            failures.push(format!("== {line}\n-- mcpt {ours:#?}\n-- helm {theirs:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
