//! The MCP envelope: JSON-RPC messages, ids, protocol versions and access rules; no I/O.
//!
//! Only the envelope of a message is parsed. What is inside `params`, `result` and `error` stays the text that was
//! sent, and a rewritten message differs from the original in the rewritten values alone, byte for byte: unknown
//! fields, number forms and the order of keys survive.

mod access;
mod codes;
mod message;
mod part;
mod versions;

pub use self::{
    access::{AccessRules, Refused},
    codes::{ErrorCode, error_response},
    message::{Kind, MalformedMessage, Message, Params, split_batch},
    part::Part,
    versions::{DEFAULT_VERSION, Era, LEGACY_VERSIONS, MODERN_VERSION, era_of_version},
};
