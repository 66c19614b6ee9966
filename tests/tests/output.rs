//! What goes to standard output and to standard error, in which form.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use mcpt_tests::Mcpt;

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
