//! The MCP gateway: `/mcp/NAME` and `/mcp/NAMESPACE/NAME` in front of all servers that its sources know.
//!
//! It forwards raw messages of streamable HTTP both ways, as they come. A session stays on the endpoint that began it: the
//! session id that the client carries says, sealed, which one that is, so no gateway must remember it and any with the
//! same keys can go on with it. Requests of the stateless era go to any ready endpoint.

mod answer;
mod body;
mod config;
mod glance;
mod headers;
mod metrics;
mod opening;
mod peers;
mod proxy;
mod reuse;
mod route;
mod server;
mod servers;
mod shared;
mod sources;
mod upstream;

pub use self::{
    config::GatewayConfig,
    peers::{InvalidPeers, Peers},
    server::{Gateway, GatewayError},
    sources::{InvalidStaticServer, StaticServer, StaticServers},
};
