//! A package's tree for an image: installed on this machine, for the machine and the interpreter that the image has.

use std::{
    ffi::OsString,
    fs, io,
    io::{BufRead as _, BufReader, Read as _},
    path::{Component, Path, PathBuf},
};

use mcpt_core::{Ecosystem, EntryPoint, Package, Progress, ProgressEvent};
use tempfile::TempDir;

use crate::{
    error::{Cause, Doing, PackageError},
    npm, pypi, store, tree, workshop,
};

/// The most bytes of a program's first line that are looked at, as Linux does.
const FIRST_LINE: u64 = 255;

/// What a tree is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTarget {
    /// The processor, as images call it: `amd64`, `arm64`.
    pub architecture: String,
    /// Whether its C library is musl, and not glibc.
    pub musl: bool,
    /// The absolute path of its Node.js or Python.
    pub interpreter: String,
    /// Its version, as far as it is known: `24.1.0`, `3.12`.
    pub version: Option<String>,
}

/// An installed package, in a folder that is removed with it.
#[derive(Debug)]
pub struct ImageTree {
    folder: TempDir,
    _around: TempDir,
    /// Program and leading arguments that run it where it was made for.
    pub command: Vec<String>,
    /// The Node.js that its install scripts ran with, and so what they built runs on: `v24.1.0`. `None` of other ecosystems.
    pub node: Option<String>,
}

impl ImageTree {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether a file, by its path within, is a trace of how it was made, which depends on this machine and which nothing of it
    /// reads: so that the same lock makes the same image.
    #[must_use]
    pub fn is_trace(path: &str) -> bool {
        /// What node-gyp leaves beside what it builds.
        const OF_BUILDS: [&str; 5] = [
            "build/Makefile",
            "build/config.gypi",
            "build/Release/obj",
            "build/Release/obj.target",
            "build/Release/.deps",
        ];
        let is = |end: &str| path == end || path.ends_with(&format!("/{end}"));
        let name = path.rsplit('/').next().unwrap_or(path);
        name == "__pycache__"
            || path == "node_modules/.package-lock.json"
            || OF_BUILDS.iter().any(|end| is(end))
            || (path.contains("/build/") && Path::new(name).extension().is_some_and(|e| e == "mk"))
    }
}

impl ImageTarget {
    /// What npm is told of it.
    pub(crate) fn npm_flags(&self) -> Vec<String> {
        let libc = if self.musl { "musl" } else { "glibc" };
        vec![
            "--os=linux".to_owned(),
            format!("--cpu={}", self.node_architecture()),
            format!("--libc={libc}"),
        ]
    }

    /// What install scripts are told of it, by the names that `prebuild-install` and `node-gyp` read.
    pub(crate) fn npm_variables(&self) -> Vec<(&'static str, OsString)> {
        let mut all = vec![
            ("npm_config_platform", "linux".into()),
            ("npm_config_arch", self.node_architecture().into()),
        ];
        if self.musl {
            all.push(("npm_config_libc", "musl".into()));
        }
        all
    }

    /// The processor in Node.js' word.
    fn node_architecture(&self) -> &str {
        match self.architecture.as_str() {
            "amd64" => "x64",
            "386" => "ia32",
            other => other,
        }
    }

    /// The platform in uv's word: of glibc the oldest version that is still in use, so that wheels run on newer ones.
    pub(crate) fn uv_platform(&self) -> String {
        let processor = match self.architecture.as_str() {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        };
        if self.musl {
            format!("{processor}-unknown-linux-musl")
        } else {
            format!("{processor}-manylinux_2_28")
        }
    }
}

/// Installs a package for an image in which its tree will be at `place`.
///
/// # Errors
/// [`PackageError`] with what went wrong in words of the field, and what mends it.
pub async fn tree_for_image(
    package: &Package,
    target: &ImageTarget,
    place: &Path,
    progress: &dyn Progress,
) -> Result<ImageTree, PackageError> {
    progress.event(ProgressEvent::Step(store::installing(package)));
    made(package, target, place)
        .await
        .map_err(|cause| PackageError {
            package: package.source(),
            doing: Doing::Install,
            cause,
        })
}

async fn made(package: &Package, target: &ImageTarget, place: &Path) -> Result<ImageTree, Cause> {
    let parent = workshop::folder("image-")?;
    let folder = tree::begin(package, parent.path(), "tree-")?;
    let (command, node) = match package.ecosystem {
        Ecosystem::Npm => {
            if let Some(version) = &target.version {
                npm::check_engine(package, version)?;
            }
            npm::install(package, folder.path(), Some(target)).await?;
            let _command = tree::present(package, folder.path())?;
            let node = npm::identity(folder.path()).await?;
            let node = node.split(' ').next().map(str::to_owned);
            (node_command(package, target, folder.path(), place)?, node)
        }
        Ecosystem::Pypi => {
            pypi::for_image::install(package, target, folder.path(), place).await?;
            let program = tree::programs_in(package, folder.path());
            if let EntryPoint::Program(name) = &package.entry_point
                && !program.join(name).exists()
            {
                return Err(Cause::BadOutput {
                    tool: "uv",
                    why: format!("there is no program {name} in what it installed"),
                });
            }
            (tree::command_in(package, place), None)
        }
    };
    Ok(ImageTree {
        folder,
        _around: parent,
        command,
        node,
    })
}

/// How Node.js runs the program of a package: by itself, since images need not have `env`.
fn node_command(
    package: &Package,
    target: &ImageTarget,
    folder: &Path,
    place: &Path,
) -> Result<Vec<String>, Cause> {
    let usual = tree::command_in(package, place);
    let EntryPoint::Program(name) = &package.entry_point else {
        return Ok(usual);
    };
    let link = tree::programs_in(package, folder).join(name);
    let unread = || Cause::io(format!("{} cannot be read", link.display()));
    let script = match fs::read_link(&link) {
        Ok(to) => within(folder, &link, &to),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Some(link.clone()),
        Err(error) => return Err(unread()(error)),
    };
    let Some(script) = script else {
        return Err(Cause::BadOutput {
            tool: "npm",
            why: format!("{name} is outside of what it installed"),
        });
    };
    let mut first = Vec::new();
    let file = fs::File::open(&script).map_err(unread())?;
    let mut file = BufReader::new(file.take(FIRST_LINE));
    file.read_until(b'\n', &mut first).map_err(unread())?;
    let first = String::from_utf8_lossy(&first).into_owned();
    let Some(options) = node_options(&first) else {
        return Ok(usual);
    };
    let path = script.strip_prefix(folder).unwrap_or(&script);
    let mut command = vec![target.interpreter.clone()];
    command.extend(options);
    command.push(place.join(path).display().to_string());
    Ok(command)
}

/// Where a link leads, if that is below a folder.
fn within(folder: &Path, link: &Path, to: &Path) -> Option<PathBuf> {
    let mut path = link.parent()?.to_owned();
    for part in to.components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    path.starts_with(folder).then_some(path)
}

/// The options of Node.js in the first line of a script that is for it.
fn node_options(line: &str) -> Option<Vec<String>> {
    let mut words = line.trim().strip_prefix("#!")?.split_whitespace();
    let mut program = words.next()?;
    if program.ends_with("/env") {
        program = words.next()?;
        if program == "-S" {
            program = words.next()?;
        }
    }
    let name = program.rsplit('/').next()?;
    matches!(name, "node" | "nodejs").then(|| words.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_node() {
        for (line, expected) in [
            ("#!/usr/bin/env node\n", Some(&[][..])),
            (
                "#! /usr/bin/env -S node --no-warnings --x=1\r\n",
                Some(&["--no-warnings", "--x=1"]),
            ),
            ("#!/usr/local/bin/node", Some(&[])),
            ("#!/usr/bin/env bun", None),
            ("#!/bin/sh", None),
            ("import x", None),
            ("#!", None),
        ] {
            let found = node_options(line);
            let expected = expected.map(|words| words.iter().map(ToString::to_string).collect());
            assert_eq!(found, expected, "{line:?}");
        }
    }

    #[test]
    fn links_lead_below_the_folder_or_nowhere() {
        let folder = Path::new("/t");
        let link = Path::new("/t/node_modules/.bin/x");
        let found = |to: &str| within(folder, link, Path::new(to));
        assert_eq!(
            found("../a/cli.js").unwrap(),
            Path::new("/t/node_modules/a/cli.js")
        );
        assert_eq!(found("../../../etc/passwd"), None);
        assert_eq!(found("/etc/passwd"), None);
    }

    #[test]
    fn what_a_build_leaves_is_a_trace() {
        for (path, trace) in [
            ("node_modules/a/build/Release/a.node", false),
            ("node_modules/a/build/Release/obj.target", true),
            ("node_modules/a/build/Makefile", true),
            ("node_modules/a/build/a.target.mk", true),
            ("node_modules/a/Makefile", false),
            ("venv/lib/python3.11/site-packages/a/__pycache__", true),
            ("node_modules/.package-lock.json", true),
            ("package-lock.json", false),
        ] {
            assert_eq!(ImageTree::is_trace(path), trace, "{path}");
        }
    }

    #[test]
    fn what_the_tools_are_told() {
        let target = |architecture: &str, musl| ImageTarget {
            architecture: architecture.to_owned(),
            musl,
            interpreter: "/usr/bin/node".to_owned(),
            version: None,
        };
        let flags = target("arm64", true).npm_flags();
        assert_eq!(flags, ["--os=linux", "--cpu=arm64", "--libc=musl"]);
        assert_eq!(
            target("amd64", false).uv_platform(),
            "x86_64-manylinux_2_28"
        );
        assert_eq!(
            target("arm64", true).uv_platform(),
            "aarch64-unknown-linux-musl"
        );
    }
}
