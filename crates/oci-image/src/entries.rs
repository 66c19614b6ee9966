//! Entries of archives (tar) that strangers wrote. What describes a file, its path and where it links to, is held in memory and may
//! be as long as its writer likes: here it ends where a file system would end it.

use std::io::{self, Read};

use tar::{Archive, Entries, Entry, EntryType, PaxExtensions};

/// The longest path and the longest target of a link, in bytes, as Linux has them.
const LONGEST: u64 = 4096;
/// The most bytes of further headers of one file (pax), in which extended attributes may be.
const MOST_OF_HEADERS: u64 = 1 << 20;

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileEntry {
    /// Its path as it stands in the archive.
    pub(crate) path: String,
    /// Where it leads, if it is a link.
    pub(crate) target: String,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    /// From which byte of the archive on its contents are.
    pub(crate) begin: u64,
    /// How many bytes these are.
    pub(crate) size: u64,
}

/// What headers before a file say of it.
#[derive(Debug, Default)]
struct Announced {
    path: Option<String>,
    target: Option<String>,
    size: Option<u64>,
}

/// Tells each file of an archive, whatever it has besides. What `visit` says ends it.
///
/// # Errors
/// What `visit` says, and `broken` of what is wrong with the archive.
pub(crate) fn each<R: Read, E>(
    mut archive: Archive<R>,
    broken: &dyn Fn(&io::Error) -> E,
    visit: &mut dyn FnMut(FileEntry) -> Result<(), E>,
) -> Result<(), E> {
    let entries = archive.entries().map_err(|error| broken(&error))?;
    each_of(entries, broken, visit)
}

/// The same of entries that are read in another way.
///
/// # Errors
/// As for [`each`].
pub(crate) fn each_of<R: Read, E>(
    entries: Entries<'_, R>,
    broken: &dyn Fn(&io::Error) -> E,
    visit: &mut dyn FnMut(FileEntry) -> Result<(), E>,
) -> Result<(), E> {
    let mut announced = Announced::default();
    // Raw, since else all that is announced is read whole, however long it is.
    for entry in entries.raw(true) {
        let mut entry = entry.map_err(|error| broken(&error))?;
        let told = announced.read(&mut entry);
        if told.map_err(|error| broken(&error))? {
            continue;
        }
        let file = std::mem::take(&mut announced).file(&entry);
        visit(file.map_err(|error| broken(&error))?)?;
    }
    Ok(())
}

impl Announced {
    /// Whether an entry is no file, but says something of the next one.
    fn read<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<bool> {
        match entry.header().entry_type() {
            EntryType::GNULongName => self.path = Some(text(entry)?),
            EntryType::GNULongLink => self.target = Some(text(entry)?),
            EntryType::XHeader => self.read_pax(&whole(entry, MOST_OF_HEADERS)?)?,
            // It is about all files, and names none.
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn read_pax(&mut self, headers: &[u8]) -> io::Result<()> {
        for header in PaxExtensions::new(headers) {
            let header = header?;
            let value = header.value_bytes();
            match header.key_bytes() {
                b"path" => self.path = Some(within(value)?),
                b"linkpath" => self.target = Some(within(value)?),
                b"size" => {
                    let size = header.value().ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or_else(|| wrong("the size of a file is no number"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file<R: Read>(self, entry: &Entry<'_, R>) -> io::Result<FileEntry> {
        let header = entry.header();
        let kind = header.entry_type();
        let size = entry.size();
        if self.size.is_some_and(|announced| announced != size) {
            // Where the next file begins can be read in two ways then.
            return Err(wrong("a file has more than 8 GiB, or two sizes"));
        }
        if header.as_gnu().is_some_and(tar::GnuHeader::is_extended) && kind.is_gnu_sparse() {
            return Err(wrong("it has a sparse file, which is not read"));
        }
        let path = match self.path {
            Some(path) => path,
            None => within(&entry.path_bytes())?,
        };
        let target = match self.target {
            Some(target) => target,
            None => within(&entry.link_name_bytes().unwrap_or_default())?,
        };
        Ok(FileEntry {
            path,
            target,
            kind,
            // Of a link or a folder it says nothing that is used, and some write none.
            mode: if kind.is_file() { header.mode()? } else { 0 },
            begin: entry.raw_file_position(),
            size,
        })
    }
}

/// A path that is longer than a header has room for, with the zero byte behind it.
fn text<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<String> {
    let bytes = whole(entry, LONGEST + 1)?;
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    within(text)
}

fn whole<R: Read>(entry: &mut Entry<'_, R>, most: u64) -> io::Result<Vec<u8>> {
    if entry.size() > most {
        return Err(too_long(most));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn within(bytes: &[u8]) -> io::Result<String> {
    if bytes.len() as u64 > LONGEST {
        return Err(too_long(LONGEST));
    }
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

fn too_long(most: u64) -> io::Error {
    wrong(&format!(
        "what it says of a file has more than {most} bytes"
    ))
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use tar::{Builder, Header};

    use super::*;

    /// An entry of this kind that has these bytes, and says that it has so many.
    fn entry(kind: EntryType, name: &str, bytes: &[u8], size: u64) -> Vec<u8> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_path(name).unwrap();
        header.set_mode(0o755);
        header.set_size(size);
        header.set_cksum();
        let mut entry = header.as_bytes().to_vec();
        entry.extend_from_slice(bytes);
        entry.resize(entry.len().next_multiple_of(512), 0);
        entry
    }

    fn of(kind: EntryType, bytes: &[u8]) -> Vec<u8> {
        entry(kind, "x", bytes, bytes.len() as u64)
    }

    fn read(archive: impl Read) -> Result<Vec<FileEntry>, String> {
        let mut files = Vec::new();
        each(Archive::new(archive), &ToString::to_string, &mut |file| {
            files.push(file);
            Ok(())
        })?;
        Ok(files)
    }

    #[test]
    fn long_names_and_links_are_read_as_tar_reads_them() {
        let long = format!("{}file", "folder/".repeat(60));
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(4);
        builder
            .append_data(&mut header, &long, &b"text"[..])
            .unwrap();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "link", &long).unwrap();
        let mut archive = builder.into_inner().unwrap();
        archive.truncate(archive.len() - 1024);
        let pax = format!("14 path=a/b/c\n{}", "21 linkpath=to/there\n");
        archive.extend(of(EntryType::XGlobalHeader, b"13 comment=x\n"));
        archive.extend(of(EntryType::XHeader, pax.as_bytes()));
        archive.extend(of(EntryType::Symlink, b""));
        let files = read(archive.as_slice()).unwrap();
        let told: Vec<_> = files
            .iter()
            .map(|file| (file.path.as_str(), file.target.as_str(), file.size))
            .collect();
        let expected = [
            (long.as_str(), "", 4),
            ("link", &long, 0),
            ("a/b/c", "to/there", 0),
        ];
        assert_eq!(told, expected);
        let begin = usize::try_from(files[0].begin).unwrap();
        assert_eq!(&archive[begin..begin + 4], b"text");
    }

    /// None of them is read to its end, since it has none.
    #[test]
    fn names_and_headers_without_an_end_are_refused() {
        let huge = 8_000_000_000;
        for (kind, why) in [
            (EntryType::GNULongName, "more than 4097 bytes"),
            (EntryType::GNULongLink, "more than 4097 bytes"),
            (EntryType::XHeader, "more than 1048576 bytes"),
        ] {
            let archive = entry(kind, "x", b"", huge);
            let refused = read(archive.chain(io::repeat(b'x'))).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let path = format!("5011 path={}\n", "x".repeat(5000));
        assert_eq!(path.len(), 5011);
        let mut archive = of(EntryType::XHeader, path.as_bytes());
        archive.extend(of(EntryType::Regular, b""));
        let refused = read(archive.as_slice()).unwrap_err();
        assert!(refused.contains("more than 4096 bytes"), "{refused}");
    }

    #[test]
    fn only_files_need_a_mode() {
        for (kind, is_read) in [
            (EntryType::Directory, true),
            (EntryType::Symlink, true),
            (EntryType::Regular, false),
        ] {
            let mut header = Header::new_ustar();
            header.set_entry_type(kind);
            header.set_path("x").unwrap();
            header.set_size(0);
            header.as_ustar_mut().unwrap().mode = *b"no mode\0";
            header.set_cksum();
            let read = read(header.as_bytes().as_slice());
            assert_eq!(read.is_ok(), is_read, "{kind:?}: {read:?}");
        }
    }

    #[test]
    fn a_file_with_two_sizes_is_refused() {
        for (size, fits) in [("10 size=1\n", true), ("10 size=2\n", false)] {
            let mut archive = of(EntryType::XHeader, size.as_bytes());
            archive.extend(of(EntryType::Regular, b"x"));
            assert_eq!(read(archive.as_slice()).is_ok(), fits, "{size}");
        }
    }
}
