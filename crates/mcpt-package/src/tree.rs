//! A tree: what the tools make of a lock in a folder, and what of it is run.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use mcpt_core::{Ecosystem, EntryPoint, Package};
use tempfile::TempDir;

use crate::{error::Cause, npm, pypi};

/// The folder of the programs of a package that is installed at this path.
#[must_use]
pub fn programs_in(package: &Package, tree: &Path) -> PathBuf {
    tree.join(match package.ecosystem {
        Ecosystem::Npm => npm::PROGRAMS,
        Ecosystem::Pypi => pypi::PROGRAMS,
    })
}

/// Program and leading arguments that run a package which is, or will be, installed at this path.
#[must_use]
pub fn command_in(package: &Package, tree: &Path) -> Vec<String> {
    let programs = programs_in(package, tree);
    let program = |name: &str| programs.join(name).display().to_string();
    match &package.entry_point {
        EntryPoint::Program(name) => vec![program(name)],
        EntryPoint::Module(module) => vec![program("python"), "-m".to_owned(), module.clone()],
    }
}

/// The same of one that must be there.
pub(crate) fn present(package: &Package, tree: &Path) -> Result<Vec<String>, Cause> {
    let command = command_in(package, tree);
    match command.first() {
        Some(program) if !Path::new(program).exists() => Err(Cause::BadOutput {
            tool: match package.ecosystem {
                Ecosystem::Npm => "npm",
                Ecosystem::Pypi => "uv",
            },
            why: format!("there is no {program} in what it installed"),
        }),
        _ => Ok(command),
    }
}

/// What tells apart the places where a tree of a package works; refuses a place where it cannot.
pub(crate) async fn identity(package: &Package, folder: &Path) -> Result<String, Cause> {
    match package.ecosystem {
        Ecosystem::Npm => {
            let identity = npm::identity(folder).await?;
            npm::check_engine(package, &identity)?;
            Ok(identity)
        }
        Ecosystem::Pypi => pypi::identity(package, folder).await,
    }
}

/// Makes a tree in a new folder of `parent` whose name begins so. It is removed with what is returned.
pub(crate) async fn make(package: &Package, parent: &Path, prefix: &str) -> Result<TempDir, Cause> {
    let partial = begin(package, parent, prefix)?;
    match package.ecosystem {
        Ecosystem::Npm => npm::install(package, partial.path(), None).await?,
        Ecosystem::Pypi => pypi::install(package, partial.path()).await?,
    }
    make_read_only(partial.path()).map_err(Cause::io(format!(
        "{} cannot be made read-only",
        partial.path().display()
    )))?;
    Ok(partial)
}

/// A new folder of `parent` whose name begins so, with the files of a package's lock.
pub(crate) fn begin(package: &Package, parent: &Path, prefix: &str) -> Result<TempDir, Cause> {
    let partial = tempfile::Builder::new().prefix(prefix).tempdir_in(parent);
    let partial = partial.map_err(Cause::io(format!(
        "no folder can be made in {}",
        parent.display()
    )))?;
    for (file, text) in &package.lock {
        let path = partial.path().join(file);
        fs::write(&path, text)
            .map_err(Cause::io(format!("{} cannot be written", path.display())))?;
    }
    Ok(partial)
}

/// Puts a tree into its place, where nothing may be.
pub(crate) fn put(partial: TempDir, place: &Path) -> Result<(), Cause> {
    fs::rename(partial.path(), place).map_err(Cause::io(format!(
        "{} cannot be put in its place",
        partial.path().display()
    )))?;
    // It is somewhere else by now.
    let _moved = partial.keep();
    Ok(())
}

/// Takes away the right to write all files below a folder. Folders keep it, so that the tree can be removed as any other.
pub(crate) fn make_read_only(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let mode = entry.metadata()?.permissions().mode();
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode & !0o222))?;
            }
        }
    }
    Ok(())
}
