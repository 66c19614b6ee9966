//! mcpt's own image: what fronts, gateways, bridges and the built-in demo are made of. It needs nothing but the binary, when
//! that is static, as released ones are.

mod elf;
mod own;

pub use elf::is_static;
pub use oci_image::Compression;
pub use own::{PROGRAM, USER, Unfit, image, program, program_at, reference, settings};

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
