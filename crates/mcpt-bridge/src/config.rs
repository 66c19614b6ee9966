//! What the bridge runs and how: [`BridgeConfig`].

use std::{collections::BTreeMap, env, ffi::OsString, net::SocketAddr, sync::Arc, time::Duration};

use mcpt_protocol::HostRules;

use crate::{BridgeError, OlderServer};

/// How to serve one stdio server over streamable HTTP.
#[derive(Debug, Clone)]
pub struct BridgeConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Path of the MCP endpoint, with a leading slash.
    pub path: String,
    /// Program and arguments of the stdio server. Never run through a shell.
    pub command: Vec<OsString>,
    /// A server of the older transport that is served instead of the command.
    pub older: Option<Arc<dyn OlderServer>>,
    /// Program and leading arguments of a keeper ([`process_tree::keep`]), which is put before the command and ends after
    /// all that this one starts. Without one, what leaves the command's process group and environment may outlive it.
    pub keeper: Vec<OsString>,
    /// Environment added to the bridge's own for the server.
    pub env: BTreeMap<OsString, OsString>,
    /// Accepted `Host` and `Origin` headers.
    pub access: HostRules,
    /// How long requests in progress may go on after the shutdown was asked for.
    pub drain_grace: Duration,
    /// How long a child may take to leave after its stdin was closed, and again after SIGTERM, before it is killed.
    pub exit_grace: Duration,
    /// A session without any request or open stream is ended after this time.
    pub session_idle: Duration,
    /// How long a child may take to answer `initialize`: servers that are fetched at their first start take minutes.
    pub initialize_timeout: Duration,
    /// Longest accepted line from the server and longest request body, in bytes.
    pub max_message: usize,
    /// How long a request's body may bring nothing.
    pub body_silence: Duration,
    /// Most sessions, that is children, at once. With one, no other child runs beside it either, not even to see whether
    /// the server is ready: what can exist once only is ready while it is used.
    pub max_sessions: usize,
    /// Most connections of clients at once; those that are silent make room for others.
    pub max_connections: usize,
    /// Most bytes of messages that are held at once, in all places and for all clients together.
    pub max_held: usize,
}

impl BridgeConfig {
    /// The defaults for a command.
    pub fn new(listen: SocketAddr, command: Vec<OsString>) -> Self {
        Self {
            listen,
            path: "/mcp".to_owned(),
            command,
            older: None,
            keeper: Vec::new(),
            env: BTreeMap::new(),
            access: HostRules::for_listener(listen),
            drain_grace: Duration::from_secs(20),
            exit_grace: Duration::from_secs(3),
            session_idle: Duration::from_mins(30),
            initialize_timeout: Duration::from_mins(5),
            max_message: 16 * 1024 * 1024,
            body_silence: Duration::from_secs(30),
            max_sessions: 1000,
            max_connections: mcpt_http::connections_within(mcpt_http::descriptor_limit()),
            max_held: 64 * 1024 * 1024,
        }
    }

    /// Checks what no type can say.
    ///
    /// # Errors
    /// [`BridgeError`] when there is no command, or the path is not one for an endpoint.
    pub fn check(&self) -> Result<(), BridgeError> {
        if self.command.is_empty() && self.older.is_none() {
            return Err(BridgeError::NoCommand);
        }
        let taken = ["", "/healthz", "/readyz"].contains(&self.path.trim_end_matches('/'));
        let is_plain = |c: char| c.is_ascii_graphic() && !"{}?#\"<>\\^`|".contains(c);
        if taken || !self.path.starts_with('/') || !self.path.chars().all(is_plain) {
            return Err(BridgeError::BadPath(self.path.clone()));
        }
        Ok(())
    }

    /// Accepts also the hosts and origins that `MCPT_ALLOWED_HOSTS` and `MCPT_ALLOWED_ORIGINS` list, separated by commas.
    #[must_use]
    pub fn allow_from_env(mut self) -> Self {
        let list = |name| env::var(name).unwrap_or_default();
        self.access = self
            .access
            .allow_lists(&list("MCPT_ALLOWED_HOSTS"), &list("MCPT_ALLOWED_ORIGINS"));
        self
    }
}
