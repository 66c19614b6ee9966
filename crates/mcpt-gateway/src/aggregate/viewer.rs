//! [`Viewer`]: who asks, which set of servers he has come to, and what he may send to them.

use std::sync::Arc;

use hyper::http::{Extensions, request::Parts};
use mcpt_access::Permission;
use mcpt_aggregate::ServerSet;
use mcpt_protocol::ToolRequest;
use mcpt_routing::{Server, ServerKey};

use crate::{
    access::{Caller, permission},
    exchange::judge,
    refusal::Refusal,
    upstream::Upstream,
};

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

    /// Why he may not send a server such a message, if so. Of those who may do everything at all servers as one it is not read; at
    /// a set they may call the tools that it has.
    pub(super) fn refused(
        &self,
        server: &Server<Upstream>,
        parts: &Parts,
        text: &str,
    ) -> Option<Refusal> {
        let key = server.key();
        let permission = permission(&parts.extensions, key);
        if permission == Permission::Everything && self.set.is_none() {
            return None;
        }
        match judge(&permission, key, &parts.headers, text.as_bytes()) {
            Ok(ToolRequest::Call(tool)) if !self.shows(key, &tool) => {
                Some(Refusal::NotPermitted(format!("{tool:?} of {key}")))
            }
            Ok(ToolRequest::Call(_) | ToolRequest::List | ToolRequest::Other) => None,
            Err(refusal) => Some(refusal),
        }
    }

    /// Whether what he has come to has a tool of a server, by what that calls it.
    fn shows(&self, server: &ServerKey, tool: &str) -> bool {
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
