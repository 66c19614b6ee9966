//! [`Moved`]: servers that say where their endpoint is by a redirect: `/mcp` to `/mcp/` with many frameworks.
//!
//! The first requests to an endpoint are kept until it is known whether it redirects; from then on requests go to the right
//! path at once. A redirect never reaches a client, who could do nothing with an address inside.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use arc_swap::ArcSwapOption;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, header::LOCATION};
use mcpt_core::Secret;
use mcpt_protocol::{Redirect, redirect};
use url::Url;

use crate::exchange::{BodyCopy, RequestBody};

/// Where an endpoint is, by its own word.
pub(super) struct Moved {
    scheme: &'static str,
    /// The names by which the server may know itself: that which it is called by, and its address.
    names: [String; 2],
    /// What its own URL has behind the path.
    query: Option<Secret>,
    to: ArcSwapOption<Uri>,
    /// Whether an answer has shown that the path is the right one.
    settled: AtomicBool,
}

/// What an answer says about it.
pub(super) enum Moving {
    /// Nothing.
    Stays,
    /// It is at another path, where further requests go.
    Here,
    /// It is at another address, where nothing is sent.
    Elsewhere,
}

impl Moved {
    pub(super) fn new(tls: bool, names: [String; 2], query: Option<&str>) -> Self {
        Self {
            scheme: if tls { "https" } else { "http" },
            names,
            query: query.map(Secret::new),
            to: ArcSwapOption::empty(),
            settled: AtomicBool::new(false),
        }
    }

    /// The path and query that were redirected to.
    pub(super) fn to(&self) -> Option<Arc<Uri>> {
        self.to.load_full()
    }

    /// Whether the next answer may well be a redirect.
    pub(super) fn may_be(&self) -> bool {
        !self.settled.load(Relaxed)
    }

    /// Takes in what an answer to a request for `asked` says.
    pub(super) fn by<B>(&self, asked: &Uri, answer: &Response<B>) -> Moving {
        if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
            // Errors may come before anybody has looked at the path.
            if answer.status().is_success() && self.may_be() {
                self.settled.store(true, Relaxed);
            }
            return Moving::Stays;
        }
        let Some(location) = answer.headers().get(LOCATION) else {
            return Moving::Stays;
        };
        let followed = self.names.iter().find_map(|name| {
            let asked = Url::parse(&format!("{}://{name}{asked}", self.scheme)).ok()?;
            match redirect(&asked, answer.status(), Some(location.as_bytes())) {
                Redirect::Follow(url) => Some(url),
                Redirect::Elsewhere(_) | Redirect::None => None,
            }
        });
        let uri = followed.and_then(|url| {
            let own = self.query.as_ref().map(Secret::expose);
            // What the client has added to it is added again.
            let query = url.query().filter(|_| asked.query() == own).or(own);
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            Uri::try_from(format!("{}{query}", url.path())).ok()
        });
        let Some(uri) = uri else {
            let to = location.to_str().unwrap_or_default();
            // A query may hold a key.
            let to = to.split(['?', '#']).next();
            tracing::warn!(to, "a server redirects to where it is not followed");
            return Moving::Elsewhere;
        };
        tracing::info!(
            from = asked.path(),
            to = uri.path(),
            "a server has its endpoint at another path"
        );
        self.settled.store(false, Relaxed);
        self.to.store(Some(Arc::new(uri)));
        Moving::Here
    }
}

/// What it takes to send a request once more.
pub(super) struct Again {
    method: Method,
    headers: HeaderMap,
    body: BodyCopy,
}

impl Again {
    pub(super) fn of(request: &Request<RequestBody>) -> Self {
        Self {
            method: request.method().clone(),
            headers: request.headers().clone(),
            body: request.body().copy(),
        }
    }

    /// The request, unless a part of its body is gone.
    pub(super) fn into_request(self) -> Option<Request<RequestBody>> {
        let mut request = Request::new(self.body.into_body()?);
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        Some(request)
    }
}
