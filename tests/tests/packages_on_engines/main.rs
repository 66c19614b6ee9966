//! Servers by the names of their packages on Docker and Podman, from a registry and an index of the test's own.
//! `MCPT_TEST_BACKEND` says which engine.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

#[path = "../packages/index.rs"]
mod index;
#[expect(dead_code, reason = "the registries are lost with the index here")]
#[path = "../packages/machine.rs"]
mod machine;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use index::Index;
use machine::Machine;
use mcpt_tests::{Mcpt, engine, engine_objects, eventually, inspect};

const USER: &str = "builder";
const PASSWORD: &str = "s3cr3t-of-the-index";

/// Tests that look at the volumes of packages, which all servers share, do so one after another.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // One that failed has told so.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine under test.
fn name() -> String {
    std::env::var("MCPT_TEST_BACKEND").expect("MCPT_TEST_BACKEND names an engine")
}

/// A machine whose packages run in the images that the tests load.
fn machine() -> Machine {
    Machine::with(Mcpt::new(&["--backend", &name()]))
        .env("MCPT_RUNTIME_NODE", "localhost/mcpt-runtime-node:24")
        .env("MCPT_RUNTIME_PYTHON", "localhost/mcpt-runtime-python:3.11")
        .env("UV_PYTHON", "3.11")
        // The engines' network is told to ask nobody; there is an index in it.
        .env("UV_OFFLINE", "false")
        .env("npm_config_offline", "false")
}

/// The names of a server's tools, once it answers.
fn tools(mcpt: &Mcpt, server: &str) -> Vec<String> {
    eventually(Duration::from_mins(2), || {
        let outcome = mcpt.run(&["tools", server, "-o", "json"]);
        if outcome.code != Some(0) {
            return Err(outcome.stderr);
        }
        let listed = outcome.json();
        let tools = listed.as_array().expect("a list of tools");
        let names = tools.iter().filter_map(|tool| tool["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    })
}

fn volumes() -> Vec<String> {
    engine_objects(&name(), "mcpt-package-")
}

/// What is wrong with a container's rights.
fn rights(container: &str) {
    let found = inspect(&name(), container);
    assert_eq!(found["Config"]["User"], "65532:65532", "{found}");
    let mounts = found["Mounts"].as_array().expect("mounts");
    let package = mounts.iter().find(|m| m["Destination"] == "/mcpt-package");
    assert_eq!(package.expect("the package")["RW"], false, "{found}");
}

/// From one lock: replicas, restarts and rollbacks ask no registry, and nothing is left in the end.
#[test]
fn a_package_is_installed_once_and_runs_from_its_volume() {
    let _alone = alone();
    // What a test that failed has left is nobody's by now, and goes with the first deletion.
    let _ = machine().mcpt.run(&["gc"]).ok();
    let before = volumes();
    for (kind, old, new, tool) in [
        ("npm", "@1.0.0", "@1.1.0", ["v1_0_0", "v1_1_0"]),
        ("pypi", "==1.0", "==1.1", ["v1_0", "v1_1"]),
    ] {
        let index = Index::start(&[]);
        let machine = machine();
        index.tell(&machine, "", "");
        let mcpt = &machine.mcpt;
        let server = format!("pack-{kind}");
        let source = |version: &str| format!("{kind}:mcpt-test-server{version}");
        let _ = mcpt
            .run(&["deploy", &source(old), "--name", &server])
            .ok()
            .says(&["resolving", "installing"]);
        assert_eq!(tools(mcpt, &server), [tool[0]]);
        rights(&format!("mcpt-{server}.r1.1"));
        let status = mcpt.json(&["status", &server]);
        assert_eq!(status["source"], source(old), "{status}");
        // A second server of the same lock installs nothing.
        let other = format!("pack2-{kind}");
        let second = mcpt.run(&["deploy", &source(old), "--name", &other]).ok();
        assert!(!second.stderr.contains("installing"), "{}", second.stderr);
        assert_eq!(volumes().len(), before.len() + 1);
        let _ = mcpt
            .run(&["deploy", &source(new), "--name", &server])
            .ok()
            .says(&["installing"]);
        assert_eq!(tools(mcpt, &server), [tool[1]]);
        assert_eq!(volumes().len(), before.len() + 2);

        drop(index);
        let _ = mcpt.run(&["scale", &server, "--replicas", "2"]).ok();
        engine(&name(), &["restart", &format!("mcpt-{server}.r2.1")]);
        assert_eq!(tools(mcpt, &server), [tool[1]]);
        let _ = mcpt.run(&["rollback", &server]).ok();
        assert_eq!(tools(mcpt, &server), [tool[0]]);
        for server in [&server, &other] {
            let _ = mcpt.run(&["delete", server]).ok();
            assert_eq!(engine_objects(&name(), &format!("mcpt-{server}")), [""; 0]);
        }
        assert_eq!(volumes(), before);
    }
}

/// What cannot be installed is told as it is for processes, and leaves nothing.
#[test]
fn what_cannot_be_installed_is_named() {
    let _alone = alone();
    let index = Index::start(&[]);
    let machine = machine();
    index.tell(&machine, "", "");
    for (source, code, texts) in [
        (
            "npm:mcpt-test-changed",
            1,
            &["not what was locked", "sha512"][..],
        ),
        (
            "npm:mcpt-test-script",
            1,
            &["cannot be built here", "no compiler here"],
        ),
        (
            "pypi:mcpt-test-changed",
            1,
            &["not what was locked", "Hash mismatch"],
        ),
    ] {
        let _ = machine
            .mcpt
            .run(&["deploy", source, "--name", "pack-faulty"])
            .exits(code)
            .says(texts);
        assert_eq!(engine_objects(&name(), "mcpt-pack-faulty"), [""; 0]);
    }
    let deploy = ["deploy", "npm:mcpt-test-server", "--name", "pack-killed"];
    machine.mcpt.kill_at(&deploy, "installing");
    let _ = machine.mcpt.run(&["gc"]).ok();
    assert_eq!(engine_objects(&name(), "mcpt-pack-killed"), [""; 0]);
    machine.mcpt.kill_at(&deploy, "installing");
    let _ = machine.mcpt.run(&deploy).ok();
    assert_eq!(tools(&machine.mcpt, "pack-killed"), ["v1_1_0"]);
    let _ = machine.mcpt.run(&["delete", "pack-killed"]).ok();
}

/// Credentials and authorities that npm and uv are told of here reach the installer, and nothing else.
#[test]
fn what_npm_and_uv_are_told_reaches_the_installer() {
    let _alone = alone();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let machine = machine();
    let certificate = machine.mcpt.file("cert.pem", &made.cert.pem());
    let key = machine
        .mcpt
        .file("key.pem", &made.signing_key.serialize_pem());
    let auth = format!("{USER}:{PASSWORD}");
    let index = Index::start(&["--auth", &auth, "--tls", &certificate, &key]);
    // `builder:s3cr3t-of-the-index`, as `npm config set` writes it.
    let npm = format!(
        "//{}/:_auth=YnVpbGRlcjpzM2NyM3Qtb2YtdGhlLWluZGV4",
        index.address
    );
    index.tell(&machine, &npm, &format!("{auth}@"));
    let machine = machine
        .env("NODE_EXTRA_CA_CERTS", certificate.clone())
        .env("SSL_CERT_FILE", certificate);
    for kind in ["npm", "pypi"] {
        let (source, server) = (
            format!("{kind}:mcpt-test-server"),
            format!("pack-own-{kind}"),
        );
        let deployed = machine
            .mcpt
            .run(&["deploy", &source, "--name", &server])
            .ok();
        assert!(!deployed.stderr.contains(PASSWORD), "{}", deployed.stderr);
        assert_eq!(tools(&machine.mcpt, &server).len(), 1);
        let container = format!("mcpt-{server}.r1.1");
        let known = inspect(&name(), &container).to_string();
        let look = "grep -rlE 's3cr3t|YnVpbGRlcjpz' /mcpt-package || true";
        let files = engine(&name(), &["exec", &container, "sh", "-c", look]);
        assert!(
            !known.contains(PASSWORD) && files.is_empty(),
            "{known}{files}"
        );
        let _ = machine.mcpt.run(&["delete", &server]).ok();
    }
}
