//! The files of an image: collected from this machine, written as a tar that depends on nothing else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use crate::Error;

/// The files of an image by their paths, which are relative to the root and have no leading slash.
#[derive(Debug, Default)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    Directory { mode: u32 },
    Bytes { contents: Vec<u8>, mode: u32 },
    Copy { source: PathBuf, mode: u32 },
    Link { target: PathBuf },
}

impl Tree {
    /// Adds a folder with the given permissions.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.insert(path, Entry::Directory { mode });
    }

    /// Adds a file with the given contents and permissions.
    pub fn file(&mut self, path: &str, contents: impl Into<Vec<u8>>, mode: u32) {
        self.insert(
            path,
            Entry::Bytes {
                contents: contents.into(),
                mode,
            },
        );
    }

    /// Adds a copy of a file of this machine, executable by all.
    pub fn program(&mut self, path: &str, source: &Path) {
        self.insert(
            path,
            Entry::Copy {
                source: source.to_owned(),
                mode: 0o755,
            },
        );
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: impl Into<PathBuf>) {
        self.insert(
            path,
            Entry::Link {
                target: target.into(),
            },
        );
    }

    /// Adds everything below the folder `source` of this machine as `path`, except what `skip`
    /// picks by its path relative to `source`. Files are executable by all or by nobody, and readable by all.
    ///
    /// # Errors
    /// When something there cannot be read, has a name that is not UTF-8, or is a device, a pipe or a socket.
    pub fn copy(
        &mut self,
        path: &str,
        source: &Path,
        skip: &dyn Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            |error| Error::Read(path, error)
        };
        let mut pending = vec![(path.to_owned(), source.to_owned())];
        while let Some((path, folder)) = pending.pop() {
            let listing = std::fs::read_dir(&folder).map_err(unreadable(&folder))?;
            for entry in listing {
                let entry = entry.map_err(unreadable(&folder))?;
                let Ok(name) = entry.file_name().into_string() else {
                    return Err(Error::NotUtf8(folder));
                };
                let from = entry.path();
                let relative = from.strip_prefix(source).unwrap_or(&from).to_string_lossy();
                if skip(&relative) {
                    continue;
                }
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}/{name}")
                };
                let metadata = entry.metadata().map_err(unreadable(&from))?;
                if metadata.is_dir() {
                    self.directory(&path, 0o755);
                    pending.push((path, from));
                } else if metadata.is_symlink() {
                    let target = std::fs::read_link(&from).map_err(unreadable(&from))?;
                    self.link(&path, target);
                } else if !metadata.is_file() {
                    return Err(Error::Special(from));
                } else {
                    let executable = metadata.permissions().mode() & 0o111 != 0;
                    let mode = if executable { 0o755 } else { 0o644 };
                    self.insert(&path, Entry::Copy { source: from, mode });
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        for (end, _) in path.match_indices('/') {
            self.entries
                .entry(path[..end].to_owned())
                .or_insert(Entry::Directory { mode: 0o755 });
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Writes the files in the order of their paths, all owned by root and without times, so that
    /// equal files give equal bytes.
    ///
    /// # Errors
    /// [`Error::Read`] for a file that is gone or cannot be read, [`Error::Write`].
    pub(crate) fn write(&self, output: impl Write) -> Result<(), Error> {
        let mut archive = tar::Builder::new(output);
        for (path, entry) in &self.entries {
            let mut header = Header::new_gnu();
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            let appended = match entry {
                Entry::Directory { mode } => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(*mode);
                    header.set_size(0);
                    archive.append_data(&mut header, format!("{path}/"), std::io::empty())
                }
                Entry::Bytes { contents, mode } => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_size(contents.len() as u64);
                    archive.append_data(&mut header, path, contents.as_slice())
                }
                Entry::Copy { source, mode } => {
                    let unreadable = |error| Error::Read(source.clone(), error);
                    let file = File::open(source).map_err(unreadable)?;
                    let size = file.metadata().map_err(unreadable)?.len();
                    header.set_entry_type(EntryType::Regular);
                    header.set_mode(*mode);
                    header.set_size(size);
                    let mut file = Counted(0, file.take(size));
                    let appended = archive.append_data(&mut header, path, &mut file);
                    if appended.is_ok() && file.0 != size {
                        // The archive would be broken from here on.
                        let why = "it became shorter while it was read";
                        return Err(unreadable(std::io::Error::other(why)));
                    }
                    appended
                }
                Entry::Link { target } => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    archive.append_link(&mut header, path, target)
                }
            };
            appended.map_err(Error::Write)?;
        }
        let finished = archive.into_inner().and_then(|mut output| output.flush());
        finished.map_err(Error::Write)
    }
}

/// Counts what is read.
struct Counted<R>(u64, R);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.1.read(buffer)?;
        self.0 += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(tree: &Tree) -> Vec<(String, u32, EntryType)> {
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        tar::Archive::new(bytes.as_slice())
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.mtime().unwrap(), 0);
                assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
                let path = entry.path().unwrap().to_string_lossy().into_owned();
                (path, header.mode().unwrap(), header.entry_type())
            })
            .collect()
    }

    #[test]
    fn entries_are_sorted_and_have_their_parents() {
        let mut tree = Tree::default();
        tree.file("/usr/bin/a", "a", 0o755);
        tree.link("bin", "usr/bin");
        tree.directory("tmp", 0o1777);
        assert_eq!(
            listing(&tree),
            [
                ("bin".to_owned(), 0o777, EntryType::Symlink),
                ("tmp/".to_owned(), 0o1777, EntryType::Directory),
                ("usr/".to_owned(), 0o755, EntryType::Directory),
                ("usr/bin/".to_owned(), 0o755, EntryType::Directory),
                ("usr/bin/a".to_owned(), 0o755, EntryType::Regular),
            ]
        );
    }

    #[test]
    fn a_folder_is_copied_without_what_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path();
        std::fs::create_dir_all(source.join("keep/deep")).unwrap();
        std::fs::create_dir_all(source.join("drop")).unwrap();
        std::fs::write(source.join("keep/deep/file"), "x").unwrap();
        std::fs::write(source.join("drop/file"), "x").unwrap();
        let mut tree = Tree::default();
        tree.copy("opt", source, &|path| path == "drop").unwrap();
        let paths: Vec<_> = listing(&tree).into_iter().map(|(path, ..)| path).collect();
        assert_eq!(
            paths,
            ["opt/", "opt/keep/", "opt/keep/deep/", "opt/keep/deep/file"]
        );
    }
}
