//! Bodies on their way through: chunks as they come, with what must happen when they end or are given up.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use mcpt_routing::InFlight;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::{
    glance::Glance,
    reuse::Sent,
    upstream::{Connection, Upstream},
};

/// A request's body on its way to a server: what was read of it, and the rest as it comes.
#[derive(Debug)]
pub(crate) struct RequestBody {
    begin: Bytes,
    rest: Option<Limited<Incoming>>,
    sent: Sent,
}

impl RequestBody {
    /// All of it is there.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self {
            sent: Sent::whole(&bytes),
            begin: bytes,
            rest: None,
        }
    }

    /// There is none, whatever the client has sent.
    pub(crate) fn none() -> Self {
        Self::whole(Bytes::new())
    }

    /// Nothing of it was read.
    pub(crate) fn unread(rest: Limited<Incoming>) -> Self {
        Self {
            sent: if rest.is_end_stream() {
                Sent::NoBody
            } else {
                Sent::AsItComes(Arc::default())
            },
            begin: Bytes::new(),
            rest: Some(rest),
        }
    }

    /// What of it has been sent, as it goes on.
    pub(crate) fn sent(&self) -> Sent {
        self.sent.clone()
    }
}

impl From<Glance<Incoming>> for RequestBody {
    fn from(glance: Glance<Incoming>) -> Self {
        match glance {
            Glance::Whole(bytes) => Self::whole(bytes),
            Glance::Large { begin, rest } => Self {
                begin,
                rest: Some(rest),
                sent: Sent::AtOnce { message: false },
            },
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.begin.is_empty() {
            let begin = std::mem::take(&mut self.begin);
            return Poll::Ready(Some(Ok(Frame::data(begin))));
        }
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(None);
        };
        let length = rest.size_hint().exact();
        let frame = Pin::new(rest).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(piece) = frame.data_ref()
            && length == Some(piece.len() as u64)
        {
            self.sent.only_piece(piece);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.begin.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let begin = self.begin.len() as u64;
        let rest = self
            .rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(begin + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(begin + upper);
        }
        hint
    }
}

/// A response's body.
#[derive(Debug)]
pub(crate) enum GatewayBody {
    /// The gateway's own.
    Own(Full<Bytes>),
    /// A server's.
    Forwarded(Box<Forwarded>),
}

/// A server's answer on its way to the client.
///
/// When the client goes away, this is dropped and the connection to the server with it: the server sees exactly what it
/// would see without a gateway, and does what its era demands. One of the stateless era stops the call; one with
/// sessions goes on and keeps the events for a client that resumes.
#[derive(Debug)]
pub(crate) struct Forwarded {
    inner: Incoming,
    /// Counted as load until the end.
    in_flight: InFlight<Upstream>,
    /// Given back for the next request once the body is complete.
    connection: Option<Connection>,
    /// For streams that have no end of their own: when the gateway ends them.
    until: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Forwarded {
    pub(crate) fn new(
        inner: Incoming,
        in_flight: InFlight<Upstream>,
        connection: Connection,
        until: Option<WaitForCancellationFutureOwned>,
    ) -> Self {
        Self {
            inner,
            in_flight,
            connection: Some(connection),
            until: until.map(Box::pin),
        }
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            Upstream::give_back(self.in_flight.endpoint(), connection);
        }
    }
}

impl Body for Forwarded {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(until) = &mut self.until
            && until.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(None) = frame {
            self.give_back();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body of known length is not polled past its last byte.
impl Drop for Forwarded {
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.give_back();
        }
    }
}

impl Body for GatewayBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Forwarded(body) => Pin::new(body.as_mut()).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Forwarded(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Forwarded(body) => body.size_hint(),
        }
    }
}
