//! Charts in folders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive::MOST_BYTES;
use crate::ignore::Rules;
use crate::{Chart, Error};

impl Chart {
    /// Loads a chart from a folder, without what its `.helmignore` names; links are followed, at most 100 MiB are read.
    ///
    /// # Errors
    /// When a file cannot be read or is no regular file, and as [`from_files`](Self::from_files).
    pub fn from_dir(folder: &Path) -> Result<Self, Error> {
        let ignore_file = folder.join(".helmignore");
        let ignored = match fs::read(&ignore_file) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(in_path(&ignore_file)(error)),
        };
        let mut walk = Walk {
            rules: Rules::parse(&ignored)?,
            files: Vec::new(),
            left: MOST_BYTES,
            open: Vec::new(),
        };
        walk.folder(folder, "")?;
        Self::from_files(walk.files)
    }

    /// Loads a chart from a folder or a `.tgz` file.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir) and [`from_archive`](Self::from_archive).
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        let metadata = fs::metadata(path).map_err(in_path(path))?;
        if metadata.is_dir() {
            return Self::from_dir(path);
        }
        Self::from_archive(&fs::read(path).map_err(in_path(path))?)
    }
}

struct Walk {
    rules: Rules,
    files: Vec<(String, Vec<u8>)>,
    left: u64,
    /// The folders on the way to the one being read, without links.
    open: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, below: &str) -> Result<(), Error> {
        let real = fs::canonicalize(folder).map_err(in_path(folder))?;
        if self.open.contains(&real) {
            return Err(in_path(folder)(io::Error::other(
                "links to a folder that it is in",
            )));
        }
        self.open.push(real);
        let mut names = fs::read_dir(folder)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name()))
                    .collect::<io::Result<Vec<_>>>()
            })
            .map_err(in_path(folder))?;
        names.sort();
        for name in names {
            let path = folder.join(&name);
            let name = name.to_string_lossy();
            let name = if below.is_empty() {
                name.into_owned()
            } else {
                format!("{below}/{name}")
            };
            let metadata = fs::metadata(&path).map_err(in_path(&path))?;
            if self.rules.ignore(&name, metadata.is_dir()) {
                continue;
            }
            if metadata.is_dir() {
                self.folder(&path, &name)?;
                continue;
            }
            if !metadata.is_file() {
                let path = path.display();
                return Err(Error::Content(format!(
                    "cannot load irregular file {path} as it has file mode type bits set"
                )));
            }
            self.left = self.left.checked_sub(metadata.len()).ok_or_else(|| {
                Error::Content(format!(
                    "error reading {name}: chart exceeds maximum size {MOST_BYTES}"
                ))
            })?;
            let mut data = fs::read(&path).map_err(in_path(&path))?;
            if data.starts_with(b"\xef\xbb\xbf") {
                data.drain(..3);
            }
            self.files.push((name, data));
        }
        self.open.pop();
        Ok(())
    }
}

fn in_path(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io {
        path: path.display().to_string(),
        source,
    }
}
