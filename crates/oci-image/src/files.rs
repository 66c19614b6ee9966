//! [`Files`]: which files an image has, as its layers together say it.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::{
    Error,
    layer::{TAR, TAR_GZIP},
};

/// The most files of an image.
const MOST: usize = 2_000_000;
/// The most links on the way to a file, as Linux has it.
const MOST_LINKS: usize = 40;
/// What the name of a file begins with that takes away one of a layer below.
const GONE: &str = ".wh.";
/// The file that takes away all others of its folder.
const ALL_GONE: &str = ".wh..wh..opq";

/// The files of an image by their paths, which have no leading slash; not what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Kind>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Folder,
    File { executable: bool },
    Link(String),
}

impl Files {
    /// Whether there is a program at an absolute path, links followed.
    pub fn has_program(&self, path: &str) -> bool {
        let found = self.real(path).and_then(|path| self.0.get(&path));
        found == Some(&Kind::File { executable: true })
    }

    /// Whether there is a folder at an absolute path, links followed.
    pub fn has_folder(&self, path: &str) -> bool {
        let found = self.real(path);
        found.is_some_and(|path| path.is_empty() || self.0.get(&path) == Some(&Kind::Folder))
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
        let below = self.0.range(begin.clone()..);
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
            if let Some(Kind::Link(target)) = self.0.get(&done.join("/")) {
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
    pub(crate) fn add(&mut self, what: &str, media_type: &str, data: &[u8]) -> Result<(), Error> {
        let broken = |error: &io::Error| {
            Error::unusable(what, format!("a layer of it cannot be read: {error}"))
        };
        match media_type {
            TAR => self.lay(what, data, &broken),
            TAR_GZIP => self.lay(what, MultiGzDecoder::new(data), &broken),
            other => Err(Error::unusable(
                what,
                format!("a layer of it is compressed as nothing here reads it: {other}"),
            )),
        }
    }

    fn lay(
        &mut self,
        what: &str,
        layer: impl Read,
        broken: &dyn Fn(&io::Error) -> Error,
    ) -> Result<(), Error> {
        let mut own: Vec<(String, Kind)> = Vec::new();
        let mut gone: Vec<String> = Vec::new();
        let mut all_gone: Vec<String> = Vec::new();
        let mut archive = tar::Archive::new(layer);
        for entry in archive.entries().map_err(|error| broken(&error))? {
            let entry = entry.map_err(|error| broken(&error))?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            if path.split('/').any(|part| part == "..") {
                let why = format!("a layer of it has a file outside of it: {path:?}");
                return Err(Error::unusable(what, why));
            }
            let path = parts(&path).collect::<Vec<_>>().join("/");
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if name == ALL_GONE {
                all_gone.push(folder.to_owned());
                continue;
            }
            if let Some(name) = name.strip_prefix(GONE) {
                gone.push(format!("{folder}/{name}"));
                continue;
            }
            let kind = match entry.header().entry_type() {
                EntryType::Directory => Kind::Folder,
                EntryType::Symlink => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    Kind::Link(String::from_utf8_lossy(&target).into_owned())
                }
                EntryType::Regular | EntryType::Continuous | EntryType::Link => {
                    let mode = entry.header().mode().map_err(|error| broken(&error))?;
                    Kind::File {
                        executable: mode & 0o111 != 0,
                    }
                }
                _ => continue,
            };
            own.push((path, kind));
            if own.len() + self.0.len() > MOST {
                return Err(Error::unusable(what, "it has too many files"));
            }
        }
        for path in gone {
            if let Some(path) = self.place(&path) {
                self.0.remove(&path);
                self.remove_below(&path);
            }
        }
        for folder in all_gone {
            if let Some(folder) = self.real(&folder) {
                self.remove_below(&folder);
            }
        }
        for (path, kind) in own {
            self.put(&path, kind);
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
            let folder = path.get(..end).unwrap_or_default().to_owned();
            self.0.entry(folder).or_insert(Kind::Folder);
        }
        if kind != Kind::Folder {
            self.remove_below(&path);
        }
        self.0.insert(path, kind);
    }

    fn remove_below(&mut self, folder: &str) {
        if folder.is_empty() {
            self.0.clear();
            return;
        }
        let begin = format!("{folder}/");
        let below = self.0.range(begin.clone()..);
        let below = below.take_while(|(path, _)| path.starts_with(&begin));
        let below: Vec<String> = below.map(|(path, _)| path.clone()).collect();
        for path in below {
            self.0.remove(&path);
        }
    }
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
        layer
            .with(|data| files.add("it", &media_type, data))
            .unwrap();
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
        files.add("it", TAR, &tar.into_inner().unwrap()).unwrap();
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
            let refused = files.add("it", media_type, data).unwrap_err().to_string();
            assert!(
                refused.starts_with("it is no image that can be used"),
                "{refused}"
            );
        }
    }
}
