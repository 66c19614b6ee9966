//! The programs that work on releases, and what is on the cluster after them.

use std::{
    collections::BTreeMap,
    process::{Command, Output},
};

use mcpt_tests::{Helm, Mcpt, TestNamespace, kubectl_json};
use serde_json::Value;

/// A program that works on releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Mcpt,
    Helm(Helm),
}

impl Tool {
    pub(crate) const ALL: [Self; 3] = [Self::Mcpt, Self::Helm(Helm::V3), Self::Helm(Helm::V4)];

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

/// What charts make in a namespace, by kind and name, without what differs each time.
pub(crate) fn objects(namespace: &TestNamespace, kinds: &str) -> BTreeMap<String, Value> {
    let list = kubectl_json(&["get", "-n", namespace.name(), kinds]);
    let mut all = BTreeMap::new();
    for object in list["items"].as_array().unwrap() {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap();
        if name.starts_with("sh.helm.release") || name == "kube-root-ca.crt" {
            continue;
        }
        let kind = object["kind"].as_str().unwrap();
        let mut kept = serde_json::json!({
            "labels": metadata["labels"],
            "annotations": metadata["annotations"],
        });
        // A job's own are made by its controller.
        if kind == "Job" {
            kept["labels"] = Value::Null;
        } else {
            for field in ["spec", "data"] {
                kept[field] = object[field].clone();
            }
        }
        if let Some(spec) = kept["spec"].as_object_mut() {
            spec.retain(|field, _| !field.starts_with("clusterIP"));
        }
        if let Some(annotations) = kept["annotations"].as_object_mut() {
            annotations.remove("deployment.kubernetes.io/revision");
        }
        let text = kept.to_string().replace(namespace.name(), "NAMESPACE");
        all.insert(
            format!("{kind} {name}"),
            serde_json::from_str(&text).unwrap(),
        );
    }
    all
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
