//! The fences between crates: which may use which, and which do no I/O, whatever stands between.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Finding;

/// The Helm engine: pure, and fit to be published alone.
const ENGINE: &[&str] = &[
    "gotmpl",
    "goyaml",
    "helm-funcs",
    "helm-chart",
    "helm-render",
    "helm-release",
    "helm-lint",
];

/// Crates of the product that do no I/O either.
const PURE: &[&str] = &[
    "mcpt-core",
    "mcpt-protocol",
    "mcpt-routing",
    "mcpt-aggregate",
    "mcpt-gateway-api",
    "mcpt-source",
    "mcpt-access",
];

/// What each crate may use of the others, but for [`BACKENDS`] and [`TOP`].
const MAY_USE: &[(&str, &[&str])] = &[
    ("confined", &[]),
    ("gotmpl", &[]),
    ("goyaml", &[]),
    ("helm-chart", &["confined", "goyaml"]),
    ("helm-release", &["helm-chart"]),
    ("helm-funcs", &["gotmpl", "goyaml", "helm-chart"]),
    (
        "helm-render",
        &[
            "gotmpl",
            "goyaml",
            "helm-chart",
            "helm-funcs",
            "helm-release",
        ],
    ),
    (
        "helm-lint",
        &[
            "confined",
            "gotmpl",
            "goyaml",
            "helm-chart",
            "helm-funcs",
            "helm-render",
        ],
    ),
    ("oci-registry", &[]),
    ("oci-image", &["oci-registry"]),
    ("mcpt-bundle", &["mcpt-source"]),
    ("mcpt-image", &["mcpt-core", "mcpt-package", "oci-image"]),
    ("helm-fetch", &["goyaml", "helm-chart", "oci-registry"]),
    ("kube-access", &[]),
    ("kube-observe", &["kube-access"]),
    (
        "helm-install",
        &[
            "goyaml",
            "helm-chart",
            "helm-release",
            "helm-render",
            "kube-access",
        ],
    ),
    ("process-tree", &[]),
    ("mcpt-core", &[]),
    ("mcpt-protocol", &[]),
    ("mcpt-source", &["goyaml", "mcpt-core"]),
    ("mcpt-access", &["mcpt-core"]),
    ("mcpt-gateway-api", &[]),
    ("mcpt-http", &["mcpt-protocol"]),
    ("mcpt-routing", &["mcpt-core"]),
    ("mcpt-aggregate", &["mcpt-access", "mcpt-protocol"]),
    ("mcpt-backend", &["mcpt-core", "mcpt-routing"]),
    (
        "mcpt-catalog",
        &[
            "confined",
            "gotmpl",
            "goyaml",
            "helm-chart",
            "helm-fetch",
            "helm-funcs",
            "mcpt-core",
            "mcpt-source",
        ],
    ),
    (
        "mcp-registry",
        &["mcpt-http", "mcpt-protocol", "mcpt-source", "oci-registry"],
    ),
    (
        "mcpt-package",
        &["mcpt-core", "mcpt-source", "process-tree"],
    ),
    ("mcpt-client", &["mcpt-core", "mcpt-http", "mcpt-protocol"]),
    ("mcpt-demo", &["mcpt-http", "mcpt-protocol"]),
    (
        "mcpt-bridge",
        &["mcpt-http", "mcpt-protocol", "process-tree"],
    ),
    (
        "mcpt-discovery",
        &["kube-access", "mcpt-core", "mcpt-routing"],
    ),
    (
        "mcpt-workload",
        &["mcpt-client", "mcpt-core", "process-tree"],
    ),
    (
        "mcpt-gateway",
        &[
            "mcpt-access",
            "mcpt-aggregate",
            "mcpt-bridge",
            "mcpt-core",
            "mcpt-gateway-api",
            "mcpt-http",
            "mcpt-protocol",
            "mcpt-routing",
            "mcpt-source",
        ],
    ),
    ("mcpt", &["mcpt-cli"]),
];

/// The crates of backends. They may use all others of ours but one another and [`ABOVE_BACKENDS`].
const BACKENDS: &[&str] = &["mcpt-docker", "mcpt-kube", "mcpt-process"];

/// What no backend may use: whoever calls it, and servers, which it starts as anybody's.
const ABOVE_BACKENDS: &[&str] = &[
    "mcpt",
    "mcpt-cli",
    "mcpt-gateway",
    "mcpt-bridge",
    "mcpt-demo",
];

/// The only crate that chooses among backends, and may use everything but `mcpt`.
const TOP: &str = "mcpt-cli";

/// What would bring I/O or a product's knowledge into the engine or the core.
const NOT_PURE: &[&str] = &[
    "tokio", "hyper", "axum", "reqwest", "kube", "rmcp", "clap", "nix",
];

/// Whether a crate does no I/O.
pub(super) fn is_pure(name: &str) -> bool {
    ENGINE.contains(&name) || PURE.contains(&name)
}

/// Whether a crate is a backend's.
pub(super) fn is_backend(name: &str) -> bool {
    BACKENDS.contains(&name)
}

/// The crates of this repository, and what each package uses in what ships.
#[derive(Debug, Default)]
struct Graph {
    ours: BTreeSet<String>,
    uses: BTreeMap<String, BTreeSet<String>>,
}

/// Checks what cargo makes of all manifests.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let metadata = serde_json::from_slice(&output.stdout).context("reading cargo metadata")?;
    let graph = Graph::read(&metadata).context("cargo metadata lacks a field")?;
    Ok(graph.findings())
}

impl Graph {
    fn read(metadata: &Value) -> Option<Self> {
        let mut graph = Self::default();
        let mut names = BTreeMap::new();
        for package in metadata["packages"].as_array()? {
            let name = package["name"].as_str()?;
            names.insert(package["id"].as_str()?, name);
            let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
            let is_ours = package["source"].is_null();
            if is_ours && folder.parent()?.ends_with("crates") {
                graph.ours.insert(name.to_owned());
            }
        }
        for node in metadata["resolve"]["nodes"].as_array()? {
            let name = *names.get(node["id"].as_str()?)?;
            let uses = graph.uses.entry(name.to_owned()).or_default();
            for dependency in node["deps"].as_array()? {
                let mut kinds = dependency["dep_kinds"].as_array()?.iter();
                if kinds.any(|kind| kind["kind"] != "dev") {
                    uses.insert((*names.get(dependency["pkg"].as_str()?)?).to_owned());
                }
            }
        }
        Some(graph)
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for name in &self.ours {
            let mut add = |rule| {
                findings.push(Finding::new(format!("crates/{name}/Cargo.toml"), rule));
            };
            if name != TOP && !is_backend(name) && MAY_USE.iter().all(|(known, _)| known != name) {
                add(
                    "a crate that is not known here: say in `MAY_USE` of directions.rs what of ours it \
                     may use, or in `BACKENDS` that it is a backend"
                        .to_owned(),
                );
                continue;
            }
            for dependency in self.uses.get(name).into_iter().flatten() {
                if self.ours.contains(dependency)
                    && let Some(rule) = direction(name, dependency)
                {
                    add(rule);
                }
            }
            if is_pure(name) {
                for dependency in self.reached(name) {
                    if NOT_PURE.contains(&dependency) {
                        add(format!("reaches `{dependency}`, but does no I/O"));
                    }
                }
            }
        }
        findings
    }

    /// All that a package uses, however far away.
    fn reached<'a>(&'a self, name: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut next = vec![name];
        while let Some(name) = next.pop() {
            for dependency in self.uses.get(name).into_iter().flatten() {
                if reached.insert(dependency.as_str()) {
                    next.push(dependency);
                }
            }
        }
        reached
    }
}

/// The rule that a crate breaks by using another one of this repository.
fn direction(name: &str, dependency: &str) -> Option<String> {
    if name == TOP {
        return (dependency == "mcpt").then(|| "the binary is above all".to_owned());
    }
    match MAY_USE.iter().find(|(known, _)| *known == name) {
        Some((_, allowed)) if allowed.contains(&dependency) => None,
        Some((_, allowed)) => Some(format!(
            "uses `{dependency}`, but may use of ours only: {}",
            allowed.join(", ")
        )),
        None if ABOVE_BACKENDS.contains(&dependency) => {
            Some(format!("a backend knows nothing of `{dependency}`"))
        }
        None if is_backend(dependency) => Some(format!(
            "a backend does not stand on another one, `{dependency}`"
        )),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn directions_hold() {
        for (name, dependency, broken) in [
            ("kube-access", "mcpt-core", true),
            ("kube-observe", "mcpt-core", true),
            ("kube-observe", "kube-access", false),
            ("gotmpl", "mcpt-core", true),
            ("helm-chart", "goyaml", false),
            ("confined", "gotmpl", true),
            ("process-tree", "mcpt-core", true),
            ("mcpt-protocol", "mcpt-http", true),
            ("mcpt-routing", "mcpt-http", true),
            ("mcpt-gateway", "mcpt-kube", true),
            ("mcpt-discovery", "mcpt-kube", true),
            ("mcpt-kube", "mcpt-catalog", false),
            ("mcpt-kube", "mcpt-cli", true),
            ("mcpt-kube", "mcpt-process", true),
            ("mcpt-docker", "mcpt-workload", false),
            ("mcpt-docker", "mcpt-kube", true),
            ("mcpt-process", "mcpt-bridge", true),
            ("mcpt-cli", "mcpt-kube", false),
            ("mcpt-cli", "mcpt", true),
        ] {
            let found = direction(name, dependency);
            assert_eq!(found.is_some(), broken, "{name} -> {dependency}: {found:?}");
        }
    }

    /// A package with what it uses, and how.
    fn package(name: &str, uses: &[(&str, Option<&str>)]) -> (Value, Value) {
        let id = |name: &str| format!("id of {name}");
        let ours = name.contains('-');
        let package = json!({
            "name": name, "id": id(name), "source": (!ours).then_some("registry"),
            "manifest_path": format!("/x/crates/{name}/Cargo.toml"),
        });
        let deps = uses
            .iter()
            .map(|(name, kind)| json!({"pkg": id(name), "dep_kinds": [{"kind": kind}]}));
        let deps: Vec<_> = deps.collect();
        (package, json!({"id": id(name), "deps": deps}))
    }

    #[test]
    fn io_is_found_behind_other_packages() {
        let (packages, nodes): (Vec<_>, Vec<_>) = [
            package("helm-chart", &[("schema", None), ("tokio", Some("dev"))]),
            package("schema", &[("client", Some("build"))]),
            package("client", &[("hyper", None)]),
            package("hyper", &[]),
            package("tokio", &[]),
            package("mcpt-http", &[("hyper", None), ("mcpt-core", None)]),
            package("mcpt-core", &[]),
            package("mcpt-newcomer", &[("mcpt-core", None)]),
        ]
        .into_iter()
        .unzip();
        let metadata = json!({"packages": packages, "resolve": {"nodes": nodes}});
        let findings = Graph::read(&metadata).unwrap().findings();
        let found: Vec<_> = findings
            .iter()
            .map(|finding| format!("{}: {}", finding.path, finding.rule))
            .collect();
        assert_eq!(
            found,
            [
                "crates/helm-chart/Cargo.toml: reaches `hyper`, but does no I/O",
                "crates/mcpt-http/Cargo.toml: uses `mcpt-core`, but may use of ours only: mcpt-protocol",
                "crates/mcpt-newcomer/Cargo.toml: a crate that is not known here: say in `MAY_USE` of directions.rs what of ours it may use, or in `BACKENDS` that it is a backend",
            ]
        );
    }
}
