//! MCP client for the CLI and for readiness checks, over rmcp.

mod client;
mod error;
mod probe;

pub use self::{
    client::{CallProgress, Client, ToolResult},
    error::ClientError,
    probe::{ProbeAnswer, probe},
};
