//! Clients of 2026-07-28 in front of a server with sessions: what of their requests needs a session, and what does not.

use std::sync::Arc;

use hyper::{StatusCode, http::request::Parts};
use mcpt_protocol::{Kind, MODERN_VERSION, Message, translate::new::Call};
use mcpt_routing::{Carried, InFlight, Server};
use tokio_util::sync::CancellationToken;

use super::{
    carried,
    leases::{Sharing, Unopened},
    new_calls::{Beginning, Running},
    stream,
};
use crate::{
    access::principal_of, exchange::Exchange, refusal::Refusal, relay::Answer, upstream::Upstream,
};

/// What a state of the gateway's own begins with; any other is the server's.
const OWN_STATE: &str = "mcpt.";

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
        let spoken = [MODERN_VERSION, mcpt_protocol::NEWEST_LEGACY];
        let call = match Call::read(&message, &parts.headers, &spoken) {
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
        let owner = principal_of(&parts.extensions);
        let endpoint = in_flight.endpoint().id();
        let sharing = Sharing::of(server.key(), endpoint, call.client(), &headers, owner);
        let beginning = match self.next_round(&call, &sharing) {
            Ok(Some(parked)) => Beginning::Again(Box::new(parked)),
            Ok(None) => match self
                .lease(sharing, &in_flight, call.client(), &headers)
                .await
            {
                Ok(lease) => Beginning::New(Box::new(lease)),
                Err(Unopened::Login(login)) => {
                    let text = call.without_answer("the server wants another login");
                    return stream::wants_login(login, text);
                }
                Err(Unopened::Refused(refusal)) => {
                    return Answer::refusal(&refusal, Some(call.id()));
                }
            },
            Err(refusal) => return Answer::refusal(&refusal, Some(call.id())),
        };
        drop(in_flight);
        if call.method() == mcpt_protocol::handshake::DISCOVER {
            let Beginning::New(lease) = beginning else {
                return Answer::refusal(&Refusal::UnknownRound, Some(call.id()));
            };
            let text = call.discovered(&lease.initialized, &spoken);
            self.give_lease_back(*lease).await;
            return stream::whole(StatusCode::OK, Some(text));
        }
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
        tokio::spawn(running.run(beginning));
        inlet.response(Some(guard)).await
    }

    /// The call that a request is the next round of, if it is one of those that the gateway has parked.
    fn next_round(
        &self,
        call: &Call,
        sharing: &Sharing,
    ) -> Result<Option<super::parked::Parked>, Refusal> {
        let state = call.request_state();
        let Some(sealed) = state
            .as_deref()
            .and_then(|state| state.strip_prefix(OWN_STATE))
        else {
            return Ok(None);
        };
        let number = self.keys.open_carried(Carried::Round, sealed.as_bytes());
        let number = number.and_then(|bytes| bytes.try_into().ok());
        let number = u64::from_be_bytes(number.ok_or(Refusal::UnknownRound)?);
        let subject = call.subject();
        let is_it = |parked: &super::parked::Parked| {
            parked.subject == subject && parked.lease.sharing.is_of_same_identity(sharing)
        };
        let parked = self.translation.parking.take(number, is_it);
        Ok(Some(parked.ok_or(Refusal::UnknownRound)?))
    }

    /// What a client gives back with its answers.
    pub(super) fn round_state(&self, number: u64) -> Result<String, Refusal> {
        let sealed = self
            .keys
            .seal_carried(Carried::Round, &number.to_be_bytes());
        let sealed = sealed.map_err(|error| Refusal::Unsealable(error.to_string()))?;
        Ok(format!("{OWN_STATE}{sealed}"))
    }
}
