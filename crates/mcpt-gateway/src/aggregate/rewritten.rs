//! [`Rewritten`]: a server's stream on its way to a client of all servers, event by event.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use mcpt_aggregate::{FromServer, ServerLabel, Tag, from_server};
use mcpt_protocol::{ErrorCode, Message, MessageId, Part, error_response, sse};
use mcpt_routing::EndpointId;
use serde_json::{Value, value::RawValue};

use super::catalogue::Catalogue;
use crate::{
    answers::{AnswerBudget, AnswerRoom, MAX_ANSWER, Unread, gathered},
    relay::GatewayBody,
};

/// What a client gets for a server's whole answer to its request `id`; `None` when it can stay as it is.
///
/// Who refuses what he has not read names no request, or one that he has made up. A client that waits for its own would
/// wait on.
fn whole(server: &ServerLabel, id: Part<'_>, message: &Message<'_>) -> Option<String> {
    if MessageId::of(id).is_some_and(|id| message.answers(&id)) {
        return match from_server(server, message) {
            FromServer::Rewritten(text) => Some(text),
            FromServer::AsItIs | FromServer::ListChanged => None,
        };
    }
    let Some(error) = message.error() else {
        let why = format!("{server}: its answer is to another request");
        return Some(error_response(
            Some(id),
            ErrorCode::INTERNAL_ERROR,
            &why,
            None,
        ));
    };
    let code = i32::try_from(error.code).map_or(ErrorCode::INTERNAL_ERROR, ErrorCode);
    let data: Option<Value> = error
        .data
        .and_then(|data| serde_json::from_str(data.get()).ok());
    Some(error_response(
        Some(id),
        code,
        &error.message,
        data.as_ref(),
    ))
}

/// What a client gets for a server's answer that is no stream; `None` when it is no message.
///
/// # Errors
/// [`Unread`].
pub(super) async fn read(
    server: &ServerLabel,
    id: Part<'_>,
    body: GatewayBody,
    answers: &AnswerBudget,
) -> Result<Option<Bytes>, Unread> {
    let account = answers.account();
    let body = gathered(body, MAX_ANSWER, answers.room_of(&account)).await?;
    let Ok(message) = Message::parse(&body) else {
        return Ok(None);
    };
    let Some(text) = whole(server, id, &message) else {
        return Ok(Some(body));
    };
    // It takes the place of what was read, which nobody needs any more.
    drop(body);
    Ok(Some(answers.room_of(&account).hold(text.into()).await?))
}

/// A stream whose events are rewritten one by one.
#[derive(Debug)]
pub(crate) struct Rewritten {
    inner: GatewayBody,
    reader: sse::Reader,
    room: AnswerRoom,
    events: Vec<sse::Event>,
    server: ServerLabel,
    /// The request that the stream answers.
    id: Option<Box<RawValue>>,
    catalogue: Arc<Catalogue>,
    over: bool,
}

impl Rewritten {
    pub(super) fn new(
        inner: GatewayBody,
        server: ServerLabel,
        id: Option<Box<RawValue>>,
        catalogue: Arc<Catalogue>,
    ) -> Self {
        Self {
            room: catalogue.exchange.answers.room(),
            inner,
            reader: sse::Reader::new(MAX_ANSWER),
            events: Vec::new(),
            server,
            id,
            catalogue,
            over: false,
        }
    }

    /// The instance that it comes from.
    pub(crate) fn endpoint(&self) -> Option<&EndpointId> {
        self.inner.endpoint()
    }

    /// What the client gets for a piece of the server's stream.
    fn take(&mut self, piece: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(piece.len() + 64);
        if let Err(too_long) = self.reader.read(piece, &mut self.events) {
            return self.ended(&too_long);
        }
        if self.events.is_empty() && piece.starts_with(b":") {
            out.extend_from_slice(sse::KEEP_ALIVE);
        }
        for mut event in std::mem::take(&mut self.events) {
            if let Some(id) = &event.id {
                event.id = Some(Tag::event_id(&self.server, id));
            }
            if self.passes(&mut event) {
                event.write(&mut out);
            }
        }
        out.into()
    }

    /// The end of a stream that cannot be read any further: what the client gets last.
    fn ended(&mut self, why: &dyn fmt::Display) -> Bytes {
        self.over = true;
        let id = self.id.as_deref().map(Part::alone);
        let why = format!("{}: {why}", self.server);
        let text = error_response(id, ErrorCode::INTERNAL_ERROR, &why, None);
        let event = sse::Event {
            data: Some(text),
            ..sse::Event::default()
        };
        let mut out = Vec::new();
        event.write(&mut out);
        out.into()
    }

    fn passes(&self, event: &mut sse::Event) -> bool {
        let Some(data) = event.data.as_deref().filter(|_| event.is_message()) else {
            return true;
        };
        let Ok(message) = Message::parse(data.as_bytes()) else {
            return true;
        };
        match from_server(&self.server, &message) {
            FromServer::AsItIs => {}
            FromServer::Rewritten(text) => event.data = Some(text),
            FromServer::ListChanged => {
                self.catalogue.ask_again(&self.server);
                return false;
            }
        }
        true
    }
}

impl Body for Rewritten {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        while !this.over {
            if let Err(why) = ready!(this.room.poll_more(this.reader.held(), context)) {
                return Poll::Ready(Some(Ok(Frame::data(this.ended(&why)))));
            }
            let frame = match Pin::new(&mut this.inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => frame,
                other => return other,
            };
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            let out = this.take(&piece);
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out))));
            }
        }
        Poll::Ready(None)
    }
}
