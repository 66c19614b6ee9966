//! Requests outside of any session: those that begin one, those of the stateless era, and whatever else comes. They may go
//! to any endpoint, and to another one when they could not be sent.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{
    Method, Request,
    body::Incoming,
    header::{ACCEPT_ENCODING, HeaderValue},
    http::request::Parts,
};
use mcpt_protocol::{RequestEra, header::SESSION_ID};
use mcpt_routing::{Endpoint, EndpointId, InFlight, Leg, Server, Ticket, Work};

use super::{
    Exchange, Stream, Taken,
    body_budget::ReadBody,
    elsewhere,
    request_body::RequestBody,
    request_class::{Purpose, RequestClass, request_id},
};
use crate::{
    access::{principal_of, tell_caller},
    directory::unix_time,
    headers,
    noted::Noted,
    refusal::Refusal,
    relay::Answer,
    trace,
    translate::{Across, Beginning, Discovery},
    upstream::{SendError, Upstream},
};

/// A request that can be sent: where to, and what of it may be sent again.
pub(crate) struct Sendable {
    pub(crate) work: Work,
    pub(crate) key: Option<u64>,
    pub(crate) request: Request<RequestBody>,
    pub(crate) again: Option<Request<RequestBody>>,
}

impl Exchange {
    pub(super) async fn anywhere(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        request: Request<Incoming>,
        era: RequestEra,
        noted: &Noted,
    ) -> Answer {
        let (mut parts, body) = request.into_parts();
        match self.read(&mut parts, body).await {
            Ok(read) => self.anywhere_read(server, parts, read, era, noted).await,
            Err(refusal) => Answer::refusal(&refusal, None),
        }
    }

    /// The same once as much of the body was read as will be.
    pub(super) async fn anywhere_read(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        mut parts: Parts,
        read: ReadBody<Incoming>,
        era: RequestEra,
        noted: &Noted,
    ) -> Answer {
        let class = match &read {
            _ if parts.method != Method::POST => {
                RequestClass::without_message(parts.method == Method::GET)
            }
            ReadBody::Whole(body) => match RequestClass::of(body, &parts.headers) {
                Ok(class) => class,
                Err(several) => {
                    return Answer::refusal(&several.into(), request_id(body).as_deref());
                }
            },
            ReadBody::Large { .. } => RequestClass::unread(era),
        };
        let awake = match parts.method {
            Method::POST => self.awake(server).await,
            _ => Ok(None),
        };
        let awake = match awake {
            Ok(awake) => awake,
            Err(refusal) => return Answer::refusal(&refusal, class.id.as_deref()),
        };
        let server = awake.as_ref().unwrap_or(server);
        tell_caller(&mut parts, server.key());
        if let ReadBody::Whole(body) = &read {
            trace::tell(body, &mut parts.headers);
        }
        let place = match self.place_outside(server, &parts, &class) {
            Ok(place) => place,
            Err(busy) => return Answer::refusal(&busy, class.id.as_deref()),
        };
        let asked_by = self.asked_by(server, &class).await;
        let (read, first) = match self
            .across_eras(server, &parts, read, &class, asked_by, noted)
            .await
        {
            Across::Answered(answer) => return answer.holding(place),
            Across::Within(read, first) => (read, first),
        };
        let stream = match class.purpose {
            Purpose::Modern { listens: true } => Stream::Subscription(class.id.as_deref()),
            Purpose::Other if parts.method == Method::GET => Stream::Endless,
            Purpose::Initialize | Purpose::Modern { .. } | Purpose::Other => Stream::Ends,
        };
        let owner = principal_of(&parts.extensions);
        let beginning = Beginning::of(&class, &parts, &read);
        let discovery = Discovery::of(&class, &parts, &read);
        let sendable = self.sendable(server, parts, read, &class);
        noted.note_sent(&sendable.request.body().sent());
        let begun = match self.send_to_any(server, sendable, first).await {
            Ok(mut taken) => {
                taken.in_flight.hold(place);
                let instead = self.begun_instead(server, beginning.as_ref(), &taken);
                if let Some(answer) = instead.await {
                    return answer;
                }
                if let Some(discovery) = discovery {
                    // On the heap: calls need no room for it.
                    match Box::pin(self.learned(server, discovery, taken)).await {
                        Ok(answer) => return answer,
                        Err(unread) => taken = unread,
                    }
                }
                self.with_sealed_session(server, taken, &class, owner)
            }
            Err(refusal) => Err(refusal),
        };
        match begun {
            Ok(taken) => self.relayed(taken, stream, self.watch(server, &class)),
            Err(refusal) => Answer::refusal(&refusal, class.id.as_deref()),
        }
    }

    /// The body, read if it is small. Only a POST has one.
    pub(super) async fn read(
        &self,
        parts: &mut Parts,
        body: Incoming,
    ) -> Result<ReadBody<Incoming>, Refusal> {
        if parts.method == Method::POST {
            return self.bodies.read(body).await;
        }
        headers::without_body(&mut parts.headers);
        Ok(ReadBody::Whole(Bytes::new()))
    }

    fn sendable(
        &self,
        server: &Server<Upstream>,
        mut parts: Parts,
        read: ReadBody<Incoming>,
        class: &RequestClass,
    ) -> Sendable {
        let (policy, key) = self.balance(server, &parts);
        headers::for_upstream(&mut parts.headers);
        if class.discovers || (class.may_be_asked && server.endpoints().len() > 1) {
            // What the server speaks, or what the instance asks for, is looked for in the answer that passes by.
            parts.headers.remove(ACCEPT_ENCODING);
        }
        let work = match class.purpose {
            Purpose::Initialize => Work::NewSession(policy),
            Purpose::Modern { .. } => {
                headers::without_sessions(&mut parts.headers);
                Work::OneRequest
            }
            Purpose::Other => Work::OneRequest,
        };
        let again = match &read {
            ReadBody::Whole(body) if class.repeatable => {
                let body = RequestBody::whole(body.clone());
                Some(Request::from_parts(parts.clone(), body))
            }
            ReadBody::Whole(_) | ReadBody::Large { .. } => None,
        };
        Sendable {
            work,
            key,
            request: Request::from_parts(parts, read.into()),
            again,
        }
    }

    /// Sends a request wherever it can be sent. What may have arrived is not sent twice, except once as `again`: to another
    /// endpoint if there is one. `first` is tried before all others.
    pub(crate) async fn send_to_any(
        &self,
        server: &Server<Upstream>,
        sendable: Sendable,
        mut first: Option<InFlight<Upstream>>,
    ) -> Result<Taken, Refusal> {
        let Sendable {
            work,
            key,
            mut request,
            mut again,
        } = sendable;
        let pick = |tried: &[EndpointId]| server.pick_for(work, key, tried, self.directory.now());
        let mut tried = Vec::new();
        let mut last_resort = None;
        let mut refusal = None;
        loop {
            let picked = first.take();
            let picked = picked.or_else(|| pick(&tried));
            let picked = picked.or_else(|| {
                let id = last_resort.take()?;
                tried.retain(|other| *other != id);
                pick(&tried)
            });
            let Some(in_flight) = picked else {
                return Err(
                    refusal.unwrap_or_else(|| Refusal::NoEndpoint(server.key().to_string()))
                );
            };
            match self.send_within(server, &in_flight, request).await {
                Ok(response) => {
                    in_flight.answered();
                    return Ok(Taken {
                        response,
                        in_flight,
                    });
                }
                Err(SendError::Unreachable {
                    request: back,
                    reason,
                }) => {
                    tried.push(in_flight.id().clone());
                    request = *back;
                    refusal = Some(self.unreachable(&in_flight, &reason));
                }
                Err(error) => {
                    let broke = matches!(error, SendError::Broken(_));
                    let broken = self.broken(&in_flight, error);
                    if !broke {
                        return Err(broken);
                    }
                    // It may merely have closed a connection that was not used. It may as well break each one.
                    in_flight.unreachable(self.directory.now());
                    let Some(repeated) = again.take() else {
                        return Err(broken);
                    };
                    request = repeated;
                    tried.push(in_flight.id().clone());
                    last_resort = Some(in_flight.id().clone());
                    refusal = Some(broken);
                }
            }
        }
    }

    /// Servers put ids on errors too, and old ids into stateless answers. An id in any other answer means something to its
    /// server alone, and so is sealed; but only `initialize` begins a session, and only sessions are noted.
    fn with_sealed_session(
        &self,
        server: &Server<Upstream>,
        mut taken: Taken,
        class: &RequestClass,
        owner: Option<[u8; 32]>,
    ) -> Result<Taken, Refusal> {
        headers::remove_hop_by_hop(taken.response.headers_mut());
        let session = taken.response.headers_mut().remove(SESSION_ID);
        let stateless = matches!(class.purpose, Purpose::Modern { .. });
        if let Some(session) = session
            && !stateless
            && taken.response.status().is_success()
        {
            let sealed = self.seal(server, taken.in_flight.endpoint(), &session, owner)?;
            if matches!(class.purpose, Purpose::Initialize) {
                self.directory
                    .session_used(sealed.as_bytes(), taken.in_flight.endpoint());
            }
            taken.response.headers_mut().insert(SESSION_ID, sealed);
        }
        taken.in_flight.begun();
        Ok(taken)
    }

    fn seal(
        &self,
        server: &Server<Upstream>,
        endpoint: &Endpoint<Upstream>,
        session: &HeaderValue,
        owner: Option<[u8; 32]>,
    ) -> Result<HeaderValue, Refusal> {
        let unsealable = |why: String| Refusal::Unsealable(why);
        let session = session
            .to_str()
            .map_err(|error| unsealable(error.to_string()))?;
        let leg = Leg {
            server: server.key().clone(),
            endpoint: endpoint.id().clone(),
            upstream_session: if endpoint.link().has_here(session) {
                elsewhere::named(self.replica(), session)
            } else {
                session.to_owned()
            },
        };
        let mut ticket = Ticket::of(leg, unix_time());
        ticket.principal = owner;
        let sealed = self
            .keys
            .seal(&ticket)
            .map_err(|error| unsealable(error.to_string()))?;
        HeaderValue::try_from(sealed).map_err(|error| unsealable(error.to_string()))
    }
}
