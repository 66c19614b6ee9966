//! A namespace of its own on the cluster of `KUBECONFIG`, looked at with kubectl and helm.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::raw;

/// Long enough for what the cluster does by itself on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Asks until there is an answer, and gives it; until then it is told why there is none. For what nobody gives notice of.
///
/// # Panics
/// When there is none in time.
pub fn eventually<T>(patience: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => assert!(begin.elapsed() < patience, "after {patience:?}: {why}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A program that the suites find in a variable, else on the path.
fn tool(variable: &str, name: &str) -> Command {
    Command::new(std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from))
}

/// Runs kubectl and gives its standard output.
///
/// # Panics
/// When it fails.
pub fn kubectl(arguments: &[&str]) -> String {
    kubectl_with_input(arguments, "")
}

/// Runs kubectl with text on its standard input.
///
/// # Panics
/// When it fails.
pub fn kubectl_with_input(arguments: &[&str], input: &str) -> String {
    let mut child = tool("MCPT_KUBECTL", "kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting kubectl");
    child
        .stdin
        .take()
        .expect("stdin of kubectl")
        .write_all(input.as_bytes())
        .expect("writing to kubectl");
    let output = child.wait_with_output().expect("waiting for kubectl");
    assert!(
        output.status.success(),
        "kubectl {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8 from kubectl")
}

/// Runs `kubectl … -o json` and gives the document.
///
/// # Panics
/// When it fails.
pub fn kubectl_json(arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.extend(["-o", "json"]);
    serde_json::from_str(&kubectl(&arguments)).expect("JSON from kubectl")
}

/// Kills the processes of a pod's first container with SIGKILL, which no container can do to itself: from a pod that sees
/// the processes of the node.
///
/// # Panics
/// When it cannot.
pub fn kill_container(namespace: &str, pod: &str) {
    let object = kubectl_json(&["get", "pod", pod, "-n", namespace]);
    let node = object["spec"]["nodeName"].as_str().expect("a node");
    let container = object["status"]["containerStatuses"][0]["containerID"]
        .as_str()
        .and_then(|id| id.split("://").nth(1))
        .expect("a container that runs");
    let script = format!(
        "for group in /proc/[0-9]*/cgroup; do \
           if grep -q {container} $group 2>/dev/null; then \
             process=${{group#/proc/}}; kill -9 ${{process%/cgroup}} && killed=yes; \
           fi; \
         done; test \"$killed\""
    );
    let killer = format!("pod/kill-{}", &container[..16]);
    let spec = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": killer.trim_start_matches("pod/"), "namespace": "default"},
        "spec": {
            "nodeName": node, "hostPID": true, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "kill", "image": "localhost/busybox:1", "imagePullPolicy": "IfNotPresent",
                "command": ["/bin/sh", "-c", script], "securityContext": {"privileged": true},
            }],
        },
    });
    kubectl_with_input(&["create", "-f", "-"], &spec.to_string());
    let done = "--for=jsonpath={.status.phase}=Succeeded";
    kubectl(&["wait", "-n", "default", &killer, done, "--timeout=60s"]);
    kubectl(&["delete", "-n", "default", &killer, "--wait=false"]);
}

/// A namespace of one test; deleted with it. Its pods must pass Pod Security *restricted*.
#[derive(Debug)]
pub struct TestNamespace {
    name: String,
}

impl TestNamespace {
    /// Makes one whose name begins with this word.
    pub fn new(word: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{word}-{}-{number}", std::process::id());
        kubectl_with_input(
            &["apply", "-f", "-"],
            &format!(
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    \
                 pod-security.kubernetes.io/enforce: restricted\n"
            ),
        );
        // Pods are refused until the namespace has its account and its CA bundle.
        kubectl(&[
            "wait",
            "-n",
            &name,
            "--for=create",
            "serviceaccount/default",
            "--timeout=30s",
        ]);
        kubectl(&[
            "wait",
            "-n",
            &name,
            "--for=create",
            "configmap/kube-root-ca.crt",
            "--timeout=30s",
        ]);
        Self { name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Applies a manifest in it.
    pub fn apply(&self, manifest: &str) {
        kubectl_with_input(&["apply", "-n", &self.name, "-f", "-"], manifest);
    }

    /// One object of it as JSON.
    pub fn get(&self, object: &str) -> Value {
        kubectl_json(&["get", "-n", &self.name, object])
    }

    /// Where a Service of it is reached from where the tests run; it is by then.
    ///
    /// # Panics
    /// When there is no such Service.
    pub fn service_url(&self, service: &str) -> String {
        let spec = self.get(&format!("service/{service}"))["spec"].take();
        let address = spec["clusterIP"].as_str().expect("a cluster IP");
        let url = format!("http://{address}:{}", spec["ports"][0]["port"]);
        raw::wait_for_address(&url);
        url
    }

    /// Waits until the rollout of a Deployment of it is complete, old pods included.
    pub fn rolled_out(&self, deployment: &str) {
        let object = format!("deployment/{deployment}");
        let status = ["rollout", "status", &object, "--timeout=120s"];
        kubectl(&[&status[..], &["-n", &self.name]].concat());
    }

    /// Waits until a Service of it has so many endpoints, all of them ready: what others can know of its pods. A Deployment may
    /// say some time before that they are. For Services of one address family.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn endpoints_become(&self, service: &str, ready: usize) {
        let selector = format!("--selector=kubernetes.io/service-name={service}");
        let get = ["get", "endpointslices", "-n", &self.name, &selector];
        eventually(PATIENCE, || {
            let slices = kubectl_json(&get);
            let slices = slices["items"].as_array().expect("a list").iter();
            let endpoints = slices.filter_map(|slice| slice["endpoints"].as_array());
            let are_ready: Vec<bool> = endpoints
                .flatten()
                .map(|endpoint| endpoint["conditions"]["ready"] == true)
                .collect();
            if are_ready == vec![true; ready] {
                Ok(())
            } else {
                Err(format!(
                    "{service} should have {ready} endpoints that are ready, not {are_ready:?}"
                ))
            }
        });
    }

    /// Waits until an account of it may do that: the API server heeds a role some time after it took it in.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn account_may(&self, account: &str, verb: &str, resource: &str) {
        let account = format!("--as=system:serviceaccount:{}:{account}", self.name);
        eventually(PATIENCE, || {
            let asked = tool("MCPT_KUBECTL", "kubectl")
                .args(["auth", "can-i", verb, resource, &account])
                .args(["-n", &self.name])
                .output()
                .expect("starting kubectl");
            if asked.status.success() {
                Ok(())
            } else {
                let why = String::from_utf8_lossy(&asked.stderr);
                Err(format!("{account} cannot {verb} {resource}: {why}"))
            }
        });
    }

    /// Names of all objects in it, over every kind that can be listed.
    pub fn objects(&self) -> BTreeSet<String> {
        kubectl(&["get", "-n", &self.name, kinds(), "-o", "name"])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// All objects in it by kind and name, with all that makes them what they are: not their status, and not by whom and when
    /// they were written.
    ///
    /// # Panics
    /// When kubectl prints something else than a list of objects.
    pub fn contents(&self) -> BTreeMap<String, Value> {
        let list = kubectl_json(&["get", "-n", &self.name, kinds()]);
        let items = list["items"].as_array().expect("a list");
        let items = items.iter().cloned().map(|mut object| {
            let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
            let fields = object.as_object_mut().expect("an object");
            fields.remove("status");
            let metadata = fields["metadata"].as_object_mut().expect("metadata");
            metadata.remove("resourceVersion");
            metadata.remove("managedFields");
            (name, object)
        });
        items.collect()
    }
}

/// Every kind that can be listed in a namespace, as kubectl takes them. Events and metrics are left out: the cluster's own
/// records of the past, which nobody deletes.
fn kinds() -> &'static str {
    static KINDS: OnceLock<String> = OnceLock::new();
    KINDS.get_or_init(|| {
        let all = [
            "api-resources",
            "--namespaced",
            "--verbs=list",
            "-o",
            "name",
        ];
        let all = kubectl(&all);
        let kinds = all
            .lines()
            .filter(|kind| !kind.starts_with("events") && !kind.ends_with("metrics.k8s.io"));
        kinds.collect::<Vec<_>>().join(",")
    })
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        // Not waited for: the test is over, and names are never used again.
        drop(
            tool("MCPT_KUBECTL", "kubectl")
                .args(["delete", "namespace", &self.name, "--wait=false"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status(),
        );
    }
}

/// One of the real helm programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// Helm 3, from `MCPT_HELM3`.
    V3,
    /// Helm 4, from `MCPT_HELM4`.
    V4,
}

impl Helm {
    /// The command for a namespace, without arguments.
    pub fn command(self, namespace: &TestNamespace) -> Command {
        let mut command = match self {
            Self::V3 => tool("MCPT_HELM3", "helm3"),
            Self::V4 => tool("MCPT_HELM4", "helm4"),
        };
        command.args(["--namespace", namespace.name()]);
        command
    }

    /// Runs it in a namespace and gives its standard output.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(self, namespace: &TestNamespace, arguments: &[&str]) -> String {
        let output = self
            .command(namespace)
            .args(arguments)
            .output()
            .expect("starting helm");
        assert!(
            output.status.success(),
            "{self:?} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8 from helm")
    }
}
