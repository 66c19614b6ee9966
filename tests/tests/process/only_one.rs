//! A server that can exist once only, and how long it may take to start.

use std::fs;

use mcpt_tests::{
    Mcpt,
    raw::{Session, agent},
};
use serde_json::{Value, json};

const SERVER: &str = include_str!("../../clients/only_one.py");

/// A template whose server is used by one client at a time.
fn template(mcpt: &Mcpt) -> String {
    let database = mcpt.home().join("database");
    let template = json!({
        "name": "only-one", "description": "A test.", "version": "1.0.0",
        "docker_image": "localhost/any", "command": ["python3"],
        "local_command": ["python3", "-c", SERVER],
        "environment_variables": {"DATABASE": database},
        "sessions": "single",
    });
    let folder = mcpt.home().join("only-one");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("template.json"), template.to_string()).expect("a template");
    folder.to_str().expect("UTF-8").to_owned()
}

#[test]
fn who_comes_while_it_is_used_is_told_so() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", &template(&mcpt)]).ok();
    let status = mcpt.json(&["status", "only-one"]);
    let url = status["url"].as_str().expect("a URL");
    let agent = agent();
    let session = Session::open(&agent, url);
    let other = Session::initialize(&agent, url);
    assert!(other.header("Retry-After").is_some());
    let why = other.refused(503);
    assert!(why.contains("one session at a time"), "{why}");
    let status = mcpt.json(&["status", "only-one"]);
    assert_eq!(status["state"], "running", "{status}");
    assert!(matches!(session.delete(url).status(), 200 | 202 | 204));
    let _ = mcpt.run(&["delete", "only-one"]).ok();
}

/// The time of a deploy is the server's for its start too, with a bridge before it.
#[test]
fn a_start_may_take_as_long_as_the_deploy() {
    let mcpt = Mcpt::new(&[]);
    let deploy = ["deploy", &template(&mcpt), "--timeout", "11m"];
    let _ = mcpt.run(&deploy).ok();
    let status = mcpt.json(&["status", "only-one"]);
    let process = status["replicas"][0]["name"].as_str().expect("a process");
    let given = fs::read(format!("/proc/{process}/environ")).expect("its environment");
    let given = String::from_utf8_lossy(&given);
    let mut variables = given.split('\0');
    assert!(variables.any(|variable| variable == "MCPT_BRIDGE_START_TIMEOUT=660s"));
    let _ = mcpt.run(&["delete", "only-one"]).ok();

    let dry = ["-b", "kubernetes", "deploy", &template(&mcpt), "--dry-run"];
    let variables = |more: &[&str]| -> (Value, Value) {
        let rendered = mcpt.run(&[&dry[..], more].concat()).ok().stdout;
        let value = |name: &str| {
            let mut lines = rendered.lines().map(str::trim);
            let found = lines.any(|line| line.trim_start_matches("- ") == format!("name: {name}"));
            let value = lines.next().filter(|_| found);
            json!(value.map(|line| line.trim_start_matches("value: ").trim_matches(['"', '\''])))
        };
        (
            value("MCPT_BRIDGE_START_TIMEOUT"),
            value("MCPT_BRIDGE_MAX_SESSIONS"),
        )
    };
    assert_eq!(variables(&[]), (json!("300s"), json!("1")));
    assert_eq!(
        variables(&["--timeout", "11m"]),
        (json!("660s"), json!("1"))
    );
    let own = ["--timeout", "11m", "--set", "mcp.startTimeoutSeconds=7"];
    assert_eq!(variables(&own), (json!("7s"), json!("1")));
}
