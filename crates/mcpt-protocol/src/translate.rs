//! Between the two eras: what a message of one becomes in the other. No I/O: whoever has connections asks here what to send.
//!
//! - [`old`]: a client of the session era in front of a server of 2026-07-28. Its [`Client`] is what it said in `initialize`;
//!   an [`old::Call`] is one request of it.
//! - [`new`]: a client of 2026-07-28 in front of a server of the session era. A [`new::Call`] is one request, which needs a
//!   session with the server for as long as it lasts.
//!
//! Only objects whose fields change are taken apart, and only one level of them: all other values stay the text that was
//! sent. [`TABLE`] is what each direction does, as the guide has it.

mod client;
pub mod new;
mod object;
pub mod old;
mod questions;
mod routing_headers;
mod table;

pub use self::{
    client::Client,
    object::Object,
    questions::{MORE_QUESTIONS, Questions, cancelled},
    routing_headers::{decoded, mirrored, name_parameter},
    table::{Row, TABLE, markdown},
};

use crate::methods::{McpMethod, MethodSort};

/// Where 2026-07-28 puts the version of a request.
pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do.
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Who the client is.
pub(crate) const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
/// From which level on the client wants log messages.
pub(crate) const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Who the server is.
pub(crate) const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
/// Which subscription a notification belongs to.
pub(crate) const META_SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Whether a server may ask for more by the answer to this method.
pub(crate) fn may_ask(method: &str) -> bool {
    McpMethod::find(method).is_some_and(|method| method.may_ask)
}

/// Whether requests of this method are of this sort.
pub(crate) fn is_sort(method: &str, sort: MethodSort) -> bool {
    McpMethod::find(method).is_some_and(|method| method.sort == sort)
}

/// A JSON text of a string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
