//! Images of MCP servers that others wrote, from their npm and `PyPI` packages with pinned versions.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use mcpt_image::USER;
use oci_image::{Settings, Tree};

use super::debian;
use super::oci::Image;
use super::recipe::Recipe;
use crate::cache::{self, Key};
use crate::{command, wheels};

pub(super) const PYTHON: &[&str] = &[
    "libc6",
    "libgcc-s1",
    "libbz2-1.0",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "python3.11-minimal",
    "zlib1g",
];

/// A server of the npm package `@modelcontextprotocol/server-NAME`; its pins are in
/// `xtask/images/NAME`.
pub(super) fn node(name: &'static str, arguments: &[&str]) -> anyhow::Result<Recipe> {
    let pins = cache::repository().join("xtask/images").join(name);
    let package = format!("@modelcontextprotocol/server-{name}");
    let version = npm_version(&pins.join("package.json"), &package)?;
    let programs = wheels::install("node")?;
    let [node, npm, ..] = &programs[..] else {
        bail!("the wheel of Node has no npm")
    };
    let (node, npm) = (node.clone(), npm.clone());
    let key = debian::with_packages(Key::new(), debian::LIBRARIES)?
        .with(include_str!("servers.rs"))
        .with(node.as_os_str().as_encoded_bytes())
        .with_file(&pins.join("package.json"))?
        .with_file(&pins.join("package-lock.json"))?;
    let arguments = arguments.iter().map(ToString::to_string).collect();
    Ok(Recipe::new(key, move |work| {
        let mut tree = root(&debian::unpack(debian::LIBRARIES, &work.join("debian"))?)?;
        tree.program("usr/local/bin/node", &node);
        let app = work.join("app");
        std::fs::create_dir(&app).with_context(|| format!("cannot create {}", app.display()))?;
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(pins.join(file), app.join(file))
                .with_context(|| format!("cannot copy {file} of {name}"))?;
        }
        command::output(
            Command::new(&node)
                .arg(&npm)
                .args([
                    "ci",
                    "--omit=dev",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                ])
                .current_dir(&app),
        )?;
        // npm's own record of what it installed has the time in it.
        tree.copy("app", &app, &|path| {
            path == "node_modules/.package-lock.json"
        })?;
        Ok(Image {
            name: format!("localhost/mcp-server-{name}:{version}"),
            settings: Settings {
                entrypoint: vec![
                    "/usr/local/bin/node".to_owned(),
                    format!("/app/node_modules/{package}/dist/index.js"),
                ],
                arguments,
                environment: vec!["HOME=/tmp".to_owned(), "NODE_ENV=production".to_owned()],
                user: format!("{USER}:{USER}"),
                ..Settings::default()
            },
            tree,
        })
    }))
}

/// The server of the `PyPI` package `mcp-server-time`; its pins are in `xtask/images/time`.
pub(super) fn time() -> anyhow::Result<Recipe> {
    let pins = cache::repository().join("xtask/images/time/requirements.txt");
    let requirements = std::fs::read_to_string(&pins)
        .with_context(|| format!("cannot read {}", pins.display()))?;
    let version = pypi_version(&requirements, "mcp-server-time")?.to_owned();
    let key = debian::with_packages(Key::new(), PYTHON)?
        .with(include_str!("servers.rs"))
        .with(&requirements);
    Ok(Recipe::new(key, move |work| {
        let files = debian::unpack(PYTHON, &work.join("debian"))?;
        let packages = work.join("packages");
        let mut pip = wheels::pip_install(&pins, &packages);
        // What the image's Python takes, whichever Python runs pip.
        pip.args(["--no-deps", "--implementation=cp", "--python-version=3.11"]);
        for platform in [
            "manylinux_2_28_x86_64",
            "manylinux_2_17_x86_64",
            "manylinux2014_x86_64",
        ] {
            pip.args(["--platform", platform]);
        }
        command::output(&mut pip)?;
        compile(&files, &packages)?;
        let mut tree = root(&files)?;
        // The scripts name the Python that ran pip.
        tree.copy("app", &packages, &|path| path == "bin")?;
        tree.link("usr/bin/python3", "python3.11");
        Ok(Image {
            name: format!("localhost/mcp-server-time:{version}"),
            settings: Settings {
                entrypoint: ["/usr/bin/python3.11", "-m", "mcp_server_time"]
                    .map(str::to_owned)
                    .into(),
                environment: [
                    "HOME=/tmp",
                    "LANG=C.UTF-8",
                    "PYTHONDONTWRITEBYTECODE=1",
                    "PYTHONPATH=/app",
                    "PYTHONUNBUFFERED=1",
                ]
                .map(str::to_owned)
                .into(),
                user: format!("{USER}:{USER}"),
                ..Settings::default()
            },
            tree,
        })
    }))
}

/// Unpacked packages, the user's entry, and folders to write to if the root file system may be written.
pub(super) fn root(files: &Path) -> anyhow::Result<Tree> {
    let mut tree = Tree::default();
    debian::copy(files, &mut tree)?;
    tree.file(
        "etc/passwd",
        format!("nonroot:x:{USER}:{USER}::/tmp:/sbin/nologin\n"),
        0o644,
    );
    tree.file("etc/group", format!("nonroot:x:{USER}:\n"), 0o644);
    tree.directory("tmp", 0o1777);
    tree.directory("data", 0o1777);
    Ok(tree)
}

/// Compiles all Python sources: a read-only file system cannot keep what Python would compile at
/// each start. The image's own Python does it, run by the image's own loader.
fn compile(files: &Path, packages: &Path) -> anyhow::Result<()> {
    let libraries = files.join("lib/x86_64-linux-gnu");
    let more_libraries = files.join("usr/lib/x86_64-linux-gnu");
    for (sources, outside, inside) in [
        (files.join("usr/lib/python3.11"), files, "/"),
        (packages.to_owned(), packages, "/app"),
    ] {
        command::output(
            Command::new(libraries.join("ld-linux-x86-64.so.2"))
                .arg("--library-path")
                .arg(std::env::join_paths([&libraries, &more_libraries])?)
                .arg(files.join("usr/bin/python3.11"))
                // Unlike times and hashes, this is neither checked nor different in each build.
                .args([
                    "-m",
                    "compileall",
                    "-q",
                    "--invalidation-mode=unchecked-hash",
                ])
                .arg("-s")
                .arg(outside)
                .args(["-p", inside])
                .arg(&sources)
                .env("PYTHONHOME", files.join("usr"))
                .env("PYTHONHASHSEED", "0")
                .env_remove("PYTHONPATH"),
        )?;
    }
    Ok(())
}

/// The exact version of a dependency in a package.json.
fn npm_version(package_json: &Path, package: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(package_json)
        .with_context(|| format!("cannot read {}", package_json.display()))?;
    let parsed: serde_json::Value = serde_json::from_str(&text)
        .with_context(|| format!("cannot understand {}", package_json.display()))?;
    let version = parsed["dependencies"][package].as_str();
    Ok(version
        .with_context(|| format!("{} has no {package}", package_json.display()))?
        .to_owned())
}

/// The version of a package in a file of pinned requirements.
fn pypi_version<'a>(requirements: &'a str, package: &str) -> anyhow::Result<&'a str> {
    requirements
        .lines()
        .find_map(|line| {
            line.strip_prefix(package)?
                .strip_prefix("==")?
                .split_whitespace()
                .next()
        })
        .with_context(|| format!("the requirements have no {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_pins() {
        let pins = "mcp==2.3.0 \\\n    --hash=sha256:a\nmcp-server-time==2026.10.19 \\\n";
        assert_eq!(pypi_version(pins, "mcp-server-time").unwrap(), "2026.10.19");
        assert_eq!(pypi_version(pins, "mcp").unwrap(), "2.3.0");
        assert!(pypi_version(pins, "server").is_err());
        for name in ["everything", "filesystem"] {
            let pins = cache::repository().join(format!("xtask/images/{name}/package.json"));
            let package = format!("@modelcontextprotocol/server-{name}");
            let version = npm_version(&pins, &package).unwrap();
            assert!(
                version.starts_with(|first: char| first.is_ascii_digit()),
                "{version}"
            );
        }
    }

    #[test]
    fn lock_files_name_no_registry() {
        for name in ["everything", "filesystem"] {
            let lock = cache::repository().join(format!("xtask/images/{name}/package-lock.json"));
            let lock = std::fs::read_to_string(lock).unwrap();
            assert!(
                lock.contains("\"integrity\"") && !lock.contains("\"resolved\""),
                "{name}"
            );
        }
    }
}
