//! Images as the OCI image specification 1.1 has them, made of files without an engine.
//!
//! Equal files and settings give equal bytes. Layers are in files without names, compressed where that is wished; those of a base
//! stay in its registry, or its archive, until they are needed. Of images that strangers made no more is held in memory, and no more
//! read, than within bounds.

mod archive;
mod base;
mod entries;
mod error;
mod files;
mod image;
mod layer;
mod push;
mod tree;

pub use archive::{Archived, references};
pub use base::Base;
pub use error::Error;
pub use files::Files;
pub use image::{Image, Settings, architecture};
pub use layer::{Compression, Layer};
pub use push::Step;
pub use tree::Tree;

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
