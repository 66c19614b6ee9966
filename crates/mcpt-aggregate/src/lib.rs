//! Many MCP servers as one, without I/O: what their tools, prompts and resources are called, one list
//! made of all of theirs, and which server a request or an answer belongs to.
//!
//! Names and URIs that clients see are a function of the server and of what it calls the thing itself,
//! see [`exposed_name`] and [`expose_uri`]: whoever computes them comes to the same result, and they
//! stay when servers come and go. [`Sets`] say which of them are shown together under which other names. Messages stay the text that was sent, byte for byte, but for the names
//! and URIs in it.
//!
//! ```
//! use mcpt_aggregate::{ServerLabel, expose_uri, exposed_name, reveal_uri};
//!
//! let demo = ServerLabel::new(None, "demo");
//! assert_eq!(exposed_name(&demo, "echo"), "demo_echo");
//! assert_eq!(expose_uri(&demo, "ui://clock/face.html"), "ui://demo/clock/face.html");
//! assert_eq!(reveal_uri("ui://demo/clock/face.html"), Some((demo, "ui://clock/face.html".to_owned())));
//! ```

mod edits;
mod label;
mod listing;
mod merged;
mod names;
mod object;
mod rewriting;
mod sets;
mod tag;
mod uris;

pub use self::{
    label::ServerLabel,
    listing::{Entry, ListKind, Listing, Page, UnusablePage},
    merged::{ItemRef, Merged},
    names::{MAX_NAME, exposed_name},
    rewriting::{About, FromServer, about, answer_to_server, from_server, to_server},
    sets::{AtHost, Chosen, InvalidSets, ServerSet, Sets},
    tag::Tag,
    uris::{expose_uri, reveal_uri},
};
