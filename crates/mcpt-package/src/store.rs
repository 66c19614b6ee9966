//! Installed packages: one folder for each lock, made once, never changed, and shared by all servers that run from it.
//!
//! ```text
//! STORE/npm-NAME-VERSION-DIGEST/           a tree: the lock's files and what the tools made of them
//! STORE/npm-NAME-VERSION-DIGEST.lock       held by those who make, use or remove the tree
//! STORE/npm-NAME-VERSION-DIGEST.partial-N  being made; of no use once nobody holds the lock
//! ```

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use mcpt_core::{Package, Progress, ProgressEvent};
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Cause, Doing, PackageError},
    tool::MARK,
    tree,
};

/// What marks a tree that is being made.
const PARTIAL: &str = ".partial-";
/// Longest part of a folder's name that is a package's name.
const LONGEST_NAME: usize = 80;

/// The folder that holds installed packages.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
}

/// An installed package. As long as it is held nobody removes its folder.
#[derive(Debug)]
pub struct Tree {
    path: PathBuf,
    command: Vec<String>,
    programs: PathBuf,
    _used: File,
}

/// An installed package that no server runs from, or what is left of one that was never finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedTree {
    /// Name of its folder.
    pub name: String,
    /// Whether it was finished.
    pub whole: bool,
}

impl Tree {
    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Program and leading arguments that run the package.
    #[must_use]
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// The folder of its programs, which belongs on the server's PATH.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }
}

impl Store {
    /// In this folder, which is made when something is installed.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The tree of a lock, made now if it is not there. Whoever is killed meanwhile leaves nothing that is taken for a tree,
    /// and of two at a time one waits for the other.
    ///
    /// # Errors
    /// [`PackageError`] with what went wrong in words of the field, and what mends it.
    pub async fn install(
        &self,
        package: &Package,
        progress: &dyn Progress,
    ) -> Result<Tree, PackageError> {
        self.installed(package, progress)
            .await
            .map_err(|cause| PackageError {
                package: package.source(),
                doing: Doing::Install,
                cause,
            })
    }

    async fn installed(&self, package: &Package, progress: &dyn Progress) -> Result<Tree, Cause> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(Cause::io(format!("{} cannot be made", self.path.display())))?;
        let identity = tree::identity(package, &self.path).await?;
        let name = folder_name(package, &identity);
        let path = self.path.join(&name);
        let used = loop {
            let used = self.lock(&name, File::lock_shared).await?;
            if path.is_dir() {
                break used;
            }
            drop(used);
            let alone = self.lock(&name, File::lock).await?;
            if !path.is_dir() {
                progress.event(ProgressEvent::Step(installing(package)));
                self.make(package, &name).await?;
            }
            // Between the two locks somebody may remove it: then it is made again.
            drop(alone);
        };
        let command = tree::present(package, &path)?;
        let programs = tree::programs_in(package, &path);
        Ok(Tree {
            path,
            command,
            programs,
            _used: used,
        })
    }

    /// Makes a tree beside its place and moves it there. The caller holds the lock alone.
    async fn make(&self, package: &Package, name: &str) -> Result<(), Cause> {
        self.remove_partial(name)
            .map_err(Cause::io("what a killed command left cannot be removed"))?;
        let partial = tree::make(package, &self.path, &format!("{name}{PARTIAL}")).await?;
        tree::put(partial, &self.path.join(name))
    }

    /// Removes what is left of trees of this name that were never finished. The caller holds the lock alone.
    fn remove_partial(&self, name: &str) -> io::Result<()> {
        for other in self.names()? {
            if other
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(PARTIAL))
            {
                let partial = self.path.join(other);
                remove_unfinished(&partial)?;
            }
        }
        Ok(())
    }

    /// Takes the lock of a tree on a thread of its own, since another command may hold it for long.
    async fn lock(&self, name: &str, take: fn(&File) -> io::Result<()>) -> Result<File, Cause> {
        let path = self.path.join(format!("{name}.lock"));
        let failed = Cause::io(format!("{} cannot be locked", path.display()));
        let locked = tokio::task::spawn_blocking(move || {
            loop {
                let file = open_lock(&path)?;
                take(&file)?;
                // Whoever removed the tree before removed this file too, and the next one would lock another.
                if is_at(&file, &path) {
                    return Ok(file);
                }
            }
        });
        match locked.await {
            Ok(locked) => locked.map_err(failed),
            Err(error) => Err(failed(io::Error::other(error))),
        }
    }

    /// Trees that have none of these names: nobody installs them or begins to run from them now. A path to the store may be written
    /// in several ways; the name of a tree's folder in it is one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn unused(&self, used: &BTreeSet<String>) -> io::Result<Vec<UnusedTree>> {
        let mut unused = Vec::new();
        for name in self.names()? {
            if !self.path.join(&name).is_dir() || used.contains(&name) {
                continue;
            }
            if self.alone(&name)?.is_some() {
                unused.push(UnusedTree {
                    whole: !name.contains(PARTIAL),
                    name,
                });
            }
        }
        Ok(unused)
    }

    /// Removes one of [`Self::unused`], unless somebody has begun to use it. Whether it is gone. `is_used` is asked once nobody can
    /// begin: a server may have started from it since the list was made, and the command that started it have ended.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(
        &self,
        tree: &UnusedTree,
        is_used: impl FnOnce(&str) -> bool,
    ) -> io::Result<bool> {
        let Some(_alone) = self.alone(&tree.name)? else {
            return Ok(false);
        };
        if is_used(&tree.name) {
            return Ok(false);
        }
        let path = self.path.join(&tree.name);
        let removed = if tree.whole {
            // In one step, so that nobody takes what is left of it for a tree.
            self.remove_partial(&tree.name)?;
            let doomed = self.path.join(format!("{}{PARTIAL}removed", tree.name));
            let renamed = fs::rename(&path, &doomed);
            renamed.and_then(|()| fs::remove_dir_all(&doomed))
        } else {
            remove_unfinished(&path)
        };
        let removed = match removed {
            // Another command has removed it since; what is left is the lock, which was made for this.
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            removed => removed.map(|()| true)?,
        };
        fs::remove_file(self.path.join(format!("{}.lock", whole_name(&tree.name))))?;
        Ok(removed)
    }

    /// The lock of a tree, or of one that is being made, if nobody has it now.
    fn alone(&self, name: &str) -> io::Result<Option<File>> {
        let path = self.path.join(format!("{}.lock", whole_name(name)));
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(is_at(&file, &path).then_some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // Whatever has no such name was not made here.
            if let Ok(name) = entry?.file_name().into_string()
                && (name.starts_with("npm-") || name.starts_with("pypi-"))
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The name of a tree, of which this may be one that is being made.
fn whole_name(name: &str) -> &str {
    name.split(PARTIAL).next().unwrap_or(name)
}

pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

/// Whether a file that is open is the one at a path.
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Name of a tree's folder: who looks into the store sees what is what, and the digest tells apart all that is not the same.
pub(crate) fn folder_name(package: &Package, identity: &str) -> String {
    let mut hash = Sha256::new();
    for part in [
        identity,
        if package.install_scripts.is_empty() {
            ""
        } else {
            "scripts"
        },
    ] {
        hash.update(part);
        hash.update([0]);
    }
    for (name, text) in &package.lock {
        hash.update(name);
        hash.update([0]);
        hash.update(text);
        hash.update([0]);
    }
    let mut name: String = format!("{}-{}-{}", package.ecosystem, package.name, package.version)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .take(LONGEST_NAME)
        .collect();
    name = name.replace("--", "-");
    name.push('-');
    for byte in hash.finalize().iter().take(8) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// What is done, for people: which package is installed, of how many it consists, and whose programs are run for it.
#[must_use]
pub fn installing(package: &Package) -> String {
    let scripts = match package.install_scripts.as_slice() {
        [] => String::new(),
        scripts => format!(", with the install scripts of {}", scripts.join(", ")),
    };
    let number = match package.packages {
        1 => "1 package".to_owned(),
        number => format!("{number} packages"),
    };
    format!("installing {} ({number}{scripts})", package.source())
}

/// Removes the folder of a tree that was never finished. What a killed command started goes on without it, and would write to
/// what is removed: it is ended first.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    MARK.end(folder.as_os_str().as_bytes());
    fs::remove_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mcpt_core::{Ecosystem, EntryPoint};

    use super::*;

    fn package() -> Package {
        Package {
            ecosystem: Ecosystem::Npm,
            name: "@scope/x".to_owned(),
            version: "1.0.0".to_owned(),
            requested: "npm:@scope/x".to_owned(),
            entry_point: EntryPoint::Program("x".to_owned()),
            python: None,
            packages: 1,
            install_scripts: Vec::new(),
            lock: BTreeMap::from([("package.json".to_owned(), "{}".to_owned())]),
        }
    }

    #[test]
    fn a_name_tells_apart_what_is_not_the_same() {
        let one = package();
        let name = folder_name(&one, "v24");
        assert!(name.starts_with("npm-scope-x-1.0.0-"), "{name}");
        let mut other = package();
        other
            .lock
            .insert("package.json".to_owned(), "{} ".to_owned());
        let mut scripts = package();
        scripts.install_scripts.push("y@1".to_owned());
        let names: BTreeSet<String> = [
            (&one, "v24"),
            (&one, "v22"),
            (&other, "v24"),
            (&scripts, "v24"),
        ]
        .map(|(package, identity)| folder_name(package, identity))
        .into();
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn what_nobody_uses_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().join("packages"));
        assert!(store.unused(&BTreeSet::new()).unwrap().is_empty());
        for name in ["npm-a-1", "npm-b-1", "npm-c-1.partial-x", "of-somebody"] {
            fs::create_dir_all(store.path.join(name)).unwrap();
            fs::write(store.path.join(name).join("file"), "").unwrap();
        }
        tree::make_read_only(&store.path).unwrap();
        let used = BTreeSet::from(["npm-a-1".to_owned()]);
        let unused = store.unused(&used).unwrap();
        let names: Vec<&str> = unused.iter().map(|tree| tree.name.as_str()).collect();
        assert_eq!(names, ["npm-b-1", "npm-c-1.partial-x"]);
        let held = open_lock(&store.path.join("npm-b-1.lock")).unwrap();
        held.lock_shared().unwrap();
        assert_eq!(store.unused(&used).unwrap().len(), 1);
        let nobody = |_: &str| false;
        assert!(
            !store.remove(&unused[0], nobody).unwrap(),
            "somebody uses it"
        );
        drop(held);
        assert!(
            !store.remove(&unused[0], |name| name == "npm-b-1").unwrap(),
            "a server has started from it since"
        );
        assert!(store.path.join("npm-b-1").is_dir());
        for tree in &unused {
            assert!(store.remove(tree, nobody).unwrap(), "{tree:?}");
            assert!(
                !store.remove(tree, nobody).unwrap(),
                "another command was first: {tree:?}"
            );
        }
        assert!(store.unused(&used).unwrap().is_empty());
        assert!(store.path.join("npm-a-1").exists() && store.path.join("of-somebody").exists());
        assert!(!store.path.join("npm-b-1").exists() && !store.path.join("npm-b-1.lock").exists());
    }
}
