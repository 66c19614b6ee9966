//! Each of mcpt, helm 3 and helm 4 goes on after each other: the objects and the history after every step are those of helm 4
//! alone.

use std::{collections::BTreeMap, thread, time::Duration};

use mcpt_tests::{Helm, TestNamespace, eventually, kubectl};
use serde_json::Value;

use crate::{
    charts::full,
    tools::{Tool, history, objects},
};

/// What is there after each step.
type Steps = Vec<(BTreeMap<String, Value>, Vec<String>)>;

const STEPS: [&[&str]; 4] = [
    &["install", "web", "CHART"],
    &["upgrade", "web", "CHART", "--set", "word=second,extra=true"],
    &["rollback", "web", "1"],
    &["uninstall", "web"],
];

fn run(tools: [Tool; 4], chart: &str, kinds: &str) -> Steps {
    let namespace = TestNamespace::new("chart-matrix");
    let mut steps = Vec::new();
    for (tool, step) in tools.into_iter().zip(STEPS) {
        let step: Vec<&str> = step
            .iter()
            .map(|word| if *word == "CHART" { chart } else { word })
            .collect();
        tool.succeeds(&namespace, &step);
        // Helm 3 and 4 return before what they delete is gone.
        let there = eventually(Duration::from_mins(1), || {
            let there = objects(&namespace, kinds);
            let going = kubectl(&[
                "get",
                "-n",
                namespace.name(),
                kinds,
                "-o",
                "jsonpath={.items[*].metadata.deletionTimestamp}",
            ]);
            going
                .trim()
                .is_empty()
                .then_some(there)
                .ok_or_else(|| "something is being deleted".to_owned())
        });
        steps.push((there, history(&namespace, "web")));
    }
    steps
}

#[test]
fn each_goes_on_after_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let group = format!("m{}.example.com", std::process::id());
    let chart = full(folder.path(), &group);
    let kinds = format!("configmaps,secrets,services,deployments,jobs,things.{group}");
    let four = Tool::Helm(Helm::V4);
    let alone = run([four; 4], &chart, &kinds);
    // Each program does each step once, after another one each time.
    let orders = [0, 1, 2].map(|first| [0, 1, 2, 3].map(|step| Tool::ALL[(first + step) % 3]));
    thread::scope(|scope| {
        let (chart, kinds, alone) = (&chart, &kinds, &alone);
        for tools in orders {
            scope.spawn(move || {
                let steps = run(tools, chart, kinds);
                for (at, (found, wanted)) in steps.iter().zip(alone).enumerate() {
                    assert_eq!(found, wanted, "{tools:?} after step {at}");
                }
            });
        }
    });
    kubectl(&["delete", "crd", &format!("things.{group}"), "--wait=false"]);
}
