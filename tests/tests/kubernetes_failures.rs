//! Failures provoked on the real cluster: each message names the cause, the exit code is the documented one, and with
//! `--atomic` the namespace is afterwards what it was before.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use mcpt_tests::{Mcpt, TestNamespace, kubectl, kubectl_with_input};

/// Long enough for every fatal cause to be seen, so that an exit by time-out is a finding.
const PATIENT: &str = "4m";

fn place(word: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    (namespace, mcpt)
}

/// Deploys the demo server with `extra`, expects the failure, and compares the namespace.
fn fails(word: &str, extra: &[&str], texts: &[&str], prepare: &str) {
    ends(word, extra, PATIENT, 1, texts, prepare);
}

fn ends(word: &str, extra: &[&str], timeout: &str, code: i32, texts: &[&str], prepare: &str) {
    let (namespace, mcpt) = place(word);
    if !prepare.is_empty() {
        namespace.apply(prepare);
    }
    let before = namespace.objects();
    let arguments = [
        &[
            "deploy",
            "demo",
            "--atomic",
            "--replicas",
            "1",
            "--timeout",
            timeout,
        ],
        extra,
    ]
    .concat();
    let _ = mcpt.run(&arguments).exits(code).says(texts);
    assert_eq!(
        namespace.objects(),
        before,
        "what a failed deploy with --atomic leaves"
    );
    let _ = mcpt.run(&["status", "demo"]).exits(3);
}

#[test]
fn image_that_cannot_be_pulled() {
    fails(
        "pull",
        &["--image", "localhost/no-such-image:1"],
        &["image", "localhost/no-such-image:1"],
        "",
    );
}

#[test]
fn crash_loop_shows_exit_code_and_last_lines() {
    let values = ["--set", "mcp.command={/mcpt,demo,--no-such-flag}"];
    fails("crash", &values, &["exit code 2", "--no-such-flag"], "");
}

#[test]
fn out_of_memory() {
    // Less than the runtime needs to start the container's process and load it.
    let values = [
        "--image",
        "localhost/mcp-server-everything:2026.8.31",
        "--set",
        "mcp.command={node,-e,const a=[];for(;;)a.push(Buffer.alloc(1<<20\\,1))}",
        "--set",
        "resources.limits.memory=64Mi",
        "--set",
        "resources.requests.memory=64Mi",
    ];
    fails("oom", &values, &["memory", "64Mi"], "");
}

/// A node may still come, so that the wait goes on; but it says from the start what it waits for.
#[test]
fn unschedulable() {
    let values = [
        "--set",
        "resources.requests.cpu=900",
        "--set",
        "resources.limits.cpu=900",
    ];
    ends(
        "unschedulable",
        &values,
        "20s",
        6,
        &["Insufficient cpu"],
        "",
    );
}

#[test]
fn quota() {
    let quota =
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {pods: 0}}\n";
    fails("quota", &[], &["exceeded quota", "none"], quota);
}

#[test]
fn admission_refused() {
    let values = ["--set", "securityContext.allowPrivilegeEscalation=true"];
    fails(
        "admission",
        &values,
        &["PodSecurity", "allowPrivilegeEscalation"],
        "",
    );
}

#[test]
fn probe_that_fails() {
    let values = [
        "--set",
        "mcp.path=/elsewhere",
        "--set",
        "probes.startup.failureThreshold=3",
    ];
    fails("probe", &values, &["probe", "404"], "");
}

#[test]
fn server_that_does_not_speak_mcp() {
    // A web server, but no MCP server.
    let values = [
        "--image",
        "localhost/mcp-server-time:2026.10.19",
        "--set",
        "mcp.command={python3,-m,http.server,8080}",
        "--set",
        "probes.startup.failureThreshold=3",
    ];
    fails("not-mcp", &values, &["not", "MCP"], "");
}

#[test]
fn server_that_listens_on_the_loopback_only() {
    let values = [
        "--set",
        "mcp.command={/mcpt,demo,--listen,127.0.0.1:8080}",
        "--set",
        "probes.startup.failureThreshold=3",
    ];
    let says = ["listens on the loopback only", "0.0.0.0"];
    fails("loopback", &values, &says, "");
}

#[test]
fn name_taken_by_an_object_that_is_not_ours() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: demo}\nspec: {ports: [{port: 80}], selector: {a: b}}\n";
    fails("taken", &[], &["service \"demo\"", "already"], service);
}

#[test]
fn failed_update_goes_back_with_atomic() {
    let (namespace, mcpt) = place("atomic-update");
    let _ = mcpt
        .run(&["deploy", "demo", "-c", "greeting=kept", "--replicas", "1"])
        .ok();
    let before = namespace.get("deployment/demo")["spec"]["template"].clone();
    let _ = mcpt
        .run(&[
            "deploy",
            "demo",
            "-c",
            "greeting=lost",
            "--replicas",
            "1",
            "--atomic",
            "--image",
            "localhost/no-such-image:1",
        ])
        .exits(1)
        .says(&["no-such-image"]);
    assert_eq!(namespace.get("deployment/demo")["spec"]["template"], before);
    let echoed = mcpt
        .run(&["call", "demo", "echo", "--arg", "message=x"])
        .ok();
    assert!(echoed.stdout.contains("kept"), "{}", echoed.stdout);
}

#[test]
fn namespace_that_is_not_there() {
    let name = format!("test-absent-{}", std::process::id());
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", &name]);
    let _ = mcpt
        .run(&["deploy", "demo"])
        .exits(3)
        .says(&[&name, "--create-namespace"]);
    assert!(
        kubectl(&["get", "namespaces", "-o", "name"])
            .lines()
            .all(|line| !line.ends_with(&name))
    );

    // Made by the deploy that fails, and gone with it.
    let failing = [
        "deploy",
        "demo",
        "--create-namespace",
        "--atomic",
        "--image",
        "localhost/none:1",
    ];
    let _ = mcpt.run(&failing).exits(1);
    kubectl(&[
        "wait",
        "--for=delete",
        &format!("namespace/{name}"),
        "--timeout=60s",
    ]);
}

#[test]
fn no_cluster_there() {
    let mcpt = Mcpt::new(&["--backend", "kubernetes"]);
    let config = mcpt.file(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters:\n- name: a\n  cluster: {server: 'https://127.0.0.1:1'}\ncontexts:\n- name: a\n  context: {cluster: a, user: a}\nusers:\n- name: a\n  user: {token: x}\n",
    );
    let _ = mcpt
        .run(&["--kubeconfig", &config, "list"])
        .exits(4)
        .says(&["127.0.0.1:1", "refused"]);
    let _ = mcpt
        .run(&["--kubeconfig", &config, "--context", "b", "list"])
        .exits(2)
        .says(&["context", "\"b\""]);
    let _ = mcpt
        .run(&["--kubeconfig", "/nonexistent/config", "list"])
        .exits(4)
        .says(&["/nonexistent/config"]);
}

/// A kubeconfig for the test cluster with other credentials.
fn kubeconfig_with_user(mcpt: &Mcpt, user: &str) -> String {
    let raw = kubectl(&["config", "view", "--raw", "-o", "json"]);
    let mut config: serde_json::Value = serde_json::from_str(&raw).expect("JSON");
    config["users"][0]["user"] = serde_json::from_str(user).expect("JSON");
    mcpt.file("kubeconfig", &config.to_string())
}

#[test]
fn expired_credentials() {
    let mcpt = Mcpt::new(&["--backend", "kubernetes"]);
    let config = kubeconfig_with_user(&mcpt, r#"{"token":"expired"}"#);
    let _ = mcpt
        .run(&["--kubeconfig", &config, "list"])
        .exits(4)
        .says(&["credentials", "401"]);
}

/// Cluster role `view` may read pods and their logs, and no Secrets.
#[test]
fn logs_need_no_more_than_the_view_role() {
    let (namespace, mcpt) = place("viewer");
    let _ = mcpt.run(&["deploy", "demo", "--create-namespace"]).ok();
    let name = namespace.name();
    let account = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: viewer}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: viewer}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
         subjects: [{{kind: ServiceAccount, name: viewer, namespace: {name}}}]\n"
    );
    kubectl_with_input(&["apply", "-n", name, "-f", "-"], &account);
    namespace.account_may("viewer", "list", "pods");
    let token = kubectl(&["create", "token", "-n", name, "viewer"]);
    let user = serde_json::json!({"token": token.trim()}).to_string();
    let config = kubeconfig_with_user(&mcpt, &user);
    let logs = mcpt.run(&["--kubeconfig", &config, "logs", "demo"]).ok();
    let pod = kubectl(&["get", "pods", "-n", name, "-o", "name"]);
    let own = kubectl(&["logs", "-n", name, pod.trim()]);
    assert!(!own.is_empty());
    assert_eq!(logs.stdout, own);
}

#[test]
fn missing_rights_are_named() {
    let (namespace, mcpt) = place("rights");
    let account = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: weak}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: weak}}\nrules:\n\
         - {{apiGroups: [''], resources: [secrets], verbs: [get, list, watch]}}\n\
         - {{apiGroups: ['', apps], resources: [services, serviceaccounts, configmaps, deployments, pods, events], verbs: ['*']}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: weak}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: weak}}\n\
         subjects: [{{kind: ServiceAccount, name: weak, namespace: {}}}]\n",
        namespace.name()
    );
    kubectl_with_input(&["apply", "-n", namespace.name(), "-f", "-"], &account);
    namespace.account_may("weak", "list", "secrets");
    let token = kubectl(&["create", "token", "-n", namespace.name(), "weak"]);
    let user = serde_json::json!({"token": token.trim()}).to_string();
    let config = kubeconfig_with_user(&mcpt, &user);
    let before = namespace.objects();

    let _ = mcpt
        .run(&["--kubeconfig", &config, "deploy", "demo", "--atomic"])
        .exits(1)
        .says(&["create", "secrets", namespace.name()]);
    assert_eq!(namespace.objects(), before);

    // Who may neither read nor make namespaces may still deploy into one that is there: what is refused first tells, and why
    // it may be that the namespace is not there.
    let absent = format!("{}-x", namespace.name());
    let elsewhere = Mcpt::new(&["--backend", "kubernetes", "--namespace", &absent]);
    let who = format!("user \"system:serviceaccount:{}:weak\"", namespace.name());
    let listed = format!("{who} has no right to list secrets in namespace {absent:?}");
    let read = format!(
        "namespace {absent:?} may not exist: {who} has no right to get namespaces in namespace {absent:?}"
    );
    let made =
        format!("it was not made: {who} has no right to create namespaces in the whole cluster");
    let make = format!("if namespace {absent:?} is not there, ask for it, or for a role with verb");
    let there = "if it is, ask for a role with verb \"list\" on \"secrets\"";
    let deploy = [
        "--kubeconfig",
        &config,
        "deploy",
        "demo",
        "--create-namespace",
    ];
    let _ = elsewhere
        .run(&deploy)
        .exits(1)
        .says(&[&listed, &read, &made, &make, there]);
    let dry = elsewhere.run(&[&deploy[..], &["--dry-run=server"]].concat());
    let _ = dry.exits(1).says(&[&listed, &read, &make, there]);
}

#[test]
fn two_deploys_at_once() {
    let (namespace, mcpt) = place("race");
    let arguments = ["deploy", "demo", "--replicas", "1"];
    let both = [mcpt.spawn(&arguments), mcpt.spawn(&arguments)];
    let outputs = both.map(|child| child.wait_with_output().unwrap());
    let won = outputs
        .iter()
        .filter(|output| output.status.success())
        .count();
    let errors: Vec<_> = outputs
        .iter()
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
        .collect();
    assert!(won >= 1, "{errors:?}");
    for (output, error) in outputs.iter().zip(&errors) {
        if !output.status.success() {
            assert_eq!(output.status.code(), Some(1), "{error}");
            assert!(error.contains("another operation"), "{error}");
        }
    }
    let status = mcpt.json(&["status", "demo"]);
    assert_eq!(status["state"], "running", "{status}");
    let _ = mcpt.run(&["delete", "demo"]).ok();
    assert!(
        namespace
            .objects()
            .iter()
            .all(|object| !object.contains("demo"))
    );
}
