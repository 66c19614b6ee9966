//! [`Files`]: which files an image has, as its layers together say it.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::{
    Error,
    entries::{self, FileEntry},
    layer::{TAR, TAR_GZIP},
};

/// The most bytes of memory for the names of an image's files.
const MOST: usize = 256 << 20;
/// What a name takes beside its own bytes.
const BESIDE: usize = 128;
/// The most folders in each other.
const DEEPEST: usize = 256;
/// The most bytes of all layers unpacked: more than the largest images have.
const MOST_UNPACKED: u64 = 256 << 30;
/// The most links on the way to a file, as Linux has it.
const MOST_LINKS: usize = 40;
/// What the name of a file begins with that takes away one of a layer below.
const GONE: &str = ".wh.";
/// The file that takes away all others of its folder.
const ALL_GONE: &str = ".wh..wh..opq";

/// The files of an image by their paths, which have no leading slash; not what is in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    all: BTreeMap<String, Kind>,
    /// How many bytes of memory their names take, and how many they may.
    bytes: usize,
    most: usize,
    /// How many bytes the layers have had that were laid over each other.
    unpacked: u64,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            bytes: 0,
            most: MOST,
            unpacked: 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Folder,
    File { executable: bool },
    Link(String),
}

/// What one layer says.
#[derive(Debug, Default)]
struct LayerEntries {
    files: Vec<(String, Kind)>,
    gone: Vec<String>,
    all_gone: Vec<String>,
    bytes: usize,
}

impl Files {
    /// Whether there is a program at an absolute path, links followed.
    pub fn has_program(&self, path: &str) -> bool {
        let found = self.real(path).and_then(|path| self.all.get(&path));
        found == Some(&Kind::File { executable: true })
    }

    /// Whether there is a folder at an absolute path, links followed.
    pub fn has_folder(&self, path: &str) -> bool {
        let found = self.real(path);
        found.is_some_and(|path| path.is_empty() || self.all.get(&path) == Some(&Kind::Folder))
    }

    /// The names in the folder at an absolute path, links followed.
    pub fn names(&self, folder: &str) -> Vec<&str> {
        let Some(folder) = self.real(folder) else {
            return Vec::new();
        };
        let begin = if folder.is_empty() {
            folder
        } else {
            format!("{folder}/")
        };
        let below = self.all.range(begin.clone()..);
        let below = below.map_while(|(path, _)| path.strip_prefix(begin.as_str()));
        below
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .collect()
    }

    /// The path of what is at an absolute path when all links are followed, without its leading slash; the last part need not be
    /// there. `None` where links lead in circles.
    pub fn real(&self, path: &str) -> Option<String> {
        let mut done: Vec<String> = Vec::new();
        let mut pending: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(part) = pending.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            if let Some(Kind::Link(target)) = self.all.get(&done.join("/")) {
                links += 1;
                if links > MOST_LINKS {
                    return None;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                pending.extend(parts(target).rev().map(str::to_owned));
            }
        }
        Some(done.join("/"))
    }

    /// Lays a layer over what is known; `what` is the image, for errors.
    pub(crate) fn add(
        &mut self,
        what: &str,
        media_type: &str,
        data: &mut dyn Read,
    ) -> Result<(), Error> {
        let broken = |error: &io::Error| {
            Error::unusable(what, format!("a layer of it cannot be read: {error}"))
        };
        match media_type {
            TAR => self.lay(what, &mut *data, &broken)?,
            TAR_GZIP => self.lay(what, MultiGzDecoder::new(&mut *data), &broken)?,
            other => {
                return Err(Error::unusable(
                    what,
                    format!("a layer of it is compressed as nothing here reads it: {other}"),
                ));
            }
        }
        // Whether they are the right bytes is known at their end.
        let rest = io::copy(data, &mut io::sink());
        rest.map(|_| ()).map_err(|error| broken(&error))
    }

    fn lay(
        &mut self,
        what: &str,
        layer: impl Read,
        broken: &dyn Fn(&io::Error) -> Error,
    ) -> Result<(), Error> {
        let mut told = LayerEntries::default();
        let mut unpacked = layer.take(MOST_UNPACKED - self.unpacked);
        let archive = tar::Archive::new(&mut unpacked);
        let most = self.most;
        let read = entries::each(archive, broken, &mut |file| told.add(what, file, most));
        self.unpacked = MOST_UNPACKED - unpacked.limit();
        if self.unpacked == MOST_UNPACKED {
            let most = MOST_UNPACKED >> 30;
            return Err(Error::unusable(
                what,
                format!("it has more than {most} GiB"),
            ));
        }
        read?;
        for path in told.gone {
            if let Some(path) = self.place(&path) {
                self.remove(&path);
                self.remove_below(&path);
            }
        }
        for folder in told.all_gone {
            if let Some(folder) = self.real(&folder) {
                self.remove_below(&folder);
            }
        }
        for (path, kind) in told.files {
            self.put(&path, kind);
            if self.bytes > most {
                return Err(too_many(what, most));
            }
        }
        Ok(())
    }

    /// Where a file is put: links on the way to it are followed, but not one in its place.
    fn place(&self, path: &str) -> Option<String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Some(match self.real(folder)?.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        })
    }

    fn put(&mut self, path: &str, kind: Kind) {
        let Some(path) = self.place(path).filter(|path| !path.is_empty()) else {
            return;
        };
        for (end, _) in path.match_indices('/') {
            let folder = path.get(..end).unwrap_or_default();
            if !self.all.contains_key(folder) {
                self.insert(folder.to_owned(), Kind::Folder);
            }
        }
        if kind != Kind::Folder {
            self.remove_below(&path);
        }
        self.insert(path, kind);
    }

    fn insert(&mut self, path: String, kind: Kind) {
        self.remove(&path);
        self.bytes += size(&path, &kind);
        self.all.insert(path, kind);
    }

    fn remove(&mut self, path: &str) {
        if let Some(kind) = self.all.remove(path) {
            self.bytes -= size(path, &kind);
        }
    }

    fn remove_below(&mut self, folder: &str) {
        if folder.is_empty() {
            self.all.clear();
            self.bytes = 0;
            return;
        }
        let begin = format!("{folder}/");
        let below = self.all.range(begin.clone()..);
        let below = below.take_while(|(path, _)| path.starts_with(&begin));
        let below: Vec<String> = below.map(|(path, _)| path.clone()).collect();
        for path in below {
            self.remove(&path);
        }
    }
}

impl LayerEntries {
    fn add(&mut self, what: &str, file: FileEntry, most: usize) -> Result<(), Error> {
        let FileEntry {
            path, target, kind, ..
        } = file;
        if path.split('/').any(|part| part == "..") {
            let why = format!("a layer of it has a file outside of it: {path:?}");
            return Err(Error::unusable(what, why));
        }
        let depth = parts(&path).count();
        if depth > DEEPEST {
            let why = format!("a layer of it has a file more than {DEEPEST} folders deep");
            return Err(Error::unusable(what, why));
        }
        let path = parts(&path).collect::<Vec<_>>().join("/");
        self.bytes += path.len() + target.len() + BESIDE;
        if self.bytes > most {
            return Err(too_many(what, most));
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == ALL_GONE {
            self.all_gone.push(folder.to_owned());
            return Ok(());
        }
        if let Some(name) = name.strip_prefix(GONE) {
            self.gone.push(format!("{folder}/{name}"));
            return Ok(());
        }
        let kind = match kind {
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink => Kind::Link(target),
            EntryType::Regular | EntryType::Continuous | EntryType::Link | EntryType::GNUSparse => {
                Kind::File {
                    executable: file.mode & 0o111 != 0,
                }
            }
            _ => return Ok(()),
        };
        self.files.push((path, kind));
        Ok(())
    }
}

fn size(path: &str, kind: &Kind) -> usize {
    let target = match kind {
        Kind::Link(target) => target.len(),
        Kind::Folder | Kind::File { .. } => 0,
    };
    path.len() + target + BESIDE
}

fn too_many(what: &str, most: usize) -> Error {
    let why = format!("the names of its files take more than {} MiB", most >> 20);
    Error::unusable(what, why)
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compression, Layer, Tree};

    fn lay(files: &mut Files, tree: &Tree, compression: Compression) {
        let layer = Layer::of(tree, compression).unwrap();
        let media_type = layer.descriptor.media_type.clone();
        let mut data = layer.source().unwrap().reader();
        files.add("it", &media_type, &mut data).unwrap();
    }

    #[test]
    fn layers_lie_over_each_other() {
        let mut files = Files::default();
        let mut below = Tree::default();
        below.file("usr/bin/node", "x", 0o755);
        below.file("usr/bin/text", "x", 0o644);
        below.file("opt/old/a", "x", 0o755);
        below.file("opt/gone", "x", 0o755);
        below.link("bin", "usr/bin");
        below.link("usr/local/bin/node", "../../bin/node");
        below.link("round", "/round");
        lay(&mut files, &below, Compression::Gzip);
        assert!(files.has_program("/bin/node") && files.has_program("/usr/local/bin/node"));
        assert!(!files.has_program("/bin/text") && !files.has_program("/bin/none"));
        assert!(!files.has_program("/round/x") && !files.has_program("/bin"));
        assert_eq!(files.real("/bin/../bin/node").unwrap(), "usr/bin/node");
        assert_eq!(files.names("/bin"), ["node", "text"]);
        assert_eq!(files.names("/opt"), ["gone", "old"]);
        assert!(files.has_folder("/bin") && files.has_folder("/") && !files.has_folder("/tmp"));
        let mut above = Tree::default();
        above.file("opt/old/.wh..wh..opq", "", 0o644);
        above.file("opt/old/b", "x", 0o755);
        above.file("opt/.wh.gone", "", 0o644);
        above.file("usr/bin/node", "x", 0o644);
        lay(&mut files, &above, Compression::None);
        // A layer that says nothing of the folder, which is a link.
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o755);
        tar.append_data(&mut header, "bin/more", io::empty())
            .unwrap();
        let tar = tar.into_inner().unwrap();
        files.add("it", TAR, &mut tar.as_slice()).unwrap();
        assert!(files.has_program("/usr/bin/more") && files.has_program("/bin/more"));
        assert!(!files.has_program("/opt/gone") && !files.has_program("/opt/old/a"));
        assert!(files.has_program("/opt/old/b") && !files.has_program("/bin/node"));
    }

    #[test]
    fn what_is_no_layer_is_refused() {
        let mut files = Files::default();
        let mut tree = Tree::default();
        tree.file("a/../../b", "x", 0o644);
        assert!(Layer::of(&tree, Compression::None).is_err());
        for (media_type, data) in [
            (TAR, &[7; 700][..]),
            (TAR_GZIP, b"not gzip"),
            ("application/vnd.oci.image.layer.v1.tar+zstd", b""),
        ] {
            let refused = files.add("it", media_type, &mut &data[..]);
            let refused = refused.unwrap_err().to_string();
            assert!(
                refused.starts_with("it is no image that can be used"),
                "{refused}"
            );
        }
    }

    /// Folders that are named only in paths count as well, and files that are there to take others away.
    #[test]
    fn names_without_an_end_are_refused() {
        let archive = |paths: &mut dyn Iterator<Item = String>| {
            let mut tar = tar::Builder::new(Vec::new());
            for path in paths {
                let mut header = tar::Header::new_gnu();
                header.set_size(0);
                header.set_mode(0o644);
                tar.append_data(&mut header, path, io::empty()).unwrap();
            }
            tar.into_inner().unwrap()
        };
        let refused = |paths: &mut dyn Iterator<Item = String>| {
            let mut files = Files {
                most: 1 << 20,
                ..Files::default()
            };
            let refused = files.add("it", TAR, &mut archive(paths).as_slice());
            refused.unwrap_err().to_string()
        };
        let folders = "f/".repeat(200);
        let in_many = refused(&mut (0..50).map(|number| format!("{number}/{folders}x")));
        assert!(in_many.contains("take more than 1 MiB"), "{in_many}");
        let gone = refused(&mut (0..8000).map(|number| format!("a/.wh.{number}")));
        assert!(gone.contains("take more than 1 MiB"), "{gone}");
        let deep = refused(&mut std::iter::once("a/".repeat(300) + "b"));
        assert!(deep.contains("256 folders deep"), "{deep}");
    }
}
