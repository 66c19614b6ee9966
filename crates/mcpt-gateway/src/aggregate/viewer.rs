//! [`Viewer`]: who asks, and which set of servers he has come to.

use std::sync::Arc;

use hyper::http::Extensions;
use mcpt_aggregate::ServerSet;
use mcpt_routing::ServerKey;

use crate::access::Caller;

/// Whose view of the servers is meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Viewer {
    pub(super) caller: Option<Caller>,
    /// `None`: all servers.
    pub(super) set: Option<Arc<ServerSet>>,
}

impl Viewer {
    /// Of a request for a set, or for all servers.
    pub(super) fn of(extensions: &Extensions, set: Option<Arc<ServerSet>>) -> Self {
        let caller = extensions.get::<Caller>().cloned();
        let caller = caller.map(|caller| match &set {
            Some(set) => caller.at_set(set.name()),
            None => caller,
        });
        Self { caller, set }
    }

    /// Whether there is a server for him at all.
    pub(super) fn has(&self, server: &ServerKey) -> bool {
        let (namespace, name) = (server.namespace.as_str(), server.name.as_str());
        let set = self.set.as_ref();
        let caller = self.caller.as_ref();
        set.is_none_or(|set| set.of_server(namespace, name).is_some())
            && caller.is_none_or(|caller| caller.permission(server).may_use())
    }

    /// Whether what he has come to has a tool of a server, by what that calls it.
    pub(super) fn shows(&self, server: &ServerKey, tool: &str) -> bool {
        let (namespace, name) = (server.namespace.as_str(), server.name.as_str());
        self.set.as_ref().is_none_or(|set| {
            let chosen = set.of_server(namespace, name);
            chosen.is_some_and(|chosen| chosen.has_tool(tool))
        })
    }

    /// Whether he sees all there is.
    pub(super) fn sees_all(&self) -> bool {
        self.set.is_none() && !self.caller.as_ref().is_some_and(Caller::has_rules)
    }

    /// The name of the set.
    pub(super) fn set_name(&self) -> Option<&str> {
        self.set.as_ref().map(|set| set.name())
    }
}
