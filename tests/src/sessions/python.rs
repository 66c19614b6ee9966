//! Sessions of the Python SDK's client: `tests/clients/sessions.py` in a process of its own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use super::{Answer, Sessions};

/// The process that holds them.
#[derive(Debug)]
pub struct PythonSessions {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl PythonSessions {
    /// Starts it, with the SDK in `MCPT_PYTHON_SDK`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start() -> Self {
        let sdk = std::env::var_os("MCPT_PYTHON_SDK")
            .expect("MCPT_PYTHON_SDK: the folder that `cargo xtask tools python-sdk` prints");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/sessions.py");
        let mut child = Command::new("python3")
            .arg(script)
            .env("PYTHONPATH", sdk)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starting python3");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("stdout of the child"));
        Self {
            child,
            input,
            output,
        }
    }

    fn command(&mut self, command: &Value) -> Vec<Answer> {
        let input = self.input.as_mut().expect("stdin of the child");
        writeln!(input, "{command}").expect("writing to the child");
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("reading from the child");
        let answers: Vec<Value> = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{command} was answered with {line:?}: {error}"));
        answers.iter().map(answer).collect()
    }
}

fn answer(said: &Value) -> Answer {
    match (said["instance"].as_str(), said["counter"].as_u64()) {
        (Some(instance), Some(counter)) => Answer::Counted {
            instance: instance.to_owned(),
            counter,
        },
        _ if said["status"] == 404 => Answer::Gone,
        _ => Answer::Failed(said.to_string()),
    }
}

impl Sessions for PythonSessions {
    fn open(&mut self, url: &str, count: usize) -> Vec<Answer> {
        self.command(&json!({"do": "open", "url": url, "count": count}))
    }

    fn call(&mut self) -> Vec<Answer> {
        self.command(&json!({"do": "call"}))
    }

    fn reopen(&mut self, sessions: &[usize]) -> Vec<Answer> {
        self.command(&json!({"do": "reopen", "sessions": sessions}))
    }
}

impl Drop for PythonSessions {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.child.kill());
        }
        // At the end of its input it ends its sessions.
        drop(self.input.take());
        drop(self.child.wait());
    }
}
