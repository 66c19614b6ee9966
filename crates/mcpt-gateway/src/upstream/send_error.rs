//! [`SendError`]: why there is no response to a request.

use std::{error::Error, io, time::Duration};

use http_body_util::LengthLimitError;
use hyper::{Request, Uri};
use nix::errno::Errno;

use crate::exchange::RequestBody;

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum SendError {
    /// No connection could be made: nothing was sent, and the request can go elsewhere.
    Unreachable {
        request: Box<Request<RequestBody>>,
        reason: io::Error,
    },
    /// No connection could be made for want of descriptors, ports or memory of our own, which says nothing about the endpoint.
    Exhausted(io::Error),
    /// The connection broke when the request was on its way: nobody knows what became of it.
    Broken(hyper::Error),
    /// The client's body was too large or broke off.
    Body { too_large: bool },
    /// The response cannot be passed on.
    Unusable(&'static str),
    /// No answer had begun after so long. The server may have done what was asked.
    Late(Duration),
    /// The server's endpoint is at another path, known from now on. Too much of the request is gone to send it there.
    Moved,
}

impl SendError {
    pub(super) fn unreachable(request: Request<RequestBody>, reason: io::Error) -> Self {
        Self::Unreachable {
            request: Box::new(request),
            reason,
        }
    }

    /// The same, where a request that comes back is one for the URL that its client called: that of an endpoint may have a key in
    /// it, which no other one is to see.
    pub(super) fn called_by_client(mut self, called: Uri) -> Self {
        if let Self::Unreachable { request, .. } = &mut self {
            *request.uri_mut() = called;
        }
        self
    }

    /// What became of an attempt to connect.
    pub(super) fn not_connected(request: Request<RequestBody>, reason: io::Error) -> Self {
        let ours = [
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOBUFS,
            Errno::ENOMEM,
            Errno::EADDRNOTAVAIL,
        ];
        let errno = reason.raw_os_error().map(Errno::from_raw);
        if errno.is_some_and(|errno| ours.contains(&errno)) {
            return Self::Exhausted(reason);
        }
        Self::unreachable(request, reason)
    }

    /// Tells a fault of the client's body from one of the connection.
    pub(super) fn sent(error: hyper::Error) -> Self {
        let mut source = error.source();
        while let Some(inner) = source {
            if inner.is::<LengthLimitError>() {
                return Self::Body { too_large: true };
            }
            source = inner.source();
        }
        if error.is_user() {
            Self::Body { too_large: false }
        } else {
            Self::Broken(error)
        }
    }
}
