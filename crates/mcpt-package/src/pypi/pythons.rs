//! Which versions of Python a package may run with on this machine.

use std::{
    cmp::Reverse,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::Uv;
use crate::error::Cause;

/// Versions that uv is asked to fetch where none of this machine's fits, the most usual first.
const FETCHED: [&str; 3] = ["3.13", "3.12", "3.14"];

/// Versions of Python, the preferred one first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pythons {
    all: Vec<Python>,
    /// Whether no others are thinkable.
    only: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Python {
    /// As `3.12`.
    pub(super) version: String,
    /// Where it is, if it is on this machine.
    pub(super) path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Listed {
    version: String,
    implementation: String,
    variant: String,
    path: PathBuf,
}

impl Pythons {
    /// What is on this machine: the one that uv takes when nobody says which, then the others from the newest on, then those
    /// that uv may fetch. With `only` just those, in their order.
    pub(super) async fn installed(uv: &Uv, folder: &Path, only: &[&str]) -> Result<Self, Cause> {
        // By the user's own PATH, as uv itself would.
        let usual = uv
            .tool
            .run(folder, ["python", "find", "--no-project"], &[])
            .await?;
        let list = [
            "python",
            "list",
            "--quiet",
            "--only-installed",
            "--output-format=json",
        ];
        let listed = uv.run(folder, &list).await?;
        // Without a list there is what uv fetches.
        let listed: Vec<Listed> = serde_json::from_str(&listed.stdout).unwrap_or_default();
        let usual = usual.success.then(|| PathBuf::from(usual.stdout.trim()));
        let mut all = Self::ordered(usual.as_deref(), listed);
        if !only.is_empty() {
            let named = only.iter().map(|only| {
                let known = all.all.iter().find(|python| python.version == *only);
                Python {
                    version: (*only).to_owned(),
                    path: known.and_then(|python| python.path.clone()),
                }
            });
            all = Self {
                all: named.collect(),
                only: true,
            };
        }
        Ok(all)
    }

    fn ordered(usual: Option<&Path>, listed: Vec<Listed>) -> Self {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let usual = usual.map(real);
        let usable = listed
            .into_iter()
            .filter(|one| one.implementation == "cpython" && one.variant == "default");
        let mut here: Vec<(bool, u32, PathBuf)> = usable
            .filter_map(|one| Some((minor(&one.version)?, one.path)))
            .map(|(minor, path)| (usual == Some(real(&path)), minor, path))
            .collect();
        // Of the same version the first that is listed, as uv has it.
        here.sort_by_key(|(is_usual, minor, _)| Reverse((*is_usual, *minor)));
        let mut pythons: Vec<Python> = Vec::new();
        let here = here
            .into_iter()
            .map(|(_, minor, path)| (format!("3.{minor}"), Some(path)));
        for (version, path) in here.chain(FETCHED.map(|version| (version.to_owned(), None))) {
            if pythons.iter().all(|known| known.version != version) {
                pythons.push(Python { version, path });
            }
        }
        Self {
            all: pythons,
            only: false,
        }
    }

    pub(super) fn all(&self) -> &[Python] {
        &self.all
    }

    /// The newest of those that were named, if any were.
    pub(super) fn newest(&self) -> Option<&str> {
        let named = self.all.iter().filter(|_| self.only);
        let newest = named.max_by_key(|python| python.minor());
        newest.map(|python| python.version.as_str())
    }

    /// One that is on this machine, for work that any can do.
    pub(super) fn any(&self) -> Option<&Path> {
        self.all.iter().find_map(|python| python.path.as_deref())
    }
}

impl Python {
    fn minor(&self) -> Option<u32> {
        self.version.split('.').nth(1)?.parse().ok()
    }
}

/// The minor version of a Python 3 that is no pre-release.
fn minor(version: &str) -> Option<u32> {
    let mut parts = version.trim().split('.');
    let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
    let final_release = patch.chars().all(|c| c.is_ascii_digit());
    (major == "3" && final_release)
        .then(|| minor.parse().ok())
        .flatten()
}

/// PATH for uv: the user's, with the Pythons that pyenv keeps instead of pyenv's own folder of programs, which shows only those
/// that are switched on, and is slow to say so of each of the others.
pub(super) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let root = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".pyenv")));
    let Some(root) = root else {
        return path;
    };
    let Ok(kept) = std::fs::read_dir(root.join("versions")) else {
        return path;
    };
    let mut folders: Vec<PathBuf> = kept
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    folders.sort();
    let shims = root.join("shims");
    let others = env::split_paths(&path).filter(|folder| *folder != shims);
    let all: Vec<PathBuf> = others.chain(folders).collect();
    // A folder with a colon in its name cannot be on a path.
    env::join_paths(all).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_one_goes_first() {
        let listed = |version: &str, variant: &str| Listed {
            version: version.to_owned(),
            implementation: "cpython".to_owned(),
            variant: variant.to_owned(),
            path: PathBuf::from(format!("/nowhere/{version}")),
        };
        let all = || {
            vec![
                listed("3.9.1", "default"),
                listed("3.15.0a1", "default"),
                listed("3.14.0", "freethreaded"),
                listed("3.12.1", "default"),
                listed("3.11.7", "default"),
                listed("3.11.2", "default"),
                listed("2.7.18", "default"),
            ]
        };
        let versions = |pythons: &Pythons| -> Vec<String> {
            let all = pythons.all().iter();
            all.map(|python| python.version.clone()).collect()
        };
        let usual = Path::new("/nowhere/3.11.2");
        let pythons = Pythons::ordered(Some(usual), all());
        assert_eq!(versions(&pythons), ["3.11", "3.12", "3.9", "3.13", "3.14"]);
        assert_eq!(pythons.any(), Some(usual));
        let pythons = Pythons::ordered(None, all());
        assert_eq!(versions(&pythons), ["3.12", "3.11", "3.9", "3.13", "3.14"]);
        let pythons = Pythons::ordered(None, Vec::new());
        assert_eq!(versions(&pythons), FETCHED);
        assert_eq!(pythons.any(), None);
    }
}
