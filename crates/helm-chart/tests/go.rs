//! What Helm 4.3.1 does, recorded in `cases/go.jsonl`, one case per line: `op` is the function, `in` its input, `ok` or `err` the
//! answer. An error of `null` has another text here.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use helm_chart::{
    Chart, Constraint, Error, KubeVersion, Values, Version, coalesce_values, process_dependencies,
    set, set_json, set_literal, set_string, values_for_rendering,
};
use serde_json::{Value, json};

#[test]
fn as_helm() {
    let cases = include_str!("cases/go.jsonl");
    let mut failures = Vec::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let ours = run(case["op"].as_str().unwrap(), &case["in"]).map(comparable);
        let same = match (&ours, case.get("ok")) {
            (Ok(ours), Some(theirs)) => *ours == comparable(theirs.clone()),
            (Err(ours), None) => case["err"]
                .as_str()
                .is_none_or(|theirs| sorted(ours) == sorted(theirs)),
            _ => false,
        };
        if !same {
            failures.push(format!("{line}\n  ours: {ours:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(op: &str, input: &Value) -> Result<Value, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    match op {
        "set" | "set-string" | "set-json" | "set-literal" => {
            let mut values = values(&input["base"]);
            let set = match op {
                "set" => set,
                "set-string" => set_string,
                "set-json" => set_json,
                _ => set_literal,
            };
            set(&mut values, &text(&input["line"])).map_err(|error| error.to_string())?;
            Ok(Value::Object(values))
        }
        "constraint" => {
            let constraint = Constraint::parse(&text(&input[0])).map_err(|_| "constraint")?;
            let version = Version::parse(&text(&input[1])).map_err(|_| "version")?;
            Ok(constraint.check(&version).into())
        }
        "version" => {
            let version = Version::parse(&text(input)).map_err(|_| "version")?;
            Ok(version.to_string().into())
        }
        "kube" => {
            let version = KubeVersion::parse(&text(input)).map_err(|_| "kube")?;
            Ok(json!([
                version.version,
                version.normalized,
                version.major,
                version.minor
            ]))
        }
        "load" => {
            let chart = chart(input).map_err(|error| error.to_string())?;
            Ok(serde_json::to_value(&chart.metadata).unwrap())
        }
        "values" => rendering_values(input).map_err(|error| error.to_string()),
        other => panic!("no such function: {other}"),
    }
}

fn chart(files: &Value) -> Result<Chart, Error> {
    let files = files.as_object().unwrap();
    Chart::from_files(
        files
            .iter()
            .map(|(name, text)| (name.clone(), text.as_str().unwrap().as_bytes().to_vec())),
    )
}

fn rendering_values(input: &Value) -> Result<Value, Error> {
    let mut chart = chart(&input["files"])?;
    let user = values(&input["user"]);
    process_dependencies(&mut chart, &user)?;
    let coalesced = if input["schema"] == true {
        values_for_rendering(&chart, &user)?
    } else {
        coalesce_values(&chart, &user)?
    };
    let mut charts = Vec::new();
    collect_names(&chart, chart.name(), &mut charts);
    charts.sort();
    Ok(json!({"values": coalesced.values, "stored": chart.values, "charts": charts}))
}

fn collect_names(chart: &Chart, path: &str, names: &mut Vec<String>) {
    names.push(path.to_owned());
    for subchart in &chart.dependencies {
        collect_names(
            subchart,
            &format!("{path}/charts/{}", subchart.name()),
            names,
        );
    }
}

fn values(value: &Value) -> Values {
    comparable(value.clone())
        .as_object()
        .cloned()
        .unwrap_or_default()
}

/// The recorded answers do not tell 1 from 1.0.
fn comparable(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().unwrap().into(),
        Value::Array(items) => items.into_iter().map(comparable).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, comparable(value)))
            .collect(),
        other => other,
    }
}

/// Helm walks over maps in no order, so the lines of a schema's refusal come in any, and names within a line too.
fn sorted(text: &str) -> Vec<Vec<&str>> {
    let words = |line| {
        let mut words: Vec<&str> = str::split(line, [' ', ',']).collect();
        words.sort_unstable();
        words
    };
    let mut lines: Vec<Vec<&str>> = text.lines().map(words).collect();
    lines.sort_unstable();
    lines
}
