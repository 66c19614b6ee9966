//! Registries on this machine: entries deployed, listed and refused, without a cluster.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{fs, path::Path, process::Command};

use mcpt_tests::Mcpt;
use serde_json::{Value, json};

const SECRET: &str = "s3cr3t-registry-4be1";

fn process() -> Mcpt {
    Mcpt::new(&["--backend", "process"])
}

fn no_server_was_touched(mcpt: &Mcpt) {
    let servers = mcpt.home().join("state/servers");
    let left = fs::read_dir(&servers)
        .map(Iterator::count)
        .unwrap_or_default();
    assert_eq!(left, 0, "files in {}", servers.display());
}

fn demo_with_secret() -> Value {
    json!({"hello": {
        "type": "k8s", "template": "demo", "namespace": "somewhere",
        "env": {"MCPT_DEMO_TOKEN": "{{ .Values.demo.token }}", "MCPT_DEMO_GREETING": "Ahoy"},
    }})
}

#[test]
fn an_entry_runs_as_a_process_with_its_secret() {
    let mcpt = process();
    let registry = mcpt.file("servers.json", &demo_with_secret().to_string());
    let values = mcpt.file("secrets.yaml", &format!("demo:\n  token: {SECRET}\n"));
    let from = ["--registry", &registry];

    let before = mcpt.json(&["list", from[0], from[1]]);
    assert_eq!(before[0]["deployed"], false, "{before}");

    let deployed = mcpt
        .run(&["deploy", "hello", from[0], from[1], "-f", &values])
        .ok()
        .says(&["namespace of the registry means nothing to the process backend"]);
    fs::remove_file(&values).expect("removing the values");
    let whoami = mcpt.run(&["call", "hello", "whoami"]).ok();
    assert!(
        whoami.stdout.contains(r#""token":"set""#),
        "{}",
        whoami.stdout
    );
    let echo = mcpt
        .run(&["call", "hello", "echo", "--arg", "message=there"])
        .ok();
    assert!(echo.stdout.contains("Ahoy"), "{}", echo.stdout);

    let listed = mcpt.run(&["list", from[0], from[1]]).ok();
    assert!(listed.stdout.contains("running"), "{}", listed.stdout);
    let shown = mcpt
        .run(&["registry", "show", "hello", from[0], from[1]])
        .ok();
    for outcome in [&deployed, &whoami, &listed, &shown] {
        assert!(
            !outcome.stdout.contains(SECRET) && !outcome.stderr.contains(SECRET),
            "{outcome:?}"
        );
    }
    let mut found = Vec::new();
    files_with(mcpt.home(), &mut found);
    assert!(found.is_empty(), "the secret is in {found:?}");
}

fn files_with(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_with(&path, found);
        } else if fs::read(&path).is_ok_and(|bytes| {
            bytes
                .windows(SECRET.len())
                .any(|window| window == SECRET.as_bytes())
        }) {
            found.push(path.display().to_string());
        }
    }
}

/// A kubeconfig of a cluster that does not answer.
fn nowhere(mcpt: &Mcpt) -> String {
    // Nothing listens there: connections are refused at once.
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.77.77.77:9"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    });
    mcpt.file("nowhere.yaml", &config.to_string())
}

/// What answers is listed, and the exit code tells that something did not.
#[test]
fn a_cluster_that_does_not_answer_hides_no_other_entry() {
    let mcpt = Mcpt::default();
    let entries = json!({
        "near": {"type": "process", "template": "demo"},
        "far": {"type": "k8s", "template": "demo", "namespace": "one"},
        "farther": {"type": "k8s", "template": "demo", "namespace": "two"},
    });
    let registry = mcpt.file("servers.json", &entries.to_string());
    let kubeconfig = nowhere(&mcpt);
    let list = ["list", "--registry", &registry, "--kubeconfig", &kubeconfig];

    let all = mcpt.run(&[&list[..], &["-o", "json"]].concat()).exits(4);
    let rows = all.json();
    let deployed: Vec<_> = ["near", "far", "farther"]
        .iter()
        .map(|name| {
            let rows = rows.as_array().expect("a list");
            let row = rows.iter().find(|row| row["name"] == *name);
            row.expect("a row")["deployed"].clone()
        })
        .collect();
    assert_eq!(deployed, [json!(false), Value::Null, Value::Null]);
    assert_eq!(
        all.stderr.matches("127.77.77.77:9").count(),
        1,
        "{}",
        all.stderr
    );
    let table = mcpt.run(&list).exits(4);
    assert_eq!(table.stdout.matches("not deployed").count(), 1, "{table:?}");
    assert_eq!(table.stdout.matches("unknown").count(), 2, "{table:?}");

    let clusters = [&list[..], &["--backend", "kubernetes"]].concat();
    let none = mcpt.run(&clusters).exits(4);
    assert_eq!(none.stdout, "");
}

#[test]
fn a_missing_value_touches_nothing() {
    let mcpt = process();
    let mut entries = demo_with_secret();
    entries["other"] = json!({"template": "demo"});
    let registry = mcpt.file("servers.json", &entries.to_string());
    for arguments in [&["hello", "other"][..], &["--all"]] {
        let arguments = [&["deploy", "--registry", &registry], arguments].concat();
        let _ = mcpt
            .run(&arguments)
            .exits(2)
            .says(&["hello.env.MCPT_DEMO_TOKEN", "demo.token has no value"]);
        no_server_was_touched(&mcpt);
    }
    let _ = mcpt
        .run(&[
            "deploy",
            "hello",
            "--registry",
            &registry,
            "--set",
            "demo.tokn=x",
        ])
        .exits(2)
        .says(&["demo.token has no value"]);
    let _ = mcpt
        .run(&[
            "deploy",
            "other",
            "--registry",
            &registry,
            "--set",
            "replicaCount=2",
        ])
        .exits(2)
        .says(&["no expression of the registry reads replicaCount"]);
    no_server_was_touched(&mcpt);
}

/// Whatever finds them, and before anything is touched.
#[test]
fn all_faults_are_told_at_once() {
    let mcpt = process();
    let entries = json!({
        "good": {"template": "demo"},
        "valueless": {"template": "demo", "env": {"TOKEN": "{{ .Values.none }}"}},
        "programless": {"command": ["no-such-program-4be1"], "transport": "stdio"},
    });
    let registry = mcpt.file("servers.json", &entries.to_string());
    let _ = mcpt
        .run(&["deploy", "--all", "--registry", &registry])
        .exits(2)
        .says(&[
            "none has no value",
            "\"no-such-program-4be1\" is not installed",
            "2 of 3 servers cannot be deployed",
            "nothing was changed",
        ]);
    no_server_was_touched(&mcpt);

    let entries = json!({
        "one": {"type": "k8s", "image": "i:1", "values": {"replicaCount": "many"}},
        "two": {"type": "k8s", "image": "i:1", "values": {"service": {"port": "none"}}},
    });
    let registry = mcpt.file("two.json", &entries.to_string());
    let _ = Mcpt::default()
        .run(&["deploy", "--all", "--registry", &registry, "--dry-run"])
        .exits(2)
        .says(&["value replicaCount", "value service.port", "2 of 2 servers"]);
}

/// Several at once: what can run runs, what cannot is told, and the exit code says so.
#[test]
fn one_that_fails_does_not_stop_the_others() {
    let mcpt = process();
    let entries = json!({
        "good": {"type": "process", "command": ["mcpt", "demo"], "transport": {"type": "http", "port_env": "PORT"}},
        "bad": {"type": "process", "command": ["false"], "transport": "stdio"},
    });
    let registry = mcpt.file("servers.json", &entries.to_string());
    let outcome = mcpt
        .run(&[
            "deploy",
            "--all",
            "--registry",
            &registry,
            "-o",
            "json",
            "--timeout",
            "20s",
        ])
        .exits(1)
        .says(&["cannot deploy bad", "1 of 2 servers were not deployed"]);
    let deployed = outcome.json();
    assert_eq!(deployed.as_array().map(Vec::len), Some(1), "{deployed}");
    assert_eq!(deployed[0]["name"], "good");
    assert_eq!(mcpt.json(&["status", "good"])["state"], "running");
}

#[test]
fn names_of_registries_and_templates() {
    let mcpt = process();
    let entries = json!({"demo": {"template": "demo"}, "mine": {"template": "demo"}});
    let registry = mcpt.file("servers.json", &entries.to_string());
    let config = mcpt.file("config.yaml", "registries: [servers.json]\n");
    let mcpt = mcpt.env("MCPT_CONFIG", config);
    let _ = mcpt.run(&["deploy", "demo"]).exits(2).says(&[
        "demo is ambiguous",
        "it is a template",
        "--no-registry",
    ]);
    let _ = mcpt
        .run(&["deploy", "mien", "--registry", &registry])
        .exits(2)
        .says(&["did you mean \"mine\"?"]);
    let _ = mcpt
        .run(&[
            "deploy",
            "mine",
            "demo",
            "--registry",
            &registry,
            "--name",
            "x",
        ])
        .exits(2)
        .says(&["--name cannot be used here"]);
    let _ = mcpt
        .run(&["deploy", "mine", "mine"])
        .exits(2)
        .says(&["mine is named twice"]);
    no_server_was_touched(&mcpt);
    let _ = mcpt.run(&["deploy", "mine"]).ok();
    let _ = mcpt.run(&["deploy", "demo", "--no-registry"]).ok();
    assert_eq!(
        mcpt.run(&["list", "-o", "name"]).ok().stdout,
        "demo\nmine\n"
    );
    let names = mcpt.run(&["registry", "list", "-o", "name"]).ok();
    assert_eq!(names.stdout, "demo\nmine\n");
}

/// Two deploys of one server at the same time would be in each other's way.
#[test]
fn no_server_is_deployed_twice() {
    let mcpt = process();
    let entries = json!({"mine": {"template": "demo"}, "demo": {"template": "demo"}}).to_string();
    let (one, two) = (
        mcpt.file("one.json", &entries),
        mcpt.file("two.json", &entries),
    );
    let _ = mcpt
        .run(&["deploy", "--all", "--registry", &one, "--registry", &two])
        .exits(2)
        .says(&[" is ambiguous", "one.json", "two.json", "--registry FILE"]);

    let template = json!({"name": "M", "description": "d", "local_command": ["mcpt", "demo"],
        "transport": {"default": "http", "port_env": "PORT"}});
    let folder = mcpt.home().join("templates/mine");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("template.json"), template.to_string()).expect("a template");
    let config = mcpt.file("config.yaml", "registries: [one.json]\n");
    let folder = folder.display().to_string();
    let mcpt = mcpt.env("MCPT_CONFIG", config);
    let _ = mcpt.run(&["deploy", "mine", &folder]).exits(2).says(&[
        "mine would be deployed twice",
        "it is an entry of",
        "it is the server of template",
    ]);
    no_server_was_touched(&mcpt);
}

#[test]
fn a_registry_is_checked_whole() {
    let mcpt = process();
    let text =
        "{\n \"a\": {\"type\": \"lxc\", \"chrt\": \"x\"},\n \"B\": {\"namespace\": \"N\"}\n}\n";
    let registry = mcpt.file("servers.json", text);
    let _ = mcpt
        .run(&["registry", "validate", &registry])
        .exits(2)
        .says(&[
            "servers.json:2: a.type: \"lxc\" is not one of",
            "servers.json:2: a.chrt: unknown field: did you mean \"chart\"?",
            "servers.json:3: B: server name \"B\" is not valid",
            "servers.json:3: B.namespace: namespace \"N\" is not valid",
        ]);
    let good = mcpt.file("good.json", &demo_with_secret().to_string());
    let valid = mcpt.run(&["registry", "validate", &good]).ok();
    assert!(
        valid.stdout.contains("is valid: 1 entry"),
        "{}",
        valid.stdout
    );
}

/// The command's number wins over the autoscaler that the entry names, in whatever way it does.
#[test]
fn a_number_of_replicas_ends_autoscaling() {
    let mcpt = Mcpt::default();
    let entries = json!({
        "scaling": {"type": "k8s", "template": "demo", "scaling": {"min": 2, "max": 5}},
        "values": {"type": "k8s", "template": "demo", "values": {"autoscaling": {"enabled": true, "maxReplicas": 4}}},
    });
    let registry = mcpt.file("servers.json", &entries.to_string());
    for name in ["scaling", "values"] {
        let deploy = [
            "deploy",
            name,
            "--registry",
            &registry,
            "--dry-run",
            "-o",
            "json",
        ];
        for (replicas, scalers, number) in [
            (&[][..], 1, Value::Null),
            (&["--replicas", "3"], 0, json!(3)),
        ] {
            let objects = mcpt.run(&[&deploy[..], replicas].concat()).ok().json();
            let of = |kind: &str| {
                let all = objects.as_array().expect("a list").iter();
                all.filter(|o| o["kind"] == kind)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert_eq!(of("HorizontalPodAutoscaler").len(), scalers, "{name}");
            assert_eq!(of("Deployment")[0]["spec"]["replicas"], number, "{name}");
        }
    }
}

/// What a chart brings that is not applied is told where nothing is applied, too.
#[test]
fn a_dry_run_tells_of_custom_resource_definitions() {
    let mcpt = Mcpt::default();
    let little = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/little-chart");
    let chart = mcpt.home().join("little-chart");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(little)
        .arg(&chart)
        .status();
    assert!(copied.expect("cp").success());
    fs::create_dir_all(chart.join("crds")).expect("a folder");
    fs::write(
        chart.join("crds/own.yaml"),
        "kind: CustomResourceDefinition\n",
    )
    .expect("a file");
    let entry = json!({"type": "k8s", "chart": chart, "image": "j:2", "transport": "http"});
    let registry = mcpt.file("servers.json", &json!({"two": entry}).to_string());
    let deploy = ["deploy", "two", "--registry", &registry, "--dry-run"];
    let told = "brings CustomResourceDefinitions in little/crds/own.yaml, which mcpt leaves alone";
    let _ = mcpt.run(&deploy).ok().says(&[told]);
}

/// What would be applied needs no cluster, also for the charts of others.
#[test]
fn dry_runs_for_a_cluster() {
    let mcpt = Mcpt::default();
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/mcp-server");
    let little = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/little-chart");
    let entries = json!({
        "one": {"type": "k8s", "chart": chart, "version": "^0.2", "image": "i:1", "namespace": "n", "replicas": 2, "profile": "prod",
                "env": {"TOKEN": "{{.Values.t}}", "PLAIN": "p"}, "service": {"type": "NodePort", "port": 81}},
        "two": {"type": "k8s", "chart": little, "image": "j:2", "service": {"port": 82}, "transport": "http",
                "env": {"WORD": "{{.Values.t}}", "API_TOKEN": SECRET, "PLAIN": "p"}},
    });
    let registry = mcpt.file("servers.json", &entries.to_string());
    let shown = mcpt
        .run(&["registry", "show", "two", "--registry", &registry])
        .ok();
    assert!(!shown.stdout.contains(SECRET), "{}", shown.stdout);
    let set = format!("t={SECRET}");
    let outcome = mcpt
        .run(&[
            "deploy",
            "--all",
            "--registry",
            &registry,
            "--set",
            &set,
            "--dry-run",
            "-o",
            "json",
        ])
        .ok();
    assert!(!outcome.stdout.contains(SECRET));
    let objects = outcome.json();
    let find = |kind: &str, name: &str| {
        let all = objects.as_array().expect("a list");
        let found = all
            .iter()
            .find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
        found
            .unwrap_or_else(|| panic!("{kind} {name} in {objects}"))
            .clone()
    };
    assert_eq!(find("Deployment", "one")["spec"]["replicas"], 2);
    assert_eq!(find("Service", "one")["spec"]["ports"][0]["port"], 81);
    assert_eq!(find("Secret", "one")["data"]["TOKEN"], "[redacted]");
    assert!(find("ConfigMap", "one")["data"]["TOKEN"].is_null());
    let two = find("Deployment", "two-little");
    assert_eq!(two["metadata"]["labels"]["mcpt.io/server"], "two");
    assert_eq!(two["metadata"]["annotations"]["mcpt.io/path"], "/mcp");
    assert_eq!(
        two["spec"]["template"]["spec"]["containers"][0]["image"],
        "j:2"
    );
    let variables = &two["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(*variables, json!([{"name": "PLAIN", "value": "p"}]));
    let secret = &find("Secret", "two-little")["stringData"];
    assert_eq!(
        *secret,
        json!({"API_TOKEN": "[redacted]", "WORD": "[redacted]"})
    );
    assert_eq!(
        find("Service", "two-little")["spec"]["ports"][0]["port"],
        82
    );
}

/// Nor do those of a registry with entries for both backends.
#[test]
fn dry_runs_for_both_backends() {
    let mcpt = Mcpt::default();
    let kubeconfig = nowhere(&mcpt);
    let both = json!({
        "near": {"type": "process", "template": "demo"},
        "far": {"type": "k8s", "template": "demo"},
    });
    let good = mcpt.file("good.json", &both.to_string());
    let deploy = |registry: &str| {
        let dry = [
            "deploy",
            "--all",
            "--registry",
            registry,
            "--dry-run",
            "-o",
            "json",
        ];
        mcpt.run(&[&dry[..], &["--kubeconfig", &kubeconfig]].concat())
    };
    let shown = deploy(&good).ok().json();
    let objects = shown.as_array().expect("a list");
    assert!(objects.iter().any(|object| object["kind"] == "Deployment"));
    assert!(
        objects.iter().any(|object| object["name"] == "near"),
        "{shown}"
    );

    let mut fault = both;
    fault["far"]["values"] = json!({"replicas": "many"});
    let bad = mcpt.file("bad.json", &fault.to_string());
    let refused = deploy(&bad)
        .exits(2)
        .says(&["1 of 2 servers cannot be deployed"]);
    assert_eq!(refused.stdout, "");
    no_server_was_touched(&mcpt);
}

#[test]
fn templates_take_what_the_user_gives_them() {
    let mcpt = Mcpt::default();
    fs::create_dir_all(mcpt.home().join("endless/templates")).expect("a folder");
    mcpt.file(
        "endless/Chart.yaml",
        "apiVersion: v2\nname: endless\nversion: 1.0.0\n",
    );
    mcpt.file(
        "endless/templates/all.yaml",
        "{{ range until 2000000 }}{{ end }}\n",
    );
    let registry = mcpt.file(
        "r.json",
        r#"{"endless": {"type": "k8s", "chart": "./endless", "transport": "http"}}"#,
    );
    let arguments = [
        "deploy",
        "--registry",
        &registry,
        "endless",
        "--dry-run=client",
    ];
    let mcpt = mcpt.env("MCPT_RENDER_MEMORY", "8");
    let _ = mcpt
        .run(&arguments)
        .exits(2)
        .says(&["the templates make more than 8 MiB of text and lists"]);
    let mcpt = mcpt.env("MCPT_RENDER_MEMORY", "lots");
    let _ = mcpt
        .run(&arguments)
        .exits(2)
        .says(&["MCPT_RENDER_MEMORY", "a number of MiB"]);
}
