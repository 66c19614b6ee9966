//! `scale`, `history` and `rollback` as a user meets them: what they refuse, and what a killed one leaves.

use std::{
    io::{BufRead as _, BufReader},
    process::Child,
    time::Duration,
};

use mcpt_tests::{Mcpt, TestNamespace, calls, commands_run_beside, eventually};
use serde_json::json;

use crate::{deploy, mcpt, replicas, revisions};

#[test]
fn a_stopped_server_is_called_stopped_and_starts_again() {
    let namespace = TestNamespace::new("stopped");
    let mcpt = mcpt(&namespace);
    deploy(&mcpt, &["--replicas", "1"]);

    let stopped = mcpt.run(&["scale", "demo", "--replicas", "0"]).ok();
    assert!(
        stopped.stdout.contains("demo (revision 2) is stopped"),
        "{}",
        stopped.stdout
    );
    let said = format!("{}{}", stopped.stdout, stopped.stderr);
    for word in ["asking the server", "is running", "was started"] {
        assert!(!said.contains(word), "{word:?} in\n{said}");
    }
    let status = mcpt.json(&["status", "demo"]);
    assert_eq!(
        (&status["state"], &status["desired"]),
        (&"stopped".into(), &0.into())
    );

    let _ = mcpt
        .run(&["restart", "demo"])
        .exits(2)
        .says(&["it is scaled to 0", "scale demo --replicas 1"]);

    // A deploy that names no number keeps it stopped.
    deploy(&mcpt, &["-c", "greeting=later", "-c", "token=hunter2"]);
    assert_eq!(replicas(&namespace), 0);
    differences(&mcpt);
    let _ = mcpt.run(&["rollback", "demo", "1"]).ok();
    let status = mcpt.json(&["status", "demo"]);
    assert_eq!(
        (&status["state"], &status["ready"]),
        (&"running".into(), &1.into())
    );
    let _ = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=x"])
        .ok();
    a_port_leads_to_it_over_a_restart(&mcpt);
}

/// Revision 2 is scaled to 0, revision 3 has another greeting and a token.
fn differences(mcpt: &Mcpt) {
    let last = mcpt.run(&["diff", "demo"]).exits(1).stdout;
    assert!(
        last.contains("+++ demo, revision 3: ConfigMap/demo"),
        "{last}"
    );
    assert!(
        last.lines()
            .any(|line| line.starts_with('+') && line.contains("later")),
        "{last}"
    );
    assert!(last.contains("Secret/demo"), "{last}");
    let scaled = mcpt.run(&["diff", "demo", "1", "2"]).exits(1).stdout;
    assert!(scaled.contains("replicas"), "{scaled}");
    assert_eq!(mcpt.run(&["diff", "demo", "3", "3"]).ok().stdout, "");
    let _ = mcpt
        .run(&["diff", "demo", "9"])
        .exits(3)
        .says(&["it has no revision 9"]);
    let other = [
        "deploy",
        "demo",
        "--set",
        "drainSeconds=0",
        "--diff",
        "-c",
        "greeting=later",
        "-c",
        "token=hunter3",
    ];
    let other = mcpt.run(&other).exits(1).stdout;
    assert!(
        other.contains("[redacted, before]") && other.contains("[redacted, after]"),
        "{other}"
    );
    let same = [
        "deploy",
        "demo",
        "--set",
        "drainSeconds=0",
        "--diff",
        "-c",
        "greeting=later",
        "-c",
        "token=hunter2",
    ];
    assert_eq!(mcpt.run(&same).ok().stdout, "");
    for shown in [last, scaled, other] {
        assert!(!shown.contains("hunter"), "{shown}");
    }
}

fn a_port_leads_to_it_over_a_restart(mcpt: &Mcpt) {
    let mut forward = mcpt.spawn(&["port-forward", "demo"]);
    let output = forward.stdout.take().expect("stdout");
    let mut url = String::new();
    BufReader::new(output).read_line(&mut url).expect("its URL");
    let answers = || {
        let echo = ("echo", &json!({"message": "hello"}));
        calls::call(&calls::agent(0), url.trim(), 1, echo, "hello")
    };
    answers().expect("an answer");
    let _ = mcpt.run(&["restart", "demo"]).ok();
    // The pod that it led to ends a while after the restart is done.
    eventually(Duration::from_mins(1), || answers().map(drop));
    forward.kill().expect("ending it");
    forward.wait().expect("its end");
    let history = mcpt.json(&["history", "demo"]);
    let last = revisions(&history).pop().expect("a revision");
    assert_eq!(last.0, 4, "a restart is no revision");
}

/// Commands in a pod, with input, at a terminal, and those that cannot be run.
#[test]
fn commands_run_beside_a_server() {
    let namespace = TestNamespace::new("beside");
    let mcpt = mcpt(&namespace);
    let _ = mcpt
        .run(&["deploy", "time", "--set", "drainSeconds=0"])
        .ok();
    commands_run_beside(&mcpt, "time");
}

/// From a process to the cluster and back, as it was deployed first, with its secret.
#[test]
fn a_server_moves_here_and_back() {
    let namespace = TestNamespace::new("moving");
    let process = Mcpt::new(&["--backend", "process"]);
    let state = process.home().join("state");
    let state = state.to_str().expect("UTF-8");
    let here = mcpt(&namespace).env("MCPT_STATE_DIR", state);
    let said = |mcpt: &Mcpt| {
        let result = mcpt.json(&["call", "demo", "echo", "--arg", "message=you"]);
        result["content"][0]["text"].as_str().map(str::to_owned)
    };
    let deploy = [
        "deploy",
        "demo",
        "-c",
        "greeting=Moved",
        "-c",
        "token=hunter2",
    ];
    let _ = process.run(&deploy).ok();
    let to = ["move", "demo", "--to", "kubernetes", "-n", namespace.name()];
    let _ = process.run(&to).ok();
    let _ = process.run(&["status", "demo"]).exits(3);
    assert_eq!(said(&here).as_deref(), Some("Moved you"));
    let shown = here.run(&["status", "demo", "-o", "json"]).ok();
    assert!(!shown.stdout.contains("hunter2"), "{shown:?}");
    let _ = here.run(&["move", "demo", "--to", "process"]).ok();
    let _ = here.run(&["status", "demo"]).exits(3);
    assert_eq!(said(&process).as_deref(), Some("Moved you"));
    // With the secret: the same deployment changes nothing.
    let again = process.run(&deploy).ok();
    assert!(again.stderr.contains("already runs"), "{again:?}");
}

#[test]
fn faults_are_named() {
    let namespace = TestNamespace::new("faults");
    let mcpt = mcpt(&namespace);
    for (arguments, code, says) in [
        (&["scale", "demo"][..], 2, "--replicas"),
        (&["scale", "demo", "--min", "1"], 2, "--max"),
        (&["scale", "demo", "--cpu", "50"], 2, "--max"),
        (
            &[
                "scale",
                "demo",
                "--replicas",
                "1",
                "--min",
                "1",
                "--max",
                "2",
            ],
            2,
            "cannot be used with",
        ),
        (
            &["scale", "demo", "--min", "3", "--max", "2"],
            2,
            "--min 3 is greater than --max 2",
        ),
        (&["scale", "demo", "--min", "0", "--max", "2"], 2, "--min"),
        (&["scale", "demo", "--replicas", "-1"], 2, "-1"),
        (
            &["scale", "demo", "--replicas", "2"],
            3,
            "there is no server \"demo\"",
        ),
        (&["history", "demo"], 3, "there is no server \"demo\""),
        (&["rollback", "demo"], 3, "there is no server \"demo\""),
        (&["rollback", "demo", "x"], 2, "x"),
    ] {
        let _ = mcpt.run(arguments).exits(code).says(&[says]);
    }
    deploy(&mcpt, &["--replicas", "1"]);
    let _ = mcpt
        .run(&["rollback", "demo"])
        .exits(3)
        .says(&["no revision before the current one ran", "these: 1"]);
    deploy(&mcpt, &["--replicas", "1", "-c", "greeting=second"]);
    let _ = mcpt.run(&["rollback", "demo", "7"]).exits(3).says(&[
        "no revision 7",
        "these: 1, 2",
        " history demo",
    ]);
}

#[test]
fn a_rollback_goes_back_from_a_failed_update() {
    let namespace = TestNamespace::new("failed");
    let mcpt = mcpt(&namespace);
    deploy(&mcpt, &["--replicas", "1", "-c", "greeting=good"]);
    let _ = mcpt
        .run(&[
            "deploy",
            "demo",
            "--image",
            "localhost/missing:1",
            "--set",
            "image.pullPolicy=Never",
        ])
        .exits(1);
    let back = mcpt.json(&["rollback", "demo"]);
    assert_eq!(
        (&back["revision"], &back["state"]),
        (&3.into(), &"running".into())
    );
    let history = revisions(&mcpt.json(&["history", "demo"]));
    let statuses: Vec<_> = history
        .iter()
        .map(|(_, status, _)| status.as_str())
        .collect();
    assert_eq!(statuses, ["superseded", "failed", "deployed"]);
    assert_eq!(history[2].2, "Rollback to 1");
}

/// Reads the progress on stderr until a line has `mark`, then kills.
fn kill_at(mut child: Child, mark: &str) {
    let mut seen = String::new();
    let stderr = BufReader::new(child.stderr.take().expect("stderr"));
    for line in stderr.lines() {
        let line = line.expect("a line of progress");
        seen.push_str(&line);
        seen.push('\n');
        if line.contains(mark) {
            child.kill().expect("killing the command");
            child.wait().expect("waiting for the command");
            return;
        }
    }
    panic!("no progress line with {mark:?} in\n{seen}");
}

#[test]
fn a_killed_rollback_is_finished_by_the_same_command() {
    let namespace = TestNamespace::new("kill-rollback");
    let mcpt = mcpt(&namespace);
    deploy(&mcpt, &["--replicas", "1", "-c", "greeting=first"]);
    deploy(&mcpt, &["--replicas", "1", "-c", "greeting=second"]);
    deploy(&mcpt, &["--replicas", "1", "-c", "greeting=third"]);
    // Twice, at two points.
    kill_at(mcpt.spawn(&["rollback", "demo"]), "applying");
    kill_at(mcpt.spawn(&["rollback", "demo"]), "waiting for the pods");
    let _ = mcpt.run(&["rollback", "demo"]).ok();
    let echoed = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=x"])
        .ok();
    assert!(echoed.stdout.contains("second"), "{}", echoed.stdout);
    let history = revisions(&mcpt.json(&["history", "demo"]));
    let statuses: Vec<_> = history
        .iter()
        .map(|(_, status, _)| status.as_str())
        .collect();
    assert_eq!(
        statuses,
        [
            "superseded",
            "superseded",
            "superseded",
            "failed",
            "failed",
            "deployed"
        ]
    );
    assert_eq!(history[5].2, "Rollback to 2");
}
