//! The chart's values: schema, documentation and plans agree with values.yaml.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{fs, path::PathBuf};

use mcpt_catalog::{
    Catalog, PROFILES, Settings, builtin_chart, chart_values, compile, profile_values,
};
use mcpt_core::{Plan, Resources};
use serde_json::{Map, Value, json};

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
                "command": ["/mcpt", "demo", "--listen", "0.0.0.0"], "args": [],
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

/// A documented value: its path, its default and what the comment above it says.
#[derive(Debug)]
struct Row {
    path: String,
    default: String,
    text: String,
}

/// Reads the comments `# --` of values.yaml. A key without one belongs to the documented key around it.
fn rows() -> Vec<Row> {
    let values = yaml(chart_file("values.yaml"));
    let mut rows = Vec::new();
    let mut around: Vec<(usize, String)> = Vec::new();
    let mut comment = None;
    for line in chart_file("values.yaml").lines() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if let Some(text) = line.strip_prefix("# -- ") {
            comment = Some(text.to_owned());
            continue;
        }
        let Some((key, _)) = line
            .split_once(':')
            .filter(|_| !line.starts_with(['#', '-']))
        else {
            continue;
        };
        around.retain(|(depth, _)| *depth < indent);
        around.push((indent, key.to_owned()));
        let path: Vec<_> = around.iter().map(|(_, key)| key.as_str()).collect();
        if let Some(text) = comment.take() {
            let pointer = format!("/{}", path.join("/"));
            let default = values.pointer(&pointer).expect("the comment's value");
            rows.push(Row {
                path: path.join("."),
                default: default.to_string(),
                text,
            });
        }
    }
    rows
}

/// The table of the README: defaults only where no row below has them.
fn table() -> String {
    let rows = rows();
    let mut table = "| Value | Default | Meaning |\n| --- | --- | --- |\n".to_owned();
    for row in &rows {
        let below = format!("{}.", row.path);
        let default = if rows.iter().any(|other| other.path.starts_with(&below)) {
            String::new()
        } else {
            format!("`{}`", row.default)
        };
        let text = row.text.replace('|', "\\|");
        let cells = [format!("`{}`", row.path), default, text];
        table.extend(["| ", &cells.join(" | "), " |\n"]);
    }
    table
}

/// Every value of values.yaml is documented there, and the README shows it. Run with `UPDATE_EXPECT=1` to write the table.
#[test]
fn the_readme_lists_every_value() {
    let rows = rows();
    let mut undocumented = Vec::new();
    each_leaf(&yaml(chart_file("values.yaml")), "", &mut |path| {
        let documented =
            |row: &Row| path == row.path || path.starts_with(&format!("{}.", row.path));
        if !rows.iter().any(documented) {
            undocumented.push(path.to_owned());
        }
    });
    assert_eq!(undocumented, [""; 0], "values without a comment `# --`");

    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../charts/mcp-server/README.md");
    let readme = fs::read_to_string(&file).expect("the README");
    let (begin, end) = ("<!-- ANCHOR: values -->\n", "<!-- ANCHOR_END: values -->");
    let (before, rest) = readme.split_once(begin).expect("the table's begin");
    let (old, after) = rest.split_once(end).expect("the table's end");
    let table = table();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, [before, begin, &table, end, after].concat()).expect("the README");
    } else {
        assert_eq!(old, table, "run this test with UPDATE_EXPECT=1");
    }
}

fn each_leaf(value: &Value, path: &str, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                each_leaf(value, &format!("{path}{dot}{key}"), found);
            }
        }
        _ => found(path),
    }
}

/// Each value that the schema knows is in values.yaml, so that no value is hidden from readers.
#[test]
fn the_schema_knows_nothing_more() {
    let schema: Value = serde_json::from_str(chart_file("values.schema.json")).expect("JSON");
    let values = yaml(chart_file("values.yaml"));
    let known = |schema: &Value| -> Vec<String> {
        let properties = schema["properties"].as_object().map(Map::keys);
        properties.into_iter().flatten().cloned().collect()
    };
    for key in known(&schema) {
        assert!(
            key == "global" || values.get(&key).is_some(),
            "{key} is not in values.yaml"
        );
        for inner in known(&schema["properties"][&key]) {
            assert!(
                values[&key].get(&inner).is_some(),
                "{key}.{inner} is not in values.yaml"
            );
        }
    }
}
