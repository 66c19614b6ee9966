//! The stage that says who may come in: the `Host` by which the gateway was called, and the page that calls it.

use hyper::{Request, http::uri::Authority};
use mcpt_protocol::{AccessRules, Refused};

/// Rules for all requests but those of probes.
#[derive(Debug)]
pub(crate) struct Access {
    rules: AccessRules,
}

impl Access {
    pub(crate) fn new(rules: AccessRules) -> Self {
        Self { rules }
    }

    /// Whether a request may go on.
    ///
    /// # Errors
    /// [`Refused`] when its `Host` or `Origin` is not accepted.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), Refused> {
        let target = request.uri().authority().map(Authority::as_str);
        self.rules.check(request.headers(), target)
    }
}
