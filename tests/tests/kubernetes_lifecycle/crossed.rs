//! Install, update, rollback and uninstall crossed between mcpt, Helm 3 and Helm 4. After every step the namespace's objects
//! and the history are what they should be, whichever tool is asked.

use std::{collections::BTreeSet, thread};

use mcpt_tests::{Helm, Mcpt, TestNamespace, kubectl};
use serde_json::Value;

use crate::{CHART, deploy, mcpt, objects, revisions};

/// Who does a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Mcpt,
    Helm(Helm),
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Also an update, when there is a release.
    Deploy(By),
    /// To this number of pods.
    Scale(u64),
    /// To this revision.
    Rollback(By, usize),
    Uninstall(By),
}

use Step::{Deploy, Rollback, Scale, Uninstall};

const M: By = By::Mcpt;
const H3: By = By::Helm(Helm::V3);
const H4: By = By::Helm(Helm::V4);

const SEQUENCES: [&[Step]; 8] = [
    &[
        Deploy(M),
        Deploy(H3),
        Deploy(H4),
        Rollback(M, 1),
        Uninstall(M),
    ],
    &[Deploy(M), Deploy(H4), Rollback(H3, 1), Uninstall(H3)],
    &[
        Deploy(H3),
        Deploy(M),
        Rollback(H3, 1),
        Rollback(H4, 2),
        Uninstall(H4),
    ],
    &[
        Deploy(H4),
        Deploy(M),
        Rollback(H4, 1),
        Deploy(M),
        Uninstall(H3),
    ],
    &[Deploy(H3), Deploy(H4), Rollback(M, 1), Uninstall(M)],
    &[
        Deploy(H4),
        Deploy(H3),
        Rollback(M, 1),
        Deploy(H4),
        Uninstall(H3),
    ],
    &[
        Deploy(M),
        Uninstall(H3),
        Deploy(H4),
        Uninstall(M),
        Deploy(H3),
        Uninstall(H4),
    ],
    &[
        Deploy(H3),
        Scale(2),
        Deploy(H3),
        Rollback(H4, 2),
        Uninstall(M),
    ],
];

/// What a revision holds.
#[derive(Debug, Clone, PartialEq)]
struct Content {
    greeting: String,
    token: String,
    replicas: u64,
}

/// A release as it should be.
#[derive(Debug, Default)]
struct Release {
    revisions: Vec<(Content, String)>,
}

impl Release {
    fn add(&mut self, content: Content, description: &str) {
        self.revisions.push((content, description.to_owned()));
    }

    fn running(&self) -> &Content {
        &self.revisions.last().expect("a revision").0
    }

    /// Number, status and description of each revision.
    fn history(&self) -> Vec<(u64, String, String)> {
        let last = self.revisions.len();
        let entry = |(index, (_, description)): (usize, &(Content, String))| {
            let status = if index + 1 == last {
                "deployed"
            } else {
                "superseded"
            };
            (index as u64 + 1, status.to_owned(), description.clone())
        };
        self.revisions.iter().enumerate().map(entry).collect()
    }

    fn objects(&self) -> BTreeSet<String> {
        if self.revisions.is_empty() {
            return BTreeSet::new();
        }
        let own = [
            "configmap",
            "deployment.apps",
            "secret",
            "service",
            "serviceaccount",
        ];
        let own = own.map(|kind| format!("{kind}/demo"));
        let records = 1..=self.revisions.len();
        own.into_iter()
            .chain(records.map(|number| format!("secret/sh.helm.release.v1.demo.v{number}")))
            .collect()
    }
}

/// A sequence in a namespace of its own.
struct Run {
    namespace: TestNamespace,
    mcpt: Mcpt,
    /// What is in a namespace that is empty.
    empty: BTreeSet<String>,
    values: String,
    release: Release,
}

impl Run {
    fn new(number: usize) -> Self {
        let namespace = TestNamespace::new(&format!("crossed-{number}"));
        let mcpt = mcpt(&namespace);
        let values = mcpt.file(
            "values.yaml",
            "image: {repository: localhost/mcpt, tag: 0.1.0}\n\
             mcp: {command: [/mcpt, demo, --listen, 0.0.0.0], portEnv: PORT, template: demo}\n\
             resources: {requests: {cpu: 20m, memory: 32Mi}, limits: {cpu: 500m, memory: 128Mi}}\n\
             drainSeconds: 0\n",
        );
        Self {
            empty: namespace.objects(),
            namespace,
            mcpt,
            values,
            release: Release::default(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Deploy(by) => {
                let number = self.release.revisions.len() + 1;
                let content = Content {
                    greeting: format!("greeting-{number}"),
                    token: format!("token-{number}"),
                    replicas: 1 + (number as u64 + 1) % 2,
                };
                self.deploy(by, &content);
                let first = self.release.revisions.is_empty();
                let done = if first {
                    "Install complete"
                } else {
                    "Upgrade complete"
                };
                self.release.add(content, done);
            }
            Scale(replicas) => {
                let number = replicas.to_string();
                let _ = self
                    .mcpt
                    .run(&["scale", "demo", "--replicas", &number])
                    .ok();
                let content = Content {
                    replicas,
                    ..self.release.running().clone()
                };
                self.release.add(content, &format!("Scaled to {replicas}"));
            }
            Rollback(by, to) => {
                let number = to.to_string();
                match by {
                    By::Mcpt => drop(self.mcpt.run(&["rollback", "demo", &number]).ok()),
                    By::Helm(helm) => {
                        helm.run(&self.namespace, &["rollback", "demo", &number, "--wait"]);
                    }
                }
                let content = self.release.revisions[to - 1].0.clone();
                self.release.add(content, &format!("Rollback to {to}"));
            }
            Uninstall(by) => {
                match by {
                    By::Mcpt => drop(self.mcpt.run(&["delete", "demo"]).ok()),
                    By::Helm(helm) => {
                        helm.run(&self.namespace, &["uninstall", "demo", "--wait"]);
                    }
                }
                self.release = Release::default();
            }
        }
    }

    fn deploy(&self, by: By, content: &Content) {
        let replicas = content.replicas.to_string();
        let By::Helm(helm) = by else {
            let greeting = format!("greeting={}", content.greeting);
            let token = format!("token={}", content.token);
            let settings = ["-c", &greeting, "-c", &token, "--replicas", &replicas];
            return deploy(&self.mcpt, &settings);
        };
        let greeting = format!("env.MCPT_DEMO_GREETING={}", content.greeting);
        let token = format!("secrets.MCPT_DEMO_TOKEN={}", content.token);
        let replicas = format!("replicaCount={replicas}");
        let verb: &[&str] = if self.release.revisions.is_empty() {
            &["install", "demo", CHART, "-f", &self.values]
        } else {
            &["upgrade", "demo", CHART, "--reuse-values"]
        };
        let set = [
            "--set", &greeting, "--set", &token, "--set", &replicas, "--wait",
        ];
        helm.run(&self.namespace, &[verb, &set].concat());
    }

    /// Asks everybody.
    fn check(&self, done: &str) {
        if self.release.revisions.is_empty() {
            return self.check_gone(done);
        }
        self.namespace.rolled_out("demo");
        let expected = self.release.history();
        let by_mcpt = revisions(&self.mcpt.json(&["history", "demo"]));
        assert_eq!(by_mcpt, expected, "mcpt's history after {done}");
        for helm in [Helm::V3, Helm::V4] {
            let told = helm.run(&self.namespace, &["history", "demo", "-o", "json"]);
            let told: Value = serde_json::from_str(&told).expect("JSON");
            assert_eq!(
                revisions(&told),
                expected,
                "{helm:?}'s history after {done}"
            );
        }

        let there: BTreeSet<String> = self.lasting().difference(&self.empty).cloned().collect();
        assert_eq!(there, self.release.objects(), "objects after {done}");
        let live = objects(
            &self.namespace,
            &["deployment/demo", "configmap/demo", "secret/demo"],
        );
        for object in &live {
            let metadata = &object["metadata"];
            let release = &metadata["annotations"]["meta.helm.sh/release-name"];
            let manager = &metadata["labels"]["app.kubernetes.io/managed-by"];
            assert_eq!(
                (release, manager),
                (&"demo".into(), &"Helm".into()),
                "after {done}"
            );
        }
        let content = self.release.running();
        let [deployment, config, _] = live.as_slice() else {
            panic!("three objects after {done}")
        };
        assert_eq!(
            deployment["spec"]["replicas"], content.replicas,
            "after {done}"
        );
        let greeting = &config["data"]["MCPT_DEMO_GREETING"];
        assert_eq!(greeting, &content.greeting, "after {done}");
        let token = kubectl(&[
            "get",
            "-n",
            self.namespace.name(),
            "secret/demo",
            "--template={{.data.MCPT_DEMO_TOKEN | base64decode}}",
        ]);
        assert_eq!(token, content.token, "after {done}");
        let echo = ["call", "demo", "echo", "--arg", "message=x"];
        let echoed = self.mcpt.run(&echo).ok().stdout;
        assert!(echoed.contains(&content.greeting), "after {done}: {echoed}");
    }

    fn check_gone(&self, done: &str) {
        kubectl(&[
            "wait",
            "-n",
            self.namespace.name(),
            "--for=delete",
            "pod",
            "-l",
            "mcpt.io/server=demo",
            "--timeout=60s",
        ]);
        assert_eq!(self.namespace.objects(), self.empty, "objects after {done}");
        let _ = self.mcpt.run(&["history", "demo"]).exits(3);
        for helm in [Helm::V3, Helm::V4] {
            let listed = helm.run(&self.namespace, &["list", "-q"]);
            assert_eq!(listed, "", "after {done}");
        }
    }

    /// Names of the objects that no controller makes.
    fn lasting(&self) -> BTreeSet<String> {
        let made = ["pod/", "replicaset.apps/", "endpoints/", "endpointslice."];
        let all = self.namespace.objects().into_iter();
        all.filter(|name| !made.iter().any(|kind| name.starts_with(kind)))
            .collect()
    }
}

#[test]
fn every_tool_goes_on_where_another_stopped() {
    thread::scope(|scope| {
        for (number, steps) in SEQUENCES.iter().enumerate() {
            scope.spawn(move || {
                let mut run = Run::new(number);
                for (index, step) in steps.iter().enumerate() {
                    run.take(*step);
                    run.check(&format!(
                        "step {} of sequence {number}: {step:?}",
                        index + 1
                    ));
                }
            });
        }
    });
}
