//! [`Store`]: the folder of unpacked bundles, shared by the servers that run from them. Whoever uses a bundle holds its lock, so that
//! one is never removed between its unpacking and the start of its server.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use crate::{Bundle, BundleError};

/// What is behind the name of a bundle that is being unpacked or removed.
const PARTIAL: &str = ".partial-";
/// What is behind the name of a bundle in that of its lock, and in that of the lock for unpacking it.
const USED: &str = ".lock";
const MADE: &str = ".unpacking";
/// What a lock has in it once somebody found its bundle unpacked.
const FOUND: &[u8] = b"found\n";
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

    /// The name of the bundle that a path below a store begins with, whichever store that is.
    #[must_use]
    pub fn name_in(path: &str) -> Option<&str> {
        // Names have these characters alone.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let name = path.split(|c| !plain(c)).next()?;
        is_ours(name).then_some(name)
    }

    /// Where a bundle is, once it is unpacked.
    #[must_use]
    pub fn place(&self, bundle: &Bundle) -> PathBuf {
        self.path.join(name(bundle))
    }

    /// Unpacks a bundle, whole or not at all, unless it is there. What a killed command has left of it goes. This waits while others
    /// unpack or remove the same bundle, not while they use it.
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
        let lock = self.lock_file(&name, USED);
        // Nobody removes it from here on.
        let mut used = locked(&lock, File::lock_shared).map_err(failed)?;
        let mut is_new = false;
        if !place.is_dir() {
            match self.make_once(bundle, &name, &place) {
                Ok(new) => is_new = new,
                Err(error) => {
                    drop(used);
                    // The lock of a bundle that is none, unless others still try.
                    drop(self.remove_idle_lock(&name));
                    return Err(error);
                }
            }
        }
        if !is_new {
            // For `take_back`: somebody else has it, too.
            used.write_all(FOUND).map_err(failed)?;
        }
        Ok(Unpacked { name, is_new, used })
    }

    /// Makes a bundle, unless somebody else has done it first. Whether it was made now.
    fn make_once(&self, bundle: &Bundle, name: &str, place: &Path) -> Result<bool, BundleError> {
        let failed = |error| BundleError::Write(self.path.clone(), error);
        let lock = self.lock_file(name, MADE);
        let _alone = locked(&lock, File::lock).map_err(failed)?;
        let is_new = !place.is_dir();
        let made = if is_new {
            self.make(bundle, name, place)
        } else {
            Ok(())
        };
        // Whoever waits for it looks again.
        let removed = fs::remove_file(&lock).map_err(failed);
        made.and(removed).map(|()| is_new)
    }

    /// Writes a bundle beside its place and moves it there. The caller holds the lock for unpacking it.
    fn make(&self, bundle: &Bundle, name: &str, place: &Path) -> Result<(), BundleError> {
        let failed = |error| BundleError::Write(self.path.clone(), error);
        for other in self.names().map_err(failed)? {
            if other.contains(PARTIAL) && whole_name(&other) == name {
                fs::remove_dir_all(self.path.join(other)).map_err(failed)?;
            }
        }
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

    /// Bundles that have none of these names, and that nobody works on or is about to use.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn unused(&self, used: &BTreeSet<String>) -> io::Result<Vec<Unused>> {
        let mut unused = Vec::new();
        for name in self.names()? {
            if used.contains(&name) {
                continue;
            }
            let Some(alone) = self.alone(&name)? else {
                continue;
            };
            if self.path.join(&name).is_dir() {
                unused.push(Unused {
                    whole: !name.contains(PARTIAL),
                    name,
                });
                continue;
            }
            drop(alone);
            self.remove_idle_lock(&name)?;
        }
        Ok(unused)
    }

    /// Removes one of [`Self::unused`], unless somebody has begun to use it or has removed it before. Whether it was removed now.
    /// `is_used` is asked once nobody can begin: a server may have started from it since the list was made, and the command that
    /// started it have ended.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, bundle: &Unused, is_used: impl FnOnce(&str) -> bool) -> io::Result<bool> {
        let Some(_alone) = self.alone(&bundle.name)? else {
            return Ok(false);
        };
        if is_used(&bundle.name) {
            return Ok(false);
        }
        let removed = self.remove_folder(bundle)?;
        // That of a bundle which is there has in it whether somebody found it.
        if !self.is_there(&bundle.name) {
            self.remove_lock(&bundle.name)?;
        }
        Ok(removed)
    }

    /// Whether the folder of a bundle was there. The caller holds its lock alone.
    fn remove_folder(&self, bundle: &Unused) -> io::Result<bool> {
        let path = self.path.join(&bundle.name);
        if bundle.whole {
            // In one step, so that nobody takes what is left of it for a bundle.
            let doomed = format!("{}{PARTIAL}removed", bundle.name);
            let doomed = self.path.join(doomed);
            was_there(fs::remove_dir_all(&doomed))?;
            Ok(was_there(fs::rename(&path, &doomed))? && was_there(fs::remove_dir_all(&doomed))?)
        } else {
            was_there(fs::remove_dir_all(&path))
        }
    }

    /// Removes the locks of a bundle. The caller holds that for using it alone, without which nobody has the other one.
    fn remove_lock(&self, name: &str) -> io::Result<()> {
        was_there(fs::remove_file(self.lock_file(name, MADE)))?;
        was_there(fs::remove_file(self.lock_file(name, USED))).map(drop)
    }

    /// Removes the locks of a bundle that is not there, unless somebody has them.
    fn remove_idle_lock(&self, name: &str) -> io::Result<()> {
        match self.alone(name)? {
            Some(_alone) if !self.is_there(name) => self.remove_lock(name),
            _ => Ok(()),
        }
    }

    /// Whether a bundle is there, of which this may be one that was being unpacked.
    fn is_there(&self, name: &str) -> bool {
        self.path.join(whole_name(name)).exists()
    }

    /// Removes a bundle that was unpacked for nothing, unless another command has found it there, whose server may run from it.
    /// Whether it is gone.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn take_back(&self, unpacked: Unpacked) -> io::Result<bool> {
        let Unpacked { name, used, .. } = unpacked;
        drop(used);
        let Some(alone) = self.alone(&name)? else {
            return Ok(false);
        };
        if alone.metadata()?.len() > 0 {
            return Ok(false);
        }
        let removed = self.remove_folder(&Unused {
            name: name.clone(),
            whole: true,
        })?;
        self.remove_lock(&name)?;
        Ok(removed)
    }

    fn lock_file(&self, name: &str, end: &str) -> PathBuf {
        self.path.join(format!("{}{end}", whole_name(name)))
    }

    /// The lock of a bundle, if nobody has it now.
    fn alone(&self, name: &str) -> io::Result<Option<File>> {
        let path = self.lock_file(name, USED);
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
    // What is being unpacked is told from a bundle by its name.
    let own = bundle
        .manifest()
        .folder_name()
        .replace(".partial", "-partial");
    format!("{own}-{digest}")
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

/// Whether what was to be removed or moved was there.
fn was_there(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    }
}

fn locked(path: &Path, take: fn(&File) -> io::Result<()>) -> io::Result<File> {
    loop {
        let file = open_lock(path)?;
        take(&file)?;
        // Whoever had it before may have removed this file, and the next one would lock another.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
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
