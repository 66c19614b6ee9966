//! An image of this repository, as an archive that `ctr images import`, `docker load` and `podman load` take.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use anyhow::Context;
use oci_image::{Archived, Compression, Layer, Settings, Tree};

/// An image with one layer.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// The full name with its tag: `localhost/mcpt:0.1.0`.
    pub(crate) name: String,
    /// How it is run.
    pub(crate) settings: Settings,
    /// The files.
    pub(crate) tree: Tree,
}

impl Image {
    /// Writes the archive to `path`. Equal images give equal bytes.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let layer = Layer::of(&self.tree, Compression::None)
            .with_context(|| format!("cannot make {}", self.name))?;
        let image = oci_image::Image::new(&self.settings, vec![layer])?;
        let partial = path.with_extension("partial");
        let explain = || format!("cannot write {}", partial.display());
        let file = BufWriter::new(File::create(&partial).with_context(explain)?);
        image
            .write_archive(&self.name, file)
            .with_context(explain)?;
        std::fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The images that an archive has, by its index.
pub(crate) fn references(archive: &Path) -> anyhow::Result<Vec<Archived>> {
    let explain = || format!("cannot read {}", archive.display());
    let file = File::open(archive).with_context(explain)?;
    oci_image::references(BufReader::new(file)).with_context(explain)
}
