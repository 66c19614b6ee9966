//! Clients and servers of both eras that others wrote, in all four pairs, at one address each.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    ffi::{OsStr, OsString},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mcpt_tests::{Mcpt, processes::Process};
use serde_json::{Value, json};

const ERAS: [&str; 2] = ["sessions", "stateless"];
/// Kinds of servers: those of the older transport are found out by the gateway.
const SERVERS: [&str; 3] = ["sessions", "stateless", "older"];

/// The Python SDK's server in one era alone.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(era: &str) -> Self {
        let mut child = script(&["server", era])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting python3");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut port)
            .expect("its port");
        let path = if era == "older" { "sse" } else { "mcp" };
        Self {
            child,
            url: format!("http://127.0.0.1:{}/{path}", port.trim()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where the SDK is, and our script.
fn sdk() -> (OsString, PathBuf) {
    let sdk = std::env::var_os("MCPT_PYTHON_SDK")
        .expect("MCPT_PYTHON_SDK: the folder that `cargo xtask tools python-sdk` prints");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/eras.py");
    (sdk, script)
}

fn script(arguments: &[&str]) -> Command {
    let (sdk, script) = sdk();
    let mut command = Command::new("python3");
    command.arg(script).args(arguments).env("PYTHONPATH", sdk);
    command
}

/// What its client sees at a URL.
fn seen(era: &str, url: &str) -> Value {
    let output = script(&["client", era, url])
        .stderr(Stdio::inherit())
        .output()
        .expect("running python3");
    assert!(output.status.success(), "{era} client at {url}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn every_client_sees_every_server_as_it_is() {
    let servers = SERVERS.map(Server::start);
    let named: Vec<_> = SERVERS
        .iter()
        .zip(&servers)
        .flat_map(|(era, server)| ["--server".to_owned(), format!("{era}={}", server.url)])
        .collect();
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    let gateway = Process::gateway(&named);
    let wanted = seen("stateless", &servers[1].url);
    assert_eq!(wanted["greet"], json!(["Hello, Ada!"]));
    assert_eq!(wanted["sample"], json!(["It says Paris"]));
    for server in SERVERS {
        let url = gateway.url(&format!("/mcp/{server}"));
        for client in ERAS {
            assert_eq!(
                seen(client, &url),
                wanted,
                "{client} client, {server} server"
            );
        }
    }
}

/// The older transport on both sides of the bridge: its own clients, and the gateway as a client of it for all others.
#[test]
fn clients_of_the_older_transport_and_their_server_see_each_other() {
    let (sdk, script) = sdk();
    let command = ["python3".as_ref(), script.as_os_str(), OsStr::new("stdio")];
    let bridge = Process::bridge(&command, ("PYTHONPATH", &sdk));
    let wanted = seen("sessions", &bridge.url("/mcp"));
    assert_eq!(wanted["greet"], json!(["Hello, Ada!"]));
    let older = bridge.url("/sse");
    assert_eq!(seen("older", &older), wanted);
    let gateway = Process::gateway(&["--server", &format!("older={older}")]);
    for client in ERAS {
        assert_eq!(seen(client, &gateway.url("/mcp/older")), wanted, "{client}");
    }
}

/// One that runs elsewhere, by its address and by what its author says of it.
#[test]
fn a_server_of_the_older_transport_is_deployed_as_any_other() {
    let mcpt = Mcpt::new(&["--backend", "process"]);
    let server = Server::start("older");
    let document = json!({
        "name": "io.github.owner/far", "description": "x", "version": "1.0.0",
        "remotes": [{"type": "sse", "url": server.url}],
    });
    let file = mcpt.file("server.json", &document.to_string());
    for source in [&server.url, &file] {
        let _ = mcpt.run(&["deploy", source, "--name", "far"]).ok();
        let called = mcpt
            .run(&["call", "far", "echo", "--arg", "text=ahoy"])
            .ok();
        assert!(called.stdout.contains("ahoy"), "{}", called.stdout);
        let _ = mcpt.run(&["delete", "far"]).ok();
    }
}
