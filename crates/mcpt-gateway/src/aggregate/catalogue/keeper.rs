//! [`Keeper`]: keeps the lists of one server as they are.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Method;
use mcpt_aggregate::{FromServer, ServerLabel, from_server};
use mcpt_protocol::{Message, media, sse};
use mcpt_routing::Server;
use tokio::sync::Notify;

use super::Catalogue;
use crate::{
    aggregate::{
        inner,
        lister::{self, Listed, NotListed, OwnSession},
    },
    noted::Noted,
    relay::GatewayBody,
    upstream::Upstream,
};

/// How often a server is asked that has not told of any change. Not all tell.
const RENEW: Duration = Duration::from_mins(10);
/// How soon a server is asked again that has failed, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How long changes of a server gather before it is asked again: its instances come and go one by one.
const GATHER: Duration = Duration::from_millis(100);
/// Largest message that is read from a server's stream, which tells of changes alone.
const MAX_EVENT: usize = 1024 * 1024;

/// Asks one server for as long as it is there.
pub(super) struct Keeper {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) label: ServerLabel,
    pub(super) again: Arc<Notify>,
}

impl Keeper {
    pub(super) async fn keep(self) {
        let mut pause = FIRST_PAUSE;
        while let Some(server) = self.catalogue.server(&self.label) {
            if server.must_be_started() && self.is_stopped_as_known() {
                // Nobody starts it to hear what is known: its lists are those of before.
                self.changed(&server).await;
            } else {
                pause = self.keep_lists(&server, pause).await;
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Asks for its lists and waits until they may be others. `pause` is how long that is if they cannot be had; with the next one.
    async fn keep_lists(&self, server: &Arc<Server<Upstream>>, mut pause: Duration) -> Duration {
        let (session, wait) = match self.list(server).await {
            Ok(listed) => {
                pause = FIRST_PAUSE;
                (self.publish(listed), RENEW)
            }
            Err(fault) => {
                self.failed(&fault);
                let wait = pause;
                pause = (pause * 2).min(MAX_PAUSE);
                (None, wait)
            }
        };
        {
            let mut told = pin!(self.told(server, session.as_ref()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.again.notified() => {}
                () = self.changed(server) => pause = FIRST_PAUSE,
                () = &mut told => {}
            }
        }
        if let Some(session) = session {
            inner::end(&self.catalogue.exchange, server, None, session.within()).await;
        }
        pause
    }

    /// Asks a server. One that is stopped while nobody calls it is started once, since nobody knows yet what it has.
    async fn list(&self, server: &Arc<Server<Upstream>>) -> Result<Listed, NotListed> {
        let exchange = &self.catalogue.exchange;
        if !server.must_be_started() {
            return lister::list(exchange, server).await;
        }
        let started = exchange.started(server).await;
        let server = started.map_err(|refusal| NotListed::Refused(refusal.to_string()))?;
        lister::list(exchange, &server).await
    }

    /// Notes of a server that must be started that its lists are known, if they are: they will be the same.
    fn is_stopped_as_known(&self) -> bool {
        let mut listed = false;
        self.catalogue.state.send_if_modified(|state| {
            let known = state.servers.get_mut(&self.label);
            let Some(known) = known.filter(|known| known.listed) else {
                return false;
            };
            listed = true;
            let told = known.fault.take().is_some();
            if told {
                state.changed();
            }
            told
        });
        listed
    }

    /// Makes lists known; with the session in which the server tells of changes.
    fn publish(&self, listed: Listed) -> Option<OwnSession> {
        let Listed {
            listing,
            instructions,
            session,
        } = listed;
        self.catalogue.state.send_if_modified(|state| {
            let Some(known) = state.servers.get_mut(&self.label) else {
                return false;
            };
            (known.tried, known.listed, known.fault) = (true, true, None);
            known.instructions = instructions;
            if *known.listing != listing {
                known.listing = Arc::new(listing);
                state.merge();
            }
            state.changed();
            true
        });
        session
    }

    /// Notes that the lists could not be had: those of before stay, since a server that is away for a moment has lost nothing.
    fn failed(&self, fault: &NotListed) {
        tracing::warn!(server = %self.label, %fault, "its lists are not known");
        self.catalogue.state.send_modify(|state| {
            if let Some(known) = state.servers.get_mut(&self.label) {
                known.tried = true;
                known.fault = Some(fault.to_string());
                state.changed();
            }
        });
    }

    /// Waits until the server has changed: it has other instances, or they are in another condition.
    async fn changed(&self, server: &Arc<Server<Upstream>>) {
        loop {
            let changed = self.catalogue.exchange.directory.changed();
            let now = self.catalogue.server(&self.label);
            if now.is_none_or(|now| !Arc::ptr_eq(&now, server)) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until the server tells that its lists are others, which those without a stream never do.
    async fn told(&self, server: &Arc<Server<Upstream>>, session: Option<&OwnSession>) {
        if let Some(session) = session {
            let exchange = &self.catalogue.exchange;
            let parts = inner::parts(Method::GET, None, None, Some(session.within()));
            let noted = Noted::default();
            let answer = exchange.message(server, parts, Bytes::new(), &noted).await;
            let events = media::is_type(answer.response.headers(), media::EVENT_STREAM);
            if events && self.tells(answer.response.into_body()).await {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    async fn tells(&self, mut stream: GatewayBody) -> bool {
        let (mut reader, mut events) = (sse::Reader::new(MAX_EVENT), Vec::new());
        while let Some(Ok(frame)) = stream.frame().await {
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            if reader.read(&piece, &mut events).is_err() {
                return false;
            }
            let changed = events.drain(..).any(|event| {
                let data = event.data.unwrap_or_default();
                Message::parse(data.as_bytes()).is_ok_and(|message| {
                    from_server(&self.label, &message) == FromServer::ListChanged
                })
            });
            if changed {
                return true;
            }
        }
        false
    }
}
