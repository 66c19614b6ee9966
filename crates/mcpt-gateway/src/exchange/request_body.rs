//! [`RequestBody`]: a request's body on its way to a server.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Limited;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{body_budget::ReadBody, progress::Progressing};
use crate::reuse::{Pieces, Sent};

/// A request's body on its way to a server: what was read of it, and the rest as it comes.
#[derive(Debug)]
pub(crate) struct RequestBody {
    begin: Bytes,
    rest: Option<Progressing<Limited<Incoming>>>,
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
            rest: Some(Progressing::new(rest)),
        }
    }

    /// What it takes to send it once more. Of a large one that is on its way already there is no second.
    pub(crate) fn copy(&self) -> BodyCopy {
        match (&self.sent, &self.rest) {
            (_, None) | (Sent::NoBody, _) => BodyCopy::Whole(self.begin.clone()),
            (Sent::AsItComes(pieces), Some(_)) => {
                pieces.want_copy();
                BodyCopy::Pieces(Arc::clone(pieces))
            }
            (Sent::AtOnce { .. }, Some(_)) => BodyCopy::None,
        }
    }

    /// What of it has been sent, as it goes on.
    pub(crate) fn sent(&self) -> Sent {
        self.sent.clone()
    }
}

/// A body that may have to be sent once more.
#[derive(Debug)]
pub(crate) enum BodyCopy {
    Whole(Bytes),
    Pieces(Arc<Pieces>),
    None,
}

impl BodyCopy {
    /// The body, if all of it is known by now.
    pub(crate) fn into_body(self) -> Option<RequestBody> {
        match self {
            Self::Whole(bytes) => Some(RequestBody::whole(bytes)),
            Self::Pieces(pieces) => pieces.copy().map(RequestBody::whole),
            Self::None => None,
        }
    }
}

impl From<ReadBody<Incoming>> for RequestBody {
    fn from(read: ReadBody<Incoming>) -> Self {
        match read {
            ReadBody::Whole(bytes) => Self::whole(bytes),
            ReadBody::Large { begin, rest } => Self {
                begin,
                rest: Some(Progressing::new(rest)),
                sent: Sent::AtOnce { message: None },
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
