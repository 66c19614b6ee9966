//! The whole life of a server, the same on every backend: `MCPT_TEST_BACKEND` says which (default: process). That of
//! `tests/memory`, which is there to show what a further backend takes, needs its own binary in `MCPT_BIN`; docker and podman
//! need a static one there, and the engines of `cargo xtask engines`.
//!
//! Deploy, tools compared with the server run bare, calls with a result, with a tool error and with progress, a config
//! value that is changed and arrives, logs, delete. With two replicas where there can be several, on Kubernetes over two nodes.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::{collections::BTreeSet, process::Command};

use mcpt_tests::{BareHttp, Mcpt, TestNamespace, engine_objects, list_tools, mcpt_binary};
use serde_json::Value;

/// The backend under test and what it needs.
struct Place {
    mcpt: Mcpt,
    namespace: Option<TestNamespace>,
    /// The engine whose containers the servers are.
    engine: Option<&'static str>,
}

impl Place {
    fn new(word: &str) -> Self {
        match std::env::var("MCPT_TEST_BACKEND").as_deref() {
            Ok("kubernetes") => {
                let namespace = TestNamespace::new(word);
                let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
                Self {
                    mcpt,
                    namespace: Some(namespace),
                    engine: None,
                }
            }
            other => Self {
                mcpt: Mcpt::new(&["--backend", other.unwrap_or("process")]),
                namespace: None,
                engine: ["docker", "podman"]
                    .into_iter()
                    .find(|name| other == Ok(name)),
            },
        }
    }

    /// Whether servers run in containers, with their own paths.
    fn has_images(&self) -> bool {
        self.namespace.is_some() || self.engine.is_some()
    }

    /// Deploys with two replicas where there can be several.
    fn deploy(&self, arguments: &[&str]) {
        let mut arguments = [&["deploy"], arguments].concat();
        if self.has_images() {
            arguments.extend(["--replicas", "2"]);
        }
        let _ = self.mcpt.run(&arguments).ok();
    }

    fn call(&self, name: &str, tool: &str, json: &str) -> Value {
        self.mcpt.json(&["call", name, tool, "--json", json])
    }

    /// The whole cycle around what differs between servers.
    fn lifecycle(&self, name: &str, deploy: &[&str], bare: Vec<Value>, body: impl Fn(&Self)) {
        let before = self.objects(name);
        self.deploy(deploy);
        if self.namespace.is_some() {
            self.runs_on_two_nodes(name);
        }
        assert_eq!(
            by_name(
                self.mcpt
                    .json(&["tools", name])
                    .as_array()
                    .expect("a list")
                    .clone()
            ),
            by_name(bare),
            "tools of {name} as the server itself lists them"
        );
        body(self);
        let status = self.mcpt.json(&["status", name]);
        assert_eq!(status["state"], "running", "{status}");
        assert_eq!(status["ready"], status["desired"], "{status}");
        assert!(names(&self.mcpt.json(&["list"])).contains(&name.to_owned()));
        let logs = self.mcpt.run(&["logs", name]).ok();
        assert!(!logs.stdout.trim().is_empty(), "{name} logged nothing");

        let _ = self.mcpt.run(&["delete", name]).ok();
        assert!(!names(&self.mcpt.json(&["list"])).contains(&name.to_owned()));
        assert_eq!(
            self.objects(name),
            before,
            "what a deploy and a delete leave"
        );
        let _ = self.mcpt.run(&["status", name]).exits(3);
        let _ = self.mcpt.run(&["delete", name]).exits(3);
    }

    /// `deploy --diff` of a demo that greets with `Hello`.
    fn tells_what_would_change(&self) {
        let diff = |settings: &[&str]| {
            let deploy = ["deploy", "demo", "--diff", "-c"];
            self.mcpt.run(&[&deploy[..], settings].concat())
        };
        let replicas: &[&str] = if self.has_images() {
            &["--replicas", "2"]
        } else {
            &[]
        };
        let same = diff(&[&["greeting=Hello"], replicas].concat());
        if same
            .stderr
            .contains("does not tell what a deploy would change")
        {
            let _ = same.exits(2);
            return;
        }
        assert_eq!(same.exits(0).stdout, "");
        let token = ["greeting=Goodbye", "-c", "token=hunter2"];
        let changed = diff(&[&token, replicas].concat()).exits(1);
        let has = |sign: char, text: &str| {
            let mut lines = changed.stdout.lines();
            lines.any(|line| line.starts_with(sign) && line.contains(text))
        };
        assert!(
            has('-', "Hello") && has('+', "Goodbye"),
            "{}",
            changed.stdout
        );
        assert!(
            has('+', "TOKEN") && !changed.stdout.contains("hunter2"),
            "{}",
            changed.stdout
        );
    }

    /// Other instances take the place of those that run, and nothing else changes.
    fn restarts(&self, name: &str) {
        let look = || {
            let mut status = self.mcpt.json(&["status", name]);
            let replicas = status["replicas"].take();
            let replicas = replicas.as_array().expect("replicas").clone();
            // An old one may still be ending.
            let ready = replicas.iter().filter(|replica| replica["ready"] == true);
            let names = ready.map(|replica| replica["name"].to_string());
            let names = names.collect::<BTreeSet<_>>();
            let kept = ["url", "revision", "desired", "ready", "state", "env"];
            (kept.map(|key| status[key].take()), names)
        };
        let (before, old) = look();
        let restarted = self.mcpt.run(&["restart", name]);
        if restarted.stderr.contains("starts no server anew") {
            let _ = restarted.exits(2);
            return;
        }
        let _ = restarted.ok();
        let (after, new) = look();
        assert_eq!(after, before);
        assert_eq!(new.len(), old.len(), "{new:?}");
        assert!(new.is_disjoint(&old), "{old:?} and {new:?}");
        let _ = self.mcpt.run(&["restart", "no-such-server"]).exits(3);
    }

    /// What the platform has: all of it where it is this test's alone, else what is named after the server.
    fn objects(&self, server: &str) -> Vec<String> {
        match (&self.namespace, self.engine) {
            (Some(namespace), _) => namespace.objects().into_iter().collect(),
            (None, Some(engine)) => engine_objects(engine, &format!("mcpt-{server}")),
            (None, None) => std::fs::read_dir(self.mcpt.home().join("state/servers"))
                .map(|entries| {
                    entries
                        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
                        .collect()
                })
                .unwrap_or_default(),
        }
    }

    fn runs_on_two_nodes(&self, name: &str) {
        let status = self.mcpt.json(&["status", name]);
        let mut nodes: Vec<_> = status["replicas"]
            .as_array()
            .expect("replicas")
            .iter()
            .map(|r| r["node"].clone())
            .collect();
        nodes.sort_by_key(ToString::to_string);
        nodes.dedup();
        assert_eq!(nodes.len(), 2, "replicas spread over two nodes: {status}");
    }
}

fn names(list: &Value) -> Vec<String> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|server| server["name"].as_str().expect("a name").to_owned())
        .collect()
}

fn by_name(mut tools: Vec<Value>) -> Vec<Value> {
    tools.sort_by_key(|tool| tool["name"].to_string());
    tools
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {result}"))
}

/// A program that is already in npm's or uv's cache: suites on the cluster have no network.
fn cached(program: &str) -> Command {
    let mut command = Command::new(program);
    if std::env::var("MCPT_TEST_BACKEND").as_deref() == Ok("kubernetes") {
        command
            .env("npm_config_offline", "true")
            .env("UV_OFFLINE", "1");
    }
    command
}

fn everything_bare() -> Vec<Value> {
    list_tools(cached("npx").args(["-y", "@modelcontextprotocol/server-everything@2026.8.31"]))
}

#[test]
fn demo() {
    let place = Place::new("demo");
    let bare = BareHttp::start(&mut Command::new(mcpt_binary()), "demo");
    place.lifecycle(
        "demo",
        &["demo", "-c", "greeting=Hello"],
        bare.list_tools(),
        |place| {
            assert_eq!(
                text(&place.call("demo", "echo", r#"{"message":"you"}"#)),
                "Hello you"
            );
            assert_eq!(text(&place.call("demo", "add", r#"{"a":2,"b":40}"#)), "42");

            let failed = place
                .mcpt
                .run(&["call", "demo", "fail", "-o", "json"])
                .exits(5);
            assert_eq!(failed.json()["isError"], true);

            let slow = place
                .mcpt
                .run(&["call", "demo", "slow", "--arg", "seconds=1"])
                .ok();
            assert!(
                slow.stderr.contains("100%") || slow.stderr.contains("1/1"),
                "{}",
                slow.stderr
            );

            place.tells_what_would_change();
            place.deploy(&["demo", "-c", "greeting=Goodbye"]);
            assert_eq!(
                text(&place.call("demo", "echo", r#"{"message":"you"}"#)),
                "Goodbye you"
            );
            place.restarts("demo");
            assert_eq!(
                text(&place.call("demo", "echo", r#"{"message":"you"}"#)),
                "Goodbye you"
            );
        },
    );
}

/// Every name that servers may have, also those that YAML reads as something else, and the longest.
#[test]
fn any_legal_name() {
    let place = Place::new("names");
    let longest = format!("0{}", "-x".repeat(26));
    let names = ["0x1f", "12-30", "n", &longest];
    for name in names {
        let _ = place.mcpt.run(&["deploy", "demo", "--name", name]).ok();
    }
    for name in names {
        let echoed = place.call(name, "echo", r#"{"message":"you"}"#);
        assert_eq!(text(&echoed), "you", "{name}");
    }
    for name in names {
        let _ = place.mcpt.run(&["delete", name]).ok();
    }
}

#[test]
fn everything_over_http() {
    let place = Place::new("everything-http");
    place.lifecycle("everything", &["everything"], everything_bare(), |place| {
        everything_answers(place, "everything");
    });
}

#[test]
fn everything_over_stdio() {
    let place = Place::new("everything-stdio");
    let deploy = ["everything", "--transport", "stdio", "--name", "bridged"];
    place.lifecycle("bridged", &deploy, everything_bare(), |place| {
        everything_answers(place, "bridged");
    });
}

fn everything_answers(place: &Place, name: &str) {
    assert_eq!(
        text(&place.call(name, "echo", r#"{"message":"over"}"#)),
        "Echo: over"
    );
    let failed = place.mcpt.run(&[
        "call",
        name,
        "get-sum",
        "--json",
        r#"{"a":"x"}"#,
        "-o",
        "json",
    ]);
    assert_eq!(failed.exits(5).json()["isError"], true);
    let slow = place
        .mcpt
        .run(&[
            "call",
            name,
            "trigger-long-running-operation",
            "--json",
            r#"{"duration":2,"steps":2}"#,
        ])
        .ok();
    assert!(
        slow.stderr.contains("1/2"),
        "progress on stderr:\n{}",
        slow.stderr
    );
    assert!(slow.stdout.contains("completed"), "{}", slow.stdout);
}

#[test]
fn filesystem() {
    let place = Place::new("filesystem");
    let folder = place.mcpt.home().join("data");
    std::fs::create_dir(&folder).expect("making a folder");
    let folder = folder.to_str().expect("UTF-8 path");
    let bare = list_tools(cached("npx").args([
        "-y",
        "@modelcontextprotocol/server-filesystem@2026.8.31",
        folder,
    ]));
    let setting = format!("allowed_dirs={folder}:/data");
    let inside = if place.has_images() { "/data" } else { folder };
    place.lifecycle(
        "filesystem",
        &["filesystem", "-c", &setting],
        bare,
        |place| {
            let allowed = place.call("filesystem", "list_allowed_directories", "{}");
            assert!(text(&allowed).contains(inside), "{allowed}");
            let file = format!(r#"{{"path":"{inside}/a.txt","content":"kept"}}"#);
            place.call("filesystem", "write_file", &file);
            let outside = [
                "call",
                "filesystem",
                "read_text_file",
                "--arg",
                "path=/etc/passwd",
            ];
            let refused = place.mcpt.run(&outside).exits(5);
            assert!(!refused.stdout.contains("root:"), "{}", refused.stdout);
        },
    );
}

#[test]
fn time() {
    let place = Place::new("time");
    let bare =
        list_tools(cached("uvx").args(["mcp-server-time@2026.10.19", "--local-timezone", "UTC"]));
    place.lifecycle(
        "time",
        &["time", "-c", "local_timezone=UTC"],
        bare,
        |place| {
            let converted = place.call(
                "time",
                "convert_time",
                r#"{"source_timezone":"UTC","time":"12:00","target_timezone":"Asia/Tokyo"}"#,
            );
            assert!(text(&converted).contains("21:00"), "{converted}");
            let failed = place.mcpt.run(&[
                "call",
                "time",
                "get_current_time",
                "--arg",
                "timezone=Moon/Base",
            ]);
            let _ = failed.exits(5);
        },
    );
}
