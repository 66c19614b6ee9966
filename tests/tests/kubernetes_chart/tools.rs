//! The programs that work on releases, and what is recorded after them.

use std::process::{Command, Output};

use mcpt_tests::{Helm, Mcpt, TestNamespace};
use serde_json::Value;

/// A program that works on releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Mcpt,
    Helm(Helm),
}

impl Tool {
    /// The program in a namespace, ready to be started.
    pub(crate) fn command(self, namespace: &TestNamespace, arguments: &[&str]) -> Command {
        match self {
            Self::Helm(helm) => {
                let mut command = helm.command(namespace);
                command.args(arguments);
                command
            }
            Self::Mcpt => {
                // What is dropped here removes the servers that it knows of; a release of a chart is none.
                let mcpt = Mcpt::new(&["--namespace", namespace.name()]);
                mcpt.command(&[&["chart"], arguments].concat())
            }
        }
    }

    /// Runs it in a namespace.
    pub(crate) fn run(self, namespace: &TestNamespace, arguments: &[&str]) -> Output {
        self.command(namespace, arguments).output().unwrap()
    }

    /// Runs it, and it must succeed.
    pub(crate) fn succeeds(self, namespace: &TestNamespace, arguments: &[&str]) -> String {
        let output = self.run(namespace, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{self:?} {}: {said}",
            arguments.join(" ")
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The revisions of a release: number, status, chart and description.
pub(crate) fn history(namespace: &TestNamespace, release: &str) -> Vec<String> {
    let output = Tool::Helm(Helm::V4).run(namespace, &["history", release, "-o", "json"]);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let all = all.as_array().cloned().unwrap_or_default();
    all.iter()
        .map(|r| {
            format!(
                "{} {} {} {}",
                r["revision"], r["status"], r["chart"], r["description"]
            )
        })
        .collect()
}
