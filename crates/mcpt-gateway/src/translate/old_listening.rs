//! The stream of what a server says by itself, for clients with sessions: made of `subscriptions/listen`, which is asked anew
//! whenever the client wants to hear of something else, and when the server ends it.

use std::{sync::Arc, time::Duration};

use hyper::HeaderMap;
use mcpt_protocol::{
    Message,
    translate::{
        Client,
        old::{self, Subscription},
    },
};
use mcpt_routing::Server;
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    carried,
    messages::Messages,
    old_sessions::OldSession,
    stream::{self, Outlet},
};
use crate::{exchange::Exchange, relay::Answer, upstream::Upstream};

/// How often a silent stream shows that it lives, and a server that listens to nobody is asked again.
const TURN: Duration = Duration::from_secs(15);

/// Opens the stream. It is there even while the server has nothing to say: what it has may change.
pub(super) fn listen(
    exchange: &Arc<Exchange>,
    server: &Arc<Server<Upstream>>,
    client: Client,
    session: Arc<OldSession>,
    headers: &HeaderMap,
) -> Answer {
    let (outlet, inlet) = stream::channel();
    let listening = Listening {
        exchange: Arc::clone(exchange),
        server: Arc::clone(server),
        client,
        session,
        headers: carried(headers),
    };
    tokio::spawn(async move {
        let closing = listening.exchange.closing.clone();
        let ended = listening.session.ended.clone();
        tokio::select! {
            () = listening.hear(&outlet) => {}
            () = outlet.gone() => {}
            () = closing.cancelled() => {}
            () = ended.cancelled() => {}
        }
    });
    inlet.stream(None)
}

struct Listening {
    exchange: Arc<Exchange>,
    server: Arc<Server<Upstream>>,
    client: Client,
    session: Arc<OldSession>,
    headers: HeaderMap,
}

impl Listening {
    /// Passes on what is said, for good.
    async fn hear(&self, outlet: &Outlet) {
        let mut turns = tokio::time::interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        turns.tick().await;
        let mut changes = self.session.changed.subscribe();
        let mut opened = Instant::now();
        let mut heard = self.open().await;
        loop {
            let next = async {
                match &mut heard {
                    Some(messages) => messages.next().await.ok().flatten(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                said = next => match said {
                    Some(text) => {
                        let message = Message::parse(text.as_bytes()).ok();
                        if let Some(text) = message.as_ref().and_then(old::heard) {
                            outlet.message(text).await;
                        }
                    }
                    // A server that ends its stream at once is asked again in turn.
                    None if opened.elapsed() < TURN => heard = None,
                    None => {
                        opened = Instant::now();
                        heard = self.open().await;
                    }
                },
                _ = changes.changed() => heard = self.open().await,
                _ = turns.tick() => {
                    outlet.alive().await;
                    if heard.is_none() {
                        heard = self.open().await;
                    }
                }
            }
        }
    }

    /// What the server says; `None` when it has nothing to say or does not listen.
    async fn open(&self) -> Option<Messages> {
        let asked = self
            .exchange
            .discovered(&self.server, &self.headers, &self.client, None);
        let (discovered, _) = asked.await.ok()?;
        let wanted = Subscription {
            resources: self.session.resources(),
        };
        let id = self.exchange.translation.next_id();
        let request = old::listen_request(id, &self.client, &discovered, &wanted)?;
        let asked = self
            .exchange
            .ask_any(&self.server, &self.headers, request, true, None);
        asked.await.ok()
    }
}
