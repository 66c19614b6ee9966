//! `gc` on this machine: what killed commands and supervisors left goes; servers, their data and the files of others stay.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command},
};

use mcpt_tests::{Mcpt, mcpt_binary};
use serde_json::{Value, json};

/// A template of the user whose server is a shell script. In it `$MCPT` is the binary under test.
fn template(mcpt: &Mcpt, script: &str) -> String {
    let script = script.replace("$MCPT", mcpt_binary().to_str().expect("UTF-8"));
    let template = json!({
        "name": "scripted", "description": "A test.", "version": "1.0.0",
        "local_command": ["sh", "-c", script],
        "transport": {"default": "http", "supported": ["http"], "port": 8080, "port_env": "PORT"},
    });
    let folder = mcpt.home().join("scripted");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("template.json"), template.to_string()).expect("a template");
    folder.to_str().expect("UTF-8").to_owned()
}

fn servers(mcpt: &Mcpt) -> PathBuf {
    mcpt.home().join("state/servers")
}

/// Names of the servers' folders.
fn folders(mcpt: &Mcpt) -> Vec<String> {
    let entries = fs::read_dir(servers(mcpt)).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// What `gc` says that it removes, as `object: reason`.
fn removed(mcpt: &Mcpt, arguments: &[&str]) -> Vec<String> {
    let found = mcpt.json(&[&["gc"], arguments].concat());
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let found = found.as_array().expect("a list").iter();
    found
        .map(|one| format!("{}: {}", text(one, "object"), text(one, "reason")))
        .collect()
}

fn finds_nothing(mcpt: &Mcpt) {
    let outcome = mcpt.run(&["gc"]).ok();
    let _ = outcome.says(&["nothing to clean up on this machine"]);
}

fn kill(pid: &str) {
    let status = Command::new("kill").args(["-s", "KILL", pid]).status();
    assert!(status.expect("kill").success(), "kill {pid}");
}

/// Stops a process, and waits until all of its threads stand still.
fn stop(pid: &str) {
    let status = Command::new("kill").args(["-s", "STOP", pid]).status();
    assert!(status.expect("kill").success(), "stop {pid}");
    let stands = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        status.contains("State:\tT")
    };
    let all_stand = || {
        let mut tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
        tasks.all(|task| stands(task.expect("a thread")))
    };
    while !all_stand() {
        assert!(runs(pid), "{pid} has ended by itself");
    }
}

/// Process id of the supervisor of a run.
fn supervisor(mcpt: &Mcpt, run: u32) -> String {
    let alive = servers(mcpt).join(format!("scripted/run-{run}/alive"));
    fs::read_to_string(alive)
        .expect("a supervisor")
        .trim()
        .to_owned()
}

/// Whether a process still runs; one that ended and was not waited for does not.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut lines = status.lines();
    lines.any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// Reads the progress until a line has `mark`.
fn progresses_to(child: &mut Child, mark: &str) {
    let stderr = child.stderr.as_mut().expect("stderr");
    let mut lines = BufReader::new(stderr).lines();
    let seen = lines.any(|line| line.expect("a line").contains(mark));
    assert!(seen, "no progress line with {mark:?}");
}

/// Kills a command together with the supervisor that it started: nobody is left to undo anything.
fn kill_both(mcpt: &Mcpt, arguments: &[&str], mark: &str, run: u32) {
    let mut child = mcpt.spawn(arguments);
    progresses_to(&mut child, mark);
    // Between the two it must not see that its supervisor is gone.
    stop(&child.id().to_string());
    kill(&supervisor(mcpt, run));
    child.kill().expect("killing the command");
    child.wait().expect("waiting for the command");
}

#[test]
fn processes_that_outlive_their_supervisor_end_and_the_server_stays() {
    let mcpt = Mcpt::default();
    let pid = mcpt.home().join("pid");
    let script = format!("sleep 600 & echo $! > {}; exec $MCPT demo", pid.display());
    let template = template(&mcpt, &script);
    let _ = mcpt.run(&["deploy", &template, "--name", "scripted"]).ok();
    finds_nothing(&mcpt);
    let sleeper = fs::read_to_string(&pid)
        .expect("a process id")
        .trim()
        .to_owned();
    kill(&supervisor(&mcpt, 1));
    // The lock that says that it lives goes with it.
    while mcpt.json(&["status", "scripted"])["state"] != "stopped" {}

    let told = removed(&mcpt, &["--dry-run"]);
    assert!(told.iter().any(|one| one.contains(&sleeper)), "{told:?}");
    assert!(runs(&sleeper), "a dry run");
    assert_eq!(removed(&mcpt, &[]).len(), 1);
    assert!(!runs(&sleeper));
    finds_nothing(&mcpt);
    assert_eq!(mcpt.json(&["-b", "process", "list"])[0]["name"], "scripted");
    let _ = mcpt.run(&["deploy", &template, "--name", "scripted"]).ok();
    let _ = mcpt.run(&["delete", "scripted"]).ok();
}

#[test]
fn a_deployment_that_was_killed_with_its_supervisor_leaves_nothing() {
    let mcpt = Mcpt::default();
    let template = template(&mcpt, "sleep 600");
    let deploy = ["deploy", template.as_str(), "--name", "scripted"];
    kill_both(&mcpt, &deploy, "waiting", 1);
    assert_eq!(folders(&mcpt), ["scripted"]);
    let told = removed(&mcpt, &["--dry-run"]);
    assert!(told[0].starts_with("run 1 of scripted"), "{told:?}");
    assert_eq!(removed(&mcpt, &[])[0], told[0]);
    assert!(folders(&mcpt).is_empty());
    finds_nothing(&mcpt);
}

#[test]
fn a_deletion_that_was_killed_is_finished() {
    let mcpt = Mcpt::default();
    let script = "trap '' TERM; $MCPT demo & while :; do wait; sleep 1; done";
    let template = template(&mcpt, script);
    let _ = mcpt.run(&["deploy", &template, "--name", "scripted"]).ok();
    kill_both(&mcpt, &["delete", "scripted"], "waiting for its end", 1);
    let told = removed(&mcpt, &[]);
    assert_eq!(told, ["server scripted: its deletion was interrupted"]);
    assert!(folders(&mcpt).is_empty());
}

#[test]
fn a_living_command_and_files_of_others_are_left_alone() {
    let mcpt = Mcpt::default();
    let gate = mcpt.home().join("gate");
    let script = format!(
        "until [ -e {} ]; do sleep 0.05; done; exec $MCPT demo",
        gate.display()
    );
    let template = template(&mcpt, &script);
    let notes = servers(&mcpt).join("notes/mine.txt");
    fs::create_dir_all(notes.parent().expect("a folder")).expect("a folder");
    fs::write(&notes, "of somebody").expect("a file");

    let mut deploy = mcpt.spawn(&["deploy", &template, "--name", "scripted"]);
    progresses_to(&mut deploy, "starting");
    finds_nothing(&mcpt);
    assert!(removed(&mcpt, &["--dry-run"]).is_empty());
    fs::write(&gate, "").expect("opening the gate");
    assert!(deploy.wait().expect("waiting for the deploy").success());
    finds_nothing(&mcpt);
    let _ = mcpt.run(&["delete", "scripted"]).ok();
    finds_nothing(&mcpt);
    assert_eq!(fs::read_to_string(&notes).expect("the file"), "of somebody");
}
