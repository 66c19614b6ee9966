//! The registry format: what is read, what is refused and where, and what becomes of an entry.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "json! literals read best as arguments"
)]

use std::{fs, path::Path};

use mcpt_catalog::{
    Catalog, CompiledEntry, EntryChoices, EntryError, Registry, RegistryError, Settings,
    check_entry, compile_entry,
};
use mcpt_core::{
    Arg, BackendName, Capabilities, Capability, Failure, FailureKind, Image, Transport,
};
use serde_json::{Map, Value, json};

/// The seed's own example.
const SEED: &str = r#"{
  "github-server": {
    "type": "k8s",
    "chart": "mcp-server",
    "namespace": "mcp-servers",
    "replicas": 2,
    "resources": {
      "requests": {"cpu": "100m", "memory": "128Mi"},
      "limits": {"cpu": "500m", "memory": "512Mi"}
    },
    "service": {
      "type": "ClusterIP",
      "port": 8080
    },
    "env": {
      "GITHUB_TOKEN": "{{.Values.github.token}}"
    }
  }
}"#;

fn parse(text: &str) -> Registry {
    Registry::parse(Path::new("r.json"), text).expect("a registry")
}

fn entry(fields: &Value) -> Registry {
    parse(&json!({ "one": fields }).to_string())
}

const CLUSTER: Capabilities = Capabilities::new(&[
    Capability::Images,
    Capability::Chart,
    Capability::Instances,
    Capability::Autoscaling,
    Capability::Volumes,
    Capability::Namespaces,
]);
const LOCAL: Capabilities = Capabilities::new(&[]);

fn choices(capabilities: Capabilities, values: Value) -> EntryChoices {
    EntryChoices {
        backend: BackendName::new(if capabilities == LOCAL {
            "process"
        } else {
            "kubernetes"
        }),
        capabilities,
        settings: Settings::default(),
        image: None,
        profile: None,
        values: values.as_object().cloned().unwrap_or_default(),
    }
}

fn compile(registry: &Registry, choices: &EntryChoices) -> Result<CompiledEntry, EntryError> {
    let entry = registry.entries().next().expect("an entry");
    compile_entry(entry, &Catalog::default(), choices)
}

fn on_kubernetes(fields: &Value) -> Result<CompiledEntry, EntryError> {
    compile(
        &entry(fields),
        &choices(CLUSTER, json!({"a": {"b": "s3cr3t"}})),
    )
}

fn faults(error: &EntryError) -> Vec<String> {
    error
        .faults
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.field, problem.message))
        .collect()
}

#[test]
fn the_seeds_example() {
    let registry = parse(SEED);
    let entry = registry.get("github-server").expect("the entry");
    assert_eq!(entry.backend, Some(BackendName::new("kubernetes")));
    assert_eq!(
        entry.namespace.as_ref().map(ToString::to_string).as_deref(),
        Some("mcp-servers")
    );
    let mut choices = choices(CLUSTER, json!({"github": {"token": "ghp_1"}}));
    choices.image = Some(Image::parse("ghcr.io/x/github:2").expect("an image"));
    let compiled = compile(&registry, &choices).expect("a plan");
    let plan = &compiled.plan;
    assert_eq!(plan.name.as_str(), "github-server");
    assert_eq!(plan.secrets["GITHUB_TOKEN"].expose(), "ghp_1");
    assert!(plan.env.is_empty());
    assert_eq!(plan.replicas, Some(2));
    assert_eq!(
        plan.image.as_ref().map(Image::reference).as_deref(),
        Some("ghcr.io/x/github:2")
    );
    assert!(matches!(&plan.transport, Transport::Http { port: 8080, path, .. } if path == "/mcp"));
    // Numbers are floating point, as in any values file.
    assert_eq!(
        Value::Object(compiled.values),
        json!({
            "replicaCount": 2.0,
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}},
            "service": {"type": "ClusterIP", "port": 8080.0},
        })
    );
    assert!(compiled.chart.is_none() && compiled.warnings.is_empty());
}

#[test]
fn a_missing_value_names_entry_variable_and_path() {
    let error =
        compile(&parse(SEED), &choices(CLUSTER, json!({"github": {}}))).expect_err("no value");
    let failure = Failure::from(error);
    assert_eq!(failure.kind, FailureKind::Usage);
    assert!(failure.what.contains("github-server"), "{failure:?}");
    assert!(
        failure.why.iter().any(|why| why
            .starts_with("r.json:16: github-server.env.GITHUB_TOKEN: github.token has no value")),
        "{failure:?}"
    );
    // What else is wrong is told at the same time.
    assert!(
        failure.why.iter().any(|why| why.contains("--image")),
        "{failure:?}"
    );
    assert!(!format!("{failure:?}").contains("no value>"), "{failure:?}");
}

#[test]
fn all_faults_of_a_file_at_once() {
    let text = r#"{
  "Bad_Name": {"type": "k8s"},
  "a": {
    "type": "lambda",
    "chrt": "mcp-server",
    "replicas": "2",
    "service": {"port": 0, "typ": "ClusterIP"},
    "transport": {"type": "http", "prt": 1},
    "env": {"1X": "y"}
  },
  "b": {
    "namespace": "Not Valid",
    "chart": "mcp-servr",
    "version": "not a version",
    "args": ["--token={{.Values.t}}"],
    "env": {"A": "{{ .Values.x", "B": "{{ nosuch }}"}
  },
  "c": {"chart": "https://charts.example/x"},
  "d": {"chart": "nginx", "replicas": 1, "scaling": {"min": 5, "max": 2, "sessions": 10}}
}"#;
    let Err(error) = Registry::parse(Path::new("r.json"), text) else {
        panic!("it was read");
    };
    let told = error.to_string();
    for expected in [
        "r.json:4: a.type: \"lambda\" is not one of k8s, kubernetes, process, docker, podman",
        "r.json:5: a.chrt: unknown field: did you mean \"chart\"?",
        "r.json:6: a.replicas: \"2\" is not an integer",
        "r.json:7: a.service.port: 0 is less than 1",
        "r.json:7: a.service.typ: unknown field: did you mean \"type\"?",
        "r.json:8: a.transport.prt: unknown field: did you mean \"port\"?",
        "r.json:9: a.env: the name \"1X\" does not match",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    // What no schema can say comes when the format is right.
    let text = text.replace(
        r#"    "type": "lambda",
    "chrt": "mcp-server",
    "replicas": "2",
    "service": {"port": 0, "typ": "ClusterIP"},
    "transport": {"type": "http", "prt": 1},
    "env": {"1X": "y"}"#,
        r#"    "transport": {"type": "stdio", "port": 1}"#,
    );
    let Err(error) = Registry::parse(Path::new("r.json"), &text) else {
        panic!("it was read");
    };
    let told = error.to_string();
    for expected in [
        "r.json:2: Bad_Name: server name \"Bad_Name\" is not valid",
        "r.json:4: a.transport.port: a stdio server has no endpoint",
        "r.json:7: b.namespace: namespace \"Not Valid\" is not valid",
        "r.json:9: b.version: improper constraint",
        "r.json:10: b.args[0]: an argument cannot be an expression",
        "r.json:11: b.env.A: it cannot be parsed: unclosed action",
        "r.json:11: b.env.B: it cannot be parsed: function \"nosuch\" not defined",
        "r.json:13: c.chart: charts come from registries",
        "r.json:14: d.chart: there is no built-in chart \"nginx\": a folder is given as ./FOLDER",
        "r.json:14: d.replicas: with scaling the load decides",
        "r.json:14: d.scaling.min: it is greater than max",
        "r.json:14: d.scaling.sessions: no backend scales by sessions yet",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
}

#[test]
fn files_that_are_no_registry() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("r.json");
    for (text, said) in [
        ("", "EOF while parsing"),
        ("[]", "[] is not an object"),
        ("{\"a\": {}, \"a\": {}}", "it is given twice"),
        ("{\"a\": {}", "EOF while parsing an object"),
        (&"[".repeat(100_000), "recursion limit exceeded"),
        (
            &format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200)),
            "recursion limit exceeded",
        ),
    ] {
        fs::write(&file, text).expect("a file");
        let error = Registry::read(&file).expect_err("no registry").to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    for path in [
        folder.path(),
        &folder.path().join("none.json"),
        Path::new("/dev/zero"),
    ] {
        let error = Registry::read(path).expect_err("no file");
        assert!(matches!(error, RegistryError::Read { .. }), "{error}");
    }
    let large = fs::File::create(&file).expect("a file");
    large.set_len(5 * 1024 * 1024).expect("its length");
    let error = Registry::read(&file).expect_err("too large").to_string();
    assert!(error.contains("larger than"), "{error}");
    let error = parse(SEED)
        .get("github-sever")
        .expect_err("unknown")
        .to_string();
    assert!(error.contains("did you mean \"github-server\"?"), "{error}");
}

#[test]
fn expressions_are_secrets_and_texts_are_not() {
    let compiled = on_kubernetes(&json!({
        "image": "i", "env": {"A": "plain", "N": 5, "T": true, "S": "{{.Values.a.b}}", "B": "x-{{ .Values.a.b | b64enc }}"},
        "labels": {"team": "x"}, "annotations": {"note": "y"},
        "scaling": {"min": 2, "max": 5, "cpu": 70},
        "persistence": {"path": "/data", "size": "2Gi", "keep": true},
        "values": {"drainSeconds": 9, "service": {"nodePort": 30000}}, "service": {"port": 80},
        "profile": "prod", "transport": {"type": "http", "port": 9000, "path": "/x", "port_env": "PORT"},
        "args": ["serve"],
    }))
    .expect("a plan");
    let plan = &compiled.plan;
    let env: Vec<_> = plan
        .env
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(env, [("A", "plain"), ("N", "5"), ("T", "true")]);
    assert_eq!(plan.secrets["S"].expose(), "s3cr3t");
    assert_eq!(plan.secrets["B"].expose(), "x-czNjcjN0");
    assert_eq!(plan.args, [Arg::Text("serve".to_owned())]);
    assert_eq!(plan.mounts[0].container, "/data");
    assert!(
        matches!(&plan.transport, Transport::Http { port: 9000, path, port_env: Some(p) } if path == "/x" && p == "PORT")
    );
    let values = Value::Object(compiled.values);
    for (pointer, expected) in [
        ("/labels", json!({"team": "x"})),
        ("/annotations", json!({"note": "y"})),
        // The entry's fields win over its profile, and its values over both.
        (
            "/autoscaling",
            json!({"enabled": true, "minReplicas": 2.0, "maxReplicas": 5.0, "targetCPUUtilizationPercentage": 70.0}),
        ),
        ("/podDisruptionBudget/enabled", json!(true)),
        ("/drainSeconds", json!(9.0)),
        ("/service", json!({"port": 80.0, "nodePort": 30000.0})),
        (
            "/persistence",
            json!({"enabled": true, "size": "2Gi", "keep": true}),
        ),
    ] {
        assert_eq!(values.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert!(!format!("{plan:?}").contains("s3cr3t"));
}

/// `ENDPOINT` sounds harmless, and is secret only since the entry has it as an expression.
#[test]
fn an_expression_stays_secret_when_the_command_gives_it() {
    let folder = tempfile::tempdir().expect("a folder");
    foreign_chart(&folder.path().join("little"));
    let known = "env: {}\nsecrets: {}\n";
    fs::write(folder.path().join("little/values.yaml"), known).expect("a file");
    let env = json!({"ENDPOINT": "{{.Values.absent}}", "PLAIN": "a"});
    for (backend, mut fields) in [
        (CLUSTER, json!({"image": "i"})),
        (LOCAL, json!({"command": ["x"]})),
        (CLUSTER, json!({"chart": "./little"})),
    ] {
        fields["env"] = env.clone();
        let text = json!({ "one": fields }).to_string();
        let registry = Registry::parse(&folder.path().join("r.json"), &text).expect("a registry");
        let mut choices = choices(backend, json!({}));
        let given = [("ENDPOINT", "first"), ("PLAIN", "b"), ("ENDPOINT", "g1v3n")];
        choices.settings.env = given.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let compiled = compile(&registry, &choices).expect("a plan");
        let plan = &compiled.plan;
        assert_eq!(plan.secrets["ENDPOINT"].expose(), "g1v3n", "{fields}");
        assert_eq!(json!(plan.env), json!({"PLAIN": "b"}), "{fields}");
        if fields["chart"].is_string() {
            assert_eq!(compiled.values["env"], json!({"PLAIN": "b"}));
            assert_eq!(compiled.values["secrets"], json!({"ENDPOINT": "g1v3n"}));
        }
    }
}

#[test]
fn a_template_gives_what_the_entry_leaves_open() {
    let compiled = on_kubernetes(&json!({
        "template": "demo",
        "env": {"MCPT_DEMO_GREETING": "{{.Values.a.b}}", "OTHER": "x"},
    }))
    .expect("a plan");
    assert_eq!(compiled.plan.template.as_str(), "demo");
    assert_eq!(
        compiled.plan.secrets["MCPT_DEMO_GREETING"].expose(),
        "s3cr3t"
    );
    assert_eq!(compiled.plan.env["OTHER"], "x");
    assert!(!compiled.plan.env.contains_key("MCPT_DEMO_GREETING"));

    for (fields, said) in [
        (
            json!({"template": "dmeo"}),
            "one.template: unknown template \"dmeo\": did you mean \"demo\"?",
        ),
        (
            json!({"template": "demo", "env": {"MCPT_LOG": "{{.Values.a.b}}"}}),
            "one.env.MCPT_LOG: the value is not one of",
        ),
        (
            json!({"transport": "stdio", "image": "i"}),
            "one: a stdio server in a container needs a command",
        ),
        (json!({}), "one: what to run is missing"),
        (
            json!({"template": "demo", "persistence": {"size": "1Gi"}}),
            "one.persistence: path is missing",
        ),
        (
            json!({"image": "i", "profile": "prdo"}),
            "one.profile: the chart mcp-server has no profile \"prdo\": there are dev, openshift, prod, staging",
        ),
        (
            json!({"image": "i", "version": "^2"}),
            "one.version: the chart mcp-server has version 0.2.0, not ^2",
        ),
        (
            json!({"image": "i", "env": {"A": "{{ required \"say a token\" .Values.nothing }}"}}),
            "one.env.A: it has no value: say a token",
        ),
    ] {
        let Err(error) = on_kubernetes(&fields) else {
            panic!("{fields} was compiled");
        };
        let faults = faults(&error);
        assert!(
            faults.iter().any(|fault| fault.starts_with(said)),
            "{said}\n{faults:?}"
        );
        assert!(!error.to_string().contains("s3cr3t"), "{error}");
    }
}

#[test]
fn what_a_process_cannot_do() {
    let process = |fields: &Value| compile(&entry(fields), &choices(LOCAL, json!({})));
    let compiled = process(&json!({
        "type": "k8s", "template": "demo", "namespace": "x", "service": {"port": 1}, "replicas": 1,
        "resources": {"limits": {"cpu": "1"}},
    }))
    .expect("a plan");
    assert_eq!(compiled.plan.local_command, ["mcpt", "demo"]);
    assert!(compiled.values.is_empty());
    assert_eq!(
        compiled.warnings,
        ["one: namespace, resources, service of the registry means nothing to the process backend"]
    );
    let own = process(
        &json!({"type": "process", "command": ["x", "y"], "transport": "stdio", "args": ["z"]}),
    )
    .expect("a plan");
    assert_eq!(own.plan.local_command, ["x", "y"]);
    assert_eq!(own.plan.transport, Transport::Stdio);

    let error = process(&json!({
        "image": "i", "chart": "./c", "replicas": 2, "persistence": {"path": "/x"},
    }))
    .expect_err("it cannot run");
    let fields: Vec<_> = error
        .faults
        .problems
        .iter()
        .map(|p| p.field.as_str())
        .collect();
    for field in ["one", "one.chart", "one.replicas", "one.persistence"] {
        assert!(fields.contains(&field), "{field} in {fields:?}");
    }
}

#[test]
fn a_check_needs_no_values() {
    let registry = entry(
        &json!({"template": "demo", "env": {"TOKEN": "{{.Values.t}}", "MCPT_LOG": "{{.Values.l}}"}}),
    );
    let one = registry.get("one").expect("the entry");
    let choices = choices(CLUSTER, json!({}));
    let checked = check_entry(one, &Catalog::default(), &choices).expect("a plan");
    let missing = [("MCPT_LOG", "l"), ("TOKEN", "t")];
    assert_eq!(
        checked.missing,
        missing.map(|(variable, path)| (variable.to_owned(), path.to_owned()))
    );
    let error = compile_entry(one, &Catalog::default(), &choices).expect_err("no values");
    assert_eq!(faults(&error).len(), 2, "{error}");
}

#[test]
fn an_expression_stays_secret_in_every_template() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("mine")).expect("a folder");
    let template = json!({"name": "M", "description": "d", "docker_image": "i", "transport": {"default": "http"},
        "config_schema": {"properties": {
            "zone": {"type": "string", "command_arg": "--zone", "env_mapping": "ZONE"},
            "place": {"type": "string", "volume_mount": true, "env_mapping": "PLACE"},
            "size": {"type": "integer", "env_mapping": "SIZE"}}}});
    let file = folder.path().join("mine/template.json");
    fs::write(file, template.to_string()).expect("a file");
    let expression = "{{.Values.a.b}}";
    let text = json!({"one": {"template": "./mine", "env": {"ZONE": expression, "PLACE": expression, "SIZE": expression}}});
    let registry =
        Registry::parse(&folder.path().join("r.json"), &text.to_string()).expect("a registry");
    let choices = choices(CLUSTER, json!({"a": {"b": "s3cr3t"}}));
    let error = compile(&registry, &choices).expect_err("it would be seen");
    let faults = faults(&error);
    for said in [
        "one.env.ZONE: the template makes it an argument",
        "one.env.PLACE: it names folders",
        "one.env.SIZE: the value is not an integer",
    ] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(said)),
            "{said}\n{faults:?}"
        );
    }
    assert!(!error.to_string().contains("s3cr3t"), "{error}");
}

/// A chart that knows little.
fn foreign_chart(folder: &Path) {
    fs::create_dir_all(folder.join("templates")).expect("a folder");
    for (file, text) in [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: little\nversion: 1.2.3\n",
        ),
        (
            "values.yaml",
            "image: {repository: x, tag: y}\nreplicaCount: 1\nservice: {port: 80}\nenv: {}\n",
        ),
        ("templates/x.yaml", "kind: X\n"),
    ] {
        fs::write(folder.join(file), text).expect("a file");
    }
}

#[test]
fn charts_of_others_get_what_they_have_a_place_for() {
    let folder = tempfile::tempdir().expect("a folder");
    foreign_chart(&folder.path().join("little"));
    let file = folder.path().join("r.json");
    let read = |fields: &Value| {
        Registry::parse(&file, &json!({ "one": fields }).to_string()).expect("a registry")
    };
    let choices = choices(CLUSTER, json!({"t": "s3cr3t"}));
    let compiled = compile(
        &read(
            &json!({"chart": "./little", "version": "~1.2", "image": "a:5000/b:1", "replicas": 2,
            "service": {"port": 9}, "env": {"A": "b"}, "values": {"more": {"x": 1}}}),
        ),
        &choices,
    )
    .expect("a plan");
    assert_eq!(
        Value::Object(compiled.values),
        json!({"image": {"repository": "a:5000/b", "tag": "1"}, "replicaCount": 2.0, "service": {"port": 9.0},
               "env": {"A": "b"}, "more": {"x": 1.0}})
    );
    let chart = compiled.chart.expect("the chart");
    assert!(!chart.endpoint_known);
    assert_eq!(chart.files.len(), 3);

    let error = compile(
        &read(&json!({"chart": "./little", "template": "demo", "command": ["x"], "service": {"type": "NodePort"},
            "env": {"A": "{{.Values.t}}"}, "transport": "stdio", "persistence": {}, "profile": "prod",
            "scaling": {"max": 3}})),
        &choices,
    )
    .expect_err("no place for it");
    let faults = faults(&error);
    for said in [
        "one.template: the chart little does not know it",
        "one.command: the chart little does not know it",
        "one.persistence: the chart little does not know it",
        "one.service: the chart little has no value service.type",
        "one.scaling: the chart little has no value autoscaling",
        "one.env: the chart little has no value secrets",
        "one.transport: the chart little has no bridge",
        "one.profile: the chart little has no profiles",
    ] {
        assert!(
            faults.iter().any(|fault| fault.starts_with(said)),
            "{said}\n{faults:?}"
        );
    }
    for (fields, said) in [
        (json!({"chart": "./none"}), "No such file"),
        (json!({"chart": "./r.json"}), "No such file"),
        (json!({"chart": "./"}), "Chart.yaml file is missing"),
        (
            json!({"chart": "/dev/zero", "image": "i"}),
            "it is a device, not a file",
        ),
        (
            json!({"chart": "./little", "version": "2"}),
            "has version 1.2.3, not 2",
        ),
    ] {
        let error = compile(&read(&fields), &choices)
            .expect_err("no chart")
            .to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// The guide's chapter names every field of the format.
#[test]
fn the_guide_knows_every_field() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let schema: Value =
        serde_json::from_str(&read("schema/registry.schema.json")).expect("the format's schema");
    let chapter = read("../../docs/src/registry.md");
    for place in [
        "/$defs/entry/properties",
        "/$defs/transport/properties",
        "/$defs/entry/properties/service/properties",
        "/$defs/entry/properties/scaling/properties",
        "/$defs/entry/properties/persistence/properties",
    ] {
        let fields = schema.pointer(place).and_then(Value::as_object);
        for field in fields.expect("fields").keys() {
            assert!(chapter.contains(&format!("`{field}`")), "{place}/{field}");
        }
    }
}

/// A copy of the built-in chart takes all that the built-in one takes.
#[test]
fn a_copy_of_the_servers_chart_is_one() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../r.json");
    let text = json!({"one": {"chart": "charts/mcp-server", "template": "demo", "profile": "dev"}});
    let registry = Registry::parse(&file, &text.to_string()).expect("a registry");
    let compiled = compile(&registry, &choices(CLUSTER, Map::new().into()));
    let compiled = compiled.expect("a plan");
    assert!(compiled.chart.expect("the chart").endpoint_known);
    assert_eq!(compiled.plan.template.as_str(), "demo");
}
