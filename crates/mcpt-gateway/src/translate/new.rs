//! Clients of 2026-07-28 in front of a server with sessions: what of their requests needs a session, and what does not.

use std::sync::Arc;

use hyper::{HeaderMap, StatusCode, http::request::Parts};
use mcpt_protocol::{Kind, Message, SPOKEN, handshake::DISCOVER, translate::new::Call};
use mcpt_routing::{InFlight, Server};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{
    carried,
    leases::{Identity, Sharing, Unopened},
    new_calls::{Beginning, Running},
    parked::{ForeignState, Parked, RoundId},
    stream,
};
use crate::{
    access::principal_of, exchange::Exchange, refusal::Refusal, relay::Answer, upstream::Upstream,
};

/// Which round of a call a request is.
enum Round {
    First,
    /// A further one of a call that is parked here.
    Next(Box<Parked>),
    /// A further one of a call that another replica has.
    Elsewhere(RoundId),
}

impl Exchange {
    /// A message of a client of 2026-07-28 to an endpoint that has sessions only.
    pub(crate) async fn without_session(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        in_flight: InFlight<Upstream>,
        parts: &Parts,
        body: &[u8],
    ) -> Answer {
        let Ok(message) = Message::parse(body) else {
            return Answer::refusal(&Refusal::NoMessage, None);
        };
        if matches!(message.kind(), Kind::Notification { .. }) {
            // What ends a call is the end of its stream.
            return stream::whole(StatusCode::ACCEPTED, None);
        }
        let call = match Call::read(&message, &parts.headers, &SPOKEN) {
            Ok(call) => call,
            Err(refused) => {
                let id = match message.kind() {
                    Kind::Request { id, .. } => Some(*id),
                    _ => None,
                };
                let status = StatusCode::from_u16(refused.status);
                let status = status.unwrap_or(StatusCode::BAD_REQUEST);
                return stream::whole(status, Some(refused.text(id)));
            }
        };
        let headers = carried(&parts.headers);
        let identity = Identity::of(server.key(), &headers, principal_of(&parts.extensions));
        let beginning = match self.round(&call, &identity) {
            Ok(Round::Next(parked)) => Beginning::Again(parked),
            Ok(Round::Elsewhere(round)) => {
                drop(in_flight);
                let passed = self.pass_on(round, server.key(), parts, &message).await;
                return passed.unwrap_or_else(|refusal| Answer::refusal(&refusal, Some(call.id())));
            }
            Ok(Round::First) => {
                let sharing = Sharing::of(identity, in_flight.endpoint().id(), call.client());
                let lease = self.lease(sharing, &in_flight, call.client(), &headers);
                match lease.await {
                    Ok(lease) => Beginning::New(Box::new(lease)),
                    Err(Unopened::Login(login)) => {
                        let text = call.without_answer("the server wants another login");
                        return stream::wants_login(login, text);
                    }
                    Err(Unopened::Refused(refusal)) => {
                        return Answer::refusal(&refusal, Some(call.id()));
                    }
                }
            }
            Err(refusal) => return Answer::refusal(&refusal, Some(call.id())),
        };
        drop(in_flight);
        if call.method() == DISCOVER {
            let Beginning::New(lease) = beginning else {
                return Answer::refusal(&Refusal::UnknownRound, Some(call.id()));
            };
            let text = call.discovered(&lease.initialized, &SPOKEN);
            self.give_lease_back(*lease).await;
            return stream::whole(StatusCode::OK, Some(text));
        }
        self.run(call, headers, beginning, None).await
    }

    /// The answer to a call in its session; `room` is kept for as long as it goes on.
    pub(super) async fn run(
        self: &Arc<Self>,
        call: Call,
        headers: HeaderMap,
        beginning: Beginning,
        room: Option<OwnedSemaphorePermit>,
    ) -> Answer {
        let (outlet, inlet) = stream::channel();
        // The client ends its call by going away.
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let running = Running {
            exchange: Arc::clone(self),
            call,
            headers,
            outlet,
            gone,
        };
        tokio::spawn(async move {
            Box::pin(running.run(beginning)).await;
            drop(room);
        });
        inlet.response(Some(guard)).await
    }

    /// Which round a request is of the calls that the gateway has parked.
    fn round(&self, call: &Call, identity: &Identity) -> Result<Round, Refusal> {
        let Some(state) = call.request_state() else {
            return Ok(Round::First);
        };
        let round = RoundId::of(&state, &self.keys);
        let Some(round) = round.map_err(|ForeignState| Refusal::UnknownRound)? else {
            return Ok(Round::First);
        };
        if round.replica != self.translation.parking.replica {
            return Ok(Round::Elsewhere(round));
        }
        let parked = self.parked(round, call, identity);
        Ok(Round::Next(Box::new(parked.ok_or(Refusal::UnknownRound)?)))
    }

    /// A parked call of this replica, if it is the one that a request goes on with.
    pub(super) fn parked(
        &self,
        round: RoundId,
        call: &Call,
        identity: &Identity,
    ) -> Option<Parked> {
        let subject = call.subject();
        let is_it = |parked: &Parked| {
            parked.subject == subject && parked.lease.sharing.identity == *identity
        };
        self.translation.parking.take(round, is_it)
    }
}
