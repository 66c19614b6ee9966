//! Charts in folders.

use std::path::{Path, PathBuf};

use confined::{Folder, Kind};

use crate::budget::{Budget, MOST_BYTES};
use crate::{Chart, Error, IgnoreRules};

/// The most bytes of a `.helmignore`.
const MOST_IGNORE_BYTES: u64 = 1024 * 1024;

/// The most names in one folder.
const MOST_NAMES: usize = 50_000;

/// How deep folders may be in folders; two of them are one chart in another.
const MOST_DEPTH: usize = 200;

impl Chart {
    /// Loads a chart from a folder, without what its `.helmignore` names. Links are followed within the folder, and within the
    /// git checkout that it is a part of; at most 100 MiB are read.
    ///
    /// # Errors
    /// When a file cannot be read or is no regular file, when a link leads elsewhere, which Helm follows, or nowhere, and as
    /// [`from_files`](Self::from_files).
    pub fn from_dir(folder: &Path) -> Result<Self, Error> {
        Self::from_dir_of_any_version(folder)?.of_known_version()
    }

    /// [`from_dir`](Self::from_dir) of whatever `apiVersion`, as a linter needs it.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir), but for the version.
    pub fn from_dir_of_any_version(folder: &Path) -> Result<Self, Error> {
        let folder = Folder::open_in_checkout(folder)?;
        let ignored = match folder.read(Path::new(".helmignore"), MOST_IGNORE_BYTES) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(confined::Error::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                String::new()
            }
            Err(error) => return Err(error.into()),
        };
        let mut walk = Walk {
            root: folder,
            rules: IgnoreRules::parse(&ignored)?,
            files: Vec::new(),
            budget: Budget::default(),
            open: Vec::new(),
        };
        walk.folder("")?;
        let Walk {
            files, mut budget, ..
        } = walk;
        Self::of_files(files, &mut budget)
    }

    /// Loads a chart from a folder or a `.tgz` file.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir) and [`from_archive`](Self::from_archive).
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        if path.is_dir() {
            return Self::from_dir(path);
        }
        Self::from_archive(&confined::read_file(path, MOST_BYTES)?)
    }
}

struct Walk {
    root: Folder,
    rules: IgnoreRules,
    files: Vec<(String, Vec<u8>)>,
    budget: Budget,
    /// The folders on the way to the one being read, links followed.
    open: Vec<Kind>,
}

impl Walk {
    fn folder(&mut self, name: &str) -> Result<(), Error> {
        let path = Path::new(if name.is_empty() { "." } else { name });
        let this = self.root.kind(path)?;
        if self.open.contains(&this) {
            let path = self.named(name);
            return Err(Error::Content(format!(
                "{}: links to a folder that it is in",
                path.display()
            )));
        }
        if self.open.len() == MOST_DEPTH {
            return Err(Error::Content(format!(
                "folders are nested deeper than {MOST_DEPTH}"
            )));
        }
        self.open.push(this);
        for entry in self.root.names(Path::new(name), MOST_NAMES)? {
            self.budget.file()?;
            let path = Path::new(name).join(&entry);
            let entry = entry.to_string_lossy();
            let name = if name.is_empty() {
                entry.into_owned()
            } else {
                format!("{name}/{entry}")
            };
            let kind = match self.root.kind(&path) {
                Ok(kind) => kind,
                // What is no part of the chart may lead anywhere.
                Err(confined::Error::LeadsOut { .. })
                    if self.rules.ignore(&name, false) || self.rules.ignore(&name, true) =>
                {
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if self.rules.ignore(&name, matches!(kind, Kind::Folder(..))) {
                continue;
            }
            match kind {
                Kind::Folder(..) => self.folder(&name)?,
                Kind::File(_) => self.file(name, &path)?,
                Kind::Special(_) => {
                    let path = self.named(&name);
                    return Err(Error::Content(format!(
                        "cannot load irregular file {} as it has file mode type bits set",
                        path.display()
                    )));
                }
            }
        }
        self.open.pop();
        Ok(())
    }

    fn file(&mut self, name: String, path: &Path) -> Result<(), Error> {
        let too_large = |name: &str| {
            Error::Content(format!(
                "error reading {name}: chart exceeds maximum size {MOST_BYTES}"
            ))
        };
        let mut data = match self.root.read(path, self.budget.bytes()) {
            Ok(data) => data,
            Err(confined::Error::TooLarge { .. }) => return Err(too_large(&name)),
            Err(error) => return Err(error.into()),
        };
        if !self.budget.content(data.len() as u64) {
            return Err(too_large(&name));
        }
        if data.starts_with(b"\xef\xbb\xbf") {
            data.drain(..3);
        }
        self.files.push((name, data));
        Ok(())
    }

    fn named(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}
