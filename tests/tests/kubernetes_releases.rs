//! `mcpt chart list`, `history` and `get` beside helm, over releases that helm 3, helm 4 and mcpt made: the same output and the
//! same exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Output;
use std::time::{Duration, UNIX_EPOCH};

use mcpt_tests::beside_helm::{Said, said, write};
use mcpt_tests::{Helm, Mcpt, TestNamespace, eventually};

fn chart(folder: &Path) -> String {
    let chart = folder.join("a");
    write(
        &chart.join("Chart.yaml"),
        "apiVersion: v2\nname: a\nversion: 1.2.3\nappVersion: v9\ndescription: one <of> & many\n\
         annotations: {z: '1', b: two}\ndependencies: [{name: on, version: 1.x, repository: ''}]\n",
    );
    write(
        &chart.join("values.yaml"),
        "number: 1000000\nfraction: 1.5\nword: '<x>'\nlist: [1, 2]\nmap: {a: 1, b: null}\non: {c: 3}\n",
    );
    write(
        &chart.join("templates/a.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  word: {{ .Values.word | quote }}\n",
    );
    write(
        &chart.join("templates/hook.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-hook\n  annotations:\n    \
         helm.sh/hook: pre-install,test\n",
    );
    write(
        &chart.join("templates/NOTES.txt"),
        "\nnotes of {{ .Release.Name }}\n",
    );
    write(
        &chart.join("charts/on/Chart.yaml"),
        "apiVersion: v2\nname: on\nversion: 1.0.0\n",
    );
    write(&chart.join("charts/on/values.yaml"), "c: 1\nd: 2\n");
    chart.display().to_string()
}

/// Releases in all states that there are without waiting for anything.
fn releases(namespace: &TestNamespace, folder: &Path) {
    let chart = chart(folder);
    let bare = folder.join("bare");
    write(
        &bare.join("Chart.yaml"),
        "apiVersion: v1\nname: bare\nversion: 0.1.0\n",
    );
    let bare = bare.display().to_string();
    let broken = folder.join("broken");
    write(
        &broken.join("Chart.yaml"),
        "apiVersion: v2\nname: broken\nversion: 1.0.0\n",
    );
    write(
        &broken.join("templates/a.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: broken\ndata: [1]\n",
    );
    let broken = broken.display().to_string();
    for (helm, name) in [(Helm::V3, "three"), (Helm::V4, "four")] {
        let set = "number=2000000,word=other,text=a\\,b";
        helm.run(namespace, &["install", name, &chart]);
        helm.run(
            namespace,
            &[
                "upgrade",
                name,
                &chart,
                "--set",
                set,
                "--labels",
                "own=label",
            ],
        );
        helm.run(namespace, &["rollback", name, "1"]);
    }
    next_second();
    Helm::V4.run(namespace, &["install", "bare", &bare]);
    Helm::V4.run(namespace, &["install", "gone", &bare]);
    Helm::V4.run(namespace, &["uninstall", "gone", "--keep-history"]);
    // It is to fail.
    let failed = Helm::V4
        .command(namespace)
        .args(["install", "broken", &broken])
        .output();
    assert!(!failed.unwrap().status.success());
}

/// Helm sorts by whole seconds: those of one second stand in any order.
fn next_second() {
    let second = || UNIX_EPOCH.elapsed().unwrap().as_secs();
    let now = second();
    eventually(Duration::from_secs(10), || {
        (second() > now)
            .then_some(())
            .ok_or_else(|| "the same second".to_owned())
    });
}

fn both(namespace: &TestNamespace, case: &str) -> (Said, Said, [Output; 2]) {
    let arguments: Vec<&str> = case.split(' ').collect();
    let helm = Helm::V4
        .command(namespace)
        .args(&arguments)
        .output()
        .unwrap();
    let mcpt = Mcpt::new(&["--namespace", namespace.name()]);
    let mcpt = mcpt
        .command(&[&["chart"], &arguments[..]].concat())
        .output()
        .unwrap();
    (said(&helm), said(&mcpt), [helm, mcpt])
}

#[test]
fn what_is_stored_is_told_as_helm_tells_it() {
    let namespace = TestNamespace::new("releases");
    let folder = tempfile::tempdir().unwrap();
    releases(&namespace, folder.path());
    let mut cases: Vec<String> = [
        "list",
        "list --no-headers",
        "list -o json",
        "list -o yaml",
        "list --short",
        "list -q",
        "list -q -o json",
        "list --deployed",
        "list --failed",
        "list --uninstalled",
        "list --superseded",
        "list --pending",
        "list --pending --no-headers",
        "list --pending -o json",
        "list --deployed --failed",
        "list -r",
        "list -d --filter four|bare",
        "list -d -r --filter four|bare",
        "list -m 2",
        "list -m 2 --offset 1",
        "list --offset 9",
        "list --filter r$",
        "list -l own=label -q",
        "list --selector own!=label,status=deployed -q",
        "list --filter [",
        "list --time-format 2006-01-02T15:04:05.000Z07:00",
        "history four --max 2",
        "history none",
        "history No_Name",
        "history four --show-rollback-revision",
        "get values four --revision 2",
        "get values four --revision 2 -o json",
        "get values four --revision 9",
        "get values four -a --revision 2",
        "get values No_Name",
        "get manifest none",
        "get metadata four --revision 2",
    ]
    .map(str::to_owned)
    .to_vec();
    let of_each = [
        "history NAME -o json",
        "get values NAME",
        "get values NAME -a -o json",
        "get notes NAME",
        "get metadata NAME -o json",
        "get all NAME",
    ];
    let of_some = [
        "history NAME",
        "history NAME -o yaml",
        "get values NAME -a",
        "get values NAME -o yaml",
        "get manifest NAME",
        "get hooks NAME",
        "get metadata NAME",
        "get metadata NAME -o yaml",
    ];
    for name in ["three", "four", "bare", "gone", "broken"] {
        cases.extend(of_each.map(|what| what.replace("NAME", name)));
    }
    for name in ["three", "four"] {
        cases.extend(of_some.map(|what| what.replace("NAME", name)));
    }
    let mut failures = Vec::new();
    for case in &cases {
        let (theirs, ours, outputs) = both(&namespace, case);
        if theirs != ours || outputs[0].stdout != outputs[1].stdout {
            let [theirs, ours] = outputs.map(|output| {
                let said = [output.stdout, output.stderr].concat();
                format!("{}\n{}", output.status, String::from_utf8(said).unwrap())
            });
            failures.push(format!("== {case}\n-- helm {theirs}\n-- mcpt {ours}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Releases of all namespaces, and those that mcpt made by itself.
#[test]
fn releases_of_all_namespaces_are_listed() {
    let one = TestNamespace::new("releases-one");
    let other = TestNamespace::new("releases-other");
    let folder = tempfile::tempdir().unwrap();
    let chart = chart(folder.path());
    Helm::V4.run(&one, &["install", "same", &chart]);
    Helm::V3.run(&other, &["install", "same", &chart]);
    let mcpt = Mcpt::new(&["--namespace", one.name()]);
    let listed = mcpt.json(&["chart", "list", "-A"]);
    let mut found: Vec<(&str, &str)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|release| {
            let said = |key: &str| release[key].as_str().unwrap();
            (said("namespace"), said("name"))
        })
        .filter(|(namespace, _)| [one.name(), other.name()].contains(namespace))
        .collect();
    found.sort_unstable();
    let mut wanted = [(one.name(), "same"), (other.name(), "same")];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    let here = mcpt.json(&["chart", "list"]);
    assert_eq!(here.as_array().unwrap().len(), 1);
}
