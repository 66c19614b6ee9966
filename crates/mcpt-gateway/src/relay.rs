//! The stage that hands answers on: chunks as they come, with what must happen when they end or are given up.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONTENT_TYPE, HeaderValue},
};
use mcpt_protocol::sse::Boundary;
use mcpt_routing::{EndpointId, InFlight, Permit};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    access::Filtered,
    aggregate::Rewritten,
    exchange::{Listened, Watch},
    limits::Held,
    metrics::Outcome,
    refusal::Refusal,
    translate::Streamed,
    upstream::{ServerBody, Upstream},
};

/// An answer on its way to a client, and how it counts.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<GatewayBody>,
    pub(crate) outcome: Outcome,
    /// What is kept of the request until the answer is over.
    pub(crate) kept: Option<Box<Kept>>,
}

/// What is kept of a request until its answer is over.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Counts it as going on.
    pub(crate) held: Option<Held>,
    /// The place that it takes at its server, where nothing else of the exchange holds that.
    pub(crate) place: Option<Permit>,
}

impl Kept {
    /// What counts it as going on, if anything does.
    pub(crate) fn of(held: Option<Held>) -> Option<Box<Self>> {
        let held = held?;
        Some(Box::new(Self {
            held: Some(held),
            place: None,
        }))
    }
}

impl Answer {
    /// The same, to a request of which more is kept.
    pub(crate) fn keeping(mut self, more: Option<Box<Kept>>) -> Self {
        self.kept = match (self.kept, more) {
            (Some(mut kept), Some(more)) => {
                kept.held = more.held.or(kept.held);
                kept.place = more.place.or(kept.place);
                Some(kept)
            }
            (kept, more) => kept.or(more),
        };
        self
    }

    /// The same, to a request that takes a place at its server until the answer is over.
    pub(crate) fn holding(self, place: Option<Permit>) -> Self {
        let kept = place.map(|place| {
            Box::new(Kept {
                place: Some(place),
                ..Kept::default()
            })
        });
        self.keeping(kept)
    }

    /// The gateway's own, to the request `id` if that is known.
    pub(crate) fn refusal(refusal: &Refusal, id: Option<&RawValue>) -> Self {
        Self {
            outcome: refusal.outcome(),
            kept: None,
            response: refusal.response(id),
        }
    }

    /// The gateway's own page.
    pub(crate) fn page(content_type: &'static str, text: String) -> Self {
        let mut response = Response::new(Bytes::from(text));
        let content_type = HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        Self::own(response)
    }

    /// A server's, which was read whole.
    pub(crate) fn own(response: Response<Bytes>) -> Self {
        Self {
            outcome: outcome_of(response.status()),
            kept: None,
            response: response.map(|body| GatewayBody::Own(Full::new(body))),
        }
    }

    /// A server's as it comes.
    pub(crate) fn forwarded(response: Response<Forwarded>) -> Self {
        Self {
            outcome: outcome_of(response.status()),
            kept: None,
            response: response.map(|body| GatewayBody::Forwarded(Box::new(body))),
        }
    }
}

impl Answer {
    /// Messages that the gateway makes of a server's.
    pub(crate) fn streamed(response: Response<GatewayBody>) -> Self {
        Self {
            outcome: outcome_of(response.status()),
            kept: None,
            response,
        }
    }
}

fn outcome_of(status: StatusCode) -> Outcome {
    match status.as_u16() {
        400..500 => Outcome::ClientError,
        500.. => Outcome::ServerError,
        _ => Outcome::Answered,
    }
}

/// A response's body.
#[derive(Debug)]
pub(crate) enum GatewayBody {
    /// The gateway's own.
    Own(Full<Bytes>),
    /// A server's.
    Forwarded(Box<Forwarded>),
    /// Messages that the gateway makes of a server's.
    Streamed(Box<Streamed>),
    /// A server's, for a client of all servers.
    Rewritten(Box<Rewritten>),
    /// What a client of all servers hears that no request of its own has to do with, piece by piece.
    Heard(mpsc::Receiver<Bytes>),
    /// What another replica of the gateway answers, which has the call.
    Passed(Box<Passed>),
    /// One of these that takes room until it is over.
    Taking(Box<Taking>),
    /// One of these without the tools that its client may not call.
    Filtered(Box<Filtered>),
}

/// A server's answer on its way to the client.
///
/// When the client goes away, this is dropped and the connection to the server with it: the server sees exactly what it
/// would see without a gateway, and does what its era demands. One of the stateless era stops the call; one with
/// sessions goes on and keeps the events for a client that resumes.
#[derive(Debug)]
pub(crate) struct Forwarded {
    inner: ServerBody,
    /// Counted as load until the end.
    in_flight: InFlight<Upstream>,
    /// For streams that have no end of their own: when the gateway ends them.
    until: Option<Box<Until>>,
    /// For answers by which a server may ask for more.
    watch: Option<Box<Watch>>,
}

/// What another replica answers.
#[derive(Debug)]
pub(crate) struct Passed {
    inner: Incoming,
    /// For streams that have no end of their own: when the gateway ends them.
    until: Option<Until>,
}

impl Passed {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(until) = &mut self.until
            && let Poll::Ready(last) = until.poll(context)
        {
            return Poll::Ready(last.map(|words| Ok(Frame::data(words))));
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }
}

/// An answer that takes room until it is over.
#[derive(Debug)]
pub(crate) struct Taking {
    body: GatewayBody,
    _room: OwnedSemaphorePermit,
}

/// The end of a stream that has none of its own.
#[derive(Debug)]
pub(crate) struct Until {
    told: Pin<Box<WaitForCancellationFutureOwned>>,
    /// What the stream says then, if that can be said where it stands.
    last_words: Bytes,
    place: Boundary,
    over: bool,
    /// What ends it also when its client has another one.
    _listened: Option<Listened>,
}

impl Until {
    /// When the gateway closes.
    pub(crate) fn told(closing: &CancellationToken, last_words: Bytes) -> Self {
        Self {
            told: Box::pin(closing.clone().cancelled_owned()),
            last_words,
            place: Boundary::default(),
            over: false,
            _listened: None,
        }
    }

    /// When the gateway closes, or another stream takes its place.
    pub(crate) fn superseded(listened: Listened) -> Self {
        Self {
            told: Box::pin(listened.over.clone().cancelled_owned()),
            _listened: Some(listened),
            last_words: Bytes::new(),
            place: Boundary::default(),
            over: false,
        }
    }

    /// The last piece of the stream, if its end has come; `None` in it when nothing is left to be said.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.over {
            if self.told.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.over = true;
            if !self.place.is_here() {
                self.last_words.clear();
            }
        }
        let words = std::mem::take(&mut self.last_words);
        Poll::Ready((!words.is_empty()).then_some(words))
    }
}

impl Forwarded {
    pub(crate) fn new(
        inner: ServerBody,
        in_flight: InFlight<Upstream>,
        until: Option<Until>,
        watch: Option<Watch>,
    ) -> Self {
        Self {
            inner,
            in_flight,
            until: until.map(Box::new),
            watch: watch.map(Box::new),
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
            && let Poll::Ready(last) = until.poll(context)
        {
            return Poll::Ready(last.map(|words| Ok(Frame::data(words))));
        }
        let this = &mut *self;
        let frame = Pin::new(&mut this.inner).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                let piece = frame.data_ref();
                if let (Some(watch), Some(piece)) = (&mut this.watch, piece) {
                    watch.take(piece, &this.in_flight);
                }
                if let (Some(until), Some(piece)) = (&mut this.until, piece) {
                    until.place.take(piece);
                }
            }
            Poll::Ready(None | Some(Err(_))) | Poll::Pending => {}
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

impl GatewayBody {
    /// The instance that it comes from.
    pub(crate) fn endpoint(&self) -> Option<&EndpointId> {
        match self {
            Self::Own(_) | Self::Streamed(_) | Self::Heard(_) | Self::Passed(_) => None,
            Self::Filtered(body) => body.endpoint(),
            Self::Taking(taking) => taking.body.endpoint(),
            Self::Forwarded(body) => Some(body.in_flight.id()),
            Self::Rewritten(body) => body.endpoint(),
        }
    }

    /// What another replica of the gateway answers; `until` ends it if it has no end of its own.
    pub(crate) fn passed(inner: Incoming, until: Option<Until>) -> Self {
        Self::Passed(Box::new(Passed { inner, until }))
    }

    /// The same, and it takes this room until it is over.
    pub(crate) fn taking(self, room: Option<OwnedSemaphorePermit>) -> Self {
        match room {
            Some(room) => Self::Taking(Box::new(Taking {
                body: self,
                _room: room,
            })),
            None => self,
        }
    }

    /// No body at all.
    pub(crate) fn empty() -> Self {
        Self::Own(Full::default())
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
            Self::Streamed(body) => body.poll(context),
            Self::Passed(body) => body.poll(context),
            Self::Taking(taking) => Pin::new(&mut taking.body).poll_frame(context),
            Self::Rewritten(body) => Pin::new(body.as_mut()).poll_frame(context),
            Self::Filtered(body) => Pin::new(body.as_mut()).poll_frame(context),
            Self::Heard(pieces) => {
                let piece = pieces.poll_recv(context);
                piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Forwarded(body) => body.is_end_stream(),
            Self::Passed(body) => body.inner.is_end_stream(),
            Self::Taking(taking) => taking.body.is_end_stream(),
            Self::Streamed(_) | Self::Rewritten(_) | Self::Heard(_) | Self::Filtered(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Forwarded(body) => body.size_hint(),
            Self::Passed(body) => body.inner.size_hint(),
            Self::Taking(taking) => taking.body.size_hint(),
            Self::Streamed(_) | Self::Rewritten(_) | Self::Heard(_) | Self::Filtered(_) => {
                SizeHint::default()
            }
        }
    }
}
