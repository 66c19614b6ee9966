//! Random templates, expressions, YAML and `--set` lines, answered by our engine and by Helm 4.3.1 (the oracle of helm-render):
//! the same texts and the same refusals.
//!
//! A few thousand in every run; `MCPT_RANDOM_CASES` and `MCPT_RANDOM_SEED` ask for more of them and for others.

#![expect(clippy::unwrap_used, reason = "the checks of a test may panic")]

mod chance;
mod documents;
mod expressions;
mod set_lines;
mod templates;

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chance::Chance;
use helm_chart::{Capabilities, Chart, Values};
use helm_render::{ReleaseOptions, Sources, render};
use serde_json::{Value, json};

/// How many cases of each kind a run has.
const CASES: usize = 1000;
/// How many differences are shown, unless `MCPT_RANDOM_SHOWN` asks for more.
const SHOWN: usize = 15;
/// Stack of the thread that renders: what random templates nest is deep.
const STACK: usize = 64 * 1024 * 1024;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/helm-render/tests")
}

/// The oracle: `MCPT_HELM_ORACLE`, else built here.
fn oracle() -> PathBuf {
    if let Some(program) = env::var_os("MCPT_HELM_ORACLE") {
        return program.into();
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm-oracle");
    let status = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(testdata().join("oracle"))
        .status()
        .unwrap();
    assert!(status.success(), "the oracle cannot be built");
    program
}

/// What Helm answers to each question, `Err` for a refusal.
fn by_helm(questions: &[Value]) -> Vec<Result<String, String>> {
    let mut child = Command::new(oracle())
        .arg("-answer")
        .arg(testdata().join("testdata/values.yaml"))
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: String = questions.iter().fold(String::new(), |mut all, question| {
        let _ = writeln!(all, "{question}");
        all
    });
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let answers = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| {
            let answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let text = answer["text"].as_str().unwrap().to_owned();
            if answer["error"] == true {
                Err(text)
            } else {
                Ok(text)
            }
        })
        .collect();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    answers
}

/// The chart of the oracle, with a template as its notes.
fn by_us(template: &str, values: &[u8]) -> Result<String, String> {
    let chart =
        "apiVersion: v2\nname: c\nversion: 1.2.3\nappVersion: \"4.5\"\nannotations:\n  note: x\n";
    let files = [
        ("Chart.yaml", chart.as_bytes()),
        ("values.yaml", values),
        ("files/a.txt", b"first\nsecond\n"),
        ("files/b.json", b"{}"),
        ("files/sub/c.txt", b"c\xff"),
        ("templates/NOTES.txt", template.as_bytes()),
    ];
    let files = files.map(|(name, data)| (name.to_owned(), data.to_vec()));
    let chart = Chart::from_files(files).map_err(|e| e.to_string())?;
    let release = ReleaseOptions::install("rel", "ns");
    let mut sources = Sources::system();
    sources.local = jiff::tz::TimeZone::UTC;
    let capabilities = Capabilities::default();
    render(&chart, &Values::new(), &release, &capabilities, &sources)
        .map(|rendered| rendered.notes)
        .map_err(|e| e.to_string())
}

fn set_by_us(line: &str) -> Result<String, String> {
    let base = json!({"a": {"b": [1.0, {"c": 2.0}]}, "s": "x"});
    let mut values = base.as_object().unwrap().clone();
    helm_chart::set(&mut values, line).map_err(|e| e.to_string())?;
    let value = helm_funcs::from_json(&Value::Object(values));
    helm_funcs::json_text(&value, false, true).map_err(|e| e.to_string())
}

/// A number that the environment gives, or the usual one.
fn asked(variable: &str, usual: usize) -> usize {
    env::var(variable).map_or(usual, |number| number.parse().unwrap())
}

fn chance(kind: u64) -> Chance {
    Chance::new(asked("MCPT_RANDOM_SEED", 1) as u64 * 1000 + kind)
}

/// Asks both and compares.
fn compare(texts: Vec<String>, key: &'static str) {
    let questions: Vec<Value> = texts.iter().map(|text| json!({key: text})).collect();
    let theirs = by_helm(&questions);
    assert_eq!(theirs.len(), texts.len(), "the oracle ended early");
    let values = fs::read(testdata().join("testdata/values.yaml")).unwrap();
    let ours = move || -> Vec<_> {
        let answer = |text: &String| match key {
            "set" => set_by_us(text),
            _ => by_us(text, &values),
        };
        texts
            .iter()
            .map(|text| (text.clone(), answer(text)))
            .collect()
    };
    let ours = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(ours)
        .unwrap();
    let ours = ours.join().unwrap();
    let differing: Vec<_> = ours
        .iter()
        .zip(&theirs)
        .filter(|((_, ours), theirs)| ours != *theirs)
        .collect();
    let shown = differing
        .iter()
        .take(asked("MCPT_RANDOM_SHOWN", SHOWN))
        .fold(String::new(), |mut all, difference| {
            let ((text, ours), theirs) = difference;
            let _ = writeln!(all, "{text}\n  Helm: {theirs:?}\n  here: {ours:?}\n");
            all
        });
    let (differ, all) = (differing.len(), ours.len());
    assert!(differing.is_empty(), "{differ} of {all} differ:\n\n{shown}");
    let refused = theirs.iter().filter(|answer| answer.is_err()).count();
    assert!(refused < all, "nothing but refusals");
}

fn many(kind: u64, make: fn(&mut Chance) -> String) -> Vec<String> {
    let mut chance = chance(kind);
    (0..asked("MCPT_RANDOM_CASES", CASES))
        .map(|_| make(&mut chance))
        .collect()
}

#[test]
fn templates_end_as_in_helm() {
    compare(many(1, templates::template), "template");
}

#[test]
fn regular_expressions_match_as_in_helm() {
    compare(many(2, expressions::template), "template");
}

#[test]
fn documents_are_read_and_written_as_in_helm() {
    compare(many(3, documents::template), "template");
}

#[test]
fn set_lines_are_understood_as_in_helm() {
    compare(many(4, set_lines::set_line), "set");
}
