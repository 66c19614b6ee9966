//! A folder that nothing is read outside of.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType, FileTypeExt, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};

use crate::checkout::Checkout;
use crate::{Error, links};

/// An open folder. Paths are relative to it, with `/` between their parts.
#[derive(Debug)]
pub struct Folder {
    dir: Dir,
    /// As the user named it, for messages.
    path: PathBuf,
    /// Whether links may lead further, within the checkout.
    is_part_of_checkout: bool,
    /// The checkout that it is a part of, once it has been looked for.
    checkout: OnceLock<Option<Checkout>>,
}

/// What a path leads to, links within the folder followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of so many bytes.
    File(u64),
    /// A folder, told from others by these two numbers.
    Folder(u64, u64),
    /// Anything else, in words.
    Special(&'static str),
}

impl Folder {
    /// Opens a folder that the user named; links on the way to it are followed.
    ///
    /// # Errors
    /// When it cannot be opened or is no folder.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(in_path(path))?;
        Ok(Self {
            dir,
            path: path.to_owned(),
            is_part_of_checkout: false,
            checkout: OnceLock::new(),
        })
    }

    /// Opens a folder as [`open`](Self::open) does, whose links may also lead to what is in the git checkout that it is a part of:
    /// those that are under version control there, and to what is not git's own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in_checkout(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            is_part_of_checkout: true,
            ..Self::open(path)?
        })
    }

    /// The folder as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is at a path.
    ///
    /// # Errors
    /// When it cannot be looked at, or a link leads out of the folder.
    pub fn kind(&self, below: &Path) -> Result<Kind, Error> {
        let metadata = self.beneath(below, |dir, below| dir.metadata(below))?;
        Ok(kind(&metadata))
    }

    /// The names in a folder, sorted; the empty path is the folder itself.
    ///
    /// # Errors
    /// When it cannot be listed, leads out of the folder, or holds more than `most` names.
    pub fn names(&self, below: &Path, most: usize) -> Result<Vec<OsString>, Error> {
        let entries = self.beneath(or_here(below), |dir, below| dir.read_dir(below))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(in_path(&self.path.join(below)))?;
            if names.len() == most {
                return Err(Error::TooMany {
                    path: self.path.join(below),
                    most,
                });
            }
            names.push(entry.file_name());
        }
        names.sort();
        Ok(names)
    }

    /// The content of a regular file of at most `most` bytes.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file or too large, or a link leads out of the folder.
    pub fn read(&self, below: &Path, most: u64) -> Result<Vec<u8>, Error> {
        let path = || self.path.join(below);
        // Opening alone can do something to a device, so it is looked at before; what is opened may be another by then.
        only_file(self.kind(below)?, &path())?;
        let mut options = OpenOptions::new();
        // Opening a FIFO waits for its other end without this.
        options
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let file = self.beneath(below, |dir, below| dir.open_with(below, &options))?;
        let metadata = file.metadata().map_err(in_path(&path()))?;
        only_file(kind(&metadata), &path())?;
        read_at_most(file, metadata.len(), most, &path())
    }

    /// Does something with a path beneath the folder. A link that is written from the root on is refused by the system
    /// wherever it leads; the place that it leads to is tried then, which is beneath the folder or refused as well.
    fn beneath<T>(
        &self,
        below: &Path,
        act: impl Fn(&Dir, &Path) -> io::Result<T>,
    ) -> Result<T, Error> {
        let path = self.path.join(below);
        let error = match act(&self.dir, below) {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        if (is_missing || leads_out(&error))
            && let Some(missing) = std::path::absolute(&path)
                .ok()
                .and_then(|path| links::missing(&path))
        {
            let path = std::path::absolute(&path).unwrap_or(path);
            return Err(Error::Dangling { path, missing });
        }
        if !leads_out(&error) {
            return Err(in_path(&path)(error));
        }
        let target = fs::canonicalize(&path).ok();
        let own = fs::canonicalize(&self.path).ok();
        if let (Some(target), Some(own)) = (&target, &own) {
            if let Ok(within) = target.strip_prefix(own) {
                return act(&self.dir, or_here(within)).map_err(in_path(&path));
            }
            if let Some(checkout) = self.checkout(own)
                && let Some((dir, within)) = checkout.place(&own.join(below), target)
            {
                return act(dir, or_here(&within)).map_err(in_path(&path));
            }
        }
        Err(Error::LeadsOut {
            path,
            folder: self.path.clone(),
            target,
        })
    }

    fn checkout(&self, own: &Path) -> Option<&Checkout> {
        let find = || {
            if self.is_part_of_checkout {
                Checkout::of(own)
            } else {
                None
            }
        };
        self.checkout.get_or_init(find).as_ref()
    }
}

/// A path that is not empty.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

/// Whether a path was refused for leaving the folder: an error of the library, which no call of the system made.
fn leads_out(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

pub(crate) fn kind(metadata: &Metadata) -> Kind {
    if metadata.is_file() {
        Kind::File(metadata.len())
    } else if metadata.is_dir() {
        Kind::Folder(metadata.dev(), metadata.ino())
    } else {
        Kind::Special(words(metadata.file_type()))
    }
}

fn words(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "something special"
    }
}

pub(crate) fn only_file(kind: Kind, path: &Path) -> Result<(), Error> {
    let kind = match kind {
        Kind::File(_) => return Ok(()),
        Kind::Folder(..) => "a folder",
        Kind::Special(kind) => kind,
    };
    Err(Error::NotAFile {
        path: path.to_owned(),
        kind,
    })
}

/// Reads what may grow meanwhile, or be larger than it says, as files of `/proc` are.
pub(crate) fn read_at_most(
    source: impl Read,
    size: u64,
    most: u64,
    path: &Path,
) -> Result<Vec<u8>, Error> {
    let too_large = || Error::TooLarge {
        path: path.to_owned(),
        most,
    };
    if size > most {
        return Err(too_large());
    }
    let mut data = Vec::with_capacity(size as usize);
    source
        .take(most.saturating_add(1))
        .read_to_end(&mut data)
        .map_err(in_path(path))?;
    if data.len() as u64 > most {
        return Err(too_large());
    }
    Ok(data)
}

pub(crate) fn in_path(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io {
        path: path.to_owned(),
        source,
    }
}
