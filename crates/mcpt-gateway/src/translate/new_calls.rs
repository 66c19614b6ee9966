//! One request of a client of 2026-07-28 in a session with a server, and listening in one.

use std::{sync::Arc, time::Duration};

use hyper::{HeaderMap, StatusCode};
use mcpt_protocol::{
    Message, MessageId, handshake,
    translate::{
        MORE_QUESTIONS, Questions, cancelled,
        new::{Call, Filter, Said},
    },
};
use mcpt_routing::Permit;
use serde_json::json;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{
    ask,
    leases::Lease,
    messages::{Login, Messages},
    parked::Parked,
    stream::Outlet,
};
use crate::{exchange::Exchange, refusal::Refusal};

/// How long a stream that can be taken up again is left alone, if its server does not say; and at most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_mins(1);
/// How often a stream is taken up again after the same event.
const RESUMED: u32 = 5;
/// How often a silent stream shows that it lives.
const TURN: Duration = Duration::from_secs(15);
/// How long the end of an answer is waited for, so that its connection can be used again.
const LAST: Duration = Duration::from_millis(100);

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) exchange: Arc<Exchange>,
    pub(super) call: Call,
    pub(super) headers: HeaderMap,
    pub(super) outlet: Outlet,
    /// The client has given it up.
    pub(super) gone: CancellationToken,
}

/// How it begins.
#[derive(Debug)]
pub(super) enum Beginning {
    /// In a session that nobody else has.
    New(Box<Lease>),
    /// As the next round of a call.
    Again(Box<Parked>),
}

/// A call in progress in its session.
struct InSession {
    lease: Lease,
    messages: Messages,
    id: u64,
    questions: Questions,
    /// Keeps its server running since it has waited for its client.
    place: Option<Permit>,
    /// After which event its stream was last taken up again, and how often after that one.
    resumed: Option<(String, u32)>,
}

/// How hearing a server ends.
enum Heard {
    Answer(StatusCode, String),
    /// It waits for answers.
    Questions,
    /// The client is gone.
    GivenUp,
    /// The server wants another login.
    Login(Login),
    /// Nothing that can be used came.
    Nothing(StatusCode, String),
}

impl Running {
    pub(super) async fn run(self, beginning: Beginning) {
        if let Some(filter) = self.call.filter() {
            if let Beginning::New(lease) = beginning {
                self.listen(*lease, &filter).await;
            }
            return;
        }
        let begun = match beginning {
            Beginning::New(lease) => self.begin(*lease).await,
            Beginning::Again(parked) => self.go_on(*parked).await,
        };
        match begun {
            Ok(in_session) => self.finish(in_session).await,
            Err(Some(why)) => self.fail(&why).await,
            Err(None) => {}
        }
    }

    async fn fail(&self, why: &str) {
        let text = self.call.without_answer(why);
        self.outlet.answer(StatusCode::BAD_GATEWAY, text).await;
    }

    /// Sends the call, in a further session if the server does not know this one any more.
    async fn begin(&self, mut lease: Lease) -> Result<InSession, Option<String>> {
        loop {
            let exchange = &self.exchange;
            let failed = |refusal: Refusal| Some(refusal.to_string());
            if let Some(level) = self.call.level() {
                exchange
                    .set_level(&mut lease, level)
                    .await
                    .map_err(failed)?;
            }
            let id = lease.take_id();
            let sent = exchange.send_in_lease(&lease, self.call.request(id)).await;
            let (_, messages) = sent.map_err(failed)?;
            if messages.status() == StatusCode::NOT_FOUND && lease.was_used() {
                let sharing = lease.sharing.clone();
                let endpoint = Arc::clone(lease.endpoint());
                let opened =
                    exchange.open_lease(sharing, &endpoint, self.call.client(), &self.headers);
                lease = opened
                    .await
                    .map_err(|unopened| Some(unopened.to_string()))?;
                continue;
            }
            return Ok(InSession {
                lease,
                messages,
                id,
                questions: Questions::default(),
                place: None,
                resumed: None,
            });
        }
    }

    /// Gives the server the answers that it waits for. The client is asked once more for those that it has not given.
    async fn go_on(&self, mut parked: Parked) -> Result<InSession, Option<String>> {
        let Some(answers) = parked.questions.answers(&self.call) else {
            self.park(parked).await;
            return Err(None);
        };
        let Parked {
            lease,
            messages,
            id,
            questions,
            place,
            ..
        } = parked;
        for answer in answers {
            let sent = self.exchange.send_in_lease(&lease, answer).await;
            let (_, mut accepted) = sent.map_err(|refusal| Some(refusal.to_string()))?;
            drop(accepted.next().await);
        }
        Ok(InSession {
            lease,
            messages,
            id,
            questions,
            place,
            resumed: None,
        })
    }

    async fn finish(&self, mut in_session: InSession) {
        match self.hear(&mut in_session).await {
            Heard::Answer(status, text) => {
                self.outlet.answer(status, text).await;
                let InSession {
                    lease,
                    mut messages,
                    ..
                } = in_session;
                let end = async { while let Ok(Some(_)) = messages.next().await {} };
                drop(tokio::time::timeout(LAST, end).await);
                self.exchange.give_lease_back(lease).await;
            }
            Heard::Questions => {
                let InSession {
                    lease,
                    messages,
                    id,
                    questions,
                    place,
                    ..
                } = in_session;
                let place = place.or_else(|| {
                    let server = self.exchange.server_of(&lease)?;
                    self.exchange.kept_running(&server)
                });
                self.park(Parked {
                    lease,
                    messages,
                    id,
                    subject: self.call.subject(),
                    questions,
                    place,
                })
                .await;
            }
            Heard::GivenUp => {
                let cancelled = cancelled(in_session.id);
                let lease = in_session.lease;
                let told = self.exchange.send_in_lease(&lease, cancelled).await;
                if let Ok((_, mut accepted)) = told {
                    drop(accepted.next().await);
                }
                drop(in_session.messages);
                self.exchange.end_lease(lease).await;
            }
            Heard::Login(login) => {
                let text = self.call.without_answer("the server wants another login");
                self.outlet.login(login, text).await;
                self.exchange.end_lease(in_session.lease).await;
            }
            Heard::Nothing(status, text) => {
                self.outlet.answer(status, text).await;
                self.exchange.end_lease(in_session.lease).await;
            }
        }
    }

    /// Tells the client what is asked, and keeps the call until it has answered.
    async fn park(&self, parked: Parked) {
        let questions = parked.questions.clone();
        let (round, given_up) = self.exchange.translation.parking.park(parked);
        match round.state(&self.exchange.keys) {
            Ok(state) => {
                let text = questions.of_client(&self.call, &state);
                self.outlet.answer(StatusCode::OK, text).await;
            }
            Err(error) => {
                let unsealable = Refusal::Unsealable(error.to_string());
                self.fail(&unsealable.to_string()).await;
            }
        }
        if let Some(given_up) = given_up {
            self.exchange.end_lease(given_up.lease).await;
        }
    }

    /// What the client hears of an answer without a message that can be used.
    fn nothing(&self, messages: &Messages) -> Heard {
        if let Some(login) = messages.wants_login() {
            return Heard::Login(login);
        }
        let (status, text) = self.call.refused(messages.status().as_u16());
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        Heard::Nothing(status, text)
    }

    /// Hears the server until it has answered or waits for answers.
    async fn hear(&self, in_session: &mut InSession) -> Heard {
        loop {
            let InSession {
                lease,
                messages,
                questions,
                ..
            } = in_session;
            let waits = questions.are_open();
            let more = async {
                if !waits {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(MORE_QUESTIONS).await;
            };
            let next = tokio::select! {
                next = messages.next() => next,
                text = lease.said_unasked() => Ok(Some(text)),
                () = more => return Heard::Questions,
                () = self.gone.cancelled() => return Heard::GivenUp,
            };
            let text = match next {
                Ok(Some(text)) => text,
                ended => {
                    if let Some(messages) = self.resume(in_session).await {
                        in_session.messages = messages;
                        continue;
                    }
                    let Err(error) = ended else {
                        return self.nothing(&in_session.messages);
                    };
                    let text = self.call.without_answer(&error.to_string());
                    return Heard::Nothing(StatusCode::BAD_GATEWAY, text);
                }
            };
            let Ok(message) = Message::parse(text.as_bytes()) else {
                return self.nothing(&in_session.messages);
            };
            let of_others = matches!(
                message.kind(),
                mcpt_protocol::Kind::Response { id: Some(_), .. }
            ) && !message.answers(&MessageId::from(in_session.id));
            if of_others {
                continue;
            }
            match self.call.take(&message, &in_session.lease.initialized) {
                Said::Nothing => {}
                Said::Notification(text) => {
                    self.outlet.message(text).await;
                }
                Said::Answer { status, text } => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                    return Heard::Answer(status, text);
                }
                Said::Asks(question) => {
                    in_session.questions.add(question);
                }
                Said::Reply(text) => {
                    let sent = self.exchange.send_in_lease(&in_session.lease, text).await;
                    if let Ok((_, mut accepted)) = sent {
                        drop(accepted.next().await);
                    }
                }
            }
        }
    }

    /// Takes the stream of a call up again that has ended without its answer, when and where the server has said.
    async fn resume(&self, in_session: &mut InSession) -> Option<Messages> {
        let (after, pause) = in_session.messages.goes_on_after()?;
        let times = match &in_session.resumed {
            Some((before, times)) if before == after => times + 1,
            _ => 1,
        };
        // A stream that brings nothing at all has been taken up often enough.
        if times > RESUMED {
            return None;
        }
        let (after, pause) = (after.to_owned(), pause.unwrap_or(RETRY).min(RETRY_MOST));
        in_session.resumed = Some((after.clone(), times));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.gone.cancelled() => return None,
        }
        let resumed = self.exchange.resume_in_lease(&in_session.lease, &after);
        tokio::select! {
            messages = resumed => {
                let mut messages = messages?;
                messages.is_after(after);
                Some(messages)
            }
            () = self.gone.cancelled() => None,
        }
    }

    /// Passes on what the server says by itself, for as long as the client listens.
    async fn listen(&self, mut lease: Lease, filter: &Filter) {
        let heard = async {
            for uri in &filter.resources {
                let id = lease.take_id();
                let message = handshake::request(id, "resources/subscribe", &json!({"uri": uri}));
                let Ok((_, mut messages)) = self.exchange.send_in_lease(&lease, message).await
                else {
                    return;
                };
                drop(ask::answer_to(&mut messages, &id.into()).await);
            }
            let Some(mut messages) = self.exchange.listen_in_lease(&lease).await else {
                return;
            };
            self.outlet.message(self.call.acknowledged(filter)).await;
            let mut turns = tokio::time::interval(TURN);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let text = tokio::select! {
                    next = messages.next() => match next {
                        Ok(Some(text)) => text,
                        Ok(None) | Err(_) => return,
                    },
                    _ = turns.tick() => {
                        self.outlet.alive().await;
                        continue;
                    }
                };
                let message = Message::parse(text.as_bytes()).ok();
                if let Some(text) = message.and_then(|m| self.call.heard(&m, filter)) {
                    self.outlet.message(text).await;
                }
            }
        };
        let gone = tokio::select! {
            () = heard => false,
            () = self.exchange.closing.cancelled() => false,
            () = self.gone.cancelled() => true,
        };
        if !gone {
            let id = mcpt_protocol::Part::alone(self.call.id());
            let ended = mcpt_protocol::subscription_ended(id);
            self.outlet.answer(StatusCode::OK, ended).await;
        }
        // Its subscriptions end with it.
        self.exchange.end_lease(lease).await;
    }
}
