//! Commands that name no backend, where there are several: what is there is shown, what does not answer is named and keeps nobody
//! waiting. The engines here are sockets of the test's own; real ones are in `engines`.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    path::Path,
};

use mcpt_tests::Mcpt;
use serde_json::{Value, json};

/// mcpt that finds engines at these sockets, and no cluster.
fn mcpt(docker: &str, podman: &str) -> Mcpt {
    let mcpt = Mcpt::default();
    let at = |name: &str| format!("unix://{}", mcpt.home().join(name).display());
    let (docker, podman) = (at(docker), at(podman));
    let none = mcpt.home().join("no-kubeconfig").display().to_string();
    mcpt.env("DOCKER_HOST", docker)
        .env("CONTAINER_HOST", podman)
        .env("KUBECONFIG", none)
}

/// An engine on which these containers are, until the test ends.
fn engine(socket: &Path, containers: Value) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() > 0 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let body = if request.contains("/containers/json") {
                containers.to_string()
            } else {
                "OK".to_owned()
            };
            let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.44\r\nConnection: close\r\n";
            let kind = "Content-Type: application/json\r\n";
            let length = body.len();
            // Who has asked may have left.
            drop(write!(
                client,
                "{head}{kind}Content-Length: {length}\r\n\r\n{body}"
            ));
        }
    });
}

fn replica(server: &str) -> Value {
    json!({
        "Id": format!("id-{server}"), "Names": [format!("/mcpt-{server}.r1.1")], "State": "running",
        "Labels": {"mcpt.io/server": server, "mcpt.io/role": "replica", "mcpt.io/template": "demo"},
        "Created": 1_790_000_000,
    })
}

#[test]
fn one_table_of_all_that_answer() {
    let mcpt = mcpt("docker.sock", "podman.sock");
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    engine(&mcpt.home().join("docker.sock"), json!([replica("other")]));
    // A socket behind which nothing listens any more, as a service that was stopped leaves it.
    drop(UnixListener::bind(mcpt.home().join("podman.sock")).unwrap());

    let listed = mcpt.run(&["list"]).exits(4).says(&[
        "cannot reach Podman",
        "podman.sock",
        "Connection refused",
    ]);
    let mut rows = listed.stdout.lines().map(|row| {
        let mut cells = row.split_whitespace();
        [cells.next().unwrap(), cells.next().unwrap()]
    });
    assert_eq!(rows.next().unwrap(), ["NAME", "BACKEND"]);
    assert_eq!(rows.next().unwrap(), ["demo", "process"]);
    assert_eq!(rows.next().unwrap(), ["other", "docker"]);
    assert_eq!(rows.next(), None);

    let document = mcpt.run(&["list", "-o", "json"]).exits(4);
    let names = document.json();
    assert_eq!(
        (&names[0]["backend"], &names[1]["name"]),
        (&json!("process"), &json!("other"))
    );
    let error: Value = serde_json::from_str(&document.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "unreachable");

    // Who names one is told of that one alone.
    let one = mcpt.run(&["-b", "process", "list"]).ok();
    assert!(!one.stdout.contains("BACKEND"), "{}", one.stdout);
    let config = mcpt.file("config.yaml", "backend: process\n");
    let mut configured = mcpt.command(&["list", "--all-backends"]);
    let output = configured.env("MCPT_CONFIG", config).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let _ = mcpt
        .run(&["-b", "process", "list", "--all-backends"])
        .exits(4)
        .says(&["podman"]);
}

/// An engine that is neither there nor gone: it takes connections and says nothing.
#[test]
fn a_silent_engine_keeps_nobody_waiting_for_ever() {
    let mcpt = mcpt("docker.sock", "none.sock");
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let silent = UnixListener::bind(mcpt.home().join("docker.sock")).unwrap();
    let listed = mcpt.run(&["list"]).exits(4).says(&[
        "cannot list the servers of docker",
        "it has not answered within 3 s",
    ]);
    assert!(listed.stdout.contains("demo"), "{}", listed.stdout);
    // What may be there is not said to be nowhere.
    let _ = mcpt
        .run(&["move", "other", "--to", "process"])
        .exits(4)
        .says(&[
            "cannot move other to process",
            "cannot look for other in docker",
            "it has not answered within 3 s",
        ]);
    let _ = mcpt
        .run(&["move", "demo", "--to", "process"])
        .exits(2)
        .says(&["it is on this machine already"]);
    drop(silent);
}

#[test]
fn a_server_is_found_where_it_is() {
    let mcpt = mcpt("docker.sock", "podman.sock");
    let containers = json!([replica("here"), replica("both")]);
    engine(&mcpt.home().join("docker.sock"), containers);
    engine(&mcpt.home().join("podman.sock"), json!([replica("both")]));
    let history = mcpt.json(&["history", "here"]);
    assert_eq!(history[0]["revision"], 1, "{history}");
    // The usual backend comes first, and the others are not asked then.
    let _ = mcpt.run(&["deploy", "demo", "--name", "both"]).ok();
    assert_eq!(mcpt.json(&["status", "both"])["backend"], "process");
    let _ = mcpt.run(&["delete", "both"]).ok();
    for command in [
        &["status", "both"][..],
        &["delete", "both"],
        &["tools", "both"],
    ] {
        let _ = mcpt.run(command).exits(2).says(&[
            "it is not clear which both is meant",
            "there is one in Docker",
            "there is one in Podman",
            "add --backend docker or podman",
        ]);
    }
    // Whoever names one means that one.
    let named = ["-b", "process", "status", "here"];
    let _ = mcpt.run(&named).exits(3);
    let variable = ["status", "here"];
    let mut command = mcpt.command(&variable);
    let output = command.env("MCPT_BACKEND", "process").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let _ = mcpt
        .run(&["status", "nowhere"])
        .exits(3)
        .says(&["on this machine"]);
}
