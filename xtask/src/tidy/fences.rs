//! The fences around dependencies: which crate may name which of those that others wrote.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};

use super::Finding;

/// The crates that speak to a Kubernetes cluster.
const CLUSTER: &[&str] = &[
    "kube-access",
    "kube-observe",
    "helm-install",
    "mcpt-discovery",
    "mcpt-kube",
];

/// A dependency that only these crates may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("kube", CLUSTER),
    ("k8s-openapi", CLUSTER),
    ("bollard", &["mcpt-docker"]),
    ("clap", &["mcpt-cli", "mcpt", "xtask"]),
    ("clap_complete", &["mcpt-cli", "mcpt", "xtask"]),
    ("rmcp", &["mcpt-client", "mcpt-demo", "mcpt-tests"]),
    ("reqwest", &["mcpt-client", "mcpt-tests"]),
    ("axum", &["mcp-registry", "mcpt-bridge", "mcpt-demo"]),
    ("anyhow", &["xtask", "mcpt-tests"]),
    ("indicatif", &["mcpt-cli"]),
];

pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let folders = std::fs::read_dir(root.join("crates")).context("reading crates/")?;
    let mut manifests = vec!["xtask/Cargo.toml".to_owned(), "tests/Cargo.toml".to_owned()];
    for folder in folders {
        manifests.push(format!(
            "crates/{}/Cargo.toml",
            folder?.file_name().to_string_lossy()
        ));
    }
    manifests.sort();
    for path in manifests {
        let text = std::fs::read_to_string(root.join(&path)).with_context(|| path.clone())?;
        findings.extend(check_manifest(&path, &text)?);
    }
    Ok(findings)
}

fn check_manifest(path: &str, text: &str) -> Result<Vec<Finding>> {
    let manifest: BTreeMap<String, toml::Value> =
        toml::from_str(text).with_context(|| format!("parsing {path}"))?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
        .with_context(|| format!("{path} has no package name"))?;
    let mut findings = Vec::new();
    if manifest
        .get("lints")
        .and_then(|l| l.get("workspace"))
        .and_then(toml::Value::as_bool)
        != Some(true)
    {
        findings.push(Finding::new(path, "does not take the workspace's lints"));
    }
    // Tests may use anything; what ships is fenced.
    let Some(dependencies) = manifest.get("dependencies").and_then(toml::Value::as_table) else {
        return Ok(findings);
    };
    for dependency in dependencies.keys() {
        if let Some((_, allowed)) = ONLY_IN.iter().find(|(fenced, _)| fenced == dependency)
            && !allowed.contains(&name)
        {
            findings.push(Finding::new(
                path,
                format!("`{dependency}` only in {}", allowed.join(", ")),
            ));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<String> {
        check_manifest("x/Cargo.toml", text)
            .unwrap()
            .into_iter()
            .map(|f| f.rule)
            .collect()
    }

    fn manifest(name: &str, dependency: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n[dependencies]\n{dependency}.workspace = true\n"
        )
    }

    #[test]
    fn fences_hold() {
        for (name, dependency, broken) in [
            ("mcpt-kube", "kube", false),
            ("mcpt-core", "kube", true),
            ("mcpt-discovery", "kube", false),
            ("mcpt-bridge", "rmcp", true),
            ("mcpt-process", "clap", true),
        ] {
            let found = rules(&manifest(name, dependency));
            assert_eq!(
                !found.is_empty(),
                broken,
                "{name} -> {dependency}: {found:?}"
            );
        }
        assert!(rules("[package]\nname = \"a\"\n")[0].contains("lints"));
    }
}
