//! Bad input: one clear report with all faults, exit 2, and nothing touched.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::fs;

use mcpt_tests::Mcpt;

/// Runs a deploy that must be refused, and looks for traces of it.
fn refused(mcpt: &Mcpt, arguments: &[&str], texts: &[&str]) {
    let outcome = mcpt
        .run(&[&["deploy"], arguments].concat())
        .exits(2)
        .says(texts);
    assert!(
        outcome.stdout.is_empty(),
        "stdout is for results: {}",
        outcome.stdout
    );
    let servers = mcpt.home().join("state/servers");
    let left = fs::read_dir(&servers)
        .map(Iterator::count)
        .unwrap_or_default();
    assert_eq!(left, 0, "files in {}", servers.display());
}

#[test]
fn unknown_template_with_a_near_match() {
    refused(&Mcpt::default(), &["dmeo"], &["dmeo", "demo"]);
}

#[test]
fn invalid_name() {
    refused(
        &Mcpt::default(),
        &["demo", "--name", "My_Server"],
        &["My_Server", "lower-case"],
    );
}

#[test]
fn all_faults_of_the_settings_at_once() {
    refused(
        &Mcpt::default(),
        &["demo", "-c", "greting=x", "-c", "log_level=loud"],
        &["greting", "greeting", "log_level"],
    );
}

#[test]
fn missing_required_setting() {
    let mcpt = Mcpt::default();
    let template = template(
        &mcpt,
        r#"{"required": ["api_url"], "properties": {"api_url": {"type": "string"}}}"#,
    );
    refused(&mcpt, &[&template], &["api_url", "-c api_url="]);
}

#[test]
fn wrong_type() {
    let mcpt = Mcpt::default();
    let template = template(
        &mcpt,
        r#"{"properties": {"limit": {"type": "integer", "minimum": 1}}}"#,
    );
    refused(
        &mcpt,
        &[&template, "-c", "limit=many"],
        &["limit", "integer"],
    );
    refused(&mcpt, &[&template, "-c", "limit=0"], &["limit", "1"]);
}

#[test]
fn a_folder_that_is_missing() {
    let mcpt = Mcpt::default();
    let setting = "-c allowed_dirs=/";
    refused(
        &mcpt,
        &["filesystem"],
        &["allowed_dirs", "no folder", setting],
    );
    for empty in ["allowed_dirs=", "allowed_dirs= "] {
        refused(
            &mcpt,
            &["filesystem", "-c", empty],
            &["allowed_dirs", "no folder", setting],
        );
    }
    refused(
        &mcpt,
        &["filesystem", "-c", "allowed_dirs=/no/such"],
        &[
            "allowed_dirs: /no/such is not a folder",
            "mkdir -p /no/such",
        ],
    );
}

#[test]
fn broken_template() {
    let mcpt = Mcpt::default();
    let folder = mcpt.home().join("broken");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("template.json"), "{\"name\": \"x\",\n  oops}\n").expect("a file");
    let folder = folder.to_str().expect("UTF-8");
    refused(&mcpt, &[folder], &["template.json", "2"]);

    fs::write(
        std::path::Path::new(folder).join("template.json"),
        r#"{"name": 1, "descripton": "x", "docker_image": "a"}"#,
    )
    .expect("a file");
    refused(&mcpt, &[folder], &["name", "descripton", "description"]);
}

#[test]
fn a_template_is_checked_by_name_folder_and_file() {
    let mcpt = Mcpt::default();
    let folder = template(&mcpt, r#"{"properties": {"a": {"type": "string"}}}"#);
    let file = format!("{folder}/template.json");
    for path in [folder.as_str(), file.as_str()] {
        let shown = mcpt.json(&["template", "validate", path]);
        assert_eq!(shown, serde_json::json!({"id": "custom", "valid": true}));
    }
    fs::write(&file, r#"{"name": 1}"#).expect("a file");
    let outcome = mcpt
        .run(&["template", "validate", &file, "-o", "json"])
        .exits(2);
    let error: serde_json::Value = serde_json::from_str(&outcome.stderr).expect("JSON");
    let why = error["error"]["why"].as_array().expect("a list");
    assert!(why.len() >= 3, "{error}");
}

#[test]
fn a_folder_of_templates_that_is_missing() {
    let mcpt = Mcpt::default();
    let config = mcpt.file("config.yaml", "templates: [nowhere]\n");
    let mcpt = mcpt.env("MCPT_CONFIG", config);
    let outcome = mcpt
        .run(&["template", "list", "-o", "name"])
        .ok()
        .says(&["warning: ", "nowhere"]);
    assert!(outcome.stdout.contains("demo"), "{}", outcome.stdout);
    let _ = mcpt
        .run(&["template", "show", "dmeo"])
        .exits(3)
        .says(&["demo", "nowhere"]);
    let _ = mcpt.run(&["template", "show", "demo"]).ok();
}

#[test]
fn template_without_an_image_on_kubernetes() {
    let mcpt = Mcpt::new(&["--backend", "kubernetes"]);
    let folder = mcpt.home().join("local");
    fs::create_dir(&folder).expect("a folder");
    fs::write(
        folder.join("template.json"),
        r#"{"name": "Local", "description": "A test.", "version": "1.0.0", "local_command": ["cat"],
            "transport": {"default": "stdio", "supported": ["stdio"]}}"#,
    )
    .expect("a file");
    let folder = folder.to_str().expect("UTF-8");
    let _ = mcpt.run(&["deploy", folder, "--dry-run"]).exits(2).says(&[
        "local",
        "no docker_image",
        "--image",
    ]);
}

#[test]
fn broken_values() {
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--kubeconfig", "/dev/null"]);
    let broken = mcpt.file("broken.yaml", "image: {tag: [\n");
    let _ = mcpt
        .run(&["deploy", "demo", "--dry-run", "-f", &broken])
        .exits(2)
        .says(&["broken.yaml"]);
    let _ = mcpt
        .run(&[
            "deploy",
            "demo",
            "--dry-run",
            "--set",
            "replicaCount=two",
            "--set",
            "nosuch=1",
        ])
        .exits(2)
        .says(&["replicaCount", "nosuch"]);
    let _ = mcpt
        .run(&["deploy", "demo", "--dry-run", "--set", "a[x]=1"])
        .exits(2)
        .says(&["--set", "\"x\""]);
}

#[test]
fn usage() {
    let mcpt = Mcpt::default();
    let _ = mcpt.run(&["deploy"]).exits(2);
    let _ = mcpt.run(&["no-such-command"]).exits(2);
    let _ = mcpt
        .run(&["--backend", "mainframe", "list"])
        .exits(2)
        .says(&["mainframe", "kubernetes"]);
    let _ = mcpt.run(&["status", "absent"]).exits(3).says(&["absent"]);
    let _ = mcpt.run(&["tools", "absent"]).exits(3).says(&["absent"]);
    let _ = mcpt
        .run(&["deploy", "demo", "--set", "a=b"])
        .exits(2)
        .says(&["--set", "kubernetes"]);
}

#[test]
fn what_containers_alone_have() {
    refused(
        &Mcpt::default(),
        &["demo", "--image", "x", "--profile", "dev"],
        &["--profile, --image", "kubernetes"],
    );
}

#[test]
fn variables_of_the_environment() {
    let empty = Mcpt::default().env("MCPT_BACKEND", "");
    let _ = empty.run(&["list"]).ok();
    let wrong = Mcpt::default().env("MCPT_BACKEND", "mainframe");
    let _ = wrong
        .run(&["list"])
        .exits(2)
        .says(&["MCPT_BACKEND", "mainframe", "kubernetes"]);
}

#[test]
fn durations_of_nothing() {
    refused(
        &Mcpt::default(),
        &["demo", "--timeout", "0s"],
        &["--timeout", "longer than nothing"],
    );
}

#[test]
fn a_bridge_that_cannot_begin() {
    let mcpt = Mcpt::default();
    let bridge = |arguments: &[&str]| {
        let always = ["bridge", "--listen", "127.0.0.1:0"];
        mcpt.run(&[&always[..], arguments].concat())
    };
    let _ = bridge(&["--path", "noslash", "--", "cat"])
        .exits(2)
        .says(&["noslash", "must begin with '/'"]);
    let _ = bridge(&["--", "/no/such"]).exits(1).says(&[
        "error: ",
        "cannot start /no/such",
        "does not exist",
    ]);
}

/// A template folder of the user with this config schema.
fn template(mcpt: &Mcpt, config_schema: &str) -> String {
    let folder = mcpt.home().join("custom");
    fs::create_dir_all(&folder).expect("a folder");
    let text = format!(
        r#"{{"name": "Custom", "description": "A test.", "version": "1.0.0", "docker_image": "localhost/none",
            "transport": {{"default": "http", "supported": ["http"], "port": 8080}},
            "config_schema": {config_schema}}}"#
    );
    fs::write(folder.join("template.json"), text).expect("a file");
    folder.to_str().expect("UTF-8").to_owned()
}

#[test]
fn near_matches_of_names() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    for command in [
        &["status", "dmeo"][..],
        &["logs", "dmeo"],
        &["tools", "dmeo"],
        &["call", "dmeo", "echo"],
        &["delete", "dmeo"],
    ] {
        let _ = mcpt
            .run(command)
            .exits(3)
            .says(&["dmeo", "did you mean \"demo\"?"]);
    }
    let _ = mcpt
        .run(&["call", "demo", "ehco"])
        .exits(3)
        .says(&["did you mean \"echo\"?"]);
    let _ = mcpt
        .run(&["call", "demo", "echo", "--arg", "mesage=x"])
        .exits(2)
        .says(&["did you mean \"message\"?"]);
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

#[test]
fn standard_input_is_read_once() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt
        .run(&["deploy", "demo", "-c", "greeting=@-", "-c", "token=@-"])
        .exits(2)
        .says(&["no value for token", "already taken"]);
    let values = ["-b", "kubernetes", "deploy", "demo", "--dry-run"];
    let _ = mcpt
        .run(&[&values[..], &["-f", "-", "-f", "-"]].concat())
        .exits(2)
        .says(&["cannot read -", "already taken"]);
}
