//! What the demo server can be told from outside: [`DemoSettings`].

use std::{env, net::SocketAddr, time::Duration};

use mcpt_protocol::HostRules;

/// Settings of the demo server.
#[derive(Debug, Clone)]
pub struct DemoSettings {
    /// Put before each message that `echo` answers; empty for none.
    pub greeting: String,
    /// Whether a token was given. The token itself is of no use to the demo and is not kept.
    pub token_set: bool,
    /// Name of this instance: its pod or host.
    pub instance: String,
    /// Accepted `Host` and `Origin` headers.
    pub access: HostRules,
    /// Most sessions at once. One that is not used ends after five minutes.
    pub max_sessions: usize,
    /// Most connections of clients at once; those that are silent make room for others.
    pub max_connections: usize,
    /// How long calls in progress may go on after the shutdown was asked for.
    pub drain_grace: Duration,
}

impl DemoSettings {
    /// Settings from the environment: `MCPT_DEMO_GREETING`, `MCPT_DEMO_TOKEN`, `POD_NAME`, and `MCPT_ALLOWED_HOSTS` and
    /// `MCPT_ALLOWED_ORIGINS` (comma-separated, added to what [`HostRules::for_listener`] accepts).
    pub fn from_env(listen: SocketAddr) -> Self {
        let var = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let host_name = || {
            nix::unistd::gethostname()
                .map_or_else(|_| "unknown".to_owned(), |n| n.to_string_lossy().into())
        };
        Self {
            greeting: var("MCPT_DEMO_GREETING").unwrap_or_default(),
            token_set: var("MCPT_DEMO_TOKEN").is_some(),
            instance: var("POD_NAME").unwrap_or_else(host_name),
            access: HostRules::for_listener(listen).allow_lists(
                &var("MCPT_ALLOWED_HOSTS").unwrap_or_default(),
                &var("MCPT_ALLOWED_ORIGINS").unwrap_or_default(),
            ),
            max_sessions: 1000,
            max_connections: mcpt_http::connections_within(mcpt_http::descriptor_limit()),
            drain_grace: Duration::from_secs(20),
        }
    }
}
