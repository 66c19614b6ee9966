//! The registries of npm and Python for a network that reaches none, which is `tests/clients/mirror.py`.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// It answers until it is dropped.
pub(crate) struct Mirror {
    children: Vec<Child>,
    /// `ADDRESS:PORT`.
    pub(crate) address: String,
    connections: Arc<AtomicUsize>,
}

impl Mirror {
    /// At this address of this network: of the one at the socket of `MCPT_TEST_MIRROR`, which was started where the registries can be
    /// reached, else of one of its own.
    pub(crate) fn start(address: &str, folder: &std::path::Path) -> Self {
        let mut children = Vec::new();
        let socket = env::var("MCPT_TEST_MIRROR").unwrap_or_else(|_| {
            let socket = folder.join("mirror.sock");
            let socket = socket.to_str().expect("UTF-8").to_owned();
            let (child, mut output) = program(&["serve", &socket]);
            children.push(child);
            assert_eq!(line(&mut output), "ready");
            socket
        });
        let (child, mut output) = program(&["forward", &socket, address]);
        children.push(child);
        let port = line(&mut output);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for _ in output.lines() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            children,
            address: format!("{address}:{port}"),
            connections,
        }
    }

    /// How often it was asked so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
            // It has ended, or is ended by the machine with the test.
            drop(child.wait());
        }
    }
}

fn program(arguments: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/mirror.py");
    let mut child = Command::new("python3")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    (child, output)
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    line.trim().to_owned()
}
