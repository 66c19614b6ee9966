//! [`Caller`]: who sent a request, as the stages after access know it.

use std::sync::Arc;

use hyper::http::Extensions;
use mcpt_access::Principal;

/// Whose credentials a request had. It travels in the extensions of the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(super) Arc<Principal>);

/// Whose a session is that such a request begins, and who alone may use it: a digest of the identity; `None` without a lock.
pub(crate) fn principal_of(extensions: &Extensions) -> Option<[u8; 32]> {
    extensions.get::<Caller>().map(|caller| caller.0.id())
}
