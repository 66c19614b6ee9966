//! Templates with the outputs and error texts of Helm 4.3.1 (`oracle/main.go`): the functions,
//! the built-in objects, and how errors are worded.

#![expect(clippy::unwrap_used, reason = "the checks of a test may panic")]

use helm_chart::{Capabilities, Chart, Values};
use helm_render::{ReleaseOptions, Sources, render};

/// Written by hand, by family.
const FUNCTIONS: &[u8] = include_bytes!("testdata/functions.txt");
/// Calls of random functions with random arguments.
const GENERATED: &[u8] = include_bytes!("testdata/generated.txt");
/// Calls of all methods and fields that any type has, on a value of each type.
const METHODS: &[u8] = include_bytes!("testdata/methods.txt");
/// The syntax of regular expressions, piece by piece.
const EXPRESSIONS: &[u8] = include_bytes!("testdata/expressions.txt");
/// Keys, certificates, encryption, TOML, comparisons, and what `.Values` is.
const SECRETS_AND_KINDS: &[u8] = include_bytes!("testdata/secrets_and_kinds.txt");
const VALUES: &[u8] = include_bytes!("testdata/values.yaml");
const CHART: &str =
    "apiVersion: v2\nname: c\nversion: 1.2.3\nappVersion: \"4.5\"\nannotations:\n  note: x\n";

fn run(template: &str) -> String {
    let files = [
        ("Chart.yaml", CHART.as_bytes()),
        ("values.yaml", VALUES),
        ("files/a.txt", b"first\nsecond\n"),
        ("files/b.json", b"{}"),
        ("files/sub/c.txt", b"c\xff"),
        ("templates/NOTES.txt", template.as_bytes()),
    ];
    let files = files.map(|(name, data)| (name.to_owned(), data.to_vec()));
    let chart = Chart::from_files(files).unwrap();
    let release = ReleaseOptions::install("rel", "ns");
    let mut sources = Sources::system();
    // The zone that the expected outputs were made in.
    sources.local = jiff::tz::TimeZone::UTC;
    match render(
        &chart,
        &Values::new(),
        &release,
        &Capabilities::default(),
        &sources,
    ) {
        Ok(rendered) => format!("ok\n{}", rendered.notes),
        Err(e) => format!("error\n{e}"),
    }
}

fn check(cases: &[u8]) {
    let cases = String::from_utf8_lossy(cases);
    let mut failures = Vec::new();
    let mut count = 0;
    for case in cases.strip_suffix('\n').unwrap().split("\n===\n") {
        let (template, expected) = case.split_once("\n--- ").unwrap();
        count += 1;
        let found = run(template);
        if found != expected {
            failures.push(format!("{template}\n  Helm: {expected}\n  here: {found}"));
        }
    }
    assert!(count > 100, "only {count} cases");
    let shown = failures.join("\n\n");
    assert!(
        failures.is_empty(),
        "{} of {count} differ:\n\n{shown}",
        failures.len()
    );
}

#[test]
fn functions_and_objects_are_those_of_helm() {
    check(FUNCTIONS);
}

#[test]
fn random_calls_end_as_in_helm() {
    check(GENERATED);
}

#[test]
fn methods_and_fields_are_those_of_helm() {
    check(METHODS);
}

#[test]
fn secrets_toml_and_comparisons_are_those_of_helm() {
    check(SECRETS_AND_KINDS);
}

#[test]
fn regular_expressions_are_those_of_helm() {
    check(EXPRESSIONS);
}
