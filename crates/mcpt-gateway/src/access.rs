//! The stage that says who may come in: the `Host` by which the gateway was called, and the page that calls it; whose
//! credentials a request has (`access/lock.rs`); and the one that tells browsers so.

mod caller;
mod credentials;
mod filtered;
mod followed;
mod issuer;
mod issuer_metadata;
mod lock;
mod tokens;

use std::sync::Arc;

use hyper::{HeaderMap, Request, Response, StatusCode, header::ORIGIN, http::uri::Authority};
use mcpt_protocol::{HostRules, Refused, is_preflight};

pub(crate) use self::{
    caller::{Caller, PassedOwner, permission, principal_of, tell_caller, told_as},
    credentials::CredentialFault,
    filtered::Filtered,
    followed::Followed,
    issuer::Follower,
    lock::Lock,
};
pub use self::{
    followed::AccessFileError,
    issuer::{InvalidIssuer, IssuerUrl},
    issuer_metadata::CertificatesError,
    lock::{LockConfig, LockError},
    tokens::{InvalidPublicUrl, PublicUrl, TokenConfig},
};
use crate::{relay::GatewayBody, sets::KnownSets};

/// Rules for all requests but those of probes.
#[derive(Debug)]
pub(crate) struct Access {
    rules: HostRules,
    sets: Arc<KnownSets>,
}

impl Access {
    /// By these rules; hosts at which something is shown are accepted too.
    pub(crate) fn new(rules: HostRules, sets: Arc<KnownSets>) -> Self {
        Self { rules, sets }
    }

    /// Whether a request may go on.
    ///
    /// # Errors
    /// [`Refused`] when its `Host` or `Origin` is not accepted.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        let target = request.uri().authority().map(Authority::as_str);
        let shown = |host: &str| self.sets.is_called(host);
        self.rules.check_with(request.headers(), target, shown)
    }

    /// Whether clients may call the gateway by this `HOST[:PORT]`.
    pub(crate) fn is_called(&self, authority: &str) -> bool {
        self.rules.accepts_host(authority) || self.sets.is_called(authority)
    }

    /// The answer to a browser's question whether a page may send a request that [`Access::check`] has let pass.
    pub(crate) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<GatewayBody>> {
        if !is_preflight(request.method(), request.headers()) {
            return None;
        }
        let mut answer = Response::new(GatewayBody::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        *answer.headers_mut() = self.rules.preflight(request.headers());
        Some(answer)
    }

    /// Lets the page that sent a request read the answer.
    pub(crate) fn share(&self, page: &WebPage, answer: &mut Response<GatewayBody>) {
        self.rules.share(&page.0, answer.headers_mut());
    }
}

/// The page that sent a request, if one did: what is kept of the request until it is answered.
#[derive(Debug)]
pub(crate) struct WebPage(HeaderMap);

impl WebPage {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let mut kept = HeaderMap::new();
        for origin in request.headers().get_all(ORIGIN) {
            kept.append(ORIGIN, origin.clone());
        }
        Self(kept)
    }
}
