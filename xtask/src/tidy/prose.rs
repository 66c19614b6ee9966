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
    fn links_are_found_outside_code() {
        let text = "a [b](c.md) [d](e.md#f)\n```\n[x](y.md)\n```\n";
        assert_eq!(links(text), [(1, "c.md"), (1, "e.md#f")]);
    }
}
