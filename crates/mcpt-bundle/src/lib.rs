//! MCPB bundles: archives with a server and a manifest, which strangers made.
//!
//! [`Bundle`] reads one within bounds, [`Store`] unpacks it into a folder of its own, and nothing outside of that, and removes it once
//! nobody uses it; [`Manifest`] says what is run and what can be set, as a recipe of `mcpt-source`. The formats are those of the MCPB specification, versions 0.1 to 0.4.

mod archive;
mod directory;
mod error;
mod manifest;
mod store;

pub use self::{
    archive::Bundle,
    error::BundleError,
    manifest::{Manifest, ServerKind},
    store::{Store, Unpacked, Unused},
};

/// The example of the page for people is a test, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
