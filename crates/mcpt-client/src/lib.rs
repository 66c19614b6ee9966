//! MCP client for the CLI and for readiness checks, over rmcp.

mod answer;
mod client;
mod error;
mod exact;
mod plain_http;
mod probe;
mod redirects;
mod transport;

pub use mcpt_http::ReadyState;

pub use self::{
    client::{CallProgress, Client, Offer, ServerIdentity, ToolResult},
    error::ClientError,
    exact::Exact,
    plain_http::{Page, http_get, http_get_with, http_page},
    probe::{ProbeAnswer, probe, probe_as_others, probe_named},
};
