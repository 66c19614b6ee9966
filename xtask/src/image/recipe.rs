//! How an image is made: what it depends on, and the work that is done when that has changed.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::oci::Image;
use crate::cache::{self, Key};

/// What makes an image, given an empty folder to work in.
type Make = Box<dyn FnOnce(&Path) -> anyhow::Result<Image>>;

/// An image that has not been made yet.
pub(super) struct Recipe {
    key: Key,
    make: Make,
}

impl Recipe {
    /// A recipe of everything that the image depends on, its own text included, and of the work.
    pub(super) fn new(
        key: Key,
        make: impl FnOnce(&Path) -> anyhow::Result<Image> + 'static,
    ) -> Self {
        let key = key
            .with(include_str!("oci.rs"))
            .with(include_str!("../../../crates/oci-image/src/archive.rs"))
            .with(include_str!("../../../crates/oci-image/src/image.rs"))
            .with(include_str!("../../../crates/oci-image/src/layer.rs"))
            .with(include_str!("../../../crates/oci-image/src/tree.rs"));
        Self {
            key,
            make: Box::new(make),
        }
    }

    /// Makes `STEM-KEY.tar` in the folder `images` unless it is there, and returns its path.
    pub(super) fn archive(self, images: &Path, stem: &str) -> anyhow::Result<PathBuf> {
        let path = images.join(format!("{stem}-{}.tar", self.key.finish()));
        if !path.is_file() {
            let work = images.join(format!(".{stem}"));
            cache::remove(&work)?;
            std::fs::create_dir_all(&work)
                .with_context(|| format!("cannot create {}", work.display()))?;
            (self.make)(&work)?.write(&path)?;
            cache::remove(&work)?;
        }
        Ok(path)
    }
}
