//! Images that mcpt makes without an engine: its own, and those of packages.
//!
//! Its own is what fronts, gateways, bridges and the built-in demo are made of. It needs nothing but the binary, when that is
//! static, as released ones are.

mod elf;
mod own;
mod package;

pub use elf::is_static;
pub use oci_image::Compression;
pub use own::{PROGRAM, USER, Unfit, image, program, program_at, reference, settings};
pub use package::{BuildError, Built, COMMAND_LABEL, Misfit, PORT, PackageImage, python_version};

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
