//! [`KnownSets`]: named sets of servers, as a file says them, and what is shown at which host; followed while the gateway runs.

use std::{path::Path, sync::Arc};

use hyper::{Request, header::HOST, http::uri::Authority};
use mcpt_aggregate::{AtHost, ServerSet, Sets};
use mcpt_core::Namespace;
use tokio::sync::watch;

use crate::{
    access::{AccessFileError, Followed},
    outer::FORWARDED_HOST,
};

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

    /// What is shown to those who call by this `HOST[:PORT]`.
    pub(crate) fn at_host(&self, authority: &str) -> Option<AtHost> {
        self.0.as_ref()?.now().at_host(authority).cloned()
    }

    /// The same for a request. Whom it calls says a proxy before the gateway that has changed it, else its target or its `Host`.
    pub(crate) fn called<B>(&self, request: &Request<B>) -> Option<AtHost> {
        self.0.as_ref()?;
        let header = |name| request.headers().get(name)?.to_str().ok();
        let forwarded = header(FORWARDED_HOST).and_then(|host| self.at_host(host));
        forwarded.or_else(|| {
            let target = request.uri().authority().map(Authority::as_str);
            self.at_host(target.or_else(|| header(HOST))?)
        })
    }

    /// Tells of each change; `None` when there can be none.
    pub(crate) fn changes(&self) -> Option<watch::Receiver<()>> {
        self.0.as_ref().map(Followed::changes)
    }
}
