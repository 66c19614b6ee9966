//! Layers: files as a tar, compressed or not, by its digests. Their bytes are in files of this machine that have no name, so that
//! nothing is left of them, or still in a registry: an image may be larger than the memory.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::{Compression as Level, GzBuilder};
use oci_registry::{Descriptor, Reference, Registry, hex};
use sha2::{Digest as _, Sha256};

use crate::{Error, Tree};

/// The media type of a layer that is a plain tar.
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media type of a compressed one.
pub(crate) const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// What gzip's files begin with.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The most bytes of a layer of another image.
const MOST: u64 = 16 << 30;

/// Whether layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Sooner made; for archives that do not travel.
    None,
    /// As registries keep them. The bytes are those of this program's own deflate, the same on every machine.
    Gzip,
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct Layer {
    pub(crate) descriptor: Descriptor,
    /// The digest of the tar.
    pub(crate) diff_id: String,
    pub(crate) contents: Contents,
}

/// Where the bytes of a layer are.
#[derive(Debug, Clone)]
pub(crate) enum Contents {
    /// In the repository of the image that it is of.
    At(Box<(Registry, Reference)>),
    /// In a file of this machine, from this byte on; unchecked.
    Within(Arc<File>, u64),
}

impl Layer {
    /// A layer of these files.
    ///
    /// # Errors
    /// [`Error::Read`] for a file that is gone or cannot be read.
    pub fn of(tree: &Tree, compression: Compression) -> Result<Self, Error> {
        let file = tempfile::tempfile().map_err(Error::Write)?;
        let mut packed = Hashing::new(BufWriter::new(&file));
        let (diff_id, media_type) = match compression {
            Compression::None => {
                tree.write(&mut packed)?;
                (None, TAR)
            }
            Compression::Gzip => {
                let encoder = GzBuilder::new()
                    .mtime(0)
                    .write(&mut packed, Level::default());
                let mut plain = Hashing::new(encoder);
                tree.write(&mut plain)?;
                let (encoder, diff_id, _) = plain.end();
                encoder.finish().map_err(Error::Write)?;
                (Some(diff_id), TAR_GZIP)
            }
        };
        let (mut output, digest, size) = packed.end();
        output.flush().map_err(Error::Write)?;
        drop(output);
        Ok(Self {
            diff_id: diff_id.unwrap_or_else(|| digest.clone()),
            descriptor: Descriptor {
                media_type: media_type.to_owned(),
                digest,
                size,
            },
            contents: Contents::Within(Arc::new(file), 0),
        })
    }

    /// A layer that another image has in a registry.
    pub(crate) fn there(
        descriptor: Descriptor,
        diff_id: String,
        registry: &Registry,
        reference: &Reference,
    ) -> Result<Self, Error> {
        let place = Contents::At(Box::new((registry.clone(), reference.clone())));
        Self::of_another(&reference.to_string(), descriptor, diff_id, place)
    }

    /// A layer that is in a file, from this byte on.
    pub(crate) fn within(
        what: &str,
        descriptor: Descriptor,
        diff_id: String,
        file: &Arc<File>,
        begin: u64,
    ) -> Result<Self, Error> {
        let place = Contents::Within(Arc::clone(file), begin);
        Self::of_another(what, descriptor, diff_id, place)
    }

    fn of_another(
        what: &str,
        mut descriptor: Descriptor,
        diff_id: String,
        contents: Contents,
    ) -> Result<Self, Error> {
        oci_media_type(&descriptor.media_type)
            .ok_or_else(|| {
                let why = format!("its layers are {:?}", descriptor.media_type);
                Error::unusable(what, why)
            })?
            .clone_into(&mut descriptor.media_type);
        Ok(Self {
            descriptor,
            diff_id,
            contents,
        })
    }

    /// What it is, for people: its size in bytes, compressed as it is.
    pub fn size(&self) -> u64 {
        self.descriptor.size
    }

    /// Fetches it, if it is elsewhere, into a file of this machine without a name, and keeps that.
    pub(crate) fn keep(&mut self) -> Result<(), Error> {
        let Source { file, begin, .. } = self.source()?;
        self.contents = Contents::Within(file, begin);
        Ok(())
    }

    /// Its bytes, fetched first where they are elsewhere.
    pub(crate) fn source(&self) -> Result<Source, Error> {
        let (file, begin) = match &self.contents {
            Contents::Within(file, begin) => (Arc::clone(file), *begin),
            Contents::At(place) => {
                let (registry, reference) = place.as_ref();
                if self.descriptor.size > MOST {
                    let why = format!("a layer of it has more than {} GiB", MOST >> 30);
                    return Err(Error::unusable(reference.to_string(), why));
                }
                let mut file = tempfile::tempfile().map_err(Error::Write)?;
                registry.download(reference, &self.descriptor, &mut file)?;
                (Arc::new(file), 0)
            }
        };
        Ok(Source {
            file,
            begin,
            size: self.descriptor.size,
            digest: self.descriptor.digest.clone(),
        })
    }
}

/// Where the bytes of a layer can be read.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    file: Arc<File>,
    begin: u64,
    size: u64,
    digest: String,
}

impl Source {
    /// Reads them, from the first one on.
    pub(crate) fn reader(&self) -> Checked {
        Checked {
            source: self.clone(),
            read: 0,
            digest: Some(Sha256::new()),
        }
    }
}

/// Bytes that are right once their end was read.
#[derive(Debug)]
pub(crate) struct Checked {
    source: Source,
    read: u64,
    /// `None` after the end.
    digest: Option<Sha256>,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(digest) = &mut self.digest else {
            return Ok(0);
        };
        let left = self.source.size - self.read;
        if left > 0 {
            let at = self.source.begin + self.read;
            let read = Section::new(&self.source.file, at, left).read(buffer)?;
            if read == 0 && !buffer.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            digest.update(&buffer[..read]);
            self.read += read as u64;
            return Ok(read);
        }
        let found = self.digest.take().unwrap_or_default().finalize();
        if format!("sha256:{}", hex(&found)) == self.source.digest {
            return Ok(0);
        }
        let why = "its bytes are others than its manifest says";
        Err(io::Error::new(io::ErrorKind::InvalidData, why))
    }
}

/// These bytes of a file.
pub(crate) fn read_at(file: &File, begin: u64, size: u64) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    Section::new(file, begin, size).read_to_end(&mut data)?;
    if data.len() as u64 == size {
        Ok(data)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// A part of a file, wherever others read it.
pub(crate) struct Section<'a> {
    file: &'a File,
    at: u64,
    left: u64,
}

impl<'a> Section<'a> {
    pub(crate) fn new(file: &'a File, at: u64, left: u64) -> Self {
        Self { file, at, left }
    }
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// The digest of a layer, and its media type by how it begins.
pub(crate) fn identify(layer: &mut dyn Read) -> io::Result<(String, &'static str)> {
    let mut begin = Vec::new();
    layer.take(2).read_to_end(&mut begin)?;
    let media_type = if begin == GZIP { TAR_GZIP } else { TAR };
    let mut hashing = Hashing::new(io::sink());
    hashing.write_all(&begin)?;
    io::copy(layer, &mut hashing)?;
    let (_, digest, _) = hashing.end();
    Ok((digest, media_type))
}

/// The OCI's name for a layer of Docker's or its own.
fn oci_media_type(media_type: &str) -> Option<&'static str> {
    match media_type {
        TAR | "application/vnd.docker.image.rootfs.diff.tar" => Some(TAR),
        TAR_GZIP | "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(TAR_GZIP),
        "application/vnd.oci.image.layer.v1.tar+zstd" => {
            Some("application/vnd.oci.image.layer.v1.tar+zstd")
        }
        _ => None,
    }
}

/// Hashes and counts what passes.
struct Hashing<W> {
    digest: Sha256,
    bytes: u64,
    output: W,
}

impl<W> Hashing<W> {
    fn new(output: W) -> Self {
        Self {
            digest: Sha256::new(),
            bytes: 0,
            output,
        }
    }

    /// The output, the digest of what passed and how many bytes that were.
    fn end(self) -> (W, String, u64) {
        let digest = format!("sha256:{}", hex(&self.digest.finalize()));
        (self.output, digest, self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_its_tar_compressed_or_not() {
        let mut tree = Tree::default();
        tree.file("a/b", "text", 0o644);
        let plain = Layer::of(&tree, Compression::None).unwrap();
        let packed = Layer::of(&tree, Compression::Gzip).unwrap();
        assert_eq!(plain.diff_id, packed.diff_id);
        assert_eq!(plain.descriptor.digest, plain.diff_id);
        assert!(packed.size() < plain.size());
        let again = Layer::of(&tree, Compression::Gzip).unwrap();
        assert_eq!(packed.descriptor, again.descriptor);
        let mut unpacked = Vec::new();
        let mut reader = flate2::read::GzDecoder::new(packed.source().unwrap().reader());
        reader.read_to_end(&mut unpacked).unwrap();
        assert_eq!(oci_registry::digest(&unpacked), plain.diff_id);
    }

    #[test]
    fn other_bytes_than_a_manifest_says_are_known_at_their_end() {
        let mut tree = Tree::default();
        tree.file("a", "text", 0o644);
        let layer = Layer::of(&tree, Compression::None).unwrap();
        let mut source = layer.source().unwrap();
        let mut reader = source.reader();
        assert_eq!(
            io::copy(&mut reader, &mut io::sink()).unwrap(),
            layer.size()
        );
        source.digest = oci_registry::digest(b"other");
        let refused = io::copy(&mut source.reader(), &mut io::sink()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        source.size += 1;
        let refused = io::copy(&mut source.reader(), &mut io::sink()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::UnexpectedEof);
    }
}
