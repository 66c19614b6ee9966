//! [`ServerBody`]: the body of a server's answer, which drives the connection that it comes over.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use mcpt_http::Driven;

use super::wire::Wire;
use crate::exchange::RequestBody;

/// What of an answer is still to come. At its end the connection is there for the next request, if it may carry one. Dropped
/// before, it takes the connection with it.
#[derive(Debug)]
pub(crate) struct ServerBody {
    incoming: Incoming,
    driven: Option<Driven<RequestBody>>,
    /// Where the connection goes if it may carry another request after this answer.
    kept_by: Option<Arc<Wire>>,
}

impl ServerBody {
    pub(super) fn new(
        incoming: Incoming,
        driven: Driven<RequestBody>,
        kept_by: Option<Arc<Wire>>,
    ) -> Self {
        Self {
            incoming,
            driven: Some(driven),
            kept_by,
        }
    }

    fn is_over(&mut self) {
        let driven = self.driven.take();
        if let (Some(driven), Some(wire)) = (driven, self.kept_by.take()) {
            wire.keep(driven);
        }
    }
}

impl Body for ServerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(driven) = &mut this.driven else {
            return Poll::Ready(None);
        };
        let piece = driven.poll_body(&mut this.incoming, context);
        if matches!(piece, Poll::Ready(None)) {
            this.is_over();
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// A body of known length is not polled past its last byte.
impl Drop for ServerBody {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.is_over();
        }
    }
}
