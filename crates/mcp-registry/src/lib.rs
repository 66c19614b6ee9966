//! Registries of MCP servers by the official API, `/v0.1` of 2025-12-01: asking one ([`Client`]), keeping a copy of it that works
//! without a network ([`fn@sync`], [`LocalCopy`]), finding servers in copies ([`Words`]), and answering as one ([`Shelf`]).
//!
//! What registries say is not believed: names and versions are checked before they are kept, a document that cannot be used is
//! left out and named, and answers, pages and copies are bounded.

mod client;
mod error;
mod local_copy;
mod order;
mod query;
mod record;
mod search;
mod serve;
mod shelf;
mod sync;

pub use self::{
    client::{Client, Page},
    error::Error,
    local_copy::{Entry, Header, LocalCopy},
    record::{Record, Status, Unusable},
    search::{Match, Words},
    serve::{Served, serve},
    shelf::{Answer, Shelf},
    sync::{Skipped, Synced, sync},
};

/// The examples of the page for people are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
