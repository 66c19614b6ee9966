//! Whether the crates that can be published alone could be: cargo makes their archives, with everything that a registry wants to
//! know, and nothing of the rest of the workspace in them.

use std::process::Command;

use anyhow::Context as _;

use crate::{cache, command};

/// Each with what it depends on here; none of them knows of mcpt.
const CRATES: [&str; 12] = [
    "confined",
    "gotmpl",
    "goyaml",
    "helm-chart",
    "helm-fetch",
    "helm-funcs",
    "helm-install",
    "helm-lint",
    "helm-release",
    "helm-render",
    "kube-access",
    "oci-registry",
];

/// Makes the archives. Building what is in them would be the whole build once more.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut package = Command::new("cargo");
    package
        .args([
            "package",
            "--quiet",
            "--no-verify",
            "--allow-dirty",
            "--offline",
        ])
        .current_dir(cache::repository());
    for name in CRATES {
        package.args(["--package", name]);
    }
    command::show(&mut package).context("packages")
}
