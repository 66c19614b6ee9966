//! All servers as one for clients of the stateless era (2026-07-28): each request stands alone, says in its headers what it is
//! about, and goes on to its server in the same way. Of a server with sessions the exchange makes one without, see `translate`.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Method, StatusCode, header::HeaderName, http::request::Parts};
use mcpt_aggregate::{FromServer, ListKind, ServerLabel, from_server, to_server};
use mcpt_protocol::{
    ErrorCode, Kind, MODERN_VERSION, Message, NEWEST_LEGACY, Part, SPOKEN,
    handshake::DISCOVER,
    media, sse, subscription_ended,
    translate::{
        mirrored,
        new::{Call, Filter, Said},
    },
};
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    Aggregate, Parties,
    inner::{self, In},
    list_changes::ListChanges,
    own,
    rewritten::{self, Rewritten},
    stream::{KEEP_ALIVE, PAUSE, WAITING},
    viewer::Viewer,
};
use crate::{
    answers::MAX_ANSWER,
    metrics::Outcome,
    noted::Noted,
    refusal::page,
    relay::{Answer, GatewayBody},
};

/// Most resources that one client listens to.
const MOST_RESOURCES: usize = 1024;
/// What headers of arguments begin with.
const PARAM: &str = "mcp-param-";

impl Aggregate {
    /// Answers one message.
    pub(super) async fn stateless(
        &self,
        message: &Message<'_>,
        parts: &Parts,
        viewer: &Viewer,
        noted: &Noted,
    ) -> Answer {
        let id = match message.kind() {
            Kind::Request { id, .. } => *id,
            // What ends a call is the end of its stream.
            Kind::Notification { .. } => return own::accepted(),
            Kind::Response { .. } => {
                let (status, code) = (StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST);
                return own::refused(status, None, code, "no server has asked this");
            }
        };
        let call = match Call::read(message, &parts.headers, &SPOKEN) {
            Ok(call) => call,
            Err(refused) => {
                let status = StatusCode::from_u16(refused.status);
                let status = status.unwrap_or(StatusCode::BAD_REQUEST);
                return answered(status, refused.text(Some(id)), Outcome::Refused);
            }
        };
        if call.method() == "subscriptions/listen" {
            let filter = call.filter().unwrap_or_default();
            if filter.resources.len() > MOST_RESOURCES {
                let why = format!("more than {MOST_RESOURCES} resources cannot be listened to");
                return own::error(id, ErrorCode::INVALID_PARAMS, &why);
            }
            return self.listen(call, filter, viewer.clone());
        }
        let own_kind = ListKind::of_method(call.method());
        if own_kind.is_none() && call.method() != DISCOVER {
            return self
                .forward_stateless(message, id, parts, viewer, noted)
                .await;
        }
        self.parties.catalogue.settled().await;
        let seen = self.parties.catalogue.seen_by(viewer);
        let told = own::told(NEWEST_LEGACY, &seen).to_string();
        let Some(kind) = own_kind else {
            let text = call.discovered(&told, &SPOKEN);
            return answered(StatusCode::OK, text, Outcome::Answered);
        };
        let text = own::result_text(id, &own::list_result(kind, &seen));
        let said = Message::parse(text.as_bytes()).map(|message| call.take(&message, &told));
        match said {
            Ok(Said::Answer { text, .. }) => answered(StatusCode::OK, text, Outcome::Answered),
            _ => own::error(id, ErrorCode::INTERNAL_ERROR, "the list cannot be told"),
        }
    }

    async fn forward_stateless(
        &self,
        message: &Message<'_>,
        id: Part<'_>,
        parts: &Parts,
        viewer: &Viewer,
        noted: &Noted,
    ) -> Answer {
        let behalf = viewer.caller.as_ref();
        let target = match self.target(message, viewer).await {
            Ok(target) => target,
            Err((code @ ErrorCode::METHOD_NOT_FOUND, why)) => {
                return own::refused(StatusCode::NOT_FOUND, Some(id), code, &why);
            }
            Err((code, why)) => return own::error(id, code, &why),
        };
        let Some(server) = self.parties.catalogue.server_for(&target.server, viewer) else {
            let why = format!("no server {}", target.server);
            return own::error(id, ErrorCode::INVALID_PARAMS, &why);
        };
        noted.note_server(&server);
        let text = to_server(message, &target.own);
        let head = head(&text, behalf, Some(&parts.headers));
        let exchange = &self.parties.exchange;
        let kept = match viewer.refused(&server, &head, &text) {
            None => {
                exchange
                    .counted(&server, &head.extensions, text.as_bytes(), noted)
                    .await
            }
            Some(refusal) => Err(refusal),
        };
        let kept = match kept {
            Ok(kept) => kept,
            Err(refusal) => return Answer::refusal(&refusal, Some(id.raw())),
        };
        let mut answer = exchange.message(&server, head, text.into(), noted).await;
        let kept_there = answer.kept.take();
        let answer = forwarded(&self.parties, &target.server, id, answer).await;
        answer.keeping(kept_there).keeping(kept)
    }

    /// Begins a stream of what a client wants to hear of.
    fn listen(&self, call: Call, filter: Filter, viewer: Viewer) -> Answer {
        let (to_client, pieces) = mpsc::channel(WAITING);
        let subscription = Subscription {
            parties: Arc::clone(&self.parties),
            filter,
            call,
            viewer,
            to_client,
        };
        tokio::spawn(subscription.run());
        own::events(GatewayBody::Heard(pieces))
    }
}

/// A server's answer as the client gets it.
async fn forwarded(
    parties: &Parties,
    server: &ServerLabel,
    id: Part<'_>,
    answer: Answer,
) -> Answer {
    let outcome = answer.outcome;
    let (parts, body) = answer.response.into_parts();
    if parts.status.is_success() && media::is_type(&parts.headers, media::EVENT_STREAM) {
        let (catalogue, id) = (Arc::clone(&parties.catalogue), Some(id.to_owned()));
        let body = Rewritten::new(body, server.clone(), id, catalogue);
        return own::events(GatewayBody::Rewritten(Box::new(body)));
    }
    let why = match rewritten::read(server, id, body, &parties.exchange.answers).await {
        Ok(Some(text)) => return answered(parts.status, text, outcome),
        Ok(None) => format!("{server}: its answer is HTTP {}", parts.status.as_u16()),
        Err(why) => format!("{server}: {why}"),
    };
    own::error(id, ErrorCode::INTERNAL_ERROR, &why)
}

/// An answer as it is.
fn answered(status: StatusCode, text: impl Into<Bytes>, outcome: Outcome) -> Answer {
    let mut answer = own::accepted();
    answer.response = page(status, media::JSON, text);
    answer.outcome = outcome;
    answer
}

/// The head of a request to a server, which mirrors what the server calls it.
fn head(text: &str, behalf: inner::Behalf<'_>, client: Option<&HeaderMap>) -> Parts {
    let within = In {
        session: None,
        version: MODERN_VERSION,
    };
    let mut head = inner::parts(Method::POST, behalf, client, Some(within));
    if let Ok(message) = Message::parse(text.as_bytes()) {
        let params = message.params_object().unwrap_or_default();
        let method = message.method().unwrap_or_default();
        head.headers.extend(mirrored(method, &params));
    }
    let arguments = client.into_iter().flatten();
    let arguments = arguments.filter(|(name, _)| name.as_str().starts_with(PARAM));
    let arguments: Vec<(HeaderName, _)> = arguments
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, value) in arguments {
        head.headers.append(name, value);
    }
    head
}

/// What one client listens to.
struct Subscription {
    parties: Arc<Parties>,
    call: Call,
    filter: Filter,
    viewer: Viewer,
    to_client: mpsc::Sender<Bytes>,
}

/// The client has gone.
struct Gone;

impl Subscription {
    async fn run(self) {
        let closing = self.parties.exchange.closing.clone();
        tokio::select! {
            Err(Gone) = self.forward() => {}
            () = self.to_client.closed() => {}
            () = closing.cancelled() => {
                // By it the client knows that the stream was not broken off. It may be gone meanwhile.
                drop(self.say(&subscription_ended(Part::alone(self.call.id()))).await);
            }
        }
    }

    async fn forward(&self) -> Result<(), Gone> {
        self.say(&self.call.acknowledged(&self.filter)).await?;
        let mut lists = ListChanges::of(&self.parties, self.viewer.clone());
        let mut servers: BTreeMap<ServerLabel, Vec<String>> = BTreeMap::new();
        for uri in &self.filter.resources {
            let target = lists.known().resource(uri).filter(|target| {
                let viewer = &self.viewer;
                let server = self.parties.catalogue.server_for(&target.server, viewer);
                server.is_some()
            });
            if let Some(target) = target {
                servers
                    .entry(target.server)
                    .or_default()
                    .push(target.own.into());
            }
        }
        let heard = servers
            .iter()
            .map(|(server, uris)| self.hear(server, uris).boxed());
        let mut heard: FuturesUnordered<BoxFuture<'_, Gone>> = heard.collect();
        let mut silence = tokio::time::interval(KEEP_ALIVE);
        loop {
            tokio::select! {
                _ = silence.tick() => {
                    let alive = Bytes::from_static(sse::KEEP_ALIVE);
                    self.to_client.send(alive).await.map_err(|_| Gone)?;
                }
                Some(Gone) = heard.next() => return Err(Gone),
                changed = lists.changed() => {
                    for method in changed.ok_or(Gone)? {
                        let text = json!({"jsonrpc": "2.0", "method": method}).to_string();
                        self.tell(&text).await?;
                    }
                }
            }
        }
    }

    /// Hears of resources of one server, for as long as the client listens.
    async fn hear(&self, label: &ServerLabel, uris: &[String]) -> Gone {
        loop {
            if let Err(gone) = self.hear_once(label, uris).await {
                return gone;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear_once(&self, label: &ServerLabel, uris: &[String]) -> Result<(), Gone> {
        let caller = self.viewer.caller.as_ref();
        let Some(server) = self.parties.catalogue.server_for(label, &self.viewer) else {
            return Ok(());
        };
        let text = json!({"jsonrpc": "2.0", "id": 0, "method": "subscriptions/listen", "params": {
            "notifications": {"resourceSubscriptions": uris},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN_VERSION,
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        }});
        let text = text.to_string();
        let head = head(&text, caller, None);
        let answer = self
            .parties
            .exchange
            .message(&server, head, text.into(), &Noted::default())
            .await;
        if !media::is_type(answer.response.headers(), media::EVENT_STREAM) {
            return Ok(());
        }
        let mut body = answer.response.into_body();
        let (mut reader, mut heard) = (sse::Reader::new(MAX_ANSWER), Vec::new());
        let mut room = self.parties.exchange.answers.room();
        while room.more(reader.held()).await.is_ok()
            && let Some(Ok(frame)) = body.frame().await
        {
            let Ok(piece) = frame.into_data() else {
                continue;
            };
            if reader.read(&piece, &mut heard).is_err() {
                return Ok(());
            }
            for event in heard.drain(..) {
                let data = event.data.unwrap_or_default();
                let Ok(message) = Message::parse(data.as_bytes()) else {
                    continue;
                };
                if let FromServer::Rewritten(text) = from_server(label, &message) {
                    self.tell(&text).await?;
                }
            }
        }
        Ok(())
    }

    /// Tells the client, if it wants to hear of it.
    async fn tell(&self, text: &str) -> Result<(), Gone> {
        let told = Message::parse(text.as_bytes()).ok();
        let told = told.and_then(|message| self.call.heard(&message, &self.filter));
        match told {
            Some(text) => self.say(&text).await,
            None => Ok(()),
        }
    }

    async fn say(&self, text: &str) -> Result<(), Gone> {
        let text = text.as_bytes();
        let event = sse::Frame::new(text.len(), |line| line.extend_from_slice(text));
        let sent = self.to_client.send(event.into_event().into()).await;
        sent.map_err(|_| Gone)
    }
}
