//! Packages of `PyPI`, by uv: `uv pip compile` resolves, `uv venv` and `uv pip sync` install.

mod failure;
pub(crate) mod for_image;
mod pythons;
mod requirements;
mod scripts;

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use mcpt_core::{Ecosystem, EntryPoint, Package};
use mcpt_source::{PypiPackage, PypiVersion};

use self::{
    pythons::{Python, Pythons},
    requirements::Requirements,
    scripts::Scripts,
};
use crate::{
    entry_points::normalized,
    error::Cause,
    tool::{Ran, Tool},
    workshop,
};

/// The file that fixes the tree: all packages with their hashes, as pip and uv read it.
const LOCK: &str = "requirements.txt";
/// The files of a lock.
pub(crate) const FILES: [&str; 1] = [LOCK];
/// A version of Python that is newer than all that packages know: by it the newest version of a package is found.
const NEWEST: &str = "3.14";

/// uv with all that it must be told here.
struct Uv {
    tool: Tool,
    path: OsString,
}

impl Uv {
    fn find() -> Result<Self, Cause> {
        Ok(Self {
            tool: Tool::find("uv")?,
            path: pythons::search_path(),
        })
    }

    async fn run(&self, folder: &Path, arguments: &[&str]) -> Result<Ran, Cause> {
        let variables = [("PATH", self.path.clone())];
        self.tool.run(folder, arguments, &variables).await
    }

    /// Resolves, with hashes, and without words about where a requirement comes from. An interpreter that is named spares the
    /// search for one of the very version that is resolved for; it is only used to build what comes as source.
    async fn compile(
        &self,
        folder: &Path,
        arguments: &[&str],
        interpreter: Option<&Path>,
    ) -> Result<Ran, Cause> {
        let mut all: Vec<OsString> = [
            "pip",
            "compile",
            "--quiet",
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
        ]
        .into_iter()
        .chain(arguments.iter().copied())
        .map(OsString::from)
        .collect();
        if let Some(interpreter) = interpreter {
            all.extend(["--python".into(), interpreter.into()]);
        }
        let variables = [("PATH", self.path.clone())];
        self.tool.run(folder, all, &variables).await
    }
}

/// Resolves a package to a list of packages with hashes, for one of these versions of Python if there are any. Addresses of indexes
/// are not in it.
pub(crate) async fn resolve(
    wanted: &PypiPackage,
    pythons: &[String],
    requested: &str,
) -> Result<Package, Cause> {
    let mut resolved = resolved(wanted, pythons, requested).await;
    if let Err(Cause::NeedsPython { of_images, .. }) = &mut resolved {
        *of_images = wanted.python.is_none() && !pythons.is_empty();
    }
    resolved
}

async fn resolved(
    wanted: &PypiPackage,
    pythons: &[String],
    requested: &str,
) -> Result<Package, Cause> {
    let uv = Uv::find()?;
    let folder = workshop::folder("uv-")?;
    let folder = folder.path();
    let name = wanted.name.as_str();
    let only: Vec<&str> = match &wanted.python {
        Some(python) => vec![python],
        None => pythons.iter().map(String::as_str).collect(),
    };
    let pythons = Pythons::installed(&uv, folder, &only).await?;
    let wish = match &wanted.version {
        Some(PypiVersion::Exact(version)) => format!("=={version}"),
        Some(PypiVersion::Specifiers(text)) => {
            format!("=={}", newest(&uv, folder, wanted, text, &pythons).await?)
        }
        None => format!("=={}", newest(&uv, folder, wanted, "", &pythons).await?),
    };
    let (python, lock) = compile(&uv, folder, wanted, &wish, &pythons).await?;
    let own = lock.package(name).ok_or_else(|| Cause::BadOutput {
        tool: "uv",
        why: format!("what it resolved does not have {name}"),
    })?;
    let version = own.version.clone();
    let entry_point = if let Some(module) = &wanted.module {
        EntryPoint::Module(module.clone())
    } else {
        let scripts = Scripts {
            uv: &uv,
            folder,
            interpreter: python.path.as_deref().or(pythons.any()),
            python: &python.version,
        };
        EntryPoint::Program(scripts.program(wanted, own, &lock).await?)
    };
    Ok(Package {
        ecosystem: Ecosystem::Pypi,
        name: normalized(name),
        version,
        requested: requested.to_owned(),
        entry_point,
        python: Some(python.version),
        packages: lock.len(),
        install_scripts: Vec::new(),
        lock: BTreeMap::from([(LOCK.to_owned(), lock.text())]),
    })
}

/// The newest version that the wish allows, whichever Python is there: an older one must not be taken only since this
/// machine's usual Python is too old for it, when another is there.
async fn newest(
    uv: &Uv,
    folder: &Path,
    wanted: &PypiPackage,
    specifiers: &str,
    pythons: &Pythons,
) -> Result<String, Cause> {
    let name = wanted.name.as_str();
    write(folder, "newest.in", &format!("{name}{specifiers}\n"))?;
    let version = pythons.newest().unwrap_or(NEWEST);
    let arguments = ["--no-deps", "--python-version", version, "newest.in"];
    let ran = uv.compile(folder, &arguments, pythons.any()).await?;
    if !ran.success {
        let mut cause = failure::cause(&ran, name);
        if let Cause::NeedsPython { tried, .. } = &mut cause {
            tried.push(version.to_owned());
        }
        return Err(cause);
    }
    let found = Requirements::read(&ran.stdout);
    let own = found.package(name).ok_or_else(|| Cause::BadOutput {
        tool: "uv",
        why: format!("it names no version of {name}"),
    })?;
    Ok(own.version.clone())
}

/// The newest version, if it is newer than this one.
pub(crate) async fn newer(wanted: &PypiPackage) -> Result<Option<String>, Cause> {
    let Some(PypiVersion::Exact(current)) = &wanted.version else {
        return Ok(None);
    };
    let uv = Uv::find()?;
    let folder = workshop::folder("uv-")?;
    let folder = folder.path();
    let pythons = Pythons::installed(&uv, folder, &[]).await?;
    // Only Python's own rules say which of two versions is the newer one.
    match newest(&uv, folder, wanted, &format!(">{current}"), &pythons).await {
        Ok(newer) => Ok(Some(newer)),
        Err(Cause::NoSuchVersion { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// The first Python for which there is a solution, and the solution: for every platform if there is one, else for this one.
async fn compile(
    uv: &Uv,
    folder: &Path,
    wanted: &PypiPackage,
    wish: &str,
    pythons: &Pythons,
) -> Result<(Python, Requirements), Cause> {
    let mut wishes = requirement(wanted, wish);
    for more in &wanted.with {
        let version = match &more.version {
            Some(PypiVersion::Exact(version)) => format!("=={version}"),
            Some(PypiVersion::Specifiers(text)) => text.clone(),
            None => String::new(),
        };
        wishes += &requirement(more, &version);
    }
    write(folder, "wish.in", &wishes)?;
    let name = wanted.name.as_str();
    let mut first = None;
    for python in pythons.all() {
        // For every platform, so that it is the same lock wherever it is installed. Where some platform or some later Python
        // has no solution, for this one.
        for everywhere in [true, false] {
            let mut arguments = vec!["--python-version", &python.version, "wish.in"];
            if everywhere {
                arguments.push("--universal");
            }
            let interpreter = python.path.as_deref().or(pythons.any());
            let ran = uv.compile(folder, &arguments, interpreter).await?;
            if ran.success {
                return Ok((python.clone(), Requirements::read(&ran.stdout)));
            }
            match failure::cause(&ran, name) {
                Cause::NoSuchVersion { detail, .. } if failure::is_of(&detail, name) => {
                    let near = near_versions(uv, folder, wanted, wish, pythons).await;
                    return Err(Cause::NoSuchVersion { detail, near });
                }
                Cause::NeedsPython { .. }
                | Cause::NoWheel { .. }
                | Cause::NoSuchVersion { .. }
                | Cause::BuildFailed { .. }
                | Cause::ToolFailed { .. }
                    if everywhere => {}
                unsolved @ (Cause::NeedsPython { .. }
                | Cause::NoWheel { .. }
                | Cause::NoSuchVersion { .. }
                | Cause::BuildFailed { .. }) => {
                    first.get_or_insert(unsolved);
                }
                other => return Err(other),
            }
        }
    }
    Err(match first {
        Some(Cause::NeedsPython {
            detail, of_images, ..
        }) => Cause::NeedsPython {
            of_images,
            tried: pythons
                .all()
                .iter()
                .map(|python| python.version.clone())
                .collect(),
            detail,
        },
        Some(other) => other,
        None => Cause::BadOutput {
            tool: "uv",
            why: "it knows no Python".to_owned(),
        },
    })
}

fn requirement(package: &PypiPackage, version: &str) -> String {
    let extras: Vec<&str> = package
        .extras
        .iter()
        .map(mcpt_source::PypiName::as_str)
        .collect();
    let extras = if extras.is_empty() {
        String::new()
    } else {
        format!("[{}]", extras.join(","))
    };
    format!("{}{extras}{version}\n", package.name.as_str())
}

/// The newest version, and the newest below the wanted one. None when uv does not tell: the failure is complete without.
async fn near_versions(
    uv: &Uv,
    folder: &Path,
    wanted: &PypiPackage,
    wish: &str,
    pythons: &Pythons,
) -> Vec<String> {
    let mut near = Vec::new();
    let below = wish.strip_prefix("==").map(|version| format!("<{version}"));
    if let Some(below) = below
        && let Ok(version) = newest(uv, folder, wanted, &below, pythons).await
    {
        near.push(version);
    }
    if let Ok(version) = newest(uv, folder, wanted, "", pythons).await {
        near.retain(|other| *other != version);
        near.push(format!("{version} (the newest)"));
    }
    near
}

/// The folder of a tree's programs.
pub(crate) const PROGRAMS: &str = "venv/bin";

/// What tells apart the places where a tree works: which Python it is for, and where that is.
pub(crate) async fn identity(package: &Package, folder: &Path) -> Result<String, Cause> {
    let uv = Uv::find()?;
    let python = package.python.as_deref().unwrap_or("3");
    let ran = uv
        .run(folder, &["python", "find", "--no-project", python])
        .await?;
    if ran.success {
        return Ok(format!("{} {}", ran.stdout.trim(), std::env::consts::ARCH));
    }
    // uv may fetch one when it makes the folder.
    Ok(format!("python {python} {}", std::env::consts::ARCH))
}

/// Installs a lock into a folder that has its file.
pub(crate) async fn install(package: &Package, folder: &Path) -> Result<(), Cause> {
    let uv = Uv::find()?;
    let python = package.python.as_deref().unwrap_or("3");
    let environment = [
        "venv",
        "--quiet",
        "--relocatable",
        "--no-project",
        "--python",
        python,
        "venv",
    ];
    let packages = [
        "pip",
        "sync",
        "--quiet",
        "--require-hashes",
        // A change of a file in uv's cache must not be one in the tree.
        "--link-mode=copy",
        "--compile-bytecode",
        "--python",
        "venv/bin/python",
        LOCK,
    ];
    for arguments in [&environment[..], &packages[..]] {
        let ran = uv.run(folder, arguments).await?;
        if !ran.success {
            let mut cause = failure::cause(&ran, &package.name);
            if let Cause::NeedsPython { tried, .. } = &mut cause {
                tried.push(python.to_owned());
            }
            return Err(cause);
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Cause> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(Cause::io(format!("{} cannot be written", path.display())))
}
