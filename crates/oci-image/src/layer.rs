//! Layers: files as a tar, compressed or not, by its digests.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::{Compression as Level, GzBuilder};
use oci_registry::{Descriptor, Reference, Registry, digest, hex};
use sha2::{Digest as _, Sha256};

use crate::{Error, Tree};

/// The media type of a layer that is a plain tar.
pub(crate) const TAR: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media type of a compressed one.
pub(crate) const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// What gzip's files begin with.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

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
    Here(Vec<u8>),
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
        let (data, diff_id, media_type) = match compression {
            Compression::None => {
                let mut data = Vec::new();
                tree.write(&mut data)?;
                let diff_id = digest(&data);
                (data, diff_id, TAR)
            }
            Compression::Gzip => {
                let encoder = GzBuilder::new()
                    .mtime(0)
                    .write(Vec::new(), Level::default());
                let mut hashing = Hashing {
                    digest: Sha256::new(),
                    output: encoder,
                };
                tree.write(&mut hashing)?;
                let diff_id = format!("sha256:{}", hex(&hashing.digest.finalize()));
                let data = hashing.output.finish().map_err(Error::Write)?;
                (data, diff_id, TAR_GZIP)
            }
        };
        Ok(Self {
            descriptor: Descriptor::of(media_type, &data),
            diff_id,
            contents: Contents::Here(data),
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

    /// Fetches it, if it is elsewhere, into a file of this machine without a name.
    pub(crate) fn keep(&mut self) -> Result<(), Error> {
        if let Contents::At(place) = &self.contents {
            let data = place.0.blob(&place.1, &self.descriptor)?;
            let kept = tempfile::tempfile().and_then(|mut file| {
                file.write_all(&data)?;
                Ok(file)
            });
            let file = kept.map_err(Error::Write)?;
            self.contents = Contents::Within(Arc::new(file), 0);
        }
        Ok(())
    }

    /// Hands out its bytes, fetched first where they are elsewhere.
    pub(crate) fn with<T>(
        &self,
        use_it: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &self.contents {
            Contents::Here(data) => use_it(data),
            Contents::At(place) => use_it(&place.0.blob(&place.1, &self.descriptor)?),
            Contents::Within(file, begin) => {
                let data = read_at(file, *begin, self.descriptor.size).map_err(Error::Write)?;
                if digest(&data) != self.descriptor.digest {
                    let why = "its bytes are others than its manifest says";
                    return Err(Error::unusable(&self.descriptor.digest, why));
                }
                use_it(&data)
            }
        }
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
    let mut hashing = Hashing {
        digest: Sha256::new(),
        output: io::sink(),
    };
    hashing.write_all(&begin)?;
    io::copy(layer, &mut hashing)?;
    let digest = format!("sha256:{}", hex(&hashing.digest.finalize()));
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

/// Hashes what passes.
struct Hashing<W> {
    digest: Sha256,
    output: W,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

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
        let unpacked = packed.with(|data| {
            let mut unpacked = Vec::new();
            let mut reader = flate2::read::GzDecoder::new(data);
            reader.read_to_end(&mut unpacked).unwrap();
            Ok(unpacked)
        });
        assert_eq!(digest(&unpacked.unwrap()), plain.diff_id);
    }
}
