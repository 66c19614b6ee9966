//! What goes to standard output and to standard error, in which form.

use std::process::Stdio;

use mcpt_tests::Mcpt;
use serde_json::{Value, json};

#[test]
fn a_dry_run_as_json_is_a_list_of_documents() {
    let mcpt = Mcpt::new(&["--backend", "kubernetes"]);
    let shown = mcpt.json(&["deploy", "demo", "--dry-run"]);
    let kinds: Vec<_> = shown
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"Deployment") && kinds.contains(&"Service"),
        "{kinds:?}"
    );

    let dry_run = ["deploy", "demo", "--dry-run"];
    let plain = mcpt.run(&dry_run).ok().stdout;
    let yaml = mcpt.run(&[&dry_run[..], &["-o", "yaml"]].concat()).ok();
    assert_eq!(yaml.stdout, plain, "YAML is the stream itself");

    let shown = Mcpt::default().json(&dry_run);
    assert_eq!(shown[0]["name"], "demo", "{shown}");
    assert_eq!(shown[0]["endpoint"]["type"], "http", "{shown}");
}

#[test]
fn help_that_nobody_asked_for_by_name() {
    let mcpt = Mcpt::default();
    for command in [&[][..], &["template"], &["gateway"]] {
        let outcome = mcpt.run(command).ok();
        assert!(outcome.stdout.contains("Usage: mcpt"), "{command:?}");
        assert_eq!(outcome.stderr, "", "{command:?}");
        let asked = mcpt.run(&[command, &["-h"]].concat()).ok();
        assert_eq!(outcome.stdout, asked.stdout, "{command:?}");
    }
}

#[test]
fn a_hint_names_the_backend_where_another_one_is_usual() {
    let hint = |mcpt: &Mcpt, options: &[&str]| {
        let asked = mcpt.run(&[options, &["status", "nothing"]].concat());
        asked.exits(3).stderr
    };
    let plain = "hint: mcpt list shows";
    let named = "hint: mcpt -b process list shows";
    let mcpt = Mcpt::default();
    assert!(hint(&mcpt, &[]).contains(plain));
    assert!(hint(&mcpt, &["-b", "process"]).contains(named));
    let mcpt = mcpt.env("MCPT_BACKEND", "kubernetes");
    assert!(hint(&mcpt, &["-b", "process"]).contains(named));
}

#[test]
fn usage_errors_as_json() {
    let mcpt = Mcpt::default();
    for command in [
        &["-o", "json", "deploy"][..],
        &["deploy", "demo", "--no-such", "--output=json"],
        &["no-such-command", "-ojson"],
    ] {
        let outcome = mcpt.run(command).exits(2);
        assert_eq!(outcome.stdout, "");
        let report: Value = serde_json::from_str(&outcome.stderr).expect("JSON on stderr");
        let error = &report["error"];
        assert_eq!(
            (&error["kind"], &error["exitCode"]),
            (&json!("usage"), &json!(2))
        );
        assert!(error["what"].is_string(), "{report}");
    }
    let _ = mcpt.run(&["deploy"]).exits(2).says(&["error: ", "Usage: "]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mcpt = Mcpt::new(&[]);
    let mut child = mcpt
        .command(&["template", "list", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting mcpt");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("waiting for mcpt");
    assert!(output.status.success());
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
