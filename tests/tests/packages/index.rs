//! A registry of npm and an index of Python of a test's own, which is `tests/clients/index.py`.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::machine::Machine;

/// It serves until it is dropped.
pub(crate) struct Index {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    scheme: &'static str,
}

impl Index {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/index.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut port = String::new();
        let mut output = BufReader::new(child.stdout.as_mut().expect("its output"));
        output.read_line(&mut port).expect("its port");
        let scheme = if arguments.contains(&"--tls") {
            "https"
        } else {
            "http"
        };
        Self {
            child,
            address: format!("127.0.0.1:{}", port.trim()),
            scheme,
        }
    }

    /// Tells a machine of it: `more` is for `.npmrc`, `user` is `NAME:PASSWORD@` for uv.
    pub(crate) fn tell(&self, machine: &Machine, more: &str, user: &str) {
        let Self {
            address, scheme, ..
        } = self;
        machine.tell(
            &format!("registry={scheme}://{address}/\nfetch-retries=0\n{more}\n"),
            &format!("[[index]]\nurl = \"{scheme}://{user}{address}/simple\"\ndefault = true\n"),
        );
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It has ended, or is ended by the machine with the test.
        drop(self.child.wait());
    }
}
