//! What users have of an MCP server, as one typed [`Recipe`]: what to run ([`Source`]), with which arguments and
//! environment, and which [`Setting`]s are to be given.
//!
//! Nothing here reads a file, asks a server or runs anything: texts go in, recipes and reasons come out. What is written by
//! strangers stays data, and no `Debug` shows a value that may be a secret.

mod client_entry;
pub mod client_file;
mod draft;
pub mod pasted;
mod placeholder;
mod recipe;
mod secrets;
pub mod server_json;
mod source;
mod text;

pub use self::{
    pasted::PastedError,
    recipe::{Format, Note, Recipe, Setting, SharedFolder, Transport},
    secrets::{by_name as is_secret_name, by_value as is_secret_value},
    source::{
        Bundle, InvalidSource, NpmName, NpmPackage, NpmVersion, PypiName, PypiPackage, PypiVersion,
        RegistryName, Remote, RemoteKind, Source, SourceKind,
    },
    text::{Missing, Part, Text},
};

/// The examples of the README are run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
