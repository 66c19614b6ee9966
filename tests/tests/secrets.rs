//! A secret given as configuration is found nowhere but in Secret objects and in the server's environment.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{fs, path::Path, process::Child};

use mcpt_tests::Mcpt;

// Texts that occur nowhere by chance, one for each test: some stand on command lines, which another test looks at.
const OF_A_SETTING: &str = "s3cr3t-8f1f0c9a77";
const IN_A_REFUSAL: &str = "s3cr3t-51c7e02d3b";
const IN_A_DRY_RUN: &str = "s3cr3t-d94a6b8e10";

fn files_with(text: &str, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_with(text, &path, found);
        } else if fs::read(&path).is_ok_and(|bytes| has(&bytes, text)) {
            found.push(path.display().to_string());
        }
    }
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

/// Command lines with a text, of all processes that this user may see.
fn command_lines_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        // Processes come and go while we read.
        let Ok(line) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        if has(&line, text) {
            found.push(String::from_utf8_lossy(&line).into_owned());
        }
    }
    found
}

/// Looks at all command lines until a command ends; whoever it starts on the way shows nothing either.
fn watch_command_lines(command: &mut Child, own: &str, secret: &str) {
    // At its very beginning a program has no command line yet.
    let mut seen = false;
    while command.try_wait().expect("waiting").is_none() {
        seen |= !command_lines_with(own).is_empty();
        let lines = command_lines_with(secret);
        assert!(lines.is_empty(), "{lines:?}");
    }
    assert!(seen, "the command itself is not seen");
}

#[test]
fn on_the_process_backend() {
    const SECRET: &str = OF_A_SETTING;
    let mcpt = Mcpt::new(&["--backend", "process", "-v"]);
    let source = mcpt.file("token", SECRET);
    let setting = format!("token=@{source}");
    let mut deploy = mcpt.spawn(&["deploy", "demo", "-c", &setting]);
    watch_command_lines(&mut deploy, &setting, SECRET);
    let deployed = deploy.wait_with_output().expect("its output");
    assert!(deployed.status.success(), "{deployed:?}");
    fs::remove_file(&source).expect("removing the source");

    let whoami = mcpt.run(&["call", "demo", "whoami"]).ok();
    assert!(
        whoami.stdout.contains(r#""token":"set""#),
        "the server has it: {}",
        whoami.stdout
    );
    for printed in [&deployed.stdout, &deployed.stderr] {
        assert!(!has(printed, SECRET), "{deployed:?}");
    }
    let mut printed = vec![whoami];
    for arguments in [
        &["status", "demo"][..],
        &["status", "demo", "-o", "json"],
        &["list", "-o", "yaml"],
        &["logs", "demo"],
    ] {
        printed.push(mcpt.run(arguments).ok());
    }
    for outcome in &printed {
        assert!(!outcome.stdout.contains(SECRET), "{outcome:?}");
        assert!(!outcome.stderr.contains(SECRET), "{outcome:?}");
    }
    let mut files = Vec::new();
    files_with(SECRET, mcpt.home(), &mut files);
    assert!(files.is_empty(), "the secret lies in {files:?}");
    assert!(command_lines_with(SECRET).is_empty());
}

#[test]
fn in_a_refusal() {
    const SECRET: &str = IN_A_REFUSAL;
    let mcpt = Mcpt::default();
    let outcome = mcpt
        .run(&[
            "deploy",
            "demo",
            "-c",
            &format!("token={SECRET}"),
            "-c",
            "log_level=loud",
        ])
        .exits(2);
    assert!(!outcome.stderr.contains(SECRET), "{}", outcome.stderr);
}

#[test]
fn in_a_client_side_dry_run() {
    const SECRET: &str = IN_A_DRY_RUN;
    let mcpt = Mcpt::new(&["--backend", "kubernetes"]);
    let outcome = mcpt
        .run(&[
            "deploy",
            "demo",
            "--dry-run",
            "-c",
            &format!("token={SECRET}"),
        ])
        .ok();
    assert!(
        outcome.stdout.contains("kind: Secret"),
        "{}",
        outcome.stdout
    );
    assert!(
        !outcome.stdout.contains(SECRET) && !outcome.stderr.contains(SECRET),
        "{outcome:?}"
    );
    assert!(
        !outcome.stdout.contains("czNjcjN0"),
        "nor in base64: {}",
        outcome.stdout
    );
}
