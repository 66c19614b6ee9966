//! [`KnownSets`]: named sets of servers, as a file says them, and what is shown at which host; followed while the gateway runs.

use std::{path::Path, sync::Arc};

use hyper::{Request, header::HOST, http::uri::Authority};
use mcpt_aggregate::{AtHost, ServerSet, Sets};
use mcpt_core::Namespace;
use mcpt_gateway_api::KnownSet;
use mcpt_routing::ServerKey;
use tokio::sync::watch;

use crate::{
    access::{AccessFileError, Followed},
    outer::FORWARDED_HOST,
};

/// A `HOST[:PORT]` as the file names it: whatever a request says, this is what the gateway is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedHost(pub(crate) String);

/// The sets as they are now; none without a file.
#[derive(Debug, Default)]
pub(crate) struct KnownSets(Option<Followed<Sets>>);

impl KnownSets {
    /// Reads a file, if one is named, and follows it. Servers without a namespace are those of `namespace`.
    ///
    /// # Errors
    /// [`AccessFileError`] when it is not usable now.
    pub(crate) fn open(
        file: Option<&Path>,
        namespace: &Namespace,
    ) -> Result<Self, AccessFileError> {
        let namespace = namespace.clone();
        let parse = move |text: &str| Ok(Sets::parse(text, namespace.as_str())?);
        let sets = file.map(|file| Followed::open(file, parse));
        sets.transpose().map(Self)
    }

    /// The set with a name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<ServerSet>> {
        self.0.as_ref()?.now().named(name).cloned()
    }

    /// All of them by name, with those of these servers that are in each.
    pub(crate) fn shown(&self, servers: &[&ServerKey]) -> Vec<KnownSet> {
        let Some(sets) = self.0.as_ref().map(Followed::now) else {
            return Vec::new();
        };
        let known = sets.all().map(|(set, hosts)| {
            let inside = servers.iter().filter(|key| {
                let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
                set.of_server(namespace, name).is_some()
            });
            KnownSet {
                name: set.name().to_owned(),
                path: format!("/mcp/set/{}", set.name()),
                hosts: hosts.into_iter().map(str::to_owned).collect(),
                servers: inside.map(ToString::to_string).collect(),
            }
        });
        known.collect()
    }

    /// Whether something is shown to those who call by this `HOST[:PORT]`.
    pub(crate) fn is_called(&self, authority: &str) -> bool {
        let sets = self.0.as_ref().map(Followed::now);
        sets.is_some_and(|sets| sets.at_host(authority).is_some())
    }

    /// What is shown to whoever sent a request, and the host of the file that he called for it. Whom a request calls says a
    /// proxy before the gateway that has changed it, else its target or its `Host`.
    pub(crate) fn called<B>(&self, request: &Request<B>) -> Option<(NamedHost, AtHost)> {
        let sets = self.0.as_ref()?.now();
        let header = |name| request.headers().get(name)?.to_str().ok();
        let forwarded = header(FORWARDED_HOST).and_then(|host| sets.at_host(host));
        let (host, shown) = forwarded.or_else(|| {
            let target = request.uri().authority().map(Authority::as_str);
            sets.at_host(target.or_else(|| header(HOST))?)
        })?;
        Some((NamedHost(host.to_owned()), shown.clone()))
    }

    /// Tells of each change; `None` when there can be none.
    pub(crate) fn changes(&self) -> Option<watch::Receiver<()>> {
        self.0.as_ref().map(Followed::changes)
    }
}
