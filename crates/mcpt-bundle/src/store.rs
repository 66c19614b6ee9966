//! [`Store`]: the folder of unpacked bundles, shared by the servers that run from them. Whoever uses a bundle holds its lock, so that
//! one is never removed between its unpacking and the start of its server.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{Bundle, BundleError};

/// What is behind the name of a bundle that is being unpacked or removed.
const PARTIAL: &str = ".partial-";
/// How many digits of its digest end the name of a bundle.
const DIGITS: usize = 16;

/// A folder with unpacked bundles.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
}

/// A bundle that is there, for as long as this is.
#[derive(Debug)]
pub struct Unpacked {
    name: String,
    /// Whether it was unpacked now.
    pub is_new: bool,
    used: File,
}

/// A bundle that nobody uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Its name in the folder.
    pub name: String,
    /// Whether all of it is there.
    pub whole: bool,
}

impl Store {
    /// The store in a folder, whether that is there or not.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where a bundle is, once it is unpacked.
    #[must_use]
    pub fn place(&self, bundle: &Bundle) -> PathBuf {
        self.path.join(name(bundle))
    }

    /// Unpacks a bundle, whole or not at all, unless it is there. What a killed command has left of it goes. This waits for others
    /// that work on the same bundle.
    ///
    /// # Errors
    /// [`BundleError`] when it cannot be written, or a file is not what the archive says.
    pub fn unpack(&self, bundle: &Bundle) -> Result<Unpacked, BundleError> {
        let failed = |error| BundleError::Write(self.path.clone(), error);
        let mut folders = DirBuilder::new();
        let made = folders.recursive(true).mode(0o700).create(&self.path);
        made.map_err(failed)?;
        let name = name(bundle);
        let place = self.path.join(&name);
        let mut is_new = false;
        loop {
            let used = self.locked(&name, File::lock_shared).map_err(failed)?;
            if place.is_dir() {
                return Ok(Unpacked { name, is_new, used });
            }
            drop(used);
            let alone = self.locked(&name, File::lock).map_err(failed)?;
            if !place.is_dir() {
                self.make(bundle, &name, &place)?;
                is_new = true;
            }
            // Between the two locks somebody may remove it: then it is unpacked again.
            drop(alone);
        }
    }

    /// Writes a bundle beside its place and moves it there. The caller holds its lock alone.
    fn make(&self, bundle: &Bundle, name: &str, place: &Path) -> Result<(), BundleError> {
        let failed = |error| BundleError::Write(self.path.clone(), error);
        for other in self.names().map_err(failed)? {
            if other.contains(PARTIAL) && whole_name(&other) == name {
                fs::remove_dir_all(self.path.join(other)).map_err(failed)?;
            }
        }
        let made = self.write(bundle, name, place);
        if made.is_err() {
            // The lock of a bundle that is none; whoever waits for it makes another one.
            drop(fs::remove_file(self.lock_file(name)));
        }
        made
    }

    fn write(&self, bundle: &Bundle, name: &str, place: &Path) -> Result<(), BundleError> {
        let failed = |error| BundleError::Write(place.to_owned(), error);
        let partial = tempfile::Builder::new()
            .prefix(&format!("{name}{PARTIAL}"))
            .tempdir_in(&self.path)
            .map_err(failed)?;
        bundle.write(partial.path())?;
        fs::rename(partial.path(), place).map_err(failed)?;
        let _moved = partial.keep();
        Ok(())
    }

    /// Bundles of which the folder is none of these, and that nobody works on or is about to use.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn unused(&self, used: &BTreeSet<PathBuf>) -> io::Result<Vec<Unused>> {
        let mut unused = Vec::new();
        for name in self.names()? {
            if used.contains(&self.path.join(&name)) || self.alone(&name)?.is_none() {
                continue;
            }
            unused.push(Unused {
                whole: !name.contains(PARTIAL),
                name,
            });
        }
        Ok(unused)
    }

    /// Removes one of [`Self::unused`], unless somebody has begun to use it. Whether it is gone.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, bundle: &Unused) -> io::Result<bool> {
        let Some(_alone) = self.alone(&bundle.name)? else {
            return Ok(false);
        };
        let path = self.path.join(&bundle.name);
        if bundle.whole {
            // In one step, so that nobody takes what is left of it for a bundle.
            let doomed = format!("{}{PARTIAL}removed", bundle.name);
            let doomed = self.path.join(doomed);
            match fs::remove_dir_all(&doomed) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::rename(&path, &doomed)?;
            fs::remove_dir_all(&doomed)?;
        } else {
            fs::remove_dir_all(&path)?;
        }
        fs::remove_file(self.lock_file(&bundle.name))?;
        Ok(true)
    }

    /// Removes a bundle that was unpacked for nothing, unless another command uses it. Whether it is gone.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn take_back(&self, unpacked: Unpacked) -> io::Result<bool> {
        let Unpacked { name, used, .. } = unpacked;
        drop(used);
        self.remove(&Unused { name, whole: true })
    }

    fn lock_file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{}.lock", whole_name(name)))
    }

    fn locked(&self, name: &str, take: fn(&File) -> io::Result<()>) -> io::Result<File> {
        let path = self.lock_file(name);
        loop {
            let file = open_lock(&path)?;
            take(&file)?;
            // Whoever removed the bundle before removed this file too, and the next one would lock another.
            if is_at(&file, &path) {
                return Ok(file);
            }
        }
    }

    /// The lock of a bundle, if nobody has it now.
    fn alone(&self, name: &str) -> io::Result<Option<File>> {
        let path = self.lock_file(name);
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(is_at(&file, &path).then_some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Names of bundles, and of what is left of them. Whatever has no such name was not made here.
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.file_type()?.is_dir()
                && is_ours(&name)
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// The name of a bundle's folder: its own, its version and the beginning of its digest.
fn name(bundle: &Bundle) -> String {
    let digest = bundle.sha256();
    let digest = digest.get(..DIGITS).unwrap_or(digest);
    format!("{}-{digest}", bundle.manifest().folder_name())
}

/// The name of a bundle, of which this may be one that is being unpacked.
fn whole_name(name: &str) -> &str {
    name.split(PARTIAL).next().unwrap_or(name)
}

fn is_ours(name: &str) -> bool {
    let digest = whole_name(name).rsplit_once('-').map(|(_, digest)| digest);
    digest.is_some_and(|digest| {
        digest.len() == DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

/// Whether an open file is the one that is at a path now.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}
