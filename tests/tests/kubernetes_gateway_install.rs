//! The gateway as a release in a namespace: installed, asked, updated and removed, by mcpt and by both helms.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeSet, time::Duration};

#[cfg(feature = "helm")]
use mcpt_tests::Helm;
use mcpt_tests::{
    Mcpt, TestNamespace, eventually, kubectl,
    raw::{agent, modern_call_as, wait_for_address},
};
use serde_json::{Value, json};

const GATEWAY: &str = "mcpt-gateway";
/// Long enough for what the cluster does by itself on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn place(word: &str) -> (TestNamespace, Mcpt) {
    let namespace = TestNamespace::new(word);
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    (namespace, mcpt)
}

/// All that there is of a namespace: the objects in it, and those of the whole cluster that bear its name.
fn everything(namespace: &TestNamespace) -> BTreeSet<String> {
    let kinds = kubectl(&[
        "api-resources",
        "--namespaced=false",
        "--verbs=list",
        "-o",
        "name",
    ]);
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !kind.ends_with("metrics.k8s.io"))
        .collect();
    let of_cluster = kubectl(&["get", &kinds.join(","), "-o", "name"]);
    let named = of_cluster
        .lines()
        .filter(|object| object.contains(namespace.name()));
    let mut all = namespace.objects();
    all.extend(named.map(str::to_owned));
    all
}

/// The session key that the pods have.
fn key(namespace: &TestNamespace) -> String {
    let secret = namespace.get("secret/mcpt-gateway-session-keys");
    let key = secret["data"]["keys"].as_str().expect("a key").to_owned();
    assert!(key.len() >= 44, "32 random bytes, base64 twice");
    key
}

/// What an account may do, as the lines of `kubectl auth can-i --list`.
fn rights(account: &str, namespace: &str) -> BTreeSet<String> {
    let account = format!("--as=system:serviceaccount:{account}");
    kubectl(&[
        "auth",
        "can-i",
        "--list",
        "--no-headers",
        "-n",
        namespace,
        &account,
    ])
    .lines()
    .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    .collect()
}

/// Waits until the gateway's account may do this beyond what every account may: the API server heeds a change of roles some
/// time after it took it in.
fn rights_become(namespace: &TestNamespace, place: &str, expected: &[&str]) {
    let name = namespace.name();
    let usual = rights(&format!("{name}:default"), place);
    eventually(PATIENCE, || {
        let all = rights(&format!("{name}:{GATEWAY}"), place);
        let of_its_own: Vec<_> = all.difference(&usual).collect();
        if of_its_own == expected {
            Ok(())
        } else {
            Err(format!(
                "in {place} it may {of_its_own:?}, not {expected:?}"
            ))
        }
    });
}

const TO_SEE_SERVERS: [&str; 2] = [
    "endpointslices.discovery.k8s.io [] [] [get list watch]",
    "services [] [] [get list watch]",
];

fn known(gateway: &Value) -> Vec<(&str, u64)> {
    let servers = gateway["servers"].as_array().expect("servers");
    servers
        .iter()
        .map(|server| {
            (
                server["path"].as_str().expect("a path"),
                server["ready"].as_u64().expect("a number"),
            )
        })
        .collect()
}

#[test]
fn installed_asked_updated_and_removed() {
    let (namespace, mcpt) = place("gateway");
    let name = namespace.name();
    let _ = mcpt.run(&["deploy", "demo", "--replicas", "2"]).ok();
    let before = everything(&namespace);

    let node_port = ["--set", "service.type=NodePort"];
    let install = [&["gateway", "install", "--all-namespaces"], &node_port[..]].concat();
    let gateway = mcpt.json(&install);
    assert_eq!(
        (&gateway["ready"], &gateway["revision"]),
        (&2.into(), &1.into())
    );
    let urls: Vec<&str> = gateway["urls"]
        .as_array()
        .expect("URLs")
        .iter()
        .map(|url| url.as_str().expect("a URL"))
        .collect();
    assert_eq!(
        urls[0],
        format!("http://mcpt-gateway.{name}.svc:8080/mcp"),
        "{urls:?}"
    );
    assert!(urls.len() > 1, "a node's URL: {urls:?}");
    for url in &urls[1..] {
        wait_for_address(url);
        let _ = mcpt.run(&["probe", &format!("{url}/demo")]).ok();
        let _ = mcpt.run(&["probe", &format!("{url}/{name}/demo")]).ok();
        let nobody = mcpt.run(&["probe", &format!("{url}/nobody")]);
        let _ = nobody.exits(1).says(&["no server"]);
    }
    for place in [name, "kube-system"] {
        rights_become(&namespace, place, &TO_SEE_SERVERS);
    }

    // It is no server, though it is a release in the same namespace.
    let listed = mcpt.json(&["list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    for command in ["status", "delete", "history"] {
        let _ = mcpt.run(&[command, GATEWAY]).exits(3).says(&[GATEWAY]);
    }

    let first = key(&namespace);
    let update = [&["gateway", "install", "--replicas", "1"], &node_port[..]].concat();
    let said = mcpt.run(&update).ok();
    assert!(!said.stdout.contains(&first) && !said.stderr.contains(&first));
    assert_eq!(key(&namespace), first, "the key outlives updates");
    let gateway = mcpt.json(&["gateway", "status"]);
    assert_eq!(
        (&gateway["ready"], &gateway["revision"]),
        (&1.into(), &2.into())
    );
    assert_eq!(known(&gateway), [("/mcp/demo", 2)]);
    rights_become(&namespace, name, &TO_SEE_SERVERS);
    // Only its own namespace now.
    rights_become(&namespace, "kube-system", &[]);

    let _ = mcpt.run(&["gateway", "uninstall"]).ok();
    assert_eq!(everything(&namespace), before, "after gateway uninstall");
    let _ = mcpt.run(&["gateway", "uninstall"]).exits(3);
    let _ = mcpt
        .run(&["gateway", "status"])
        .exits(3)
        .says(&["gateway install"]);
}

/// The answer to a call of a tool by whoever has a key.
fn called(url: &str, key: &str, tool: &str) -> u16 {
    modern_call_as(&agent(), url, key, tool, &json!({"message": "m"})).status()
}

#[test]
fn an_installation_lets_those_in_who_may_and_counts_their_calls() {
    let (namespace, mcpt) = place("gateway-lock");
    let _ = mcpt.run(&["deploy", "demo"]).ok();
    let file = mcpt.file("keys.txt", "");
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let made = mcpt.run(&["gateway", "key", "new", name, "--keys", &file]);
        made.ok().stdout.trim_end().to_owned()
    });
    let values = json!({
        "access": {"rules": [
            {"who": ["key:alice"], "servers": ["demo"], "tools": ["echo"]},
            {"who": ["key:bob"], "servers": ["*/*"]},
        ]},
        "limits": [{"who": ["key:alice"], "servers": ["demo"], "tools": ["echo"], "rate": "4/day"}],
        "audit": {"enabled": true},
        "servers": [{"name": "demo", "headers": [
            {"name": "X-Demo", "secret": {"name": "shown", "key": "token"}},
        ]}],
        "service": {"type": "NodePort"},
    });
    let secret = [
        "create",
        "secret",
        "generic",
        "shown",
        "--from-literal=token=x",
    ];
    let _made = kubectl(&[&secret[..], &["-n", namespace.name()]].concat());
    let values = mcpt.file("values.yaml", &values.to_string());
    let gateway = mcpt.json(&["gateway", "install", "--keys", &file, "--values", &values]);
    assert_eq!(gateway["ready"], 2, "{gateway}");
    let url = gateway["urls"][1].as_str().expect("a node's URL");
    wait_for_address(url);
    let url = format!("{url}/demo");
    assert_eq!(
        called(&url, "mcpt_nobody-s-key-of-some-length", "echo"),
        401
    );
    assert_eq!(called(&url, &bob, "echo"), 200);
    assert_eq!(called(&url, &alice, "whoami"), 403);
    // Both pods count together, whichever of them a connection comes to.
    let calls: Vec<_> = (0..24).map(|_| called(&url, &alice, "echo")).collect();
    let good = calls.iter().filter(|status| **status == 200).count();
    assert!(
        good == 4 && calls.iter().all(|status| matches!(status, 200 | 429)),
        "{calls:?}"
    );
    assert_eq!(called(&url, &bob, "echo"), 200);
    let pods = [
        "logs",
        "-n",
        namespace.name(),
        "-l",
        "mcpt.io/gateway=mcpt-gateway",
        "--tail=-1",
    ];
    eventually(PATIENCE, || {
        let log = kubectl(&pods);
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let alices = lines.filter(|line| line["principal"] == "alice" && line["tool"] == "echo");
        match alices.count() {
            24 => Ok(()),
            other => Err(format!("{other} lines\n{log}")),
        }
    });
    let _ = mcpt.run(&["gateway", "uninstall"]).ok();
    let _ = mcpt.run(&["delete", "demo"]).ok();
}

#[test]
fn a_failed_install_names_the_cause_and_leaves_nothing() {
    let (namespace, mcpt) = place("gateway-fails");
    let before = everything(&namespace);
    let image = "image.repository=localhost/no-such-image";
    let install = ["gateway", "install", "-A", "--atomic", "--set", image];
    let _ = mcpt
        .run(&install)
        .exits(1)
        .says(&["cannot install the gateway", "localhost/no-such-image"]);
    assert_eq!(everything(&namespace), before);

    // Over one that runs: that one stays.
    let _ = mcpt.run(&["gateway", "install", "--replicas", "1"]).ok();
    let key_before = key(&namespace);
    let install = ["gateway", "install", "--atomic", "--set", image];
    let _ = mcpt
        .run(&install)
        .exits(1)
        .says(&["revision 1 was put back"]);
    let gateway = mcpt.json(&["gateway", "status"]);
    assert_eq!(gateway["state"], "running", "{gateway}");
    assert_eq!(key(&namespace), key_before);
    let _ = mcpt.run(&["gateway", "uninstall"]).ok();
    assert_eq!(everything(&namespace), before);
}

#[cfg(feature = "helm")]
#[test]
fn helm_3_helm_4_and_mcpt_take_turns() {
    let (namespace, mcpt) = place("gateway-helm");
    let before = everything(&namespace);
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/mcpt-gateway");
    let one = ["--set", "replicaCount=1", "--wait"];

    Helm::V3.run(
        &namespace,
        &[&["install", GATEWAY, chart], &one[..]].concat(),
    );
    let first = key(&namespace);
    // Helm 3 waits for less.
    namespace.rolled_out(GATEWAY);
    let status = mcpt.json(&["gateway", "status"]);
    assert_eq!(
        (&status["state"], &status["revision"]),
        (&"running".into(), &1.into())
    );

    let _ = mcpt
        .run(&["gateway", "install", "--set", "metrics.annotations=true"])
        .ok();
    let upgrade = ["upgrade", GATEWAY, chart, "--reuse-values"];
    Helm::V4.run(&namespace, &[&upgrade, &one[..]].concat());
    assert_eq!(key(&namespace), first, "three hands, one key");
    let values = Helm::V4.run(&namespace, &["get", "values", GATEWAY, "--all"]);
    assert!(values.contains("annotations: true"), "{values}");
    let status = mcpt.json(&["gateway", "status"]);
    assert_eq!(
        (&status["ready"], &status["revision"]),
        (&1.into(), &3.into())
    );
    Helm::V4.run(&namespace, &["test", GATEWAY]);

    Helm::V3.run(&namespace, &["rollback", GATEWAY, "1", "--wait"]);
    assert_eq!(key(&namespace), first);
    let _ = mcpt.run(&["gateway", "install"]).ok();
    assert_eq!(mcpt.json(&["gateway", "status"])["revision"], 5);
    let _ = mcpt.run(&["gateway", "uninstall"]).ok();
    assert_eq!(everything(&namespace), before);
}
