//! `mcpt deploy https://…`: a server that runs elsewhere is one of the list, answers at a port of this machine, and is shown the
//! headers that it wants; nobody else sees them.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::mpsc,
    thread,
};

use mcpt_tests::Mcpt;
use serde_json::json;

const SECRET: &str = "s3cr3t-remote-51ee07";

fn process() -> Mcpt {
    Mcpt::new(&["--backend", "process"])
}

fn url(mcpt: &Mcpt, name: &str) -> String {
    let server = mcpt.json(&["status", name]);
    server["url"].as_str().expect("a URL").to_owned()
}

#[test]
fn it_is_a_server_as_any_other() {
    let mcpt = process();
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let there = url(&mcpt, "demo");
    let _ = mcpt
        .run(&["deploy", &there, "--name", "far"])
        .ok()
        .says(&["runs elsewhere: its owner sees what is sent to it"]);
    assert_ne!(url(&mcpt, "far"), there);
    let called = mcpt
        .run(&["call", "far", "echo", "--arg", "message=ahoy"])
        .ok();
    assert!(called.stdout.contains("ahoy"), "{}", called.stdout);
    let listed = mcpt.run(&["list", "-o", "name"]).ok();
    assert_eq!(listed.stdout.lines().collect::<Vec<_>>(), ["demo", "far"]);

    // The same by what its author says of it, with a setting in the address.
    let port = there
        .rsplit(':')
        .next()
        .and_then(|rest| rest.split('/').next())
        .expect("a port");
    let document = json!({
        "name": "io.github.owner/far", "description": "x", "version": "1.0.0",
        "remotes": [{"type": "streamable-http", "url": "http://127.0.0.1:{port}/mcp",
            "variables": {"port": {"isRequired": true}}}],
    });
    let file = mcpt.file("server.json", &document.to_string());
    let _ = mcpt
        .run(&["deploy", &file, "--name", "described"])
        .exits(2)
        .says(&["port: it is required"]);
    let given = format!("port={port}");
    let _ = mcpt
        .run(&["deploy", &file, "--name", "described", "-c", &given])
        .ok();
    let called = mcpt
        .run(&["call", "described", "echo", "--arg", "message=ho"])
        .ok();
    assert!(called.stdout.contains("ho"), "{}", called.stdout);

    // A line that wraps an address in a program means the address.
    let _ = mcpt
        .run(&[
            "deploy",
            "--name",
            "pasted",
            "--",
            "npx",
            "-y",
            "mcp-remote",
            &there,
        ])
        .ok();
    for name in ["pasted", "described", "far", "demo"] {
        let _ = mcpt.run(&["delete", name]).ok();
    }
}

/// Every text in the files of a folder.
fn texts(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.push_str(&texts(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    all
}

#[test]
fn headers_reach_the_server_and_nobody_else() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (heads, seen) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut connection = BufReader::new(connection);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if !connection.read_line(&mut head).is_ok_and(|read| read > 0) {
                    break;
                }
            }
            drop(heads.send(head));
            let answer =
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            drop(connection.get_mut().write_all(answer));
        }
    });
    let mcpt = process().env("FAR_KEY", SECRET);
    let there = format!("http://{address}/mcp?key={SECRET}");
    let outcome = mcpt.run(&[
        "deploy",
        &there,
        "--name",
        "far",
        "--header",
        "X-Key=@env:FAR_KEY",
        "--timeout",
        "20s",
    ]);
    assert_ne!(outcome.code, Some(0), "{outcome:?}");
    let head = seen.recv().expect("the server was asked");
    assert!(
        head.to_lowercase().contains(&format!("x-key: {SECRET}")),
        "{head}"
    );
    assert!(head.contains(&format!("/mcp?key={SECRET}")), "{head}");
    let logs = mcpt.run(&["logs", "far"]);
    for (what, text) in [
        ("standard output", &outcome.stdout),
        ("standard error", &outcome.stderr),
        ("the log", &format!("{}{}", logs.stdout, logs.stderr)),
        ("the state folder", &texts(&mcpt.home().join("state"))),
    ] {
        assert!(!text.contains(SECRET), "{what}: {text}");
    }
    let processes = Command::new("ps")
        .args(["-eo", "args"])
        .output()
        .expect("ps");
    let processes = String::from_utf8_lossy(&processes.stdout).into_owned();
    let ours = processes
        .lines()
        .filter(|line| line.contains("mcpt") && line.contains("remote"));
    assert!(ours.into_iter().all(|line| !line.contains(SECRET)));
    let _ = mcpt.run(&["delete", "far"]);
}

#[test]
fn what_cannot_be_put_behind_a_port_says_why() {
    let mcpt = process();
    let cases: [(&[&str], &str); 7] = [
        (
            &["deploy", "http://x.test/mcp", "--header", "A=b"],
            "headers are sent by https alone",
        ),
        (
            &["deploy", "https://x.test/mcp", "--header", "A b=c"],
            "cannot be a header",
        ),
        (
            &["deploy", "https://x.test/mcp", "-e", "A=b"],
            "variables cannot reach it",
        ),
        (&["deploy", "https://x.test/mcp", "--", "a"], "arguments"),
        (
            &["deploy", "https://u:p@x.test/mcp"],
            "do not belong into an address",
        ),
        (
            &["deploy", "demo", "--header", "A=b"],
            "--header cannot be used here",
        ),
        (
            &["deploy", "npm:x", "--header", "A=b"],
            "are for servers at an address",
        ),
    ];
    for (arguments, says) in cases {
        let _ = mcpt.run(arguments).exits(2).says(&[says]);
    }
    let _ = Mcpt::new(&["--backend", "kubernetes"])
        .run(&["deploy", "https://x.test/mcp"])
        .exits(2)
        .says(&["a process of this machine stands for a server that runs elsewhere"]);
    let _ = mcpt
        .run(&["deploy", "mcpb:x.mcpb"])
        .exits(3)
        .says(&["cannot deploy mcpb:x.mcpb", "No such file"]);
}
