//! `deploy --diff` on this machine, `diff` where there are no revisions, and `test`. What all backends do alike is in `end_to_end`.

use mcpt_tests::Mcpt;
use serde_json::json;

/// Whether secrets are the same is told, and never what they are.
#[test]
fn secrets_are_compared_and_not_shown() {
    let mcpt = Mcpt::default();
    let deploy = ["deploy", "demo", "-c", "greeting=Hi", "-c", "token=hunter2"];
    let diff = |token: &str| {
        let setting = format!("token={token}");
        let arguments = [
            "deploy",
            "demo",
            "--diff",
            "-c",
            "greeting=Hi",
            "-c",
            &setting,
        ];
        mcpt.run(&arguments)
    };
    let first = diff("hunter2").exits(1);
    assert!(
        first
            .stdout
            .contains("+++ demo, what would be deployed: server"),
        "{}",
        first.stdout
    );
    let _ = mcpt.run(&["status", "demo"]).exits(3);
    let _ = mcpt.run(&deploy).ok();
    assert_eq!(diff("hunter2").ok().stdout, "");
    let other = diff("hunter3").exits(1);
    assert_eq!(
        other
            .stdout
            .lines()
            .filter(|line| line.starts_with(['-', '+']))
            .count(),
        4,
        "{}",
        other.stdout
    );
    // It is known as well after a restart, of which no command knows the secrets.
    let _ = mcpt.run(&["restart", "demo"]).ok();
    assert_eq!(diff("hunter2").ok().stdout, "");
    for shown in [first, other, diff("hunter3")] {
        assert!(!shown.stdout.contains("hunter"), "{}", shown.stdout);
        assert!(!shown.stderr.contains("hunter"), "{}", shown.stderr);
    }
    let json = ["deploy", "demo", "--diff", "-o", "json"];
    let document = mcpt.run(&json).exits(1).json();
    assert_eq!(document["before"], "what runs", "{document}");
    let differences = document["differences"].as_array().map(Vec::len);
    assert_eq!(differences, Some(1), "{document}");
}

/// An exit code of 1 says that something differs, so no failure has it.
#[test]
fn failures_end_with_another_code() {
    let mcpt = Mcpt::default();
    let _ = mcpt
        .run(&["diff", "demo"])
        .exits(2)
        .says(&["the process backend keeps no revisions"]);
    let _ = mcpt
        .run(&["deploy", "demo", "--diff", "-c", "no=1"])
        .exits(2);
    let _ = mcpt
        .run(&["deploy", "demo", "--diff", "--dry-run"])
        .exits(2);
}

#[test]
fn each_step_is_told() {
    let mcpt = Mcpt::default();
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let steps = mcpt.json(&["test", "demo"]);
    let passed = |step: &str| {
        let mut steps = steps.as_array().into_iter().flatten();
        steps.any(|one| one["step"] == step && one["passed"] == json!(true))
    };
    assert!(passed("connect") && passed("tools/list"), "{steps}");
    assert!(passed("server/discover") || passed("ping"), "{steps}");
    let table = mcpt.run(&["test", "demo"]).ok().stdout;
    assert!(table.starts_with("STEP"), "{table}");
    let _ = mcpt.run(&["test", "nothing"]).exits(3);
}

#[test]
fn what_a_server_uses() {
    let mcpt = Mcpt::default();
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let used = mcpt.json(&["top", "demo"]);
    assert_eq!(used[0]["server"], "demo", "{used}");
    let memory = used[0]["usage"]["memoryBytes"].as_u64();
    assert!(memory.is_some_and(|bytes| bytes > 1 << 20), "{used}");
    let table = mcpt.run(&["top"]).ok().stdout;
    assert!(table.starts_with("NAME") && table.contains("Mi"), "{table}");
    let _ = mcpt.run(&["top", "nothing"]).exits(3);
}
