//! MCP client for the CLI and for readiness checks, over rmcp.

mod answer;
mod client;
mod error;
mod probe;
mod transport;
mod versions;

pub use self::{
    client::{CallProgress, Client, ServerIdentity, ToolResult},
    error::ClientError,
    probe::{ProbeAnswer, health, probe},
};
