//! A client's own `server/discover` tells which eras an endpoint speaks, as one of the gateway's would: no server is asked twice
//! for one thing, by a token that it may take once.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    Response,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
    http::request::Parts,
};
use mcpt_protocol::{
    Kind, Message, MessageId, SPOKEN, header::SESSION_ID, media, translate::new::Call,
};
use mcpt_routing::Server;
use serde_json::value::RawValue;

use super::{ask, carried, probe};
use crate::{
    exchange::{Exchange, ReadBody, RequestClass, Taken},
    headers,
    refusal::Refusal,
    relay::Answer,
    upstream::{Stateless, Upstream},
};

/// A client's `server/discover`, for the case that its server does not know it.
#[derive(Debug)]
pub(crate) struct Discovery {
    parts: Parts,
    body: Bytes,
    raw_id: Box<RawValue>,
    id: MessageId,
}

impl Discovery {
    /// That of a request, if it is one, and as it must be: what a server says to another says nothing of what it speaks.
    pub(crate) fn of<B>(class: &RequestClass, parts: &Parts, read: &ReadBody<B>) -> Option<Self> {
        let (true, ReadBody::Whole(body)) = (class.discovers, read) else {
            return None;
        };
        let message = Message::parse(body).ok()?;
        let Kind::Request { id, .. } = message.kind() else {
            return None;
        };
        let accepts = |essence| media::accepts(&parts.headers, essence);
        let is_sound = Call::checked(&message, &parts.headers, &SPOKEN).is_ok()
            && media::is_type(&parts.headers, media::JSON)
            && accepts(media::JSON)
            && accepts(media::EVENT_STREAM);
        if !is_sound {
            return None;
        }
        Some(Self {
            parts: parts.clone(),
            body: body.clone(),
            raw_id: (*id).to_owned(),
            id: MessageId::of(*id)?,
        })
    }
}

impl Exchange {
    /// Learns from the answer to a client's own `server/discover`, and translates it if its server has sessions only.
    ///
    /// # Errors
    /// The answer as it came, when it says nothing, or nothing that is not known.
    pub(crate) async fn learned(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        discovery: Discovery,
        taken: Taken,
    ) -> Result<Answer, Taken> {
        let endpoint = taken.in_flight.endpoint().begin();
        let eras = endpoint.link().eras();
        let (status, headers) = (taken.response.status(), taken.response.headers());
        if eras.stateless(self.directory.now()) == Stateless::Yes
            || probe::says_nothing(status)
            || headers.contains_key(CONTENT_ENCODING)
        {
            return Err(taken);
        }
        let mut headers = headers.clone();
        headers::remove_hop_by_hop(&mut headers);
        headers::without_body(&mut headers);
        if let Some(session) = headers.remove(SESSION_ID) {
            probe::end(&endpoint, carried(&discovery.parts.headers), session);
        }
        let mut messages = self.messages_of(taken);
        let answer = ask::answer_to(&mut messages, &discovery.id).await;
        drop(messages);
        let found = probe::judged(status, answer.as_deref().ok());
        tracing::debug!(endpoint = %endpoint.address(), ?found, "a client asked what it speaks");
        eras.found(found, self.directory.now());
        if found == Stateless::No {
            let Discovery { parts, body, .. } = &discovery;
            let translated = self.without_session(server, endpoint, parts, body);
            return Ok(Box::pin(translated).await);
        }
        let Ok(answer) = answer else {
            return Ok(Answer::refusal(&Refusal::Broken, Some(&discovery.raw_id)));
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::JSON));
        let mut response = Response::new(Bytes::from(answer));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(Answer::own(response))
    }
}
