//! What sigs.k8s.io/yaml 1.6.0 over go-yaml 2.4.4 does, recorded in `cases/go.jsonl`, one case per line: `op` is the function,
//! `in` its input, `ok` or `err` the answer. An error of `null` has another text here.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::Value;

#[test]
fn as_go() {
    let cases = include_str!("cases/go.jsonl");
    let mut failures = Vec::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let input = &case["in"];
        let text = input.as_str().unwrap_or_default();
        let ours = match case["op"].as_str().unwrap() {
            "read" => goyaml::from_str(text),
            "strict" => goyaml::from_str_strict(text),
            "exact" => goyaml::from_str_exact(text),
            "pretty" => Ok(Value::String(goyaml::to_string_pretty(input))),
            _ => goyaml::to_string(input).map(Value::String),
        };
        let ours = ours.map(comparable).map_err(|error| error.to_string());
        let same = match (&ours, case.get("ok")) {
            (Ok(ours), Some(theirs)) => *ours == comparable(theirs.clone()),
            (Err(ours), None) => {
                let ours = ours
                    .strip_prefix("error converting YAML to JSON: ")
                    .unwrap_or(ours);
                case["err"].is_null() || case["err"] == *ours
            }
            _ => false,
        };
        if !same {
            failures.push(format!("{line}\n  ours: {ours:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
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

#[test]
fn numbers_keep_their_kind_only_where_asked() {
    let read = goyaml::from_str("a: 1\nb: 1.5\nc: 18446744073709551615\n").unwrap();
    assert!(read["a"].is_f64() && read["b"].is_f64() && read["c"].is_f64());
    let exact = goyaml::from_str_exact("a: 1\nb: 1.5\nc: 18446744073709551615\nd: 3.0\n").unwrap();
    assert!(
        exact["a"].is_i64() && exact["b"].is_f64() && exact["c"].is_u64() && exact["d"].is_i64()
    );
}

#[test]
fn aliases_that_blow_up_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        let line = format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", "));
        text.push_str(&line);
    }
    let error = goyaml::from_str(&text).unwrap_err().to_string();
    assert_eq!(
        error,
        "error converting YAML to JSON: yaml: document contains excessive aliasing"
    );
}

#[test]
fn nesting_that_exhausts_the_stack_is_refused() {
    let deep = "- ".repeat(100_000);
    assert!(
        goyaml::from_str(&deep)
            .unwrap_err()
            .to_string()
            .contains("exceeded max depth")
    );
    let mut chain = String::from("a0: &a0 [x]\n");
    for level in 1..5000 {
        let line = format!("a{level}: &a{level} [*a{}]\n", level - 1);
        chain.push_str(&line);
    }
    assert!(goyaml::from_str(&chain).is_err());
}

#[test]
fn documents_are_cut_at_their_marks() {
    let cases: [(&str, &[&str]); 6] = [
        ("", &[]),
        ("a: 1\n", &["a: 1\n"]),
        ("---\na: 1\n--- # c\nb: 2\n---\n", &["a: 1\n", "b: 2\n"]),
        ("a: 1\n---\n---\nb: 2", &["a: 1\n", "b: 2"]),
        ("a: |\n  ---\n  x\n", &["a: |\n  ---\n  x\n"]),
        ("a: 1\r\n---\r\nb: 2\r\n", &["a: 1\r\n", "b: 2\r\n"]),
    ];
    for (text, expected) in cases {
        assert_eq!(goyaml::documents(text).unwrap(), expected, "{text:?}");
    }
    let error = goyaml::documents("--- a\n").unwrap_err().to_string();
    assert_eq!(
        error,
        "error reading yaml document: invalid Yaml document separator: a"
    );
}

#[test]
fn a_document_that_is_no_map_is_told() {
    assert_eq!(goyaml::map_from_str("# nothing\n").unwrap().len(), 0);
    let error = goyaml::map_from_str("- a\n").unwrap_err().to_string();
    assert_eq!(
        error,
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type \
         map[string]interface {}"
    );
}

#[test]
fn all_doubled_keys_are_told_at_once() {
    let error = goyaml::from_str_strict("a: 1\nb: 1\na: 2\nb: 2\n").unwrap_err();
    assert_eq!(error.line(), Some(3));
    assert_eq!(
        error.to_string(),
        "error converting YAML to JSON: yaml: unmarshal errors:\n  line 3: key \"a\" already set in map\n  \
         line 4: key \"b\" already set in map"
    );
}
