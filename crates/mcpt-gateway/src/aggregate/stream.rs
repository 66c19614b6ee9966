//! The stream on which a client of all servers hears what no request of its own has to do with: that lists are others, and what
//! each server says by itself in the client's session with it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http_body_util::BodyExt as _;
use hyper::Method;
use mcpt_aggregate::ServerLabel;
use mcpt_protocol::{media, sse};
use mcpt_routing::{JoinedLeg, ServerKey};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Parties, inner,
    legs::{Session, within},
    list_changes::ListChanges,
    rewritten::Rewritten,
};
use crate::noted::Noted;

/// How often a silent stream says that it lives.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a server's stream that has ended is left alone before it is opened again.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// Pieces that wait for a client that does not read.
pub(super) const WAITING: usize = 16;

/// A stream of a client.
pub(super) struct Listening {
    pub(super) parties: Arc<Parties>,
    pub(super) session: Session,
    pub(super) to_client: mpsc::Sender<Bytes>,
    /// Another stream of the same client takes its place.
    pub(super) superseded: CancellationToken,
}

/// The stream is over.
struct Over;

impl Listening {
    /// The begin of a stream, and what goes on with it.
    pub(super) fn begin(
        parties: &Arc<Parties>,
        session: Session,
        superseded: CancellationToken,
    ) -> mpsc::Receiver<Bytes> {
        let (to_client, pieces) = mpsc::channel(WAITING);
        let this = Self {
            parties: Arc::clone(parties),
            session,
            to_client,
            superseded,
        };
        let closing = parties.exchange.closing.clone();
        tokio::spawn(async move { closing.run_until_cancelled(this.run()).await });
        pieces
    }

    async fn run(self) {
        let superseded = self.superseded.clone();
        tokio::select! {
            Err(Over) = self.forward() => {}
            () = self.to_client.closed() => {}
            () = superseded.cancelled() => {}
        }
        // Nobody has to end it any more.
        superseded.cancel();
    }

    async fn forward(&self) -> Result<(), Over> {
        let mut lists = ListChanges::of(&self.parties, self.session.viewer.clone());
        let mut open = HashSet::new();
        let mut streams: FuturesUnordered<BoxFuture<'_, ServerKey>> = FuturesUnordered::new();
        let mut silence = tokio::time::interval(KEEP_ALIVE);
        // Headers leave with the first piece.
        loop {
            let legs_changed = self.parties.legs.changed.notified();
            for (key, leg) in self.parties.legs.sessions.legs(self.session.id) {
                if open.insert(key.clone()) {
                    streams.push(self.leg(key, leg).boxed());
                }
            }
            tokio::select! {
                _ = silence.tick() => self.say(Bytes::from_static(sse::KEEP_ALIVE)).await?,
                changed = lists.changed() => {
                    for method in changed.ok_or(Over)? {
                        self.notify(method).await?;
                    }
                }
                Some(ended) = streams.next() => {
                    open.remove(&ended);
                }
                () = legs_changed => {}
            }
        }
    }

    /// What a server says by itself, until it says no more.
    async fn leg(&self, key: ServerKey, leg: JoinedLeg) -> ServerKey {
        let label = self.parties.catalogue.label(&key);
        if self.leg_stream(&leg, label).await.is_none() {
            // It has none to say it on, or is gone: with its session or without.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(PAUSE).await;
        key
    }

    async fn leg_stream(&self, leg: &JoinedLeg, label: ServerLabel) -> Option<()> {
        leg.session.as_ref()?;
        let exchange = &self.parties.exchange;
        let viewer = &self.session.viewer;
        let behalf = viewer.caller.as_ref();
        let server = self.parties.catalogue.server_for(&label, viewer)?;
        let parts = inner::parts(Method::GET, behalf, None, Some(within(leg)));
        let noted = Noted::default();
        let answer = exchange.message(&server, parts, Bytes::new(), &noted).await;
        let events = media::is_type(answer.response.headers(), media::EVENT_STREAM);
        if !events || !answer.response.status().is_success() {
            return None;
        }
        let catalogue = Arc::clone(&self.parties.catalogue);
        let mut stream = Rewritten::new(answer.response.into_body(), label, None, catalogue);
        while let Some(Ok(frame)) = stream.frame().await {
            if let Ok(piece) = frame.into_data() {
                self.say(piece).await.ok()?;
            }
        }
        Some(())
    }

    async fn notify(&self, method: &str) -> Result<(), Over> {
        let message = json!({"jsonrpc": "2.0", "method": method}).to_string();
        let text = message.as_bytes();
        let event = sse::Frame::new(text.len(), |line| line.extend_from_slice(text));
        self.say(event.into_event().into()).await
    }

    async fn say(&self, piece: Bytes) -> Result<(), Over> {
        self.to_client.send(piece).await.map_err(|_| Over)
    }
}
