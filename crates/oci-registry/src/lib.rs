//! A client of registries as the OCI distribution specification 1.1 has them, with the logins that Helm, Docker and Podman keep.
//!
//! It knows references, tokens, blobs and manifests, and nothing of what they hold. All of it blocks.

mod challenge;
mod credentials;
mod descriptor;
mod error;
mod files;
pub mod go_json;
mod http;
mod reference;
mod registry;
mod session;
mod tls;

pub use credentials::{Credentials, Login, login_in};
pub use descriptor::{Descriptor, INDEX, MANIFEST, digest, hex};
pub use error::Error;
pub use files::write_whole;
pub use http::{Access, Http, Tls};
pub use reference::{Reference, SCHEME, check_digest};
pub use registry::{Manifest, Registry};

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
