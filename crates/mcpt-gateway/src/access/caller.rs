//! [`Caller`]: who sent a request and what he may, as the stages after access know it.

use std::{sync::Arc, time::Duration};

use hyper::{
    header::HeaderValue,
    http::{Extensions, request::Parts},
};
use mcpt_access::{KeyId, Permission, Principal, Rules};
use mcpt_protocol::header::CALLER;
use mcpt_routing::ServerKey;
use tokio::sync::watch;

use super::{followed::Followed, lock::Locked};
use crate::directory::unix_time;

/// Longest wait for the end of a token, in seconds: a year.
const LONGEST_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Whose credentials a request had. It travels in the extensions of the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(super) principal: Arc<Principal>,
    /// `None`: whoever was let in may do everything.
    pub(super) rules: Option<Arc<Rules>>,
    /// The set of servers that he has come by.
    pub(super) set: Option<Arc<str>>,
    /// By what he was recognised.
    pub(super) shown: Shown,
    pub(super) lock: Arc<Locked>,
}

/// Credentials that somebody has shown.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    /// A key.
    Key(KeyId),
    /// A token.
    Token {
        /// The end of it, in seconds since 1970.
        until: u64,
    },
}

impl Caller {
    /// Whether rules say what he may.
    pub(crate) fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// The same, come by a set of servers.
    pub(crate) fn at_set(mut self, name: &str) -> Self {
        self.set = Some(Arc::from(name));
        self
    }

    /// Who he is.
    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// What he may at a server.
    pub(crate) fn permission(&self, server: &ServerKey) -> Permission {
        match &self.rules {
            None => Permission::Everything,
            Some(rules) => rules.permission_in(
                &self.principal,
                self.set.as_deref(),
                server.namespace.as_str(),
                server.name.as_str(),
            ),
        }
    }
}

impl Caller {
    /// Completes when what he was given at a server, or at all of them, is his no more: his key or token is none any more, or
    /// the rules say something else.
    pub(crate) async fn revoked(self, server: Option<ServerKey>) {
        let mut keys = self.lock.keys.as_ref().map(Followed::changes);
        let mut rules = self.lock.rules.as_ref().map(Followed::changes);
        while self.is_as_it_was(server.as_ref()) {
            tokio::select! {
                () = changed(keys.as_mut()) => {}
                () = changed(rules.as_mut()) => {}
                () = self.expires() => {}
            }
        }
    }

    fn is_as_it_was(&self, server: Option<&ServerKey>) -> bool {
        let known = match (&self.shown, &self.lock.keys) {
            (Shown::Key(id), Some(keys)) => keys.now().owner_by(id) == Some(&self.principal),
            (Shown::Key(_), None) => false,
            (Shown::Token { until }, _) => *until > u64::from(unix_time()),
        };
        let rules = self.lock.rules.as_ref().map(|rules| rules.now().clone());
        known
            && match (rules, &self.rules, server) {
                (Some(now), Some(then), _) if Arc::ptr_eq(&now, then) => true,
                (Some(rules), Some(_), Some(server)) => {
                    let now = Self {
                        rules: Some(rules),
                        ..self.clone()
                    };
                    now.permission(server) == self.permission(server)
                }
                (None, None, _) => true,
                _ => false,
            }
    }

    async fn expires(&self) {
        match self.shown {
            Shown::Key(_) => std::future::pending().await,
            Shown::Token { until } => {
                let left = until.saturating_sub(u64::from(unix_time()));
                tokio::time::sleep(Duration::from_secs(left.min(LONGEST_SECONDS))).await;
            }
        }
    }
}

/// The next change of a file, if there is one.
async fn changed(changes: Option<&mut watch::Receiver<()>>) {
    let told = match changes {
        Some(changes) => changes.changed().await,
        None => std::future::pending().await,
    };
    if told.is_err() {
        // Nobody follows the file any more.
        std::future::pending::<()>().await;
    }
}

/// Whom another replica of the gateway has recognised, where it passes a request on. It travels in the extensions of the request.
#[derive(Debug, Clone)]
pub(crate) struct PassedOwner {
    /// A digest of the identity.
    pub(crate) id: [u8; 32],
    /// How the server is told of him.
    pub(crate) told_as: Option<String>,
}

/// Whose a session is that such a request begins, and who alone may use it: a digest of the identity; `None` without a lock.
pub(crate) fn principal_of(extensions: &Extensions) -> Option<[u8; 32]> {
    match extensions.get::<Caller>() {
        Some(caller) => Some(caller.principal.id()),
        None => extensions.get().map(|PassedOwner { id, .. }| *id),
    }
}

/// Tells a server for whom it is asked, without saying who that is: what keeps something for its callers, as a bridge does,
/// keeps it apart. What a client says of that itself does not count.
pub(crate) fn tell_caller(parts: &mut Parts, server: &ServerKey) {
    parts.headers.remove(CALLER);
    // Hexadecimal digits are fit for a header.
    if let Some(Ok(id)) = told_as(&parts.extensions, server).map(HeaderValue::try_from) {
        parts.headers.insert(CALLER, id);
    }
}

/// How a server is told for whom such a request asks it; `None` without a lock.
pub(crate) fn told_as(extensions: &Extensions, server: &ServerKey) -> Option<String> {
    match extensions.get::<Caller>() {
        Some(caller) => Some(caller.principal.id_at(&server.to_string())),
        None => extensions.get::<PassedOwner>()?.told_as.clone(),
    }
}

/// What the sender of such a request may at a server; everything without a lock.
pub(crate) fn permission(extensions: &Extensions, server: &ServerKey) -> Permission {
    let caller = extensions.get::<Caller>();
    caller.map_or(Permission::Everything, |caller| caller.permission(server))
}
