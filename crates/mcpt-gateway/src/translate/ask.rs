//! Sending messages of the gateway's own.

use bytes::Bytes;
use hyper::{HeaderMap, Method, Request, body::Body};
use mcpt_protocol::{Kind, Message, MessageId, translate::old};
use mcpt_routing::{InFlight, Server, Work};

use super::messages::{Messages, Unreadable};
use crate::{
    exchange::{Exchange, ReadBody, RequestBody, Sendable, Taken},
    refusal::Refusal,
    upstream::Upstream,
};

impl Exchange {
    /// A request of 2026-07-28 to any endpoint; `first` before all others. It is repeated elsewhere if that changes nothing.
    pub(super) async fn ask_any(
        &self,
        server: &Server<Upstream>,
        headers: &HeaderMap,
        asked: old::Request,
        repeatable: bool,
        first: Option<InFlight<Upstream>>,
    ) -> Result<Messages, Refusal> {
        let mut headers = headers.clone();
        headers.extend(asked.headers);
        let body = Bytes::from(asked.body);
        let sendable = Sendable {
            work: Work::OneRequest,
            key: None,
            request: post(headers.clone(), body.clone()),
            again: repeatable.then(|| post(headers, body)),
        };
        let taken = self.send_to_any(server, sendable, first).await?;
        Ok(self.messages_of(taken))
    }

    /// The messages of an answer.
    pub(super) fn messages_of(&self, taken: Taken) -> Messages {
        Messages::of(taken, self.bodies.max_body(), self.answers.room())
    }

    /// All of a body that may be large, within what all requests together may hold.
    pub(super) async fn whole<B>(&self, read: ReadBody<B>) -> Result<Bytes, Refusal>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin,
    {
        self.bodies.whole(read).await
    }
}

/// A request with a message.
pub(super) fn post(headers: HeaderMap, body: Bytes) -> Request<RequestBody> {
    let mut request = Request::new(RequestBody::whole(body));
    *request.method_mut() = Method::POST;
    *request.headers_mut() = headers;
    request
}

/// The answer to the request with this id, among whatever else comes.
///
/// # Errors
/// [`Unreadable`], also when it ends without an answer.
pub(super) async fn answer_to(
    messages: &mut Messages,
    id: &MessageId,
) -> Result<String, Unreadable> {
    while let Some(text) = messages.next().await? {
        let answers = Message::parse(text.as_bytes()).is_ok_and(|message| {
            // An error that names no request answers the only one that was made.
            let of_none = matches!(message.kind(), Kind::Response { id: None, .. });
            of_none || message.answers(id)
        });
        if answers {
            return Ok(text);
        }
    }
    Err(Unreadable::Broken)
}
