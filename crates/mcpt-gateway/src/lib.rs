//! The MCP gateway: `/mcp/NAME` and `/mcp/NAMESPACE/NAME` in front of all servers that its sources know, and `/mcp` for all of
//! them as one.
//!
//! It forwards raw messages of streamable HTTP both ways, as they come. A session stays on the endpoint that began it: the
//! session id that the client carries says, sealed, which one that is, so no gateway must remember it and any with the
//! same keys can go on with it. Requests of the stateless era go to any ready endpoint.

mod access;
mod access_log;
mod aggregate;
mod answers;
mod audit;
mod config;
mod destination;
mod directory;
mod exchange;
mod headers;
mod limits;
mod lines;
mod listener;
mod metrics;
mod metrics_api;
mod noted;
mod observed;
mod older_clients;
mod outer;
mod pages;
mod passing;
mod peers;
mod protected;
mod refusal;
mod relay;
mod reuse;
mod route;
mod sets;
mod sources;
mod stages;
mod starting;
mod target;
mod trace;
mod translate;
mod upstream;
mod walk;

/// For [`GatewayConfig::max_connections`].
pub use mcpt_http::{connections_within, raise_descriptor_limit};

pub use self::{
    access::{
        AccessFileError, CertificatesError, InvalidIssuer, InvalidPublicUrl, IssuerUrl, LockConfig,
        LockError, PublicUrl, TokenConfig,
    },
    access_log::AccessLog,
    audit::{AuditLog, AuditOptions},
    config::GatewayConfig,
    listener::{Gateway, GatewayError},
    metrics_api::{MetricsApi, MetricsApiError},
    peers::{InvalidPeers, Peers},
    sources::{DescribedServers, InvalidServers, InvalidStaticServer, StaticServer, StaticServers},
    upstream::UnusableCredentials,
};
