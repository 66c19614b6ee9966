//! Where a request outside of any session turns out to be of another era than its server.

use std::sync::Arc;

use bytes::Bytes;
use hyper::{HeaderMap, Method, body::Incoming, http::request::Parts};
use mcpt_protocol::{Era, Message, era_of_version, media, translate::Client};
use mcpt_routing::{InFlight, Server, Work};

use super::discovery::Discovery;
use crate::{
    access::principal_of,
    exchange::{Exchange, Purpose, ReadBody, RequestClass, Taken},
    noted::Noted,
    relay::Answer,
    reuse::Sent,
    upstream::{Stateless, Upstream},
};

/// What becomes of a request.
pub(crate) enum Across {
    /// It was answered.
    Answered(Answer),
    /// It goes on as it is, to this endpoint first.
    Within(ReadBody<Incoming>, Option<InFlight<Upstream>>),
}

/// An `initialize` that was sent on, for the case that the server takes no sessions.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(super) headers: HeaderMap,
    pub(super) owner: Option<[u8; 32]>,
    pub(super) body: Bytes,
}

impl Beginning {
    /// That of a request, if it is one.
    pub(crate) fn of(
        class: &RequestClass,
        parts: &Parts,
        read: &ReadBody<Incoming>,
    ) -> Option<Self> {
        match read {
            ReadBody::Whole(body) if class.purpose == Purpose::Initialize => Some(Self {
                headers: parts.headers.clone(),
                owner: principal_of(&parts.extensions),
                body: body.clone(),
            }),
            ReadBody::Whole(_) | ReadBody::Large { .. } => None,
        }
    }

    /// Whether a server that knows sessions begins one by it.
    pub(super) fn is_sound(&self) -> bool {
        let accepts = |essence| media::accepts(&self.headers, essence);
        let message = Message::parse(&self.body).ok();
        message.is_some_and(|message| Client::of_initialize(&message).is_some())
            && media::is_type(&self.headers, media::JSON)
            && accepts(media::JSON)
            && accepts(media::EVENT_STREAM)
    }
}

impl Exchange {
    /// Answers a request whose server is known, or found, to speak another era. `asked_by` is the instance that it is the next
    /// round for.
    pub(crate) async fn across_eras(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        parts: &Parts,
        read: ReadBody<Incoming>,
        class: &RequestClass,
        asked_by: Option<InFlight<Upstream>>,
        noted: &Noted,
    ) -> Across {
        if parts.method != Method::POST {
            return Across::Within(read, asked_by);
        }
        match (class.purpose, &read) {
            (Purpose::Modern { .. }, _) => {}
            (Purpose::Initialize, ReadBody::Whole(body)) if is_stateless(body) => {}
            (Purpose::Initialize, ReadBody::Whole(body)) => {
                let beginning = Beginning::of(class, parts, &read);
                if self.keeps_sessions_for(server)
                    && let Some(beginning) = beginning
                {
                    noted.note_sent(&Sent::whole(body));
                    let begun = Box::pin(self.begin_for(server, &beginning, None)).await;
                    if let Some(answer) = begun {
                        return Across::Answered(answer);
                    }
                }
                return Across::Within(read, asked_by);
            }
            (Purpose::Initialize | Purpose::Other, _) => return Across::Within(read, asked_by),
        }
        let pick = || server.pick(Work::OneRequest, &[], self.directory.now());
        let Some(endpoint) = asked_by.or_else(pick) else {
            return Across::Within(read, None);
        };
        let known = || endpoint.link().eras().stateless(self.directory.now());
        let is_sound = || Discovery::of(class, parts, &read).is_some();
        if class.discovers && known() == Stateless::NotAsked && is_sound() {
            // Its answer says it.
            return Across::Within(read, Some(endpoint));
        }
        match self.stateless_at(&endpoint, &parts.headers).await {
            Stateless::No => {}
            // It could not even be asked: another one is better.
            Stateless::Undecided if endpoint.is_paused(self.directory.now()) => {
                return Across::Within(read, None);
            }
            Stateless::Yes | Stateless::Undecided | Stateless::NotAsked => {
                return Across::Within(read, Some(endpoint));
            }
        }
        let body = match self.whole(read).await {
            Ok(body) => body,
            Err(refusal) => {
                return Across::Answered(Answer::refusal(&refusal, class.id.as_deref()));
            }
        };
        noted.note_sent(&Sent::whole(&body));
        // On the heap: requests that stay within their era need no room for it.
        Across::Answered(Box::pin(self.without_session(server, endpoint, parts, &body)).await)
    }

    /// The answer to an `initialize` whose server has answered without beginning a session, if the gateway keeps one instead.
    pub(crate) async fn begun_instead(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        beginning: Option<&Beginning>,
        taken: &Taken,
    ) -> Option<Answer> {
        let beginning = beginning?;
        if !Box::pin(self.leaves_session(taken, beginning)).await {
            return None;
        }
        let same = taken.in_flight.endpoint().begin();
        Box::pin(self.begin_for(server, beginning, Some(same))).await
    }
}

/// Whether an `initialize` says that it is a request of 2026-07-28, which has none.
fn is_stateless(body: &[u8]) -> bool {
    let message = Message::parse(body).ok();
    let version = message.and_then(|message| message.params().meta_protocol_version);
    version.is_some_and(|version| era_of_version(&version) == Some(Era::Modern))
}
