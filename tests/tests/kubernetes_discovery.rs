//! A gateway finds servers and pods by watching the real cluster, and keeps each session on its pod for as long as there
//! is one.

use std::{collections::BTreeMap, time::Duration};

use mcpt_tests::{
    Mcpt, TestNamespace, eventually, kubectl, kubectl_with_input,
    processes::{Known, Process},
    raw::{Session, agent},
};
use serde_json::{Value, json};

/// Long enough for pods to start or to end on a busy machine.
const PODS: Duration = Duration::from_secs(90);
/// Long enough for what the API server already knows to reach a gateway.
const TOLD: Duration = Duration::from_secs(10);

fn place(word: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    (namespace, mcpt)
}

/// A server of the Python SDK that answers those alone who name it as it names itself, by its own port: its guard against
/// DNS rebinding. The probe in its pod, the last question of the deploy, a call through a forwarded port and the gateway do.
#[test]
fn a_guarded_server_is_called_by_its_own_name() {
    let (_namespace, mcpt) = place("guarded");
    let gateway = Process::gateway_of(&mcpt, &[]);
    let server = r#"
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings as Guard
app = MCPServer("guarded")
@app.tool()
def hello() -> str:
    return "hello from inside"
guard = Guard(allowed_hosts=["localhost:8080"])
app.run("streamable-http", host="0.0.0.0", port=8080, transport_security=guard)
"#;
    let values = json!({"mcp": {"command": ["python3", "-c", server]}}).to_string();
    let values = mcpt.file("values.json", &values);
    let image = "localhost/mcp-server-time:2026.10.19";
    let deploy = ["deploy", "demo", "--name", "guarded", "--image", image];
    let _ = mcpt.run(&[&deploy[..], &["-f", &values]].concat()).ok();
    let said = mcpt.run(&["call", "guarded", "hello"]).ok();
    assert!(said.stdout.contains("hello from inside"), "{}", said.stdout);
    gateway.learns("guarded", Some(Known::ready(1)), TOLD);
    let url = gateway.url("/mcp/guarded");
    let session = Session::open(&agent(), &url);
    let said = session.call(&url, "hello", &json!({})).tool_text();
    assert_eq!(said, "hello from inside");
}

#[test]
fn sessions_follow_their_pods() {
    let (namespace, mcpt) = place("discovery");
    let gateway = Process::gateway_of(&mcpt, &[]);
    let (agent, url) = (agent(), gateway.url("/mcp/demo"));
    gateway.learns("demo", None, TOLD);

    let _ = mcpt.run(&["deploy", "demo", "--replicas", "2"]).ok();
    namespace.endpoints_become("demo", 2);
    gateway.learns("demo", Some(Known::ready(2)), TOLD);
    let mut sessions: Vec<_> = (0..6).map(|_| Session::open(&agent, &url)).collect();
    let pods: Vec<_> = sessions.iter().map(|session| session.pod(&url)).collect();
    assert_eq!(counts(&pods).into_values().collect::<Vec<_>>(), [3, 3]);

    scale(&namespace, 3);
    gateway.learns("demo", Some(Known::ready(3)), PODS);
    let new: Vec<_> = (0..3).map(|_| Session::open(&agent, &url)).collect();
    let new_pods: Vec<_> = new.iter().map(|session| session.pod(&url)).collect();
    assert_eq!(counts(&new_pods).len(), 1, "{new_pods:?}");
    assert!(!pods.contains(&new_pods[0]), "{new_pods:?} among {pods:?}");
    sessions.extend(new);

    // A pod that terminates keeps its sessions and gets no new ones.
    let doomed = pods[0].clone();
    kubectl(&[
        "delete",
        "pod",
        &doomed,
        "--wait=false",
        "-n",
        namespace.name(),
    ]);
    eventually(PODS, || match gateway.knows("demo") {
        Some(Known { terminating: 1, .. }) => Ok(()),
        known => Err(format!("none of {known:?} terminates")),
    });
    for session in &sessions {
        assert_eq!(session.count(&url), 1);
    }
    assert_ne!(Session::open(&agent, &url).pod(&url), doomed);

    // Gone, with its sessions; the others never noticed.
    gateway.learns("demo", Some(Known::ready(3)), PODS);
    for (number, session) in sessions.iter().enumerate() {
        if pods.get(number) == Some(&doomed) {
            let why = session.call(&url, "counter", &json!({})).refused(404);
            assert!(why.contains("gone"), "{why}");
        } else {
            assert_eq!(session.count(&url), 2);
        }
    }

    scale(&namespace, 0);
    gateway.learns("demo", Some(Known::ready(0)), PODS);
    let nobody = Session::initialize(&agent, &url);
    assert_eq!(nobody.header("Retry-After"), Some("1"));
    nobody.refused(503);

    let _ = mcpt.run(&["delete", "demo"]).ok();
    gateway.learns("demo", None, TOLD);
    Session::initialize(&agent, &url).refused(404);
}

#[test]
fn one_namespace_or_all() {
    let (namespace, mcpt) = place("scope");
    let everywhere = Mcpt::new(&["--backend", "kubernetes", "--namespace", "default"]);
    let elsewhere = Process::gateway_of(&everywhere, &[]);
    let all = Process::gateway_of(&everywhere, &["--all-namespaces"]);
    let name = namespace.name();
    let _ = mcpt
        .run(&["deploy", "demo", "--name", name, "--replicas", "1"])
        .ok();
    namespace.endpoints_become(name, 1);
    all.learns(name, Some(Known::ready(1)), TOLD);
    let agent = agent();
    Session::open(&agent, &all.url(&format!("/mcp/{name}/{name}")));
    for url in [
        all.url(&format!("/mcp/{name}")),
        elsewhere.url(&format!("/mcp/{name}/{name}")),
    ] {
        Session::initialize(&agent, &url).refused(404);
    }
}

#[test]
fn without_rights_it_says_so_and_ends() {
    let (namespace, _) = place("rights");
    let name = namespace.name();
    let token = kubectl(&["create", "token", "default", "-n", name]);
    let view = ["config", "view", "--raw", "--flatten", "--minify"];
    let view = kubectl(&[&view[..], &["-o", "json"]].concat());
    let mut config: Value = serde_json::from_str(&view).expect("a kubeconfig");
    config["users"][0]["user"] = json!({"token": token.trim()});
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", name]);
    let file = mcpt.file("kubeconfig", &config.to_string());
    let run = |more: &[&str]| {
        let arguments = ["gateway", "run", "--listen", "127.0.0.1:0"];
        mcpt.run(&[&arguments[..], &["--kubeconfig", &file], more].concat())
    };
    let _ = run(&[]).exits(1).says(&["services", "list", name]);
    let _ = run(&["-A"])
        .exits(1)
        .says(&["services", "--all-namespaces"]);

    // The rights of the gateway's chart are enough.
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: gateway}}\nrules:\n\
         - {{apiGroups: [''], resources: [services], verbs: [get, list, watch]}}\n\
         - {{apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: gateway}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: gateway}}\n\
         subjects: [{{kind: ServiceAccount, name: default, namespace: {name}}}]\n"
    );
    kubectl_with_input(&["apply", "-n", name, "-f", "-"], &role);
    namespace.account_may("default", "list", "endpointslices.discovery.k8s.io");
    let gateway = Process::gateway_of(&mcpt, &["--kubeconfig", &file]);
    gateway.becomes_ready(TOLD);
}

fn scale(namespace: &TestNamespace, replicas: u32) {
    let replicas = format!("--replicas={replicas}");
    kubectl(&[
        "scale",
        "deployment/demo",
        &replicas,
        "-n",
        namespace.name(),
    ]);
}

fn counts(pods: &[String]) -> BTreeMap<&String, usize> {
    let mut counts = BTreeMap::new();
    for pod in pods {
        *counts.entry(pod).or_default() += 1;
    }
    counts
}
