//! The MCP envelope: JSON-RPC messages, ids, protocol versions; no I/O.

mod access;

pub use self::access::{AccessRules, Refused};
