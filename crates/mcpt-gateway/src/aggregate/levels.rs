//! From which level on the client of a session gets log messages: of each server that it has to do with, or comes to.

use futures_util::future::join_all;
use mcpt_protocol::{ErrorCode, Message, Part};

use super::{
    Aggregate,
    legs::{Session, unix_time_ms},
    own,
};
use crate::{relay::Answer, translate::LEVELS};

impl Aggregate {
    /// Sets from which level on the client gets log messages of each server that it has to do with, or comes to.
    pub(super) async fn set_level(
        &self,
        session: &Session,
        message: &Message<'_>,
        id: Part<'_>,
    ) -> Answer {
        let level = message.param("level");
        let level = level.and_then(|level| serde_json::from_str::<String>(level.text()).ok());
        let Some(level) = level.filter(|level| LEVELS.contains(&&**level)) else {
            return own::error(id, ErrorCode::INVALID_PARAMS, "there is no such level");
        };
        let (legs, catalogue) = (&self.parties.legs, &self.parties.catalogue);
        legs.sessions.set_level(session.id, &level, unix_time_ms());
        let begun = legs.sessions.legs(session.id).into_iter();
        let told = begun.map(async |(key, leg)| {
            if let Some(server) = catalogue.server_for(&catalogue.label(&key), &session.viewer) {
                legs.tell_level(session, &server, &leg).await;
            }
        });
        join_all(told).await;
        legs.replicas.tell(session.id).await;
        own::result(id, "{}")
    }
}
