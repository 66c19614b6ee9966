//! The archive of a bundle: looked through before anything is written, then written below one folder.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fmt::Write as _,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, symlink},
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::{BundleError, Manifest, directory};

/// The file that describes it.
const MANIFEST: &str = "manifest.json";
/// The most bytes of an archive.
const MOST_OF_ARCHIVE: u64 = 512 << 20;
/// The most entries.
pub(crate) const MOST_ENTRIES: usize = 100_000;
/// The most bytes that are read to find the entries.
const MOST_OF_DIRECTORY: u64 = 64 << 20;
/// How many bytes are hashed at a time.
const PIECE: usize = 64 * 1024;
/// The most bytes of all files together.
const MOST_BYTES: u64 = 2 << 30;
/// From this size on an archive may be a bomb.
const MAY_BE_A_BOMB: u64 = 64 << 20;
/// The most that files are larger than their archive, then.
const MOST_RATIO: u64 = 100;
/// The most bytes of a manifest.
const MOST_OF_MANIFEST: u64 = 4 << 20;
/// The longest path of an entry, in bytes.
const LONGEST_PATH: usize = 1024;
/// The most bytes of where a link leads.
const LONGEST_LINK: u64 = 1024;

/// A bundle, whose entries are all as they must be.
#[derive(Debug)]
pub struct Bundle {
    file: File,
    sha256: String,
    entries: Vec<Entry>,
    manifest: Manifest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    kind: Kind,
    size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File { executable: bool },
    Link,
}

impl Bundle {
    /// Looks through an archive, which stays in its file.
    ///
    /// # Errors
    /// [`BundleError`] with what is wrong: no archive, a path that leads out of it, one that is there twice, a link that leads
    /// out, encryption, more than 100,000 files and folders, 512 MiB or 2 GiB unpacked, files a hundred times as large as the
    /// archive, or a manifest that cannot be used.
    pub fn open(file: File) -> Result<Self, BundleError> {
        let size = file.metadata().map_err(BundleError::Read)?.len();
        if size > MOST_OF_ARCHIVE {
            return Err(BundleError::TooLarge(format!(
                "it has more than {} MiB",
                MOST_OF_ARCHIVE >> 20
            )));
        }
        directory::check(&file, size)?;
        let sha256 = sha256(&file).map_err(BundleError::Read)?;
        let mut archive = opened(&file)?;
        if archive.len() > MOST_ENTRIES {
            return Err(directory::too_many());
        }
        let mut entries = Vec::new();
        let mut paths = BTreeSet::new();
        // Entries, and folders that are named only in their paths.
        let mut all = BTreeSet::new();
        let mut total: u64 = 0;
        for index in 0..archive.len() {
            let entry = looked_at(&mut archive, index)?;
            let shown = entry.path.display().to_string();
            if !paths.insert(entry.path.clone()) {
                return Err(BundleError::entry(&shown, "it is there twice"));
            }
            // Above one that is known, all are known.
            let mut and_above = entry.path.ancestors().map(Path::to_owned);
            while and_above.next().is_some_and(|path| all.insert(path)) {}
            if all.len() > MOST_ENTRIES {
                return Err(BundleError::TooLarge(format!(
                    "it has more than {MOST_ENTRIES} files and folders"
                )));
            }
            total = total.saturating_add(entry.size);
            let ratio = total / size.max(1);
            if total > MOST_BYTES {
                return Err(BundleError::TooLarge(format!(
                    "its files have more than {} MiB",
                    MOST_BYTES >> 20
                )));
            }
            if total > MAY_BE_A_BOMB && ratio > MOST_RATIO {
                return Err(BundleError::TooLarge(format!(
                    "its files are more than {MOST_RATIO} times as large as the archive"
                )));
            }
            entries.push(entry);
        }
        let files: BTreeSet<&PathBuf> = entries
            .iter()
            .filter(|entry| entry.kind != Kind::Folder)
            .map(|entry| &entry.path)
            .collect();
        for entry in &entries {
            let above = entry.path.ancestors().skip(1);
            if let Some(file) = above.map(Path::to_owned).find(|path| files.contains(path)) {
                let why = format!("{} is no folder", file.display());
                return Err(BundleError::entry(&entry.path.display().to_string(), why));
            }
        }
        let place = entries
            .iter()
            .position(|entry| entry.path == Path::new(MANIFEST))
            .ok_or_else(|| BundleError::NoBundle(format!("it has no {MANIFEST}")))?;
        let text = contents(&mut archive, place, MOST_OF_MANIFEST, MANIFEST)?;
        let manifest = Manifest::read(&text)?;
        drop(archive);
        Ok(Self {
            file,
            sha256,
            entries,
            manifest,
        })
    }

    /// What its author says of it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 of the archive, in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Writes all entries below an empty folder: links last, so that nothing is written through one.
    ///
    /// # Errors
    /// [`BundleError`] when it cannot be written, or a file is not what the archive says.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), BundleError> {
        let mut archive = opened(&self.file)?;
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700);
        let mut links = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let path = folder.join(&entry.path);
            let failed = |error| BundleError::Write(path.clone(), error);
            let above = path.parent().unwrap_or(folder);
            folders.create(above).map_err(failed)?;
            let executable = match entry.kind {
                Kind::Folder => {
                    folders.create(&path).map_err(failed)?;
                    continue;
                }
                Kind::Link => {
                    links.push((index, entry));
                    continue;
                }
                Kind::File { executable } => executable,
            };
            let shown = entry.path.display().to_string();
            let executable = executable || self.manifest.is_program(&entry.path);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(if executable { 0o700 } else { 0o600 })
                .open(&path)
                .map_err(failed)?;
            copy(&mut archive, index, entry.size, &shown, &mut file)?;
        }
        let others: BTreeSet<&Path> = links
            .iter()
            .map(|(_, entry)| entry.path.as_path())
            .collect();
        for (index, entry) in &links {
            let shown = entry.path.display().to_string();
            let target = contents(&mut archive, *index, LONGEST_LINK, &shown)?;
            let target = String::from_utf8_lossy(&target).into_owned();
            if !stays_inside(&entry.path, Path::new(&target), &others) {
                return Err(BundleError::entry(&shown, "the link leads out of it"));
            }
            let path = folder.join(&entry.path);
            symlink(&target, &path).map_err(|error| BundleError::Write(path, error))?;
        }
        // Whoever unpacks another file with this digest takes what is written here.
        if sha256(&self.file).map_err(BundleError::Read)? != self.sha256 {
            return Err(BundleError::Changed);
        }
        Ok(())
    }
}

type Archive<'a> = ZipArchive<Bounded<'a>>;

/// An archive, of which the list of entries is read within a bound.
fn opened(file: &File) -> Result<Archive<'_>, BundleError> {
    let left = Rc::new(Cell::new(MOST_OF_DIRECTORY));
    let mut file = BufReader::new(file);
    file.rewind().map_err(BundleError::Read)?;
    let bounded = Bounded {
        file,
        at: 0,
        left: Rc::clone(&left),
    };
    let opened = ZipArchive::new(bounded);
    let archive = opened.map_err(|error| BundleError::NoBundle(error.to_string()))?;
    // What the entries say of their sizes is known from here on.
    left.set(u64::MAX);
    Ok(archive)
}

/// A file of which so many bytes are handed out. What is read ahead of them is kept when somebody seeks to where they are already,
/// as after each entry of the list.
#[derive(Debug)]
struct Bounded<'a> {
    file: BufReader<&'a File>,
    /// Where in the file the next byte is.
    at: u64,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.at += read as u64;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "its list of entries is too long",
            )
        })?);
        Ok(read)
    }
}

impl Seek for Bounded<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(place) => {
                let way = i128::from(place) - i128::from(self.at);
                let way = i64::try_from(way).map_err(io::Error::other)?;
                self.file.seek_relative(way)?;
                place
            }
            other => self.file.seek(other)?,
        };
        Ok(self.at)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.at)
    }
}

fn sha256(file: &File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        match file.read_at(&mut piece, at) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(&piece[..read]);
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// An entry, if it is one that may be.
fn looked_at(archive: &mut Archive<'_>, index: usize) -> Result<Entry, BundleError> {
    let number = format!("entry {}", index + 1);
    let wrong = |error: &dyn std::fmt::Display| BundleError::entry(&number, error.to_string());
    let file = archive.by_index_raw(index).map_err(|error| wrong(&error))?;
    let name = file.name().to_owned();
    let refuse = |why: &str| Err(BundleError::entry(&name, why));
    if name.len() > LONGEST_PATH {
        return refuse("its path is too long");
    }
    if name.contains(['\\', '\0']) || name.chars().any(char::is_control) {
        return refuse("its path has characters that none may have");
    }
    let outside = |part: &str| part == "..";
    if name.starts_with('/')
        || name.split('/').any(outside)
        || name.contains(':') && is_drive(&name)
    {
        return refuse("its path leads out of it");
    }
    if file.encrypted() {
        return refuse("it is encrypted");
    }
    let path: PathBuf = name
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if path.as_os_str().is_empty() && !file.is_dir() {
        return refuse("it has no name");
    }
    let mode = file.unix_mode().unwrap_or(0o644);
    let kind = if file.is_dir() {
        Kind::Folder
    } else if file.is_symlink() {
        Kind::Link
    } else if matches!(mode & 0o170_000, 0 | 0o100_000) {
        Kind::File {
            executable: mode & 0o111 != 0,
        }
    } else {
        return refuse("it is neither file nor folder nor link");
    };
    Ok(Entry {
        path,
        kind,
        size: file.size(),
    })
}

fn is_drive(name: &str) -> bool {
    name.as_bytes().get(1) == Some(&b':')
}

/// The bytes of an entry that is small.
fn contents(
    archive: &mut Archive<'_>,
    index: usize,
    most: u64,
    shown: &str,
) -> Result<Vec<u8>, BundleError> {
    let file = archive
        .by_index(index)
        .map_err(|error| BundleError::entry(shown, error.to_string()))?;
    let mut data = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut data);
    read.map_err(|error| BundleError::entry(shown, error.to_string()))?;
    if data.len() as u64 > most {
        return Err(BundleError::entry(shown, "it is too large"));
    }
    Ok(data)
}

/// Writes a file of an archive: as many bytes as it says.
fn copy(
    archive: &mut Archive<'_>,
    index: usize,
    size: u64,
    shown: &str,
    to: &mut File,
) -> Result<(), BundleError> {
    let broken = |error: String| BundleError::entry(shown, error);
    let file = archive
        .by_index(index)
        .map_err(|error| broken(error.to_string()))?;
    let mut file = file.take(size.saturating_add(1));
    let written = io::copy(&mut file, to).map_err(|error| broken(error.to_string()))?;
    if written == size {
        Ok(())
    } else {
        Err(broken(
            "it has another size than the archive says".to_owned(),
        ))
    }
}

/// Whether a link at a path within leads to somewhere within, and there through none of the other links.
fn stays_inside(link: &Path, target: &Path, others: &BTreeSet<&Path>) -> bool {
    let mut at = link.parent().unwrap_or(Path::new("")).to_owned();
    for part in target.components() {
        if others.contains(at.as_path()) {
            return false;
        }
        match part {
            Component::Normal(name) => at.push(name),
            Component::CurDir => {}
            Component::ParentDir if at.pop() => {}
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests;
