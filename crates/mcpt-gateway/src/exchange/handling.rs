//! How requests for a server are handled: as it says itself, else as the gateway was told.

use std::{num::NonZeroU32, time::Duration};

use hyper::{HeaderMap, Method, Request, Response, body::Incoming, http::request::Parts};
use mcpt_protocol::{
    Kind, Message,
    header::{LAST_EVENT_ID, METHOD},
};
use mcpt_routing::{Balance, InFlight, Permit, Policy, Server, key_of};

use super::{
    Exchange,
    body_budget::ReadBody,
    request_body::RequestBody,
    request_class::{Purpose, RequestClass},
};
use crate::{
    refusal::Refusal,
    upstream::{SendError, ServerBody, Upstream},
};

impl Exchange {
    /// The policy by which new sessions are spread, and the key of the request where that goes by one.
    pub(super) fn balance(
        &self,
        server: &Server<Upstream>,
        parts: &Parts,
    ) -> (Policy, Option<u64>) {
        let balance = server.handling().balance.as_ref();
        let Some(Balance { policy, header }) = balance.or(self.handling.balance.as_ref()) else {
            return (Policy::default(), None);
        };
        let value = header.as_ref().and_then(|name| parts.headers.get(&**name));
        (*policy, value.map(|value| key_of(value.as_bytes())))
    }

    /// A place for a request outside of sessions, where a server may have only so many in progress. Streams that wait for
    /// what it has to say take none.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when all are taken.
    pub(super) fn place_outside(
        &self,
        server: &Server<Upstream>,
        parts: &Parts,
        class: &RequestClass,
    ) -> Result<Option<Permit>, Refusal> {
        let listens = matches!(class.purpose, Purpose::Modern { listens: true })
            || parts
                .headers
                .get(METHOD)
                .is_some_and(|method| method == "subscriptions/listen");
        if parts.method != Method::POST || listens {
            return Ok(None);
        }
        self.place(server)
    }

    /// The body of a POST in a session with the place that it takes. What answers a question of the server or cancels a call
    /// frees places, so where all are taken the message is read: only further requests are refused.
    ///
    /// # Errors
    /// [`Refusal::Busy`], and those of reading a body.
    pub(super) async fn place_inside(
        &self,
        server: &Server<Upstream>,
        body: Incoming,
    ) -> Result<(RequestBody, Option<Permit>), Refusal> {
        let busy = match self.place(server) {
            Ok(place) => return Ok((RequestBody::unread(self.bodies.limited(body)?), place)),
            Err(busy) => busy,
        };
        match self.bodies.read(body).await? {
            ReadBody::Whole(bytes) if !asks(&bytes) => Ok((RequestBody::whole(bytes), None)),
            ReadBody::Whole(_) | ReadBody::Large { .. } => Err(busy),
        }
    }

    /// A place for a message in a session that was read, as [`Exchange::place_inside`] has it.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when all are taken.
    pub(super) fn place_of<B>(
        &self,
        server: &Server<Upstream>,
        method: &Method,
        read: &ReadBody<B>,
    ) -> Result<Option<Permit>, Refusal> {
        match read {
            _ if method != Method::POST => Ok(None),
            ReadBody::Whole(body) if !asks(body) => Ok(None),
            ReadBody::Whole(_) | ReadBody::Large { .. } => self.place(server),
        }
    }

    /// What keeps a server running, if it may be stopped, for what is in progress and takes no place of a request: a call that
    /// waits for its client.
    pub(crate) fn kept_running(&self, server: &Server<Upstream>) -> Option<Permit> {
        let may_be_stopped = server.handling().idle_timeout.is_some();
        may_be_stopped.then(|| server.keep(self.asker))
    }

    /// The same for a GET that takes the stream of a call up again: its answer may come by it.
    pub(super) fn kept_for_stream(
        &self,
        server: &Server<Upstream>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Permit> {
        let resumed = method == Method::GET && headers.contains_key(LAST_EVENT_ID);
        resumed.then(|| self.kept_running(server)).flatten()
    }

    fn place(&self, server: &Server<Upstream>) -> Result<Option<Permit>, Refusal> {
        let handling = server.handling();
        let Some(most) = handling.max_requests.or(self.handling.max_requests) else {
            // Where there may be any number it is only of interest whether there are any.
            let counted = handling.idle_timeout.is_some();
            return Ok(counted
                .then(|| server.place(NonZeroU32::MAX, self.asker))
                .flatten());
        };
        match server.place(most, self.asker) {
            Some(place) => Ok(Some(place)),
            None => Err(Refusal::Busy {
                server: server.key().to_string(),
                most,
            }),
        }
    }

    /// How long a server may take until its answer begins.
    pub(crate) fn answer_within(&self, server: &Server<Upstream>) -> Option<Duration> {
        let limit = server.handling().answer_within;
        limit.or(self.handling.answer_within)
    }

    /// Sends a request, and gives it up when its answer does not begin in time. What is given up is not sent again: its server
    /// may have done it.
    pub(super) async fn send_within(
        &self,
        server: &Server<Upstream>,
        in_flight: &InFlight<Upstream>,
        request: Request<RequestBody>,
    ) -> Result<Response<ServerBody>, SendError> {
        let limit = self.answer_within(server);
        // A server may begin to answer a stream when it first has something to say.
        let limit = limit.filter(|_| request.method() != Method::GET);
        let sending = in_flight.link().send(request);
        match limit {
            None => sending.await,
            Some(limit) => tokio::time::timeout(limit, sending)
                .await
                .unwrap_or(Err(SendError::Late(limit))),
        }
    }
}

/// Whether a body is, or may be to a lenient server, a request that will be answered: anything but what ends a call or answers a
/// question, which must always arrive.
pub(super) fn asks(body: &[u8]) -> bool {
    let message = Message::parse(body);
    message.map_or(true, |message| match message.kind() {
        Kind::Request { .. } => true,
        Kind::Notification { method } => !method.starts_with("notifications/"),
        Kind::Response { .. } => false,
    })
}
