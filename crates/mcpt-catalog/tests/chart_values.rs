//! Values of the chart `mcp-server`: its schema takes the defaults, the profiles and what is made from plans.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use mcpt_catalog::{
    Catalog, PROFILES, Settings, builtin_chart, chart_values, compile, profile_values,
};
use mcpt_core::{Plan, Resources};
use serde_json::{Value, json};

fn chart_file(path: &str) -> &'static str {
    let mut files = builtin_chart("mcp-server").expect("the chart");
    let (_, bytes) = files.find(|(name, _)| *name == path).expect("the file");
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

/// Lays `top` over `base` as Helm does.
fn coalesce(base: &mut Value, top: &Value) {
    match (base, top) {
        (Value::Object(base), Value::Object(top)) => {
            for (key, value) in top {
                coalesce(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, top) => *base = top.clone(),
    }
}

fn problems(values: &Value) -> Vec<String> {
    let schema = serde_json::from_str(chart_file("values.schema.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors = validator.iter_errors(values);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn with_defaults(top: &Value) -> Value {
    let mut values = yaml(chart_file("values.yaml"));
    coalesce(&mut values, top);
    values
}

fn plan(template: &str, settings: &Settings) -> Plan {
    let template = Catalog::default().get(template).expect("a template");
    compile(&template, settings).expect("a plan")
}

#[test]
fn defaults_and_profiles_fit_the_schema() {
    assert_eq!(problems(&with_defaults(&json!({}))), [""; 0]);
    for profile in PROFILES {
        let values = yaml(profile_values(profile).expect("a profile"));
        assert_eq!(problems(&with_defaults(&values)), [""; 0], "{profile}");
    }
}

#[test]
fn plans_fit_the_schema() {
    for id in ["demo", "everything", "filesystem", "time"] {
        let values = Value::Object(chart_values(&plan(id, &Settings::default())));
        assert_eq!(problems(&with_defaults(&values)), [""; 0], "{id}");
    }
}

#[test]
fn the_schema_is_strict() {
    for (values, place) in [
        (json!({"nosuch": 1}), ""),
        (json!({"image": {"tga": "1"}}), "/image"),
        (json!({"image": {"repository": ""}}), "/image/repository"),
        (json!({"replicaCount": "two"}), "/replicaCount"),
        (json!({"mcp": {"transport": "sse"}}), "/mcp/transport"),
        (json!({"mcp": {"path": "mcp"}}), "/mcp/path"),
        (json!({"service": {"port": 70000}}), "/service/port"),
        (json!({"env": {"A": [1]}}), "/env/A"),
        (json!({"secrets": {"A": {"b": "c"}}}), "/secrets/A"),
        (
            json!({"resources": {"limits": {"cpu": "lots"}}}),
            "/resources/limits/cpu",
        ),
        (
            json!({"probes": {"startup": {"type": "tpc"}}}),
            "/probes/startup/type",
        ),
        (
            json!({"workspace": {"mounts": [{"path": "x"}]}}),
            "/workspace/mounts/0/path",
        ),
        (json!({"labels": {"a": 1}}), "/labels/a"),
    ] {
        let found = problems(&with_defaults(&values));
        assert_eq!(found.len(), 1, "{values}: {found:?}");
        assert!(
            found[0].starts_with(&format!("{place}: ")),
            "{values}: {found:?}"
        );
    }
    assert_eq!(
        problems(&with_defaults(&json!({"global": {"any": 1}}))),
        [""; 0]
    );
}

#[test]
fn an_http_plan() {
    let settings = Settings {
        config: vec![
            ("greeting".into(), "Hi $(HOME) $5".into()),
            ("token".into(), "hunter2".into()),
        ],
        replicas: Some(2),
        resources: Resources {
            limits: [("memory".to_owned(), "1Gi".to_owned())].into(),
            ..Resources::default()
        },
        ..Settings::default()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        Value::Object(chart_values(&plan("demo", &settings))),
        json!({
            "image": {"repository": "localhost/mcpt", "tag": version},
            "replicaCount": 2,
            "mcp": {
                "transport": "http", "port": 8080, "path": "/mcp", "portEnv": "PORT",
                "command": ["/mcpt", "demo", "--listen", "[::]"], "args": [],
                "sessions": "stateful", "template": "demo", "templateVersion": version,
            },
            "env": {"MCPT_DEMO_GREETING": "Hi $(HOME) $5", "MCPT_LOG": "info"},
            "secrets": {"MCPT_DEMO_TOKEN": "hunter2"},
            "resources": {
                "requests": {"cpu": "20m", "memory": "32Mi"},
                "limits": {"cpu": "500m", "memory": "1Gi"},
            },
        })
    );
}

#[test]
fn a_stdio_plan_with_folders() {
    let settings = Settings {
        config: vec![("allowed_dirs".into(), "/a/b:/a-b /x:/a/b :/pri$e".into())],
        ..Settings::default()
    };
    let values = chart_values(&plan("filesystem", &settings));
    assert_eq!(values["mcp"]["transport"], "stdio");
    assert_eq!(values["mcp"]["port"], 8080);
    assert_eq!(
        values["mcp"]["args"],
        json!(["/a-b", "/a/b", "/pri$$e"]),
        "Kubernetes reads $$ as $"
    );
    assert_eq!(
        values["workspace"]["mounts"],
        json!([
            {"path": "/a-b", "subPath": "a-b"},
            {"path": "/a/b", "subPath": "a-b-2"},
            {"path": "/pri$e", "subPath": "pri$e"},
        ])
    );
    assert!(!values.contains_key("replicaCount"));
    assert!(!values.contains_key("secrets"));
}
