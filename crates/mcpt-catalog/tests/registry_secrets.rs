//! Secret variables of entries whose chart is somebody else's.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeMap, fs};

use mcpt_catalog::{
    Catalog, CompiledEntry, EntryChoices, EntryError, Registry, Settings, compile_entry,
};
use mcpt_core::{BackendName, Capabilities, Capability};
use serde_json::{Map, Value, json};

/// An entry with these variables, for a chart with these values, when the command gives others.
fn compile(
    values: &str,
    variables: &Value,
    given: &[(&str, &str)],
) -> Result<CompiledEntry, EntryError> {
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("little");
    fs::create_dir_all(chart.join("templates")).expect("a folder");
    for (file, text) in [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: little\nversion: 1.2.3\n",
        ),
        ("values.yaml", values),
        ("templates/x.yaml", "kind: X\n"),
    ] {
        fs::write(chart.join(file), text).expect("a file");
    }
    let text = json!({"one": {"chart": "./little", "env": variables}}).to_string();
    let registry = Registry::parse(&folder.path().join("r.json"), &text).expect("a registry");
    let choices = EntryChoices {
        backend: BackendName::new("kubernetes"),
        capabilities: Capabilities::new(&[Capability::Images, Capability::Chart]),
        settings: Settings {
            env: given
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
            ..Settings::default()
        },
        image: None,
        profile: None,
        values: Map::from_iter([("t".to_owned(), json!("made"))]),
    };
    let entry = registry.entries().next().expect("an entry");
    compile_entry(entry, &Catalog::default(), &choices)
}

/// Whoever gives them, and whether by an expression or not.
#[test]
fn what_sounds_secret_is_so() {
    let variables =
        json!({"API_TOKEN": "x", "PLAIN": "p", "MADE": "{{.Values.t}}", "DB_PASSWORD": "y"});
    let given = [("GITHUB_TOKEN", "g"), ("API_TOKEN", "z"), ("OTHER", "o")];
    let compiled = compile("env: {}\nsecrets: {}\n", &variables, &given).expect("a plan");
    let (plain, secret) = (
        json!({"PLAIN": "p", "OTHER": "o"}),
        json!({"API_TOKEN": "z", "DB_PASSWORD": "y", "GITHUB_TOKEN": "g", "MADE": "made"}),
    );
    assert_eq!(
        Value::Object(compiled.values),
        json!({"env": plain, "secrets": secret})
    );
    assert_eq!(json!(compiled.plan.env), plain);
    let secrets = compiled.plan.secrets.iter();
    let exposed: BTreeMap<_, _> = secrets.map(|(name, s)| (name, s.expose())).collect();
    assert_eq!(json!(exposed), secret);
}

/// Otherwise they would be where everybody looks.
#[test]
fn a_chart_without_a_place_for_them_is_refused() {
    for (variables, given) in [
        (json!({"API_TOKEN": "hush"}), vec![]),
        (json!({}), vec![("API_TOKEN", "hush")]),
        (json!({"A": "{{.Values.t}}"}), vec![]),
    ] {
        let error = compile("env: {}\n", &variables, &given).expect_err("no place");
        let text = error.to_string();
        assert!(
            text.contains("no value secrets, for secret variables"),
            "{text}"
        );
        assert!(!text.contains("hush"), "{text}");
    }
}
