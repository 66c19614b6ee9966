//! `mcpt chart diff`: what an upgrade would change, what others have changed, and what differs between revisions.

use std::process::Output;

use mcpt_tests::{Helm, TestNamespace, kubectl};

use crate::{charts::full, tools::Tool};

fn shown(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), format!("{text}{error}"))
}

/// The lines that come or go, with the heads of their objects.
fn changes(namespace: &TestNamespace, arguments: &[&str]) -> Vec<String> {
    let exit = ["--detailed-exitcode"];
    let output = Tool::Mcpt.run(namespace, &[&["diff"], arguments, &exit].concat());
    let (code, text) = shown(&output);
    let lines = text
        .lines()
        .filter(|line| line.starts_with(['+', '-']) && !line.starts_with("---"));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert_eq!(code, Some(if lines.is_empty() { 0 } else { 2 }), "{text}");
    lines
}

/// How every value of the chart's Secret begins, and the same in base64.
const VEILED: [&str; 2] = ["veiled", "dmVpbGVk"];

/// A diff in which the Secret differs, in both formats, tells that and none of what is in it.
fn tells_no_secret(namespace: &TestNamespace, arguments: &[&str]) {
    for format in [&[][..], &["-o", "json"]] {
        let output = Tool::Mcpt.run(namespace, &[&["diff"], arguments, format].concat());
        let (code, text) = shown(&output);
        assert_eq!(code, Some(0), "{arguments:?} {format:?}: {text}");
        assert!(
            text.contains("Secret/web"),
            "{arguments:?} {format:?}: {text}"
        );
        for veiled in VEILED {
            let told = text.contains(veiled);
            assert!(!told, "{arguments:?} {format:?} has {veiled}: {text}");
        }
    }
}

#[test]
fn a_diff_tells_no_secret_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let group = format!("s{}.example.com", std::process::id());
    let chart = full(folder.path(), &group);
    let namespace = TestNamespace::new("chart-secrets");
    Tool::Helm(Helm::V4).succeeds(&namespace, &["install", "web", &chart]);
    let name = namespace.name();
    // As after `kubectl apply` of it.
    let applied = "kubectl.kubernetes.io/last-applied-configuration=\
                   {\"data\": {\"word\": \"dmVpbGVkLWZpcnN0\"}, \"stringData\": {\"word\": \"veiled-first\"}}";
    for object in ["secret/web", "deployment/web"] {
        kubectl(&["annotate", object, applied, "-n", name]);
    }
    let upgrade = [
        "upgrade",
        "web",
        &chart,
        "--set",
        "secret=veiled-second,word=second",
    ];
    tells_no_secret(&namespace, &upgrade);

    Tool::Mcpt.succeeds(&namespace, &upgrade);
    tells_no_secret(&namespace, &["revision", "web"]);

    let patch = r#"{"stringData": {"word": "veiled-third", "more": "veiled-fourth"}}"#;
    let patch = [
        "patch",
        "secret",
        "web",
        "-n",
        name,
        "--type=merge",
        "-p",
        patch,
    ];
    kubectl(&patch);
    tells_no_secret(&namespace, &["drift", "web"]);
    kubectl(&["delete", "secret", "web", "-n", name]);
    tells_no_secret(&namespace, &["drift", "web"]);
    kubectl(&["delete", "crd", &format!("things.{group}"), "--wait=false"]);
}

#[test]
fn a_diff_tells_what_an_upgrade_does_and_what_others_did() {
    let folder = tempfile::tempdir().unwrap();
    let group = format!("d{}.example.com", std::process::id());
    let chart = full(folder.path(), &group);
    let namespace = TestNamespace::new("chart-diff");
    let set = ["--set", "word=second,extra=true"];
    let upgrade = [&["upgrade", "web", &chart], &set[..]].concat();

    let (code, said) = shown(&Tool::Mcpt.run(&namespace, &["diff", "drift", "web"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("release: not found"), "{said}");

    Tool::Helm(Helm::V4).succeeds(&namespace, &["install", "web", &chart]);
    assert_eq!(changes(&namespace, &["drift", "web"]), [""; 0]);
    let of = |object: &str| format!("+++ web, what the upgrade would make: {object}");
    // The chart writes down that it is an upgrade.
    let (was, is) = ("-  upgrade: \"false\"", "+  upgrade: \"true\"");
    let only = [&of("ConfigMap/web"), was, is];
    assert_eq!(changes(&namespace, &["upgrade", "web", &chart]), only);

    let would = changes(&namespace, &upgrade);
    let own = would.iter().filter(|line| line.contains("word"));
    let own: Vec<&str> = own.map(String::as_str).collect();
    assert!(
        own.contains(&"-  word: first") && own.contains(&"+  word: second"),
        "{would:?}"
    );
    for object in [
        "ConfigMap/web",
        "ConfigMap/web-extra",
        "Deployment/web",
        "Thing/web",
    ] {
        assert!(would.contains(&of(object)), "{object}: {would:?}");
    }
    assert!(!would.contains(&of("ConfigMap/web-kept")), "{would:?}");
    // Nothing was changed by looking, and without the flag it is no failure.
    assert_eq!(changes(&namespace, &["drift", "web"]), [""; 0]);
    let plain = [&["diff"], &upgrade[..]].concat();
    assert_eq!(Tool::Mcpt.run(&namespace, &plain).status.code(), Some(0));

    Tool::Mcpt.succeeds(&namespace, &upgrade);
    assert_eq!(changes(&namespace, &["upgrade", "web", &chart]), [""; 0]);
    let between = changes(&namespace, &["revision", "web"]);
    assert!(
        between.contains(&"+  word: second".to_owned()),
        "{between:?}"
    );

    let patch = r#"{"data": {"word": "third"}}"#;
    let name = namespace.name();
    kubectl(&[
        "patch",
        "configmap",
        "web",
        "-n",
        name,
        "--type=merge",
        "-p",
        patch,
    ]);
    kubectl(&["delete", "service", "web", "-n", name]);
    let drift = changes(&namespace, &["drift", "web"]);
    assert!(drift.contains(&"-  word: second".to_owned()), "{drift:?}");
    assert!(drift.contains(&"+  word: third".to_owned()), "{drift:?}");
    let heads = drift.iter().filter(|line| line.starts_with("+++"));
    let heads: Vec<&str> = heads
        .map(|line| line.rsplit(": ").next().unwrap())
        .collect();
    assert_eq!(heads.len(), 2, "{drift:?}");
    assert!(
        heads.contains(&"ConfigMap/web") && heads.contains(&"Service/web"),
        "{drift:?}"
    );

    // A field that the upgrade does not have goes, and so does an object.
    let less = [
        "upgrade",
        "web",
        &chart,
        "--set",
        "word=second",
        "--reset-values",
    ];
    let less = changes(&namespace, &less);
    assert!(less.contains(&"-  extra: more".to_owned()), "{less:?}");
    let gone = "+++ web, what the upgrade would make: ConfigMap/web-extra".to_owned();
    assert!(less.contains(&gone), "{less:?}");
    kubectl(&["delete", "crd", &format!("things.{group}"), "--wait=false"]);
}
