//! Registries on the cluster: several entries with one command, charts built in, in a folder, in an archive that the real helm
//! packaged, and of somebody else.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeSet, fs, path::Path};

use mcpt_tests::{Helm, Mcpt, TestNamespace, kubectl};
use serde_json::{Value, json};

const SECRET: &str = "s3cr3t-a7c3d19e04";
/// Its first characters in base64.
const ENCODED: &str = "czNjcjN0LWE3YzNk";
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/mcp-server");
const LITTLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/little-chart");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copying a file");
        }
    }
}

/// Kinds of the objects that hold the secret in a form that can be read.
fn holders(namespace: &TestNamespace) -> Vec<String> {
    let mut holders = Vec::new();
    for object in namespace.objects() {
        let text = kubectl(&["get", "-n", namespace.name(), &object, "-o", "yaml"]);
        if text.contains(SECRET) || text.contains(ENCODED) {
            holders.push(object);
        }
    }
    holders
}

#[test]
fn several_entries_with_one_command() {
    let (first, second) = (
        TestNamespace::new("registry-a"),
        TestNamespace::new("registry-b"),
    );
    let empty = [first.objects(), second.objects()];
    let mcpt = Mcpt::new(&["--backend", "kubernetes"]);
    copy(Path::new(CHART), &mcpt.home().join("charts/copy"));
    let home = mcpt.home().to_str().expect("UTF-8");
    Helm::V4.run(&first, &["package", CHART, "-d", home]);
    let entries = json!({
        "built-in": {"type": "k8s", "chart": "mcp-server", "namespace": first.name(), "template": "demo", "replicas": 1,
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
            "env": {"MCPT_DEMO_TOKEN": "{{.Values.demo.token}}", "MCPT_DEMO_GREETING": "Ahoy"}},
        "folder": {"type": "k8s", "chart": "./charts/copy", "namespace": second.name(), "template": "demo", "labels": {"team": "x"}},
        "archive": {"type": "k8s", "chart": "mcp-server-0.2.0.tgz", "version": "~0.2", "namespace": second.name(), "template": "demo"},
        "little": {"type": "k8s", "chart": LITTLE, "namespace": second.name(), "image": "localhost/mcpt:0.1.0",
            "transport": "http", "service": {"port": 81}, "env": {"MCPT_DEMO_TOKEN": "{{.Values.demo.token}}", "API_TOKEN": SECRET}},
    });
    let registry = mcpt.file("servers.json", &entries.to_string());
    let values = mcpt.file("secrets.yaml", &format!("demo: {{token: {SECRET}}}\n"));
    let from = ["--registry", registry.as_str()];

    let deployed = mcpt
        .run(&[
            "deploy", "--all", from[0], from[1], "-f", &values, "-o", "json",
        ])
        .ok()
        .says(&["little: asking the server over MCP"]);
    let names: BTreeSet<String> = deployed
        .json()
        .as_array()
        .expect("a list")
        .iter()
        .map(|server| server["name"].as_str().expect("a name").to_owned())
        .collect();
    let expected = ["archive", "built-in", "folder", "little"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(expected));
    assert!(!deployed.stderr.contains(SECRET) && !deployed.stdout.contains(SECRET));
    assert_eq!(holders(&first), ["secret/built-in"]);
    assert_eq!(holders(&second), ["secret/little-little"]);

    let listed = mcpt.json(&["list", from[0], from[1]]);
    for row in listed.as_array().expect("a list") {
        assert_eq!(row["server"]["state"], "running", "{row}");
        let namespace = row["namespace"].as_str().expect("a namespace");
        let name = row["name"].as_str().expect("a name");
        let at = ["-n", namespace];
        let whoami = mcpt.run(&["call", at[0], at[1], name, "whoami"]).ok();
        let secret = matches!(name, "built-in" | "little");
        let expected = if secret {
            r#""token":"set""#
        } else {
            r#""token":"unset""#
        };
        assert!(
            whoami.stdout.contains(expected),
            "{name}: {}",
            whoami.stdout
        );
    }
    let little = mcpt.json(&["status", "-n", second.name(), "little"]);
    assert_eq!(little["state"], "running", "{little}");
    assert!(!little.to_string().contains(SECRET), "{little}");
    assert_eq!(
        little["url"],
        format!("http://little-little.{}.svc:81/mcp", second.name())
    );
    // The chart of somebody else says its size by itself.
    let at = ["-n", second.name()];
    let scale = ["scale", "little", "--replicas", "2"];
    let _ = mcpt.run(&[&at[..], &scale].concat()).ok();
    let again = ["deploy", "little", from[0], from[1], "-f", &values];
    let _ = mcpt.run(&again).ok();
    assert_eq!(
        second.get("deployment/little-little")["spec"]["replicas"],
        1
    );
    let recorded = Helm::V4.run(&second, &["get", "values", "little", "-o", "json"]);
    assert!(!recorded.contains("replicaCount"), "{recorded}");
    let events = mcpt.json(&["events", "-n", second.name(), "little"]);
    for object in [
        "Deployment/little-little",
        "ReplicaSet/little-little-",
        "Pod/little-little-",
    ] {
        let about = |event: &Value| {
            event["object"]
                .as_str()
                .is_some_and(|o| o.starts_with(object))
        };
        let told = events.as_array().expect("a list").iter().any(about);
        assert!(told, "{object}: {events}");
    }
    let lines = mcpt.run(&["logs", "-n", second.name(), "little"]).ok();
    assert!(!lines.stdout.is_empty(), "no lines of little");
    let own = mcpt.run(&["list", "-n", second.name(), "-o", "name"]).ok();
    assert_eq!(own.stdout, "archive\nfolder\nlittle\n");
    let labels = second.get("deployment/folder")["metadata"]["labels"].clone();
    assert_eq!(labels["team"], "x", "{labels}");

    for (namespace, names) in [
        (&first, &["built-in"][..]),
        (&second, &["folder", "archive", "little"]),
    ] {
        for name in names {
            let _ = mcpt.run(&["delete", "-n", namespace.name(), name]).ok();
        }
    }
    assert_eq!([first.objects(), second.objects()], empty);
}

/// A chart that begins or stops to name namespaces means the same objects, and an update leaves them where they are. The API
/// server alone knows of some kinds that they are in none.
#[test]
fn charts_may_begin_to_name_namespaces() {
    let namespace = TestNamespace::new("registry-named");
    let name = namespace.name();
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", name]);
    let chart = mcpt.home().join("chart");
    let entries = json!({"one": {"chart": chart, "image": "localhost/mcpt:0.1.0", "transport": "http",
        "env": {"WORD": "{{.Values.word}}"}}});
    let registry = mcpt.file("servers.json", &entries.to_string());
    let class = format!("priorityclass/{name}");
    let uids = || {
        [
            "deployment/one-little",
            "service/one-little",
            "secret/one-little",
            &class,
        ]
        .map(|object| namespace.get(object)["metadata"]["uid"].clone())
    };
    let mut before = None;
    for named in [false, true, false] {
        copy(Path::new(LITTLE), &chart);
        let template = chart.join("templates/server.yaml");
        let (own, other) = if named {
            (
                "  namespace: {{ $.Release.Namespace }}\n",
                "  namespace: elsewhere\n",
            )
        } else {
            ("", "")
        };
        let little = fs::read_to_string(&template).expect("the template");
        let little = little.replace("\nmetadata:\n", &format!("\nmetadata:\n{own}"));
        let class = format!(
            "---\napiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata:\n{other}  name: {name}\nvalue: 1\n"
        );
        fs::write(&template, format!("{little}{class}")).expect("a template");
        let deploy = ["deploy", "one", "--registry", &registry, "--set", "word=x"];
        let _ = mcpt.run(&deploy).ok();
        let uids = uids();
        assert_eq!(*before.get_or_insert_with(|| uids.clone()), uids, "{named}");
    }
    let _ = mcpt.run(&["delete", "one"]).ok();
    let left = kubectl(&["get", &class, "--ignore-not-found"]);
    assert!(left.is_empty(), "{left}");
}

/// A namespace that is made for several is theirs together: it stays when one of them runs, and goes when none does.
#[test]
fn several_share_the_namespace_that_is_made_for_them() {
    let beside = TestNamespace::new("registry-shared");
    let name = format!("{}-made", beside.name());
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", &name]);
    // Only the API server sees that this cannot be.
    let refused = json!({"template": "demo", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}});
    let none = json!({"bad": refused, "worse": refused});
    let some = json!({"bad": refused, "good": {"template": "demo"}});
    let is_there = || !kubectl(&["get", "namespace", &name, "--ignore-not-found"]).is_empty();
    for (word, entries, stays) in [("none", none, false), ("some", some, true)] {
        let registry = mcpt.file(&format!("{word}.json"), &entries.to_string());
        let from = ["--registry", registry.as_str()];
        let all = ["deploy", "--all", "--create-namespace", from[0], from[1]];
        let outcome = mcpt.run(&all).exits(1).says(&["cannot deploy bad"]);
        assert!(!outcome.stderr.contains("was not removed"), "{outcome:?}");
        assert_eq!(is_there(), stays, "{outcome:?}");
    }
    assert_eq!(mcpt.json(&["status", "good"])["state"], "running");
    let annotations = kubectl(&[
        "get",
        "namespace",
        &name,
        "-o",
        "jsonpath={.metadata.annotations}",
    ]);
    assert!(!annotations.contains("mcpt.io/holder"), "{annotations}");
    kubectl(&["delete", "namespace", &name]);
}

/// Charts see the cluster as it is, also when several are checked before anything is changed.
#[test]
fn charts_are_checked_against_the_cluster() {
    let namespace = TestNamespace::new("registry-facts");
    let empty = namespace.objects();
    let mcpt = Mcpt::new(&["--backend", "kubernetes", "--namespace", namespace.name()]);
    let entry = |needs: &str| {
        let chart = mcpt.home().join(needs.replace('/', "-"));
        copy(Path::new(LITTLE), &chart);
        let check = format!(
            "{{{{- if not (.Capabilities.APIVersions.Has \"{needs}\") }}}}{{{{ fail \"no {needs} here\" }}}}{{{{ end }}}}\n\
             {{{{- if not (lookup \"v1\" \"ServiceAccount\" .Release.Namespace \"default\") }}}}{{{{ fail \"no account\" }}}}{{{{ end }}}}\n"
        );
        fs::write(chart.join("templates/check.yaml"), check).expect("a template");
        json!({"chart": chart, "image": "localhost/mcpt:0.1.0", "transport": "http"})
    };
    let registry = |entries: &Value| mcpt.file("servers.json", &entries.to_string());
    let good =
        json!({"group": entry("metrics.k8s.io/v1beta1"), "kind": entry("apps/v1/ReplicaSet")});
    let mut bad = good.clone();
    for needs in ["nothing.example.com/v1", "apps/v1/Nothing"] {
        bad[needs.replace(['/', '.'], "-").to_lowercase()] = entry(needs);
    }
    let all = |registry: &str| mcpt.run(&["deploy", "--all", "--registry", registry]);
    let _ = all(&registry(&bad)).exits(2).says(&[
        "no nothing.example.com/v1 here",
        "no apps/v1/Nothing here",
        "2 of 4 servers cannot be deployed",
    ]);
    assert_eq!(namespace.objects(), empty);
    let _ = all(&registry(&good)).ok();
}

/// The example of the original plan, with what runs and how it is started added; the flag names the namespace.
#[test]
fn the_original_example() {
    let namespace = TestNamespace::new("registry-seed");
    let mcpt = Mcpt::new(&["--namespace", namespace.name()]);
    let entry = json!({"github-server": {
        "type": "k8s",
        "chart": "mcp-server",
        "namespace": "mcp-servers",
        "replicas": 2,
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"}
        },
        "service": {"type": "ClusterIP", "port": 8080},
        "env": {"GITHUB_TOKEN": "{{.Values.github.token}}"},
        "args": ["demo", "--listen", "0.0.0.0"]
    }});
    let registry = mcpt.file("servers.json", &entry.to_string());
    let values = mcpt.file("secrets.yaml", &format!("github: {{token: {SECRET}}}\n"));
    let image = "localhost/mcpt:0.1.0";
    let _ = mcpt
        .run(&[
            "deploy",
            "github-server",
            "--registry",
            &registry,
            "-f",
            &values,
            "--image",
            image,
        ])
        .ok();
    let deployment = namespace.get("deployment/github-server");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], image);
    assert_eq!(container["resources"]["limits"]["memory"], "512Mi");
    let service = namespace.get("service/github-server");
    assert_eq!(service["spec"]["type"], "ClusterIP");
    assert_eq!(service["spec"]["ports"][0]["port"], 8080);
    let secret = namespace.get("secret/github-server");
    assert!(secret["data"]["GITHUB_TOKEN"].is_string(), "{secret}");
    assert_eq!(holders(&namespace), ["secret/github-server"]);
    let backend = ["--backend", "kubernetes"];
    let echo = ["call", "github-server", "echo", "--arg", "message=hi"];
    let _ = mcpt.run(&[&backend[..], &echo].concat()).ok();
    let _ = mcpt
        .run(&[&backend[..], &["delete", "github-server"]].concat())
        .ok();
}
