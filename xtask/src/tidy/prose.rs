//! Rules on the documents: ARCHITECTURE.md knows every crate, the guide's contents list every chapter, links lead somewhere.

use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;

/// Longest ARCHITECTURE.md that is still read whole.
const ARCHITECTURE_MAX_LINES: usize = 300;

pub(super) fn check(root: &Path, tracked: &[String]) -> Result<Vec<Finding>> {
    let mut findings = check_architecture(root, tracked)?;
    for path in tracked.iter().filter(|path| has_extension(path, "md")) {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| path.clone())?;
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        for (line, target) in links(&text) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            if !root.join(folder).join(file).exists() {
                findings.push(Finding::at(
                    path,
                    line,
                    format!("link to {file}, which is not there"),
                ));
            }
        }
    }
    findings.extend(check_named_tests(root)?);
    let summary = std::fs::read_to_string(root.join("docs/src/SUMMARY.md"))
        .context("reading docs/src/SUMMARY.md")?;
    for path in tracked {
        if let Some(chapter) = path.strip_prefix("docs/src/")
            && chapter != "SUMMARY.md"
            && has_extension(chapter, "md")
            && !summary.contains(&format!("({chapter})"))
        {
            findings.push(Finding::new(path, "not listed in docs/src/SUMMARY.md"));
        }
    }
    Ok(findings)
}

/// The threat model names tests: each is there.
fn check_named_tests(root: &Path) -> Result<Vec<Finding>> {
    let name = "docs/src/threat-model.md";
    let text = std::fs::read_to_string(root.join(name)).with_context(|| name.to_owned())?;
    let mut findings = Vec::new();
    for (line, path, test) in named_tests(&text) {
        let found = std::fs::read_to_string(root.join(path))
            .is_ok_and(|code| code.contains(&format!("fn {test}(")));
        if !found {
            findings.push(Finding::at(
                name,
                line,
                format!("there is no test {test} in {path}"),
            ));
        }
    }
    Ok(findings)
}

/// Tests in code spans, `PATH.rs::NAME`, with their line numbers.
fn named_tests(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let spans = line.split('`').skip(1).step_by(2);
        spans.filter_map(move |span| {
            let (path, test) = span.split_once("::")?;
            Some((index + 1, path, test))
        })
    })
}

fn check_architecture(root: &Path, tracked: &[String]) -> Result<Vec<Finding>> {
    let name = "ARCHITECTURE.md";
    let text = std::fs::read_to_string(root.join(name)).context("reading ARCHITECTURE.md")?;
    let mut findings = Vec::new();
    if text.lines().count() >= ARCHITECTURE_MAX_LINES {
        findings.push(Finding::new(
            name,
            format!("{ARCHITECTURE_MAX_LINES} lines or more"),
        ));
    }
    for path in tracked {
        if let Some(crate_name) = path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
            && !text.contains(&format!("`{crate_name}`"))
            && !text.contains(&format!("crates/{crate_name}"))
        {
            findings.push(Finding::new(name, format!("does not mention {crate_name}")));
        }
    }
    Ok(findings)
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

/// Targets of inline Markdown links outside code blocks, with their line numbers.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            found.push((index + 1, &rest[..end]));
            rest = &rest[end..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_in_code_spans() {
        let text = "a\n| b | `c/d.rs::e`, `f`, `g.rs::h` |\n";
        let found: Vec<_> = named_tests(text).collect();
        assert_eq!(found, [(2, "c/d.rs", "e"), (2, "g.rs", "h")]);
    }

    #[test]
    fn links_are_found_outside_code() {
        let text = "a [b](c.md) [d](e.md#f)\n```\n[x](y.md)\n```\n";
        assert_eq!(links(text), [(1, "c.md"), (1, "e.md#f")]);
    }
}
