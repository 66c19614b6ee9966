//! Every command block of the README and of the guide is run, in order, one shell per document.
//!
//! The word after `sh` in a block's fence says what it needs: `servers`, `engines`, `kubernetes`, `helm`; blocks whose need is not
//! there on this run are left to the run that has it. `tests` is the block that runs these tests themselves.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a panic is how a test fails"
)]

use std::{fs, path::PathBuf, process::Command};

use mcpt_tests::mcpt_binary;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the blocks of this run may need.
fn available() -> Vec<&'static str> {
    let mut needs = vec![];
    if cfg!(feature = "servers") {
        needs.push("servers");
    }
    match std::env::var("MCPT_TEST_BACKEND").as_deref() {
        Ok("kubernetes") => {
            needs = vec!["kubernetes"];
            if cfg!(feature = "helm") {
                needs.push("helm");
            }
        }
        Ok("docker") => needs = vec!["engines"],
        _ => {}
    }
    needs
}

/// What blocks need that have a run of their own, on which no others run.
const ELSEWHERE: [&str; 2] = ["kubernetes", "engines"];

/// The `sh` blocks of a Markdown text: needs and commands.
fn blocks(text: &str) -> Vec<(Vec<&str>, String)> {
    let mut found = Vec::new();
    let mut current: Option<(Vec<&str>, String)> = None;
    for line in text.lines() {
        match (&mut current, line.strip_prefix("```")) {
            (None, Some(fence)) => {
                let mut words = fence.split_whitespace();
                let language = words.next();
                current = Some((words.collect(), String::new()));
                if language != Some("sh") {
                    // Marked as never available, so that only its end is looked for.
                    current = Some((vec!["not shell"], String::new()));
                }
            }
            (Some(_), Some(_)) => found.extend(current.take()),
            (Some((_, commands)), None) => {
                commands.push_str(line);
                commands.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

fn run_document(path: &str) {
    let text = fs::read_to_string(repository().join(path)).expect("the document");
    let available = available();
    let elsewhere = |needs: &[&str]| ELSEWHERE.into_iter().find(|place| needs.contains(place));
    let here = elsewhere(&available);
    let script: String = blocks(&text)
        .into_iter()
        .filter(|(needs, _)| {
            needs.iter().all(|need| available.contains(need)) && elsewhere(needs) == here
        })
        .map(|(_, commands)| commands)
        .collect();
    if script.is_empty() {
        // For documents without a block about this place, or with none but about others.
        let about = |place: &str| text.contains(&format!("```sh {place}"));
        assert!(
            here.is_some() || ELSEWHERE.into_iter().any(about),
            "{path} has no block that runs"
        );
        return;
    }
    let home = tempfile::tempdir().expect("a home");
    // Where `cargo install` puts mcpt, so that the README's own binary is the one that goes on.
    let programs = home.path().join("bin");
    fs::create_dir(&programs).expect("a folder");
    if !script.contains("cargo install") {
        std::os::unix::fs::symlink(mcpt_binary(), programs.join("mcpt")).unwrap();
    }
    for (name, variable) in [("helm", "MCPT_HELM4"), ("kubectl", "MCPT_KUBECTL")] {
        if let Some(path) = std::env::var_os(variable) {
            std::os::unix::fs::symlink(path, programs.join(name)).unwrap();
        }
    }
    // `cargo install` really runs, but takes the debug build that the tests have already made.
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let test = std::env::current_exe().expect("path of this test");
    let target = test.ancestors().nth(3).expect("target folder").display();
    let prelude = format!(
        "set -eu\ncargo() {{ '{cargo}' \"$@\" --quiet --debug --offline --root \"$HOME\" --target-dir '{target}'; }}\n"
    );
    let path_variable = std::env::join_paths(std::iter::once(programs).chain(
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()),
    ))
    .unwrap();
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("{prelude}set -x\n{script}"))
        .current_dir(repository())
        .env("PATH", path_variable)
        .env("MCPT_STATE_DIR", home.path().join("state"))
        .env("XDG_CONFIG_HOME", home.path().join("config"))
        .env("HOME", home.path())
        .env(
            "CARGO_HOME",
            std::env::var("CARGO_HOME").unwrap_or_else(|_| {
                format!("{}/.cargo", std::env::var("HOME").unwrap_or_default())
            }),
        )
        .env("npm_config_cache", npm_cache())
        .env("UV_CACHE_DIR", home_folder(".cache/uv"))
        .env_remove("MCPT_BACKEND")
        .output()
        .expect("starting bash");
    // What a document leaves running is ended whatever happened.
    let _ = Command::new(mcpt_binary())
        .args(["gateway", "uninstall"])
        .env("MCPT_STATE_DIR", home.path().join("state"))
        .output();
    let listed = Command::new(mcpt_binary())
        .args(["-b", "process", "list", "-o", "name"])
        .env("MCPT_STATE_DIR", home.path().join("state"))
        .output()
        .expect("mcpt list");
    for name in String::from_utf8_lossy(&listed.stdout).lines() {
        let name = name.rsplit('/').next().unwrap_or(name);
        let _ = Command::new(mcpt_binary())
            .args(["-b", "process", "delete", name])
            .env("MCPT_STATE_DIR", home.path().join("state"))
            .output();
    }
    assert!(
        output.status.success(),
        "{path}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn home_folder(path: &str) -> String {
    format!("{}/{path}", std::env::var("HOME").unwrap_or_default())
}

fn npm_cache() -> String {
    std::env::var("npm_config_cache").unwrap_or_else(|_| home_folder(".npm"))
}

#[test]
fn readme() {
    run_document("README.md");
}

#[test]
fn first_server() {
    run_document("docs/src/first-server.md");
}

#[test]
fn every_day() {
    run_document("docs/src/everyday.md");
}

#[test]
fn docker_and_podman() {
    run_document("docs/src/docker-and-podman.md");
}

#[test]
fn kubernetes() {
    run_document("docs/src/kubernetes.md");
}

#[test]
fn gateway() {
    run_document("docs/src/gateway.md");
}

#[test]
fn access() {
    run_document("docs/src/access.md");
}

#[test]
fn troubleshooting() {
    run_document("docs/src/troubleshooting.md");
}

#[test]
fn registries() {
    run_document("docs/src/registry.md");
}

#[test]
fn importing() {
    run_document("docs/src/importing.md");
}

#[cfg(feature = "servers")]
#[test]
fn packages() {
    run_document("docs/src/packages.md");
}

#[test]
fn templates_and_values() {
    run_document("docs/src/templates-and-values.md");
}

#[test]
fn updates() {
    run_document("docs/src/updates.md");
}

#[test]
fn scaling() {
    run_document("docs/src/scaling.md");
}

#[test]
fn cleaning_up() {
    run_document("docs/src/cleaning-up.md");
}

#[test]
fn charts() {
    run_document("docs/src/charts.md");
}
