//! The next round of a call that another replica of the gateway has parked: it is passed on to that one, sealed with the session
//! key, and the answer comes back by the same connection. A client that leaves closes it, by which that replica knows.

use std::sync::Arc;

use hyper::{
    HeaderMap, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    http::request::Parts,
};
use mcpt_core::{Namespace, ServerName};
use mcpt_gateway_api::ROUNDS_PATH;
use mcpt_protocol::{Message, SPOKEN, translate::new::Call};
use mcpt_routing::{Carried, ServerKey};
use serde::{Deserialize, Serialize};

use super::{carried, leases::Identity, new_calls::Beginning, parked::RoundId, stream};
use crate::{
    access::principal_of,
    exchange::Exchange,
    passing::ToPass,
    refusal::Refusal,
    relay::{Answer, GatewayBody},
};

/// Largest message between replicas about a round, in bytes: that of a client, sealed.
pub(crate) const MAX_ROUND: usize = 64 * 1024 * 1024;
/// What the answer of the replica that has the call bears.
const HERE: HeaderName = HeaderName::from_static("mcpt-round");
/// What of its answer's head goes on.
const PASSED: [HeaderName; 4] = [CONTENT_TYPE, CACHE_CONTROL, WWW_AUTHENTICATE, RETRY_AFTER];

/// What one replica passes on to another.
#[derive(Serialize, Deserialize)]
struct NextRound {
    namespace: String,
    server: String,
    /// Whom the gateway knows that asks.
    owner: Option<[u8; 32]>,
    headers: Vec<(String, Vec<u8>)>,
    message: String,
}

impl NextRound {
    fn of(server: &ServerKey, parts: &Parts, message: &Message<'_>) -> Self {
        let headers = parts.headers.iter();
        Self {
            namespace: server.namespace.to_string(),
            server: server.name.to_string(),
            owner: principal_of(&parts.extensions),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
                .collect(),
            message: message.text().to_owned(),
        }
    }

    fn key(&self) -> Option<ServerKey> {
        Some(ServerKey {
            namespace: Namespace::new(&self.namespace).ok()?,
            name: ServerName::new(&self.server).ok()?,
        })
    }

    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let name: HeaderName = name.parse().ok()?;
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        Some(headers)
    }
}

impl Exchange {
    /// Passes a round on to the replica that has the call; its answer.
    ///
    /// # Errors
    /// [`Refusal::UnknownRound`] when no replica has it, [`Refusal::ReplicaSilent`] when the one that has it does not answer now.
    pub(super) async fn pass_on(
        &self,
        round: RoundId,
        server: &ServerKey,
        parts: &Parts,
        message: &Message<'_>,
    ) -> Result<Answer, Refusal> {
        let unsealable = |error: &dyn std::error::Error| Refusal::Unsealable(error.to_string());
        let text = serde_json::to_vec(&NextRound::of(server, parts, message));
        let text = text.map_err(|error| unsealable(&error))?;
        let sealed = self.keys.seal_carried(Carried::NextRound, &text);
        let sealed = sealed.map_err(|error| unsealable(&error))?;
        let to_pass = ToPass {
            path: ROUNDS_PATH,
            sealed,
            here: HERE,
            // It begins when the server or the client has said more.
            answer_within: None,
            gone: Refusal::UnknownRound,
        };
        let answer = to_pass.to(round.replica, &self.others).await?;
        let (head, body) = answer.into_parts();
        let mut response = Response::new(GatewayBody::passed(body, None));
        *response.status_mut() = head.status;
        for name in PASSED {
            if let Some(value) = head.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        Ok(Answer::streamed(response))
    }

    /// The number that this replica has drawn for itself.
    pub(crate) fn replica(&self) -> u64 {
        self.translation.parking.replica
    }

    /// Whether this is the replica that draws this number for its rounds.
    pub(crate) fn has_rounds(&self, replica: u64) -> bool {
        self.replica() == replica
    }

    /// Goes on with a call whose next round another replica has passed on; `None` when that is none with the same keys.
    pub(crate) async fn next_round(
        self: &Arc<Self>,
        sealed: &[u8],
    ) -> Option<Response<GatewayBody>> {
        let text = self.keys.open_carried(Carried::NextRound, sealed)?;
        let next: NextRound = serde_json::from_slice(&text).ok()?;
        let (server, headers) = (next.key()?, next.headers()?);
        let message = Message::parse(next.message.as_bytes()).ok()?;
        let answer = match Call::read(&message, &headers, &SPOKEN) {
            Ok(call) => {
                let headers = carried(&headers);
                let identity = Identity::of(&server, &headers, next.owner);
                self.go_on_for_another(call, headers, &identity).await
            }
            Err(refused) => {
                let status = StatusCode::from_u16(refused.status);
                stream::whole(
                    status.unwrap_or(StatusCode::BAD_REQUEST),
                    Some(refused.text(None)),
                )
            }
        };
        let mut response = answer.response;
        let here = HeaderValue::from_static("here");
        response.headers_mut().insert(HERE, here);
        Some(response)
    }

    async fn go_on_for_another(
        self: &Arc<Self>,
        call: Call,
        headers: HeaderMap,
        identity: &Identity,
    ) -> Answer {
        let state = call.request_state().unwrap_or_default();
        let Ok(Some(round)) = RoundId::of(&state, &self.keys) else {
            return Answer::refusal(&Refusal::UnknownRound, Some(call.id()));
        };
        let room = match self.passed.call() {
            Ok(room) => room,
            Err(full) => return Answer::refusal(&full, Some(call.id())),
        };
        match self.parked(round, &call, identity) {
            Some(parked) => {
                let again = Beginning::Again(Box::new(parked));
                self.run(call, headers, again, Some(room)).await
            }
            None => Answer::refusal(&Refusal::UnknownRound, Some(call.id())),
        }
    }
}
