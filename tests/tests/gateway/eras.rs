//! Clients and servers of both eras that others wrote, in all four pairs, at one address each.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use mcpt_tests::processes::Process;
use serde_json::{Value, json};

const ERAS: [&str; 2] = ["sessions", "stateless"];

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
        Self {
            child,
            url: format!("http://127.0.0.1:{}/mcp", port.trim()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn script(arguments: &[&str]) -> Command {
    let sdk = std::env::var_os("MCPT_PYTHON_SDK")
        .expect("MCPT_PYTHON_SDK: the folder that `cargo xtask tools python-sdk` prints");
    let mut command = Command::new("python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/eras.py"))
        .args(arguments)
        .env("PYTHONPATH", sdk);
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
    let servers = ERAS.map(Server::start);
    let named: Vec<_> = ERAS
        .iter()
        .zip(&servers)
        .flat_map(|(era, server)| ["--server".to_owned(), format!("{era}={}", server.url)])
        .collect();
    let named: Vec<_> = named.iter().map(String::as_str).collect();
    let gateway = Process::gateway(&named);
    let wanted = seen("stateless", &servers[1].url);
    assert_eq!(wanted["greet"], json!(["Hello, Ada!"]));
    assert_eq!(wanted["sample"], json!(["It says Paris"]));
    for server in ERAS {
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
