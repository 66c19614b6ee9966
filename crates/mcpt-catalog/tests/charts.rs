//! Every embedded chart: README, schema and values.yaml agree.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{fs, path::PathBuf};

use mcpt_catalog::{CHARTS, builtin_chart};
use serde_json::{Map, Value};

fn chart_file(chart: &str, path: &str) -> &'static str {
    let mut files = builtin_chart(chart).expect("the chart");
    let (_, bytes) = files.find(|(name, _)| *name == path).expect("the file");
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

/// A documented value: its path, its default and what the comment above it says.
#[derive(Debug)]
struct Row {
    path: String,
    default: String,
    text: String,
}

/// Reads the comments `# --` of values.yaml. A key without one belongs to the documented key around it.
fn rows(chart: &str) -> Vec<Row> {
    let text = chart_file(chart, "values.yaml");
    let values = yaml(text);
    let mut rows = Vec::new();
    let mut around: Vec<(usize, String)> = Vec::new();
    let mut comment = None;
    for line in text.lines() {
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
fn table(rows: &[Row]) -> String {
    let mut table = "| Value | Default | Meaning |\n| --- | --- | --- |\n".to_owned();
    for row in rows {
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
    for chart in CHARTS {
        let rows = rows(chart);
        let mut undocumented = Vec::new();
        each_leaf(&yaml(chart_file(chart, "values.yaml")), "", &mut |path| {
            let documented =
                |row: &Row| path == row.path || path.starts_with(&format!("{}.", row.path));
            if !rows.iter().any(documented) {
                undocumented.push(path.to_owned());
            }
        });
        assert_eq!(
            undocumented, [""; 0],
            "values of {chart} without a comment `# --`"
        );

        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../charts");
        let file = folder.join(chart).join("README.md");
        let readme = fs::read_to_string(&file).expect("the README");
        let (begin, end) = ("<!-- ANCHOR: values -->\n", "<!-- ANCHOR_END: values -->");
        let (before, rest) = readme.split_once(begin).expect("the table's begin");
        let (old, after) = rest.split_once(end).expect("the table's end");
        let table = table(&rows);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, [before, begin, &table, end, after].concat()).expect("the README");
        } else {
            assert_eq!(old, table, "{chart}: run this test with UPDATE_EXPECT=1");
        }
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
    for chart in CHARTS {
        let schema: Value =
            serde_json::from_str(chart_file(chart, "values.schema.json")).expect("JSON");
        let values = yaml(chart_file(chart, "values.yaml"));
        let known = |schema: &Value| -> Vec<String> {
            let properties = schema["properties"].as_object().map(Map::keys);
            properties.into_iter().flatten().cloned().collect()
        };
        for key in known(&schema) {
            assert!(
                key == "global" || values.get(&key).is_some(),
                "{chart}: {key} is not in values.yaml"
            );
            for inner in known(&schema["properties"][&key]) {
                assert!(
                    values[&key].get(&inner).is_some(),
                    "{chart}: {key}.{inner} is not in values.yaml"
                );
            }
        }
    }
}
