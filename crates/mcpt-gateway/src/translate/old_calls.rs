//! One request of a client with sessions, in rounds, each a request of its own to the server of 2026-07-28.

use std::sync::Arc;

use futures_util::future::join_all;
use hyper::{HeaderMap, StatusCode};
use mcpt_protocol::{
    Message, MessageId,
    translate::old::{Asks, Call, MOST_ROUNDS, Said},
};
use mcpt_routing::{InFlight, Server};
use tokio_util::sync::CancellationToken;

use super::{
    messages::{Login, Messages, Unreadable},
    old_sessions::{Declined, OldSession},
    stream::Outlet,
};
use crate::{exchange::Exchange, upstream::Upstream};

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) exchange: Arc<Exchange>,
    pub(super) server: Arc<Server<Upstream>>,
    pub(super) headers: HeaderMap,
    pub(super) session: Arc<OldSession>,
    /// By which the client cancels it.
    pub(super) id: MessageId,
    pub(super) outlet: Outlet,
    pub(super) cancelled: CancellationToken,
}

/// Why a server's answer is none.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("the server answered {0} without a message")]
    NotMcp(StatusCode),
}

/// How a round ends.
enum Round {
    /// With the answer.
    Over(String),
    /// Before it began: the server wants another login.
    Login(Login),
    /// With questions, of this endpoint.
    Asks(Asks, InFlight<Upstream>),
}

impl Running {
    /// Runs it to its end, or until the client cancels it.
    pub(super) async fn run(self, mut call: Call) {
        let cancelled = self.cancelled.clone();
        tokio::select! {
            () = self.rounds(&mut call) => {}
            () = cancelled.cancelled() => {}
        }
        self.session.ran(&self.id);
    }

    /// Answers the client, unless it is gone that was to be asked.
    async fn rounds(&self, call: &mut Call) {
        let mut first = None;
        for _ in 0..MOST_ROUNDS {
            match self.round(call, first.take()).await {
                Round::Over(text) => return self.outlet.answer(StatusCode::OK, text).await,
                Round::Login(login) => {
                    let text = call.without_answer("the server wants another login");
                    return self.outlet.login(login, text).await;
                }
                Round::Asks(asks, by) => {
                    match self.ask_client(&asks).await {
                        Some(Ok(answers)) => call.answered(&asks, &answers),
                        Some(Err(declined)) => {
                            let text = call.without_answer(&declined.to_string());
                            return self.outlet.answer(StatusCode::OK, text).await;
                        }
                        None => return,
                    }
                    // It alone may know what it has asked.
                    first = Some(by.endpoint().begin());
                }
            }
        }
        let text = call.without_answer("the server asks again and again");
        self.outlet.answer(StatusCode::OK, text).await;
    }

    async fn round(&self, call: &Call, first: Option<InFlight<Upstream>>) -> Round {
        let id = self.exchange.translation.next_id();
        let asked = self.exchange.ask_any(
            &self.server,
            &self.headers,
            call.request(id),
            call.only_reads(),
            first,
        );
        let mut messages = match asked.await {
            Ok(messages) => messages,
            Err(refusal) => return Round::Over(call.without_answer(&refusal.to_string())),
        };
        if let Some(login) = messages.wants_login() {
            return Round::Login(login);
        }
        match self.hear(call, &mut messages).await {
            Ok(round) => round,
            Err(none) => Round::Over(call.without_answer(&none.to_string())),
        }
    }

    async fn hear(&self, call: &Call, messages: &mut Messages) -> Result<Round, NoAnswer> {
        while let Some(text) = messages.next().await? {
            let Ok(message) = Message::parse(text.as_bytes()) else {
                return Err(NoAnswer::NotMcp(messages.status()));
            };
            match call.take(&message) {
                Said::Nothing => {}
                Said::Notification(text) => {
                    self.outlet.message(text).await;
                }
                Said::Answer(text) => return Ok(Round::Over(text)),
                Said::Asks(asks) => {
                    let by = messages.from().endpoint().begin();
                    return Ok(Round::Asks(asks, by));
                }
            }
        }
        Err(NoAnswer::NotMcp(messages.status()))
    }

    /// The client's answers, or what its error says; `None` when it is gone.
    async fn ask_client(&self, asks: &Asks) -> Option<Result<Vec<String>, Declined>> {
        let mut ids = Vec::new();
        let mut answers = Vec::new();
        for question in &asks.questions {
            let id = self.exchange.translation.sessions.question();
            answers.push(self.session.wait_for(id.clone()));
            let sent = self.outlet.message(question.request(&id)).await;
            ids.push(id);
            if !sent {
                self.session.give_up(&ids);
                return None;
            }
        }
        let answered = tokio::select! {
            answered = join_all(answers) => Some(answered),
            () = self.outlet.gone() => None,
        };
        self.session.give_up(&ids);
        let answered = answered?.into_iter().map(|answer| {
            answer.unwrap_or_else(|_| Err(Declined("its session is over".to_owned())))
        });
        Some(answered.collect())
    }
}
