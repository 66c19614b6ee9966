//! Rules on single files: header, size, names, leftovers.

use super::Finding;

/// Longest Rust file. Above it a file holds more than one idea.
const MAX_LINES: usize = 600;

/// Rust files that may be longer: tables that are read by looking up, not from top to bottom.
const LONG_TABLES: &[&str] = &[];

/// Words that say nothing about what a file is for.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "manager", "misc",
];

/// Endings of files that are made, not written.
const ARTEFACTS: &[&str] = &["tar", "tgz", "gz", "zip", "exe", "so", "o", "rlib", "wasm"];

pub(super) fn check(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));

    if ARTEFACTS.contains(&extension) && !path.contains("/tests/") {
        findings.push(Finding::new(
            path,
            "a generated artefact; keep it out of the repository",
        ));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        if !path.contains("/tests/") {
            findings.push(Finding::new(path, "not UTF-8 text"));
        }
        return findings;
    };
    if path.contains("/tests/goldens/") || path.contains("/testdata/") || name.ends_with("go.sum") {
        return findings;
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::new(path, "does not end with a line feed"));
    }
    for (index, line) in text.lines().enumerate() {
        if line.ends_with([' ', '\t']) && extension != "md" {
            findings.push(Finding::at(path, index + 1, "trailing white space"));
        }
    }
    if extension == "rs" {
        findings.extend(check_rust(path, name, stem, text));
    }
    findings
}

fn check_rust(path: &str, name: &str, stem: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if name == "mod.rs" {
        findings.push(Finding::new(path, "no mod.rs: use foo.rs beside foo/"));
    }
    if EMPTY_NAMES.contains(&stem) {
        findings.push(Finding::new(
            path,
            format!("`{stem}` says nothing; name what is in it"),
        ));
    }
    if !text.starts_with("//!") {
        findings.push(Finding::new(
            path,
            "begins without a `//!` line that says what it is for",
        ));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES && !LONG_TABLES.contains(&path) {
        findings.push(Finding::new(
            path,
            format!("{lines} lines, more than {MAX_LINES}: split it"),
        ));
    }
    // Spelled in parts, so that this file does not find itself.
    let leftovers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("#[ign", "ore"),
    ];
    for (index, line) in text.lines().enumerate() {
        for leftover in leftovers {
            if line.contains(leftover) {
                findings.push(Finding::at(
                    path,
                    index + 1,
                    format!("`{leftover}` left behind"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<String> {
        check(path, text.as_bytes())
            .into_iter()
            .map(|f| f.rule)
            .collect()
    }

    #[test]
    fn a_good_file_has_no_finding() {
        assert!(rules("crates/a/src/x.rs", "//! X.\n\nfn x() {}\n").is_empty());
    }

    #[test]
    fn each_rule_fires() {
        for (path, text, rule) in [
            ("a/x.rs", "fn x() {}\n", "begins without"),
            ("a/mod.rs", "//! X.\n", "no mod.rs"),
            ("a/util.rs", "//! X.\n", "says nothing"),
            ("a/x.rs", "//! X.", "line feed"),
            ("a/x.rs", "//! X. \n", "trailing"),
            (
                "a/x.rs",
                concat!("//! X.\n// TO", "DO later\n"),
                "left behind",
            ),
            ("a/x.tgz", "", "artefact"),
            (
                "a/x.rs",
                &format!("//! X.\n{}", "//\n".repeat(600)),
                "split it",
            ),
        ] {
            let found = rules(path, text);
            assert!(
                found.iter().any(|r| r.contains(rule)),
                "{path}: {found:?} lacks {rule:?}"
            );
        }
    }
}
