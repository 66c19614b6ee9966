//! Requests in a session: each goes where its session lives, its body unread. A server that is said to keep nothing for
//! sessions is asked wherever it can be reached when that place is gone, with the session id that it gave.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{CONTENT_LENGTH, HeaderValue},
    http::request::Parts,
};
use mcpt_core::Sessions;
use mcpt_protocol::{
    header::{LAST_EVENT_ID, SESSION_ID},
    means_unknown_session,
    translate::Client,
};
use mcpt_routing::{Endpoint, InFlight, Leg, Permit, Pinned, Server, Work};

use super::{
    Exchange, Stream, Taken, body_budget::ReadBody, elsewhere, request_body::RequestBody,
    request_class::request_id,
};
use crate::{
    access::{principal_of, tell_caller},
    directory::unix_time,
    headers,
    metrics::Outcome,
    noted::Noted,
    refusal::Refusal,
    relay::Answer,
    translate::OldClient,
    upstream::{SendError, ServerBody, Upstream},
};

/// How old a session may be for its unknown endpoint to be a new one.
const FRESH_SECONDS: u32 = 10;
/// How long such an endpoint is waited for.
const APPEAR_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest answer that is read to know what an error says.
const SHORT: u64 = 64 * 1024;

/// A session that a request names.
pub(super) struct Named {
    pub(super) sealed: HeaderValue,
    leg: Leg,
    /// When it began, in seconds since 1970.
    issued: u32,
    /// Whether its server keeps nothing for it.
    stateless: bool,
}

/// Where a session is, since when in seconds since 1970, and what it is called there.
type AtServer = (Leg, u32, HeaderValue);

/// What a session id says.
enum Opened {
    /// A server has the session.
    AtServer(AtServer),
    /// The gateway keeps it for this client: the server has none.
    Kept(Client),
    /// A server has it whose stream is in this replica of the gateway, which is another one.
    Elsewhere(u64),
}

/// Why a request in a session was not answered: with the request itself if nothing of it was sent.
pub(super) struct Unanswered {
    refusal: Refusal,
    unsent: Option<Box<Request<RequestBody>>>,
}

impl Exchange {
    pub(super) async fn pinned(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        request: Request<Incoming>,
        sealed: HeaderValue,
        noted: &Noted,
    ) -> Answer {
        let owner = principal_of(request.extensions());
        let opened = self.opened(server, &sealed, owner);
        let awake = match self
            .awake_for(server, request.method(), opened.as_ref())
            .await
        {
            Ok(awake) => awake,
            Err(refusal) => return self.refuse(refusal, request).await,
        };
        let server = awake.as_ref().unwrap_or(server);
        let opened = match opened {
            Some(Opened::AtServer(opened)) => opened,
            Some(Opened::Kept(client)) => {
                let (mut parts, body) = request.into_parts();
                let session = OldClient { sealed, client };
                let (read, place) = match self.read(&mut parts, body).await {
                    Ok(read) => match self.place_of(server, &parts.method, &read) {
                        Ok(place) => (read, place),
                        Err(busy) => return Answer::refusal(&busy, read.request_id().as_deref()),
                    },
                    Err(refusal) => return Answer::refusal(&refusal, None),
                };
                let answer = self.in_session_for(server, session, &parts, read, noted);
                return answer.await.holding(place);
            }
            Some(Opened::Elsewhere(replica)) => {
                let (parts, body) = request.into_parts();
                let body = match self.bodies.read(body).await {
                    Ok(begun) => self.bodies.whole(begun).await,
                    Err(refusal) => Err(refusal),
                };
                return match body {
                    Ok(body) => self.passed_on(replica, server, &parts, body, noted).await,
                    Err(refusal) => Answer::refusal(&refusal, None),
                };
            }
            None => return self.refuse(Refusal::UnknownSession, request).await,
        };
        let (session, mut in_flight, own_id) = match self.located(server, sealed, opened).await {
            Ok(located) => located,
            Err(refusal) => return self.refuse(refusal, request).await,
        };
        match self.prepared(server, request, own_id).await {
            Ok((request, place)) => {
                in_flight.hold(place);
                self.ask_in(server, session, in_flight, request, noted)
                    .await
            }
            Err(refusal) => Answer::refusal(&refusal, None),
        }
    }

    /// The same for a message that is there.
    pub(super) async fn pinned_message(
        self: &Arc<Self>,
        server: &Arc<Server<Upstream>>,
        parts: Parts,
        message: Bytes,
        sealed: HeaderValue,
        noted: &Noted,
    ) -> Answer {
        let refused = |refusal| Answer::refusal(&refusal, request_id(&message).as_deref());
        let opened = self.opened(server, &sealed, principal_of(&parts.extensions));
        let awake = match self.awake_for(server, &parts.method, opened.as_ref()).await {
            Ok(awake) => awake,
            Err(refusal) => return refused(refusal),
        };
        let server = awake.as_ref().unwrap_or(server);
        let read = ReadBody::Whole(message.clone());
        let place = match self.place_of(server, &parts.method, &read) {
            Ok(place) => {
                place.or_else(|| self.kept_for_stream(server, &parts.method, &parts.headers))
            }
            Err(busy) => return refused(busy),
        };
        let opened = match opened {
            Some(Opened::AtServer(opened)) => opened,
            Some(Opened::Kept(client)) => {
                let session = OldClient { sealed, client };
                let answer = self.in_session_for(server, session, &parts, read, noted);
                return answer.await.holding(place);
            }
            Some(Opened::Elsewhere(replica)) => {
                drop(read);
                let passed = self.passed_on(replica, server, &parts, message, noted);
                return passed.await.holding(place);
            }
            None => return refused(Refusal::UnknownSession),
        };
        match self.located(server, sealed, opened).await {
            Ok((session, mut in_flight, own_id)) => {
                in_flight.hold(place);
                let request = for_session(server, parts, RequestBody::whole(message), own_id);
                self.ask_in(server, session, in_flight, request, noted)
                    .await
            }
            Err(refusal) => refused(refusal),
        }
    }

    async fn passed_on(
        &self,
        replica: u64,
        server: &Server<Upstream>,
        parts: &Parts,
        message: Bytes,
        noted: &Noted,
    ) -> Answer {
        noted.note_body(&message);
        let id = request_id(&message);
        let asked = self.ask_elsewhere(replica, server, parts, message).await;
        asked.unwrap_or_else(|refusal| Answer::refusal(&refusal, id.as_deref()))
    }

    /// The server once it can be asked, where a session needs none of its instances in particular. That of another session is
    /// gone with its instance, whoever would start one.
    async fn awake_for(
        &self,
        server: &Arc<Server<Upstream>>,
        method: &Method,
        opened: Option<&Opened>,
    ) -> Result<Option<Arc<Server<Upstream>>>, Refusal> {
        let by_any = match opened {
            Some(Opened::AtServer(_)) => server.sessions() == Sessions::Stateless,
            Some(Opened::Kept(_)) => true,
            Some(Opened::Elsewhere(_)) | None => false,
        };
        if by_any && *method == Method::POST {
            self.awake(server).await
        } else {
            Ok(None)
        }
    }

    /// The session that a request names, with where it goes and what it is called there.
    async fn located(
        &self,
        server: &Arc<Server<Upstream>>,
        sealed: HeaderValue,
        (leg, issued, own_id): AtServer,
    ) -> Result<(Named, InFlight<Upstream>, HeaderValue), Refusal> {
        let session = Named {
            sealed,
            leg,
            issued,
            stateless: server.sessions() == Sessions::Stateless,
        };
        let in_flight = self.begin(server, &session).await?;
        Ok((session, in_flight, own_id))
    }

    async fn ask_in(
        &self,
        server: &Arc<Server<Upstream>>,
        session: Named,
        in_flight: InFlight<Upstream>,
        request: Request<RequestBody>,
        noted: &Noted,
    ) -> Answer {
        self.directory
            .session_used(session.sealed.as_bytes(), in_flight.endpoint());
        let method = request.method().clone();
        noted.note_sent(&request.body().sent());
        let again = (method == Method::GET).then(|| request.headers().clone());
        let resumes = request.headers().contains_key(LAST_EVENT_ID);
        let sending = self.send_in(server, &session, in_flight, request).await;
        let taken = match (sending, again) {
            (Ok(taken), Some(headers)) if taken.response.status() == StatusCode::CONFLICT => {
                Box::pin(self.listen_again(server, &session, taken, headers)).await
            }
            (sent, _) => sent,
        };
        match taken {
            Ok(taken) => self.answer_in(&session, taken, &method, resumes).await,
            Err(Unanswered { refusal, unsent }) => match unsent {
                Some(unsent) => self.refuse(refusal, *unsent).await,
                None => Answer::refusal(&refusal, None),
            },
        }
    }

    /// What a session id says of a session with this server: where it is, since when, and what it is called there. One that
    /// is over or somebody else's than `owner`'s is unknown.
    fn opened(
        &self,
        server: &Server<Upstream>,
        sealed: &HeaderValue,
        owner: Option<[u8; 32]>,
    ) -> Option<Opened> {
        let ticket = self.keys.open(sealed.as_bytes())?;
        if !ticket.is_current(unix_time()) || ticket.principal != owner {
            return None;
        }
        let mut leg = ticket.leg(server.key())?.clone();
        if let Some(client) = &ticket.client {
            return Some(Opened::Kept(Client::read(str::from_utf8(client).ok()?)?));
        }
        if let Some((replica, own)) = elsewhere::holder(&leg.upstream_session) {
            if replica != self.replica() {
                return Some(Opened::Elsewhere(replica));
            }
            leg.upstream_session = own.to_owned();
        }
        let own_id = HeaderValue::try_from(&leg.upstream_session).ok()?;
        Some(Opened::AtServer((leg, ticket.issued, own_id)))
    }

    /// Counts the request where it will go.
    async fn begin(
        &self,
        server: &Arc<Server<Upstream>>,
        session: &Named,
    ) -> Result<InFlight<Upstream>, Refusal> {
        if session.stateless {
            return self
                .home_or_any(server, &session.leg)
                .ok_or_else(|| Refusal::NoEndpoint(server.key().to_string()));
        }
        match self.home_of(server, session).await {
            Some(endpoint) => Ok(endpoint.begin()),
            None => Err(self.gone(session)),
        }
    }

    /// The request as its server gets it, with the place that it takes there.
    async fn prepared(
        &self,
        server: &Server<Upstream>,
        request: Request<Incoming>,
        own_id: HeaderValue,
    ) -> Result<(Request<RequestBody>, Option<Permit>), Refusal> {
        let (mut parts, body) = request.into_parts();
        let (body, place) = if parts.method == Method::POST {
            self.place_inside(server, body).await?
        } else {
            let place = self.kept_for_stream(server, &parts.method, &parts.headers);
            headers::without_body(&mut parts.headers);
            (RequestBody::none(), place)
        };
        Ok((for_session(server, parts, body, own_id), place))
    }

    /// Sends it, and if its server keeps nothing for sessions and cannot be reached there, to another instance.
    pub(super) async fn send_in(
        &self,
        server: &Server<Upstream>,
        session: &Named,
        mut in_flight: InFlight<Upstream>,
        mut request: Request<RequestBody>,
    ) -> Result<Taken, Unanswered> {
        let mut tried = Vec::new();
        loop {
            let (unsent, reason) = match self.send_within(server, &in_flight, request).await {
                Ok(response) => {
                    in_flight.answered();
                    return Ok(Taken {
                        response,
                        in_flight,
                    });
                }
                Err(SendError::Unreachable { request, reason }) => (request, reason),
                Err(error) => {
                    let refusal = self.broken(&in_flight, error);
                    return Err(Unanswered {
                        refusal,
                        unsent: None,
                    });
                }
            };
            let refusal = self.unreachable(&in_flight, &reason);
            if session.stateless {
                tried.push(in_flight.id().clone());
                let next = server.pick(Work::OneRequest, &tried, self.directory.now());
                if let Some(mut next) = next {
                    next.hold(in_flight.release());
                    (in_flight, request) = (next, *unsent);
                    continue;
                }
            }
            return Err(Unanswered {
                refusal: self.lost(session, &in_flight, &reason).unwrap_or(refusal),
                unsent: Some(unsent),
            });
        }
    }

    /// What it means for a session that its endpoint cannot be reached: [`Refusal::SessionGone`] if it is certain.
    fn lost(
        &self,
        session: &Named,
        in_flight: &InFlight<Upstream>,
        reason: &io::Error,
    ) -> Option<Refusal> {
        if session.stateless {
            return None;
        }
        if reason.kind() == io::ErrorKind::ConnectionRefused {
            // Nobody listens there any more: whatever the server kept for sessions is gone with it.
            let refusal = self.gone(session);
            self.directory.sessions_lost(in_flight.endpoint());
            return Some(refusal);
        }
        let Leg {
            server, endpoint, ..
        } = &session.leg;
        // It may have been listed a little longer than it was there.
        let listed = self.directory.endpoint(server, endpoint).is_some();
        (!listed).then(|| self.gone(session))
    }

    fn gone(&self, session: &Named) -> Refusal {
        self.directory.session_ended(session.sealed.as_bytes());
        Refusal::SessionGone
    }

    /// What the server's answer means for the session, on its way to the client.
    async fn answer_in(
        &self,
        session: &Named,
        mut taken: Taken,
        method: &Method,
        resumes: bool,
    ) -> Answer {
        let headers = taken.response.headers_mut();
        headers::remove_hop_by_hop(headers);
        if headers.contains_key(SESSION_ID) {
            headers.insert(SESSION_ID, session.sealed.clone());
        }
        let status = taken.response.status();
        if status == StatusCode::BAD_REQUEST && has_short_body(&taken.response) {
            return self.bad_request(session, taken).await;
        }
        let deleted = *method == Method::DELETE;
        let unknown = status == StatusCode::NOT_FOUND;
        if unknown || (deleted && status.is_success()) {
            self.directory.session_ended(session.sealed.as_bytes());
        }
        let stream = match *method {
            // What is taken up again may be the stream of a call, of which there are several.
            Method::GET if resumes => Stream::Endless,
            Method::GET => Stream::OfSession(session.sealed.as_bytes()),
            _ => Stream::Ends,
        };
        let mut answer = self.relayed(taken, stream, None);
        if unknown && !deleted {
            answer.outcome = Outcome::UnknownSession;
        }
        answer
    }

    /// A 400, which older servers mean as the 404 that makes a client begin anew.
    async fn bad_request(&self, session: &Named, taken: Taken) -> Answer {
        let (parts, body) = taken.response.into_parts();
        let Ok(body) = body.collect().await.map(Collected::to_bytes) else {
            return Answer::refusal(&Refusal::Broken, None);
        };
        let unknown = means_unknown_session(&body);
        let mut response = Response::from_parts(parts, body);
        if unknown {
            self.directory.session_ended(session.sealed.as_bytes());
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        let mut answer = Answer::own(response);
        if unknown {
            answer.outcome = Outcome::UnknownSession;
        }
        answer
    }

    /// Where a request goes whose server keeps nothing for sessions: where the session began while that takes new work and
    /// can be reached, else anywhere. Where nobody is ready it is tried where the session began.
    fn home_or_any(&self, server: &Server<Upstream>, leg: &Leg) -> Option<InFlight<Upstream>> {
        let now = self.directory.now();
        let (home, conditions) = match server.pinned(&leg.endpoint) {
            Pinned::Endpoint(home, conditions) if !home.is_paused(now) => (home, conditions),
            Pinned::Endpoint(..) | Pinned::Gone => return server.pick(Work::OneRequest, &[], now),
        };
        if conditions.take_new() {
            return Some(home.begin());
        }
        let elsewhere = server.pick(Work::OneRequest, &[], now);
        elsewhere.or_else(|| Some(home.begin()))
    }

    /// The endpoint that a session lives on; `None` when it is gone.
    ///
    /// Replicas of the gateway do not hear of a new endpoint at the same moment: a session that has only just begun may live
    /// on one that is still to appear here.
    async fn home_of(
        &self,
        server: &Server<Upstream>,
        session: &Named,
    ) -> Option<Arc<Endpoint<Upstream>>> {
        if let Pinned::Endpoint(endpoint, _) = server.pinned(&session.leg.endpoint) {
            return Some(endpoint);
        }
        if unix_time().saturating_sub(session.issued) > FRESH_SECONDS {
            return None;
        }
        let appears = self
            .directory
            .appears(&session.leg.server, &session.leg.endpoint);
        tokio::time::timeout(APPEAR_TIMEOUT, appears)
            .await
            .ok()
            .flatten()
    }
}

/// A request as the server of a session gets it.
fn for_session(
    server: &Server<Upstream>,
    mut parts: Parts,
    body: RequestBody,
    own_id: HeaderValue,
) -> Request<RequestBody> {
    // A bridge decides for itself whether a request belongs to its session or to none.
    tell_caller(&mut parts, server.key());
    headers::for_upstream(&mut parts.headers);
    parts.headers.insert(SESSION_ID, own_id);
    Request::from_parts(parts, body)
}

fn has_short_body(response: &Response<ServerBody>) -> bool {
    response.headers().contains_key(CONTENT_LENGTH)
        && response
            .body()
            .size_hint()
            .upper()
            .is_some_and(|size| size <= SHORT)
}
