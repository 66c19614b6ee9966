//! Values on their way from the command line: what goes over what, and which kind a number has.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use helm_chart::{Capabilities, Chart, Error, Overrides, coalesce_values, validate_schema};
use proptest::prelude::*;
use serde_json::{Value, json};

fn merged(overrides: &Overrides) -> Value {
    Value::Object(overrides.merge().unwrap())
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn classes_of_flags_go_over_each_other_as_in_helm() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let overrides = Overrides {
        files: vec![
            file("a.yaml", "a: {p: file, q: file, r: file}\nb: 1\n"),
            file("b.yaml", "a: {q: second}\n"),
        ],
        set_json: lines(&["a.r=\"json\"", r#"{"c": {"d": 1}}"#]),
        set: lines(&["a.p=set,num=1", "s=set"]),
        set_string: lines(&["s=string"]),
        set_file: vec![file("f", "content, with = and {\n")],
        set_literal: lines(&["l=a,b={c}"]),
    };
    assert_eq!(
        merged(&overrides),
        json!({
            "a": {"p": "set", "q": "second", "r": "json"}, "b": 1.0, "c": {"d": 1.0}, "num": 1, "s": "string",
            "f": "content, with = and {\n", "l": "a,b={c}"
        })
    );
}

#[test]
fn numbers_tell_where_they_come_from() {
    let overrides = Overrides {
        files: vec![("v".to_owned(), "file: 1\n".to_owned())],
        set: lines(&["set=1"]),
        set_json: lines(&["json=1"]),
        ..Overrides::default()
    };
    let values = merged(&overrides);
    assert!(values["file"].is_f64() && values["json"].is_f64() && values["set"].is_i64());
}

#[test]
fn what_cannot_be_read_is_named_with_its_flag() {
    let cases = [
        (
            Overrides {
                set: lines(&["a"]),
                ..Overrides::default()
            },
            "failed parsing --set data: key \"a\" has no value",
        ),
        (
            Overrides {
                set_json: lines(&["{"]),
                ..Overrides::default()
            },
            "failed parsing --set-json data JSON: {",
        ),
        (
            Overrides {
                set_json: lines(&["a=x"]),
                ..Overrides::default()
            },
            "failed parsing --set-json data a=x",
        ),
        (
            Overrides {
                files: vec![("v.yaml".to_owned(), "- a\n".to_owned())],
                ..Overrides::default()
            },
            "failed to parse v.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: \
             cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ];
    for (overrides, expected) in cases {
        assert_eq!(overrides.merge().unwrap_err().to_string(), expected);
    }
}

fn chart(files: &[(&str, &str)]) -> Chart {
    let yaml = ("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.1.0\n");
    let files = std::iter::once(yaml).chain(files.iter().copied());
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    Chart::from_files(files).unwrap()
}

#[test]
fn tables_that_meet_something_else_are_logged() {
    let chart = chart(&[("values.yaml", "a: 1\nb: {c: {d: 1}, e: 2}\n")]);
    let user = json!({"a": {"x": 1}, "b": {"c": 5, "e": {"f": 1}}});
    let coalesced = coalesce_values(&chart, user.as_object().unwrap()).unwrap();
    assert_eq!(
        coalesced.warnings,
        [
            "warning: skipped value for demo.a: Not a table.",
            "warning: cannot overwrite table with non table for demo.b.c (map[d:1])",
            "warning: destination for demo.b.e is a table. Ignoring non-table value (2)",
        ]
    );
    assert_eq!(Value::Object(coalesced.values), user);
}

#[test]
fn a_schema_that_points_elsewhere_is_not_fetched() {
    let schema = r#"{"properties": {"a": {"$ref": "https://example.com/schema.json"}}}"#;
    let chart = chart(&[("values.schema.json", schema)]);
    let error = validate_schema(&chart, &chart.values)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("schemas outside of the chart are not read"),
        "{error}"
    );
    let passes = r#"{"properties": {"a": {"$ref": "urn:example:unknown"}}}"#;
    let chart = self::chart(&[("values.schema.json", passes), ("values.yaml", "a: 1\n")]);
    validate_schema(&chart, &chart.values).unwrap();
}

#[test]
fn problems_of_a_schema_come_one_by_one_too() {
    let schema = r#"{"properties": {"a": {"type": "string"}, "b": {"properties": {"c": {"minimum": 5}}, "required": ["d"]}}}"#;
    let chart = chart(&[
        ("values.schema.json", schema),
        ("values.yaml", "a: 1\nb: {c: 1}\n"),
    ]);
    let Err(Error::Schema(error)) = validate_schema(&chart, &chart.values) else {
        unreachable!("the values break the schema");
    };
    let problems: Vec<String> = error
        .problems
        .iter()
        .map(|one| format!("{} {} {}", one.chart, one.path, one.message))
        .collect();
    assert_eq!(
        problems,
        [
            "demo /a got number, want string",
            "demo /b missing property 'd'",
            "demo /b/c minimum: got 1, want 5"
        ]
    );
}

#[test]
fn capabilities_without_a_cluster_are_those_of_helm_template() {
    let capabilities = Capabilities::default();
    assert_eq!(capabilities.kube_version.version, "v1.37.0");
    assert_eq!(capabilities.api_versions.len(), 57);
    assert!(
        capabilities
            .api_versions
            .iter()
            .any(|version| version == "apps/v1")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_makes_set_panic(line in r"[ab.,=\[\]{}\\0-9x -]{0,24}") {
        let mut values = json!({"a": {"b": 1}, "b": [1, {"x": 2}], "x": "s"}).as_object().cloned().unwrap();
        let _ = helm_chart::set(&mut values, &line);
        let _ = helm_chart::set_string(&mut values, &line);
        let _ = helm_chart::set_json(&mut values, &line);
        let _ = helm_chart::set_literal(&mut values, &line);
    }

    #[test]
    fn a_literal_arrives_as_it_is(text in ".*") {
        let mut values = helm_chart::Values::new();
        helm_chart::set_literal(&mut values, &format!("a.b={text}")).unwrap();
        prop_assert_eq!(&values["a"]["b"], &Value::from(text));
    }

    #[test]
    fn no_constraint_makes_it_panic(text in r"[0-9.xv*<>=!~^| ,+a-]{0,20}") {
        let _ = helm_chart::Constraint::parse(&text);
        let _ = helm_chart::Version::parse(&text);
        let _ = helm_chart::KubeVersion::parse(&text);
    }
}
