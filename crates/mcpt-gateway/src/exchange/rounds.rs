//! Calls of the stateless era that take several rounds: an instance that asks its client for more is asked again by the next
//! round, since usually no other can read the state that it has handed out.

use std::sync::Arc;

use mcpt_protocol::RequestStates;
use mcpt_routing::{InFlight, Pinned, RoundKey, Rounds, Server};

use super::{Exchange, request_class::RequestClass};
use crate::upstream::Upstream;

/// Looks at an answer that passes by, for what its instance hands out.
#[derive(Debug)]
pub(crate) struct Watch {
    rounds: Arc<Rounds>,
    server: Arc<Server<Upstream>>,
    states: RequestStates,
}

impl Watch {
    /// Takes a piece of the answer in.
    pub(crate) fn take(&mut self, piece: &[u8], from: &InFlight<Upstream>) {
        let key = |state: &str| RoundKey::of(self.server.key(), state);
        let noted = |state: &str| self.rounds.asked(key(state), from.id());
        self.states.take(piece, noted);
    }
}

impl Exchange {
    /// The instance that a request is the next round for, if it is still there and known: here, or to another replica of the
    /// gateway. They are asked only where it matters which instance it is.
    pub(super) async fn asked_by(
        &self,
        server: &Server<Upstream>,
        class: &RequestClass,
    ) -> Option<InFlight<Upstream>> {
        let state = RoundKey::of(server.key(), class.request_state.as_deref()?);
        let asked_by = match self.rounds.who_asked(state) {
            None if server.endpoints().len() > 1 => self.others.who_asked(state).await,
            known => known,
        };
        match server.pinned(&asked_by?) {
            Pinned::Endpoint(endpoint, _) => Some(endpoint.begin()),
            Pinned::Gone => None,
        }
    }

    /// What is to be noted of the answer to a request.
    pub(super) fn watch(
        &self,
        server: &Arc<Server<Upstream>>,
        class: &RequestClass,
    ) -> Option<Watch> {
        class.may_be_asked.then(|| Watch {
            rounds: Arc::clone(&self.rounds),
            server: Arc::clone(server),
            states: RequestStates::default(),
        })
    }
}
