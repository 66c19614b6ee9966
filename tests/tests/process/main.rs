//! What only local processes have: a supervisor that can be killed, a state folder that can be stale, a port to be kept.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod fixed_port;
mod gateway;
mod guarded;
mod only_one;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::{ffi::OsStrExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{Child, Command},
};

use mcpt_tests::{Mcpt, mcpt_binary};
use serde_json::{Value, json};

/// A template of the user whose server is a shell script. In it `$MCPT` is the binary under test.
fn template(mcpt: &Mcpt, name: &str, script: &str) -> String {
    let script = script.replace("$MCPT", mcpt_binary().to_str().expect("UTF-8"));
    let template = json!({
        "name": name, "description": "A test.", "version": "1.0.0",
        "local_command": ["sh", "-c", script],
        "transport": {"default": "http", "supported": ["http"], "port": 8080, "port_env": "PORT"},
        "config_schema": {"properties": {
            "greeting": {"type": "string", "env_mapping": "MCPT_DEMO_GREETING"},
            "mode": {"type": "string", "env_mapping": "MODE"},
        }},
    });
    let folder = mcpt.home().join(name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("template.json"), template.to_string()).expect("a template");
    folder.to_str().expect("UTF-8").to_owned()
}

/// A server that starts serving once this file is there.
fn gated(mcpt: &Mcpt) -> (String, String) {
    let gate = mcpt.home().join("gate").to_str().expect("UTF-8").to_owned();
    let script = format!("until [ -e {gate} ]; do sleep 0.05; done; exec $MCPT demo");
    (template(mcpt, "gated", &script), gate)
}

/// Reads the progress on stderr until a line has `mark`.
fn wait_for(child: &mut Child, mark: &str) {
    let stderr = BufReader::new(child.stderr.as_mut().expect("stderr"));
    let mut seen = String::new();
    for line in stderr.lines() {
        let line = line.expect("a line of progress");
        seen.push_str(&line);
        seen.push('\n');
        if line.contains(mark) {
            return;
        }
    }
    panic!("no progress line with {mark:?} in\n{seen}");
}

fn signal(pid: &str, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, pid])
        .status()
        .expect("kill");
    assert!(status.success(), "kill -s {name} {pid}");
}

/// Asks until the server has this state, each time of the real command.
fn until_state(mcpt: &Mcpt, name: &str, state: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..1000 {
        last = mcpt.json(&["status", name]);
        if last["state"] == state {
            return last;
        }
    }
    panic!("{name} does not become {state}: {last}");
}

fn pid(status: &Value) -> String {
    status["replicas"][0]["name"]
        .as_str()
        .expect("a process id")
        .to_owned()
}

/// Parent of a process: its supervisor.
fn parent(pid: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("/proc");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("PPid");
    line.trim().to_owned()
}

/// Whether a process still runs; one that ended and was not waited for does not.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn echo(mcpt: &Mcpt, name: &str) -> String {
    mcpt.run(&["call", name, "echo", "--arg", "message=there"])
        .ok()
        .stdout
        .trim()
        .to_owned()
}

fn servers(mcpt: &Mcpt) -> usize {
    fs::read_dir(mcpt.home().join("state/servers"))
        .map(Iterator::count)
        .unwrap_or_default()
}

#[test]
fn a_killed_command_leaves_nothing_and_the_same_command_works() {
    let mcpt = Mcpt::new(&[]);
    let (template, gate) = gated(&mcpt);
    let mut child = mcpt.spawn(&["deploy", &template]);
    wait_for(&mut child, "waiting");
    child.kill().expect("killing the command");
    child.wait().expect("waiting for the command");
    fs::write(&gate, "").expect("opening the gate");
    let _ = mcpt.run(&["deploy", &template]).ok();
    assert_eq!(echo(&mcpt, "gated"), "there");

    // In an update the old server goes on.
    fs::remove_file(&gate).expect("closing the gate");
    let update = ["deploy", &template, "-c", "greeting=new"];
    let mut child = mcpt.spawn(&update);
    wait_for(&mut child, "waiting");
    child.kill().expect("killing the command");
    child.wait().expect("waiting for the command");
    assert_eq!(echo(&mcpt, "gated"), "there");
    fs::write(&gate, "").expect("opening the gate");
    let _ = mcpt.run(&update).ok();
    assert_eq!(echo(&mcpt, "gated"), "new there");

    let _ = mcpt.run(&["delete", "gated"]).ok();
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn an_environment_that_is_not_unicode() {
    let mcpt = Mcpt::new(&[]);
    let status = mcpt
        .command(&["deploy", "demo"])
        .env("FOO", OsStr::from_bytes(b"\xff"))
        .env("LC_NAME", OsStr::from_bytes(b"\xff"))
        .status()
        .expect("starting mcpt");
    assert!(status.success());
    assert_eq!(echo(&mcpt, "demo"), "there");
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

#[test]
fn an_interrupted_command_says_so() {
    let mcpt = Mcpt::new(&[]);
    let (template, _) = gated(&mcpt);
    let mut child = mcpt.spawn(&["deploy", &template]);
    wait_for(&mut child, "waiting");
    signal(&child.id().to_string(), "INT");
    let ended = child.wait().expect("waiting for the command");
    assert_eq!((ended.code(), ended.signal()), (Some(130), None));
}

#[test]
fn two_changes_at_once() {
    let mcpt = Mcpt::new(&[]);
    let (template, gate) = gated(&mcpt);
    let mut first = mcpt.spawn(&["deploy", &template]);
    wait_for(&mut first, "waiting");
    let status = mcpt.json(&["status", "gated"]);
    assert_eq!(status["state"], "pending", "{status}");
    for arguments in [&["deploy", &template][..], &["delete", "gated"]] {
        let _ = mcpt
            .run(arguments)
            .exits(1)
            .says(&["another operation on gated is in progress"]);
    }
    fs::write(&gate, "").expect("opening the gate");
    let first = first.wait_with_output().expect("waiting for the first");
    assert!(first.status.success());
    assert_eq!(echo(&mcpt, "gated"), "there");
    let _ = mcpt.run(&["delete", "gated"]).ok();
}

#[test]
fn a_killed_supervisor_takes_its_server_along_and_can_be_replaced() {
    let mcpt = Mcpt::new(&[]);
    let before = {
        let _ = mcpt.run(&["deploy", "demo"]).ok();
        mcpt.json(&["status", "demo"])
    };
    let server = pid(&before);
    signal(&parent(&server), "KILL");
    let stopped = until_state(&mcpt, "demo", "stopped");
    assert!(
        stopped["reason"]
            .as_str()
            .is_some_and(|why| why.contains("supervisor")),
        "{stopped}"
    );
    let _ = mcpt
        .run(&["call", "demo", "echo"])
        .exits(4)
        .says(&["does not run", "deploy"]);

    let _ = mcpt.run(&["deploy", "demo"]).ok();
    assert!(
        !runs(&server),
        "the server outlived its supervisor and the next deploy"
    );
    let after = mcpt.json(&["status", "demo"]);
    assert_eq!(after["state"], "running");
    assert_eq!(after["url"], before["url"], "the port is kept");

    signal(&parent(&pid(&after)), "KILL");
    until_state(&mcpt, "demo", "stopped");
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn a_server_that_ends_is_started_again_at_the_same_url() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let before = mcpt.json(&["status", "demo"]);
    signal(&pid(&before), "KILL");
    for _ in 0..1000 {
        if pid(&mcpt.json(&["status", "demo"])) != pid(&before) {
            break;
        }
    }
    let after = until_state(&mcpt, "demo", "running");
    assert_eq!(after["url"], before["url"]);
    assert_eq!(after["replicas"][0]["restarts"], 1, "{after}");
    assert_eq!(echo(&mcpt, "demo"), "there");
    let previous = mcpt.run(&["logs", "demo", "--previous"]).ok();
    assert!(previous.stdout.contains("SIGKILL"), "{}", previous.stdout);
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

/// What happened to a server: its starts, its ends with their reasons, over its updates; followed until it is deleted.
#[test]
fn events_tell_what_happened() {
    let mcpt = Mcpt::new(&[]);
    let deploy = ["deploy", "demo", "-c", "token=hunter2"];
    let _ = mcpt.run(&deploy).ok();
    let mut follow = mcpt.spawn(&["events", "demo", "-f", "-o", "json"]);
    let output = follow.stdout.take().expect("stdout");
    let mut lines = BufReader::new(output).lines();
    let mut until = |reason: &str| -> Value {
        loop {
            let line = lines.next().expect("an event").expect("a line");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if event["reason"] == reason {
                return event;
            }
        }
    };
    let started = until("Started");
    let process = pid(&mcpt.json(&["status", "demo"]));
    assert_eq!(started["object"], format!("process/{process}"));
    until("Deployed");
    signal(&process, "KILL");
    let ended = until("Ended");
    assert_eq!(ended["warning"], true);
    let said = ended["message"].as_str().expect("words");
    assert!(said.contains("ended with signal 9 (SIGKILL)"), "{said}");
    assert_eq!(ended["object"], format!("process/{process}"));
    until("Started");
    until("Ready");
    let _ = mcpt.run(&["deploy", "demo", "-c", "greeting=Two"]).ok();
    until("Deployed");
    let all = mcpt.run(&["events", "demo"]).ok();
    for reason in ["Started", "Ready", "Deployed", "Ended"] {
        assert!(all.stdout.contains(reason), "{}", all.stdout);
    }
    assert!(!all.stdout.contains("hunter2"), "{}", all.stdout);
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert!(follow.wait().expect("its end").success());
    assert_eq!(servers(&mcpt), 0);
    let _ = mcpt.run(&["events", "demo"]).exits(3);
}

#[test]
fn an_update_keeps_the_url_and_an_equal_deploy_changes_nothing() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let first = mcpt.json(&["status", "demo"]);
    let _ = mcpt.run(&["deploy", "demo"]).ok().says(&["already runs"]);
    assert_eq!(pid(&mcpt.json(&["status", "demo"])), pid(&first));
    let _ = mcpt
        .run(&["deploy", "demo", "-c", "token=another secret"])
        .ok();
    let second = mcpt.json(&["status", "demo"]);
    assert_ne!(pid(&second), pid(&first), "a changed secret is a change");
    assert_eq!(second["url"], first["url"]);
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert!(!runs(&pid(&second)));
}

#[test]
fn a_server_that_crashes_is_explained() {
    let mcpt = Mcpt::new(&[]);
    let crash = template(
        &mcpt,
        "crash",
        "if [ \"$MODE\" = good ]; then exec $MCPT demo; fi; echo reason of the crash >&2; exit 3",
    );
    let said = ["ended with exit code 3", "reason of the crash"];
    let _ = mcpt
        .run(&["deploy", &crash, "--atomic"])
        .exits(1)
        .says(&said);
    assert_eq!(servers(&mcpt), 0, "--atomic leaves nothing");
    let _ = mcpt.run(&["status", "crash"]).exits(3);

    let _ = mcpt.run(&["deploy", &crash]).exits(1).says(&said);
    // It is started again and again, so that for moments neither is told.
    let told = |what: &[&str], text| (0..1000).any(|_| mcpt.run(what).ok().stdout.contains(text));
    assert!(told(&["status", "crash"], "ended with exit code 3"));
    assert!(told(&["logs", "crash"], "reason of the crash"));

    let _ = mcpt.run(&["deploy", &crash, "-c", "mode=good"]).ok();
    assert_eq!(echo(&mcpt, "crash"), "there");
    for extra in [&["--atomic"][..], &[]] {
        let _ = mcpt
            .run(&[&["deploy", &crash, "-c", "mode=bad"], extra].concat())
            .exits(1)
            .says(&["goes on as it was"]);
        assert_eq!(
            echo(&mcpt, "crash"),
            "there",
            "a failed update ends no good server"
        );
    }
    let _ = mcpt.run(&["delete", "crash"]).ok();
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn waiting_ends_in_time() {
    let mcpt = Mcpt::new(&[]);
    let (template, _) = gated(&mcpt);
    let _ = mcpt
        .run(&["deploy", &template, "--timeout", "3s", "--atomic"])
        .exits(6)
        .says(&["not ready within 3 s", "nothing listens"]);
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn a_server_that_listens_and_says_nothing() {
    let mcpt = Mcpt::new(&[]);
    let pipe = mcpt.home().join("port");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    // The test is what listens.
    let script = format!("echo $PORT > {}; exec sleep 1000", pipe.display());
    let folder = template(&mcpt, "mute", &script);
    let mut child = mcpt.spawn(&["deploy", &folder, "--atomic"]);
    let port = fs::read_to_string(&pipe).expect("the port that it is told");
    let port: u16 = port.trim().parse().expect("a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("listening for it");
    wait_for(
        &mut child,
        "still waiting: it listens on its port, but has not answered yet",
    );
    drop(listener);
    signal(&child.id().to_string(), "INT");
    child.wait().expect("waiting for the command");
}

#[test]
fn a_good_deployment_says_nothing_of_what_it_waits_for() {
    let mcpt = Mcpt::new(&[]);
    let outcome = mcpt.run(&["deploy", "demo"]).ok();
    for word in ["not ready", "refused"] {
        assert!(!outcome.stderr.contains(word), "{}", outcome.stderr);
    }
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

/// While it waits, a stdio server is started by its bridge alone: for its one check, and not for each look at it.
#[test]
fn a_stdio_server_is_started_once_to_be_ready() {
    let mcpt = Mcpt::new(&[]);
    let (gate, starts) = (mcpt.home().join("gate"), mcpt.home().join("starts"));
    let answer = r#"{"jsonrpc":"2.0","id":ASKED,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"slow","version":"1"}}}"#;
    let unknown =
        r#"{"jsonrpc":"2.0","id":ASKED,"error":{"code":-32601,"message":"no such method"}}"#;
    let script = format!(
        "echo start >> {}; while read -r request; do until [ -e {} ]; do sleep 0.05; done; \
         id=$(echo \"$request\" | sed 's/.*\"id\":\\([0-9]*\\).*/\\1/'); \
         case \"$request\" in *notifications/*) continue;; *initialize\\\"*) answer='{answer}';; *) answer='{unknown}';; esac; \
         echo \"$answer\" | sed \"s/ASKED/$id/\"; done",
        starts.display(),
        gate.display()
    );
    let folder = template(&mcpt, "slow", &script);
    let file = Path::new(&folder).join("template.json");
    let text = fs::read_to_string(&file).expect("the template");
    let mut text: Value = serde_json::from_str(&text).expect("JSON");
    text["transport"] = json!({"default": "stdio", "supported": ["stdio"]});
    fs::write(&file, text.to_string()).expect("the template");
    let mut child = mcpt.spawn(&["deploy", &folder]);
    wait_for(&mut child, "still waiting: the server is starting");
    fs::write(&gate, "").expect("opening the gate");
    assert!(child.wait().expect("waiting for the command").success());
    let starts = fs::read_to_string(&starts).expect("its starts");
    assert_eq!(starts.lines().count(), 1, "{starts}");
    let _ = mcpt.run(&["delete", "slow"]).ok();
}

#[test]
fn the_status_of_a_server_that_hangs() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let running = mcpt.json(&["status", "demo"]);
    assert_eq!(running["state"], "running");
    let server = pid(&running);
    signal(&server, "STOP");
    let hung = mcpt.json(&["status", "demo"]);
    signal(&server, "CONT");
    assert_eq!(
        (&hung["state"], &hung["ready"]),
        (&json!("failed"), &json!(0))
    );
    let reason = hung["reason"].as_str().expect("a reason");
    assert!(reason.contains("does not answer"), "{reason}");
    until_state(&mcpt, "demo", "running");
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

#[test]
fn a_server_that_does_not_speak_mcp() {
    let mcpt = Mcpt::new(&[]);
    let folder = template(&mcpt, "deaf", "exec $MCPT demo");
    let file = Path::new(&folder).join("template.json");
    let text = fs::read_to_string(&file).expect("the template");
    let text = text.replace("\"port\":8080", "\"port\":8080,\"path\":\"/elsewhere\"");
    fs::write(&file, text).expect("the template");
    let _ = mcpt
        .run(&["deploy", &folder, "--atomic"])
        .exits(1)
        .says(&["/elsewhere is not an MCP server", "404"]);
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn a_missing_program_is_named() {
    let mcpt = Mcpt::new(&[]).env("PATH", "/nonexistent");
    let _ =
        mcpt.run(&["deploy", "everything"])
            .exits(1)
            .says(&["npx", "not installed", "nodejs.org"]);
    let _ = mcpt
        .run(&["deploy", "time"])
        .exits(1)
        .says(&["uvx", "docs.astral.sh"]);
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn a_log_can_be_followed_over_an_update_until_the_end() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let mut follower = mcpt.spawn(&["logs", "demo", "-f"]);
    let mut lines = BufReader::new(follower.stdout.take().expect("stdout")).lines();
    let mut next = |mark: &str| {
        let found = lines
            .by_ref()
            .map(|line| line.expect("a line"))
            .find(|line| line.contains(mark));
        assert!(found.is_some(), "the log ended before {mark:?}");
    };
    next("starting");
    let _ = mcpt
        .run(&["call", "demo", "add", "--arg", "a=1", "--arg", "b=2"])
        .ok();
    next("tool=add");
    let _ = mcpt.run(&["deploy", "demo", "-c", "greeting=new"]).ok();
    let _ = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=x"])
        .ok();
    next("tool=echo");
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert_eq!(lines.by_ref().filter(Result::is_err).count(), 0);
    assert!(follower.wait().expect("waiting for the follower").success());
}

#[test]
fn the_users_credentials_are_not_handed_on() {
    let mcpt = Mcpt::new(&[]).env("GITHUB_TOKEN", "users-own-token");
    let folder = template(&mcpt, "env", "env; exec $MCPT demo");
    let _ = mcpt.run(&["deploy", &folder, "-e", "PLAIN=wanted"]).ok();
    let logs = mcpt.run(&["logs", "env"]).ok();
    assert!(logs.stdout.contains("PLAIN=wanted"), "{}", logs.stdout);
    assert!(!logs.stdout.contains("users-own-token"), "{}", logs.stdout);
    let _ = mcpt.run(&["delete", "env"]).ok();
}

#[test]
fn a_state_that_cannot_be_read_is_the_failure_of_one_server() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let _ = mcpt.run(&["deploy", "demo", "--name", "other"]).ok();
    let server = pid(&mcpt.json(&["status", "demo"]));
    let spoil = |run: &str| {
        let folder = mcpt.home().join("state/servers/demo").join(run);
        fs::write(folder.join("state.json"), "").expect("an empty state file");
    };
    spoil("run-1");
    let list = mcpt.json(&["-b", "process", "list"]);
    assert_eq!(list[0]["state"], "failed", "{list}");
    assert!(
        list[0]["reason"]
            .as_str()
            .is_some_and(|why| why.contains("state.json")),
        "{list}"
    );
    assert_eq!(list[1]["state"], "running", "{list}");
    let _ = mcpt.run(&["list"]).ok();
    let _ = mcpt
        .run(&["deploy", "demo"])
        .ok()
        .says(&["state.json cannot be read"]);
    assert!(!runs(&server), "the old server outlived the update");
    assert_eq!(echo(&mcpt, "demo"), "there");

    let server = pid(&mcpt.json(&["status", "demo"]));
    spoil("run-2");
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert!(!runs(&server));
    let _ = mcpt.run(&["delete", "other"]).ok();
    assert_eq!(servers(&mcpt), 0);
}

#[test]
fn options_of_kubernetes() {
    let mcpt = Mcpt::new(&[]);
    let outcome = mcpt
        .run(&["deploy", "demo", "--create-namespace"])
        .exits(2)
        .says(&["the process backend has no namespaces"]);
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
    let _ = mcpt
        .run(&["deploy", "demo", "--replicas", "2"])
        .exits(2)
        .says(&["exactly one instance"]);
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "1"]).ok();
    for (refused, why) in [
        (&["exec", "demo", "--", "true"][..], "no containers"),
        (&["values", "demo", "--origin"], "no chart"),
    ] {
        let _ = mcpt.run(refused).exits(2).says(&[why]);
    }
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

#[test]
fn followed_logs_end_in_silence() {
    let mcpt = Mcpt::new(&[]);
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let mut child = mcpt.spawn(&["logs", "demo", "-f"]);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("stdout"))
        .read_line(&mut line)
        .expect("a line of the log");
    signal(&child.id().to_string(), "INT");
    let output = child.wait_with_output().expect("waiting for the command");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let _ = mcpt.run(&["delete", "demo"]).ok();
}
