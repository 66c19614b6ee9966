//! Chart repositories and registries, as Helm 4.3.1 has them: which there are, what is in them, and the charts that a chart
//! depends on.
//!
//! The files are Helm's own ([`Places`]), so that either program sees what the other added. All of it blocks.

mod address;
mod dependencies;
mod error;
mod index;
mod index_folder;
mod lock;
mod places;
mod pull;
mod registry;
mod repositories;
mod unpack;

pub use dependencies::Dependencies;
pub use error::Error;
pub use index::{Index, IndexEntry};
use oci_registry::write_whole;
pub use oci_registry::{Access, Credentials, Http, Reference, Tls};
pub use places::Places;
pub use pull::{ChartRequest, Fetched, Provenance, pull};
pub use registry::{Chosen, Pushed, Registry, is_registry};
pub use repositories::{ListLock, Repositories, Repository};
pub use unpack::unpack;

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
