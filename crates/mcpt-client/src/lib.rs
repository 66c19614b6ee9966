//! MCP client for the CLI and for readiness checks, over rmcp.

mod answer;
mod client;
mod error;
mod plain_http;
mod probe;
mod transport;
mod versions;

pub use self::{
    client::{CallProgress, Client, ServerIdentity, ToolResult},
    error::ClientError,
    plain_http::{health, http_get},
    probe::{ProbeAnswer, probe, probe_as_others},
};
