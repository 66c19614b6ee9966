//! A secret given as configuration is found nowhere but in Secret objects and in the server's environment.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{fs, path::Path};

use mcpt_tests::Mcpt;

/// No text that occurs anywhere by chance.
const SECRET: &str = "s3cr3t-8f1f0c9a77";

fn files_with_secret(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_with_secret(&path, found);
        } else if fs::read(&path).is_ok_and(|bytes| has_secret(&bytes)) {
            found.push(path.display().to_string());
        }
    }
}

fn has_secret(bytes: &[u8]) -> bool {
    bytes
        .windows(SECRET.len())
        .any(|window| window == SECRET.as_bytes())
}

/// Command lines of all processes that this user may see.
fn command_lines_with_secret() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        // Processes come and go while we read.
        let Ok(line) = fs::read(entry.path().join("cmdline")) else {
            continue;
        };
        if has_secret(&line) {
            found.push(String::from_utf8_lossy(&line).into_owned());
        }
    }
    found
}

#[test]
fn on_the_process_backend() {
    let mcpt = Mcpt::new(&["--backend", "process", "-v"]);
    let source = mcpt.file("token", SECRET);
    let deployed = mcpt
        .run(&["deploy", "demo", "-c", &format!("token=@{source}")])
        .ok();
    fs::remove_file(&source).expect("removing the source");

    let whoami = mcpt.run(&["call", "demo", "whoami"]).ok();
    assert!(
        whoami.stdout.contains(r#""token":"set""#),
        "the server has it: {}",
        whoami.stdout
    );
    let mut printed = vec![deployed, whoami];
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
    files_with_secret(mcpt.home(), &mut files);
    assert!(files.is_empty(), "the secret lies in {files:?}");
    assert!(command_lines_with_secret().is_empty());
}

#[test]
fn in_a_refusal() {
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
