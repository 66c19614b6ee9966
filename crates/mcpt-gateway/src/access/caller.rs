//! [`Caller`]: who sent a request and what he may, as the stages after access know it.

use std::sync::Arc;

use hyper::http::Extensions;
use mcpt_access::{Permission, Principal, Rules};
use mcpt_routing::ServerKey;

/// Whose credentials a request had. It travels in the extensions of the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(super) principal: Arc<Principal>,
    /// `None`: whoever was let in may do everything.
    pub(super) rules: Option<Arc<Rules>>,
}

impl Caller {
    /// Whether rules say what he may.
    pub(crate) fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// Who he is.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// What he may at a server.
    pub(crate) fn permission(&self, server: &ServerKey) -> Permission {
        match &self.rules {
            None => Permission::Everything,
            Some(rules) => rules.permission(
                &self.principal,
                server.namespace.as_str(),
                server.name.as_str(),
            ),
        }
    }
}

/// Whose a session is that such a request begins, and who alone may use it: a digest of the identity; `None` without a lock.
pub(crate) fn principal_of(extensions: &Extensions) -> Option<[u8; 32]> {
    let caller = extensions.get::<Caller>()?;
    Some(caller.principal.id())
}

/// What the sender of such a request may at a server; everything without a lock.
pub(crate) fn permission(extensions: &Extensions, server: &ServerKey) -> Permission {
    let caller = extensions.get::<Caller>();
    caller.map_or(Permission::Everything, |caller| caller.permission(server))
}
