//! What the gateway serves and how: [`GatewayConfig`].

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use mcpt_core::Namespace;
use mcpt_protocol::HostRules;
use mcpt_routing::{Discovery, Handling, SessionKeys};

use crate::{AccessLog, AuditLog, LockConfig, MetricsApi, Peers};

/// How to run a gateway.
#[derive(Debug)]
pub struct GatewayConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address of the gateway's own pages; port 0 takes a free one.
    pub admin: SocketAddr,
    /// Most connections of clients at once. Each may need another one to a server.
    pub max_connections: usize,
    /// Who knows the servers. Where two know the same one, the first has the say.
    pub sources: Vec<Box<dyn Discovery>>,
    /// Keys of session ids. Replicas of one gateway share them.
    pub keys: SessionKeys,
    /// Namespace of servers that are asked for by name alone.
    pub default_namespace: Namespace,
    /// Accepted `Host` and `Origin` headers.
    pub access: HostRules,
    /// Whose credentials let a request in; `None`: whoever reaches the gateway may call.
    pub lock: Option<LockConfig>,
    /// File that says how often whoever may call, as [`mcpt_access::Limits::parse`] reads it; followed while the gateway runs.
    pub limits: Option<PathBuf>,
    /// File of named sets of servers and of what is shown at which host, as [`mcpt_aggregate::Sets::parse`] reads it; followed
    /// while the gateway runs.
    pub sets: Option<PathBuf>,
    /// How requests are handled, for servers that say nothing about it: which instances new sessions go to, limits, time.
    pub handling: Handling,
    /// How many threads serve clients, each client by one of them; 0: the runtime that [`Gateway::serve`](crate::Gateway::serve) is
    /// called in does.
    pub workers: usize,
    /// The other replicas, whose sessions count as load too.
    pub peers: Option<Peers>,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// A session without any request is no longer counted as load after this time. It goes on working.
    pub session_idle: Duration,
    /// How long requests in progress may go on after the shutdown was asked for.
    pub drain_grace: Duration,
    /// What a client and the log are told when an endpoint's network does not answer at all: why that may be.
    pub unreachable_hint: Option<&'static str>,
    /// Where each request is said when it is over.
    pub access_log: Option<AccessLog>,
    /// Where it is recorded who called what.
    pub audit: Option<AuditLog>,
    /// Where autoscalers of a cluster are told how many sessions there are.
    pub metrics_api: Option<MetricsApi>,
}

impl GatewayConfig {
    /// The defaults for an address, with its own pages on a free port of this machine alone, and with keys that replicas share or that are random.
    pub fn new(listen: SocketAddr, default_namespace: Namespace, keys: SessionKeys) -> Self {
        Self {
            listen,
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            max_connections: usize::MAX,
            sources: Vec::new(),
            keys,
            default_namespace,
            access: HostRules::for_listener(listen),
            lock: None,
            limits: None,
            sets: None,
            handling: Handling::default(),
            workers: 0,
            peers: None,
            max_body: 16 * 1024 * 1024,
            session_idle: Duration::from_mins(30),
            drain_grace: Duration::from_secs(20),
            unreachable_hint: None,
            access_log: None,
            audit: None,
            metrics_api: None,
        }
    }
}
