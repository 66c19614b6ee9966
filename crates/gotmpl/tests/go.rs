//! Templates with the outputs and error texts that Go 1.26 gives for them (`oracle/main.go`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the checks of a test may panic"
)]

#[path = "go/data.rs"]
mod data;

use std::path::Path;

use gotmpl::{MissingKey, TemplateSet};

/// Splits at each occurrence of a separator.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(separator.len()).position(|w| w == separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}

fn run(template: &str) -> Vec<u8> {
    let missing = if template.starts_with("{{/*default*/}}") {
        MissingKey::Default
    } else {
        MissingKey::Zero
    };
    let mut set = TemplateSet::new("root", data::funcs(), missing);
    let out = set
        .parse("t", template)
        .and_then(|()| set.execute("t", &data::data()));
    match out {
        Ok(text) => [b"ok\n".as_slice(), &text].concat(),
        Err(e) => format!("error\n{e}").into_bytes(),
    }
}

fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/testdata")
        .join(file);
    let cases = std::fs::read(path).unwrap();
    let cases = cases.strip_suffix(b"\n").unwrap();
    let mut failures = Vec::new();
    let mut count = 0;
    for case in split(cases, b"\n===\n") {
        let [template, expected] = split(case, b"\n--- ")[..] else {
            panic!("malformed case: {}", String::from_utf8_lossy(case));
        };
        count += 1;
        let template = String::from_utf8_lossy(template);
        let found = run(&template);
        if found != expected {
            failures.push(format!(
                "{template}\n  Go:   {}\n  here: {}",
                String::from_utf8_lossy(expected),
                String::from_utf8_lossy(&found)
            ));
        }
    }
    assert!(count > 100, "only {count} cases in {file}");
    let shown = failures.join("\n\n");
    assert!(
        failures.is_empty(),
        "{} of {count} differ:\n\n{shown}",
        failures.len()
    );
}

#[test]
fn the_language_is_that_of_go() {
    check("core.txt");
}

#[test]
fn printf_is_that_of_go() {
    check("printf.txt");
}
