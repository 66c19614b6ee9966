//! Servers by the names of their packages on a cluster whose pods reach one index inside it, and nothing else.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

#[path = "packages/machine.rs"]
#[expect(dead_code, reason = "the registries are lost with the index here")]
mod machine;

use std::{fs, path::PathBuf, time::Duration};

use machine::Machine;
use mcpt_tests::{Mcpt, TestNamespace, eventually, kill_container, kubectl};
use serde_json::{Value, json};

const USER: &str = "builder";
const PASSWORD: &str = "s3cr3t-of-the-index";
/// `builder:s3cr3t-of-the-index`, as `npm config set` writes it.
const AUTH: &str = "YnVpbGRlcjpzM2NyM3Qtb2YtdGhlLWluZGV4";

/// The registry and index of the tests as a pod, and mcpt told of it on a machine of its own.
struct World {
    namespace: TestNamespace,
    machine: Machine,
    address: String,
}

impl World {
    fn new(word: &str, arguments: &[&str]) -> Self {
        let namespace = TestNamespace::new(word);
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/index.py");
        let script = fs::read_to_string(script).expect("the index");
        let mut command = vec!["python3", "/index/index.py", "--listen", "0.0.0.0", "8080"];
        command.extend(arguments);
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "index"}, "data": {"index.py": script}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "index"},
             "spec": {"selector": {"app": "index"}, "ports": [{"port": 8080}]}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "index", "labels": {"app": "index"}},
             "spec": {
                "terminationGracePeriodSeconds": 0,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    // It serves until its input ends.
                    "name": "index", "image": "localhost/mcpt-runtime-python:3.11", "stdin": true, "command": command,
                    "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
                    "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": "index", "mountPath": "/index"}],
                }],
                "volumes": [{"name": "index", "configMap": {"name": "index"}}],
            }},
        ]});
        namespace.apply(&objects.to_string());
        let url = namespace.service_url("index");
        let address = url.trim_start_matches("http://").to_owned();
        let globals = ["--backend", "kubernetes", "--namespace", namespace.name()];
        let mcpt = Mcpt::new(&globals);
        let config = mcpt.file(
            "config.yaml",
            "runtimes:\n  node: localhost/mcpt-runtime-node:24\n  python: localhost/mcpt-runtime-python:3.11\n  settings: true\n",
        );
        let machine = Machine::with(mcpt)
            .env("MCPT_CONFIG", config)
            .env("UV_PYTHON", "3.11")
            // The cluster's network is told to ask nobody; there is an index in it.
            .env("UV_OFFLINE", "false")
            .env("npm_config_offline", "false");
        Self {
            namespace,
            machine,
            address,
        }
    }

    fn mcpt(&self) -> &Mcpt {
        &self.machine.mcpt
    }

    /// Tells npm and uv of the index: `npm` is more for `.npmrc`, `user` is `NAME:PASSWORD@` for uv.
    fn tell(&self, npm: &str, user: &str) {
        let address = &self.address;
        self.machine.tell(
            &format!("registry=http://{address}/\nfetch-retries=0\n{npm}\n"),
            &format!("[[index]]\nurl = \"http://{user}{address}/simple\"\ndefault = true\n"),
        );
    }

    /// From now on nobody reaches any index.
    fn lose_the_index(&self) {
        kubectl(&["delete", "-n", self.namespace.name(), "pod/index"]);
    }

    fn pods(&self, server: &str) -> Vec<Value> {
        let label = format!("--selector=mcpt.io/server={server}");
        let list = mcpt_tests::kubectl_json(&["get", "-n", self.namespace.name(), "pods", &label]);
        list["items"].as_array().expect("a list").clone()
    }
}

/// The names of a server's tools, once it answers.
fn tools(mcpt: &Mcpt, server: &str) -> Vec<String> {
    eventually(Duration::from_mins(2), || {
        let outcome = mcpt.run(&["tools", server, "-o", "json"]);
        if outcome.code != Some(0) {
            return Err(outcome.stderr);
        }
        let listed = outcome.json();
        let tools = listed.as_array().expect("a list of tools");
        let names = tools.iter().filter_map(|tool| tool["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    })
}

/// From an index with a password: the lock is in a `ConfigMap`, the password in a Secret and nowhere else, and a container that
/// starts again asks nobody.
#[test]
fn a_package_is_installed_by_its_pod_and_started_again_without_an_index() {
    let world = World::new("packages", &["--auth", &format!("{USER}:{PASSWORD}")]);
    let npm = format!("//{}/:_auth={AUTH}", world.address);
    world.tell(&npm, &format!("{USER}:{PASSWORD}@"));
    let (mcpt, namespace) = (world.mcpt(), &world.namespace);
    for (kind, version) in [("npm", "@1.1.0"), ("pypi", "==1.1")] {
        let source = format!("{kind}:mcpt-test-server{version}");
        let deployed = mcpt.run(&["deploy", &source, "--name", kind]).ok();
        assert!(!deployed.stderr.contains(PASSWORD), "{}", deployed.stderr);
        assert_eq!(tools(mcpt, kind).len(), 1);
        assert_eq!(mcpt.json(&["status", kind])["source"], source.as_str());
        let mut holders = Vec::new();
        for object in namespace.objects() {
            let text = kubectl(&["get", "-n", namespace.name(), &object, "-o", "yaml"]);
            let decoded = text.lines().any(|line| {
                let word = line.rsplit(' ').next().unwrap_or_default();
                base64_of(word).is_some_and(|text| text.contains(PASSWORD) || text.contains(AUTH))
            });
            if text.contains(PASSWORD) || text.contains(AUTH) || decoded {
                holders.push(object);
            }
        }
        let own = format!("secret/{kind}-package");
        assert!(holders.contains(&own), "{holders:?}");
        // The index itself is told of it by its arguments.
        let others = holders
            .iter()
            .filter(|object| !object.ends_with("-package") && *object != "pod/index");
        assert_eq!(others.collect::<Vec<_>>(), [""; 0], "{holders:?}");
    }
    world.lose_the_index();
    for kind in ["npm", "pypi"] {
        let pods = world.pods(kind);
        let pod = pods[0]["metadata"]["name"].as_str().expect("a pod");
        kill_container(namespace.name(), pod);
        eventually(Duration::from_mins(1), || {
            let restarts = &world.pods(kind)[0]["status"]["containerStatuses"][0]["restartCount"];
            if restarts == 1 {
                Ok(())
            } else {
                Err(format!("{restarts} restarts"))
            }
        });
        assert_eq!(tools(mcpt, kind).len(), 1);
        let _ = mcpt.run(&["delete", kind]).ok();
    }
}

fn base64_of(word: &str) -> Option<String> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let bytes = STANDARD.decode(word.trim_matches('"')).ok()?;
    String::from_utf8(bytes).ok()
}

/// On a claim all pods share what one of them has installed, also those that come when no index is there any more.
#[test]
fn pods_share_a_package_on_a_claim() {
    let world = World::new("package-claim", &[]);
    world.tell("", "");
    world.namespace.apply(
        r#"{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "shared"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}"#,
    );
    let mcpt = world.mcpt();
    let claim = ["--name", "shared", "--set", "package.claim=shared"];
    let deploy = [&["deploy", "npm:mcpt-test-server"][..], &claim].concat();
    let _ = mcpt.run(&[&deploy[..], &["--replicas", "2"]].concat()).ok();
    world.lose_the_index();
    let _ = mcpt.run(&["scale", "shared", "--replicas", "3"]).ok();
    assert_eq!(world.pods("shared").len(), 3);
    assert_eq!(tools(mcpt, "shared"), ["v1_1_0"]);
    let _ = mcpt.run(&["delete", "shared"]).ok();
}

/// What a pod cannot install is told by the deploy.
#[test]
fn what_a_pod_cannot_install_is_named() {
    let world = World::new("package-faults", &[]);
    world.tell("", "");
    let mcpt = world.mcpt();
    for (source, text) in [
        ("npm:mcpt-test-changed", "not what was locked"),
        ("npm:mcpt-test-script", "no compiler here"),
    ] {
        let _ = mcpt
            .run(&["deploy", source, "--name", "faulty", "--atomic"])
            .exits(1)
            .says(&["install-package", text]);
    }
    // Without `settings` the installer is told of no index, and asks one that no pod reaches.
    let _config = mcpt.file(
        "config.yaml",
        "runtimes: {node: \"localhost/mcpt-runtime-node:24\"}\n",
    );
    let _ = mcpt
        .run(&[
            "deploy",
            "npm:mcpt-test-server",
            "--name",
            "lost",
            "--atomic",
            "--set",
            "package.settings.npm_config_fetch_retries=0",
        ])
        .exits(1)
        .says(&["the registry cannot be reached"]);
}
