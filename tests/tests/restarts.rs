//! `restart` on this machine: calls go on meanwhile, what fails changes nothing, and a command that is killed leaves one server.
//! What all backends do alike is in `end_to_end`.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::{fs, net::TcpListener, process::Command, time::Duration};

use mcpt_tests::{Mcpt, calls::SteadyCalls, eventually, mcpt_binary};
use serde_json::{Value, json};

/// How long what must come may take on a full machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    eventually(PATIENCE, || {
        holds().then_some(()).ok_or_else(|| what.to_owned())
    });
}

/// A template of the user whose server is a shell script with a secret. In it `$MCPT` is the binary under test.
fn template(mcpt: &Mcpt, script: &str, port: u16, port_env: Option<&str>) -> String {
    let script = script.replace("$MCPT", mcpt_binary().to_str().expect("UTF-8"));
    let template = json!({
        "name": "scripted", "description": "A test.", "version": "1.0.0",
        "local_command": ["sh", "-c", script],
        "transport": {"default": "http", "supported": ["http"], "port": port, "port_env": port_env.unwrap_or_default()},
        "config_schema": {"type": "object", "properties": {
            "token": {"type": "string", "sensitive": true, "env_mapping": "TOKEN"},
        }},
    });
    let folder = mcpt.home().join("scripted");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("template.json"), template.to_string()).expect("a template");
    folder.to_str().expect("UTF-8").to_owned()
}

/// A port for this test alone, also while its server does not run: the system gives it to nobody who asks for any.
fn port() -> u16 {
    let first = 10_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..first + 100).find(free).unwrap()
}

fn process(status: &Value) -> String {
    status["replicas"][0]["name"].as_str().unwrap().to_owned()
}

fn deploy(mcpt: &Mcpt, template: &str) -> Value {
    let token = ["-c", "token=hunter2-secret"];
    let _ = mcpt
        .run(&[&["deploy", template, "--name", "scripted"][..], &token].concat())
        .ok();
    mcpt.json(&["status", "scripted"])
}

#[test]
fn calls_go_on_meanwhile() {
    let mcpt = Mcpt::default();
    let _ = mcpt.run(&["deploy", "demo", "-c", "greeting=Hello"]).ok();
    let before = mcpt.json(&["status", "demo"]);
    let url = before["url"].as_str().unwrap();
    let calls = SteadyCalls::start(&[("direct", url)]);
    let mut processes = vec![process(&before)];
    for _ in 0..3 {
        let told = mcpt.json(&["restart", "demo"]);
        assert_eq!(
            (&told["state"], &told["url"]),
            (&json!("running"), &before["url"])
        );
        processes.push(process(&told));
    }
    for record in calls.finish() {
        assert_eq!(record.failures, [""; 0], "{}", record.client);
        assert!(record.answered > 0, "{}", record.client);
    }
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), 4, "each start is another process");
    let echoed = mcpt.json(&["call", "demo", "echo", "--arg", "message=you"]);
    assert_eq!(echoed["content"][0]["text"], "Hello you");
    // It is what a deploy would make, to the last setting.
    let again = ["deploy", "demo", "-c", "greeting=Hello"];
    let _ = mcpt.run(&again).ok().says(&["already runs"]);
}

/// The server has a secret which nobody but its supervisor knows, and says it when it fails.
#[test]
fn what_fails_changes_nothing_and_shows_no_secret() {
    for port_env in [Some("PORT"), None] {
        let mcpt = Mcpt::default();
        let broken = mcpt.home().join("broken");
        let port = port();
        let own_port = port_env.map_or_else(|| format!("PORT={port} "), |_| String::new());
        let script = format!(
            "[ \"$TOKEN\" = hunter2-secret ] || exit 7\n\
             if [ -e {} ]; then echo \"no good: $TOKEN\" >&2; exit 3; fi\n\
             {own_port}exec $MCPT demo",
            broken.display()
        );
        let template = template(&mcpt, &script, port, port_env);
        let before = deploy(&mcpt, &template);
        fs::write(&broken, "").unwrap();
        let failed = mcpt.run(&["restart", "scripted"]).exits(1).says(&[
            "cannot restart scripted",
            "exit code 3",
            "no good: [redacted]",
            "goes on as it was before",
        ]);
        assert!(!failed.stderr.contains("hunter2"), "{}", failed.stderr);
        // One that has the only port was ended for it; it is tried until it can start again.
        fs::remove_file(&broken).unwrap();
        until("the server answers again", || {
            let call = ["call", "scripted", "add", "--json", r#"{"a":1,"b":2}"#];
            mcpt.run(&call).code == Some(0)
        });
        let after = mcpt.json(&["status", "scripted"]);
        assert_eq!(after["url"], before["url"]);
        if port_env.is_some() {
            assert_eq!(process(&after), process(&before), "the old one went on");
        }
        let _ = mcpt.run(&["restart", "scripted"]).ok();
        let restarted = mcpt.json(&["status", "scripted"]);
        assert_eq!(restarted["url"], before["url"]);
        assert_ne!(process(&restarted), process(&after));
    }
}

#[test]
fn a_command_that_is_killed_leaves_one_server() {
    let mcpt = Mcpt::default();
    let gate = mcpt.home().join("gate");
    fs::write(&gate, "").unwrap();
    let script = format!(
        "until [ -e {} ]; do sleep 0.05; done; exec $MCPT demo",
        gate.display()
    );
    let template = template(&mcpt, &script, 8080, Some("PORT"));
    let before = deploy(&mcpt, &template);
    fs::remove_file(&gate).unwrap();
    mcpt.kill_at(&["restart", "scripted"], "starting scripted anew");
    let folder = mcpt.home().join("state/servers/scripted");
    let runs = || {
        let entries = fs::read_dir(&folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("run-")).count()
    };
    until("what was tried is undone", || runs() == 1);
    let after = mcpt.json(&["status", "scripted"]);
    assert_eq!(
        (process(&after), &after["state"]),
        (process(&before), &json!("running"))
    );
    fs::write(&gate, "").unwrap();
    let _ = mcpt.run(&["restart", "scripted", "--no-wait"]).ok();
    let restarted = mcpt.json(&["status", "scripted"]);
    assert_ne!(process(&restarted), process(&before));
}

#[test]
fn what_is_not_there_or_cannot_be_is_said() {
    let mcpt = Mcpt::default();
    let _ = mcpt
        .run(&["restart", "nothing"])
        .exits(3)
        .says(&["there is no server nothing"]);
    let template = template(&mcpt, "exec $MCPT demo", 8080, Some("PORT"));
    let _ = deploy(&mcpt, &template);
    let alive = mcpt.home().join("state/servers/scripted/run-1/alive");
    let supervisor = fs::read_to_string(alive).unwrap();
    let killed = Command::new("kill")
        .args(["-s", "KILL", supervisor.trim()])
        .status();
    assert!(killed.unwrap().success());
    until("its end is seen", || {
        mcpt.json(&["status", "scripted"])["state"] == "stopped"
    });
    let _ = mcpt
        .run(&["restart", "scripted"])
        .exits(1)
        .says(&["its supervisor is gone", "deploy it again as before"]);
}

/// As `--since` takes it, to the second.
fn now() -> String {
    let date = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])
        .output();
    String::from_utf8(date.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// Lines by when they were written, and by what is in them.
#[test]
fn logs_since_a_time_and_with_a_pattern() {
    let mcpt = Mcpt::default();
    let go_on = mcpt.home().join("go-on");
    let script = format!(
        "echo early one; echo early two; (until [ -e {} ]; do sleep 0.05; done; echo late one; echo late two) & exec $MCPT demo",
        go_on.display()
    );
    let template = template(&mcpt, &script, 8080, Some("PORT"));
    let _ = deploy(&mcpt, &template);
    let lines = |options: &[&str]| {
        let logs = mcpt.run(&[&["logs", "scripted"], options].concat()).ok();
        let lines = logs.stdout.lines().map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(lines(&["--grep", "^early"]), ["early one", "early two"]);
    // Times are told to the second: the next line is of a later one.
    let before = now();
    until("a later second", || now() != before);
    let now = now();
    fs::write(&go_on, "").unwrap();
    until("the late lines", || lines(&["--grep", "^late"]).len() == 2);
    let late = lines(&["--since", &now]);
    assert!(late.contains(&"late one".to_owned()), "{late:?}");
    assert!(
        !late.iter().any(|line| line.starts_with("early")),
        "{late:?}"
    );
    assert_eq!(lines(&["--since", &now, "--grep", "ONE$"]), [""; 0]);
    assert_eq!(
        lines(&["--since", &now, "--grep", "(?i)ONE$"]),
        ["late one"]
    );
    assert_eq!(lines(&["--since", "1h", "--grep", "^early"]).len(), 2);
    let _ = mcpt.run(&["logs", "scripted", "--grep", "["]).exits(2);
    let _ = mcpt.run(&["logs", "scripted", "--since", "x"]).exits(2);
}
