//! [`Filtered`]: an answer without the tools that its client may not call.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    Response,
    body::{Body, Frame},
    header::{CONTENT_ENCODING, CONTENT_LENGTH},
};
use mcpt_access::Permission;
use mcpt_protocol::{
    Ambiguous, ErrorCode, error_response, media,
    sse::{Event, KEEP_ALIVE, Reader},
    without_tools,
};
use mcpt_routing::EndpointId;

use crate::relay::GatewayBody;

/// Longest message that is looked through, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;

/// A body that is read message by message.
#[derive(Debug)]
pub(crate) struct Filtered {
    inner: GatewayBody,
    permission: Permission,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// One message: what has come of it.
    Message(Vec<u8>),
    Events(Reader),
    /// Nothing more is passed on.
    Over,
}

impl Filtered {
    /// Filters an answer; `None` when it cannot be read, since it is compressed.
    pub(crate) fn of(
        response: Response<GatewayBody>,
        permission: Permission,
    ) -> Option<Response<GatewayBody>> {
        let (mut parts, inner) = response.into_parts();
        if parts.headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        parts.headers.remove(CONTENT_LENGTH);
        let form = if media::is_type(&parts.headers, media::EVENT_STREAM) {
            Form::Events(Reader::new(LONGEST))
        } else {
            Form::Message(Vec::new())
        };
        let filtered = Self {
            inner,
            permission,
            form,
        };
        Some(Response::from_parts(
            parts,
            GatewayBody::Filtered(Box::new(filtered)),
        ))
    }

    /// The instance that it comes from.
    pub(crate) fn endpoint(&self) -> Option<&EndpointId> {
        self.inner.endpoint()
    }

    fn without(&self, message: &str) -> Result<Option<String>, Ambiguous> {
        without_tools(message, |tool| self.permission.may_call(tool))
    }

    /// What of a piece goes on; `None` when the stream cannot be read any further.
    fn events(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        let Form::Events(reader) = &mut self.form else {
            return None;
        };
        let mut events = Vec::new();
        reader.read(piece, &mut events).ok()?;
        let mut out = Vec::new();
        if events.is_empty() && piece.starts_with(b":") {
            out.extend_from_slice(KEEP_ALIVE);
        }
        for mut event in events {
            let data = event.data.as_deref().filter(|data| !data.is_empty());
            match data.map(|data| self.without(data)) {
                Some(Ok(Some(left))) if event.is_message() => event.data = Some(left),
                Some(Err(Ambiguous)) => {
                    event = Event {
                        data: None,
                        ..event
                    }
                }
                _ => {}
            }
            event.write(&mut out);
        }
        Some(out)
    }

    fn message(&self, whole: Vec<u8>) -> Bytes {
        let Ok(text) = String::from_utf8(whole) else {
            return unreadable();
        };
        // An answer without a message, such as that to a notification.
        if text.trim().is_empty() {
            return text.into();
        }
        match self.without(&text) {
            Ok(Some(left)) => left.into(),
            Ok(None) => text.into(),
            Err(Ambiguous) => unreadable(),
        }
    }
}

fn unreadable() -> Bytes {
    let why = "the server's answer cannot be read, so what of it is permitted cannot be said";
    error_response(None, ErrorCode::INTERNAL_ERROR, why, None).into()
}

impl Body for Filtered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        loop {
            if matches!(this.form, Form::Over) {
                return Poll::Ready(None);
            }
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    return Poll::Ready(match std::mem::replace(&mut this.form, Form::Over) {
                        Form::Message(whole) => Some(Ok(Frame::data(this.message(whole)))),
                        Form::Events(_) | Form::Over => None,
                    });
                }
            };
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            match &mut this.form {
                Form::Message(whole) if whole.len() + piece.len() <= LONGEST => {
                    whole.extend_from_slice(&piece);
                }
                Form::Message(_) => {
                    this.form = Form::Over;
                    return Poll::Ready(Some(Ok(Frame::data(unreadable()))));
                }
                Form::Events(_) => match this.events(&piece) {
                    Some(out) if out.is_empty() => {}
                    Some(out) => return Poll::Ready(Some(Ok(Frame::data(out.into())))),
                    None => this.form = Form::Over,
                },
                Form::Over => {}
            }
        }
    }
}
