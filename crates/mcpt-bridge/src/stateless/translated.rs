//! [`Translated`]: one request of 2026-07-28 in a session with a server that knows sessions only.

use std::sync::Arc;

use axum::http::StatusCode;
use mcpt_protocol::{
    Message, Part,
    sse::Frame,
    subscription_ended,
    translate::{
        MORE_QUESTIONS, Questions,
        new::{Call, Filter, Said},
    },
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Lease, Parked};
use crate::{
    session::{GivenUpWithThis, Over, Session, Stream},
    sessions::Sessions,
    sse::Event,
};

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Translated {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) call: Call,
    /// Where its client reads.
    pub(crate) outlet: Stream,
    /// Its client has given it up.
    pub(crate) gone: CancellationToken,
}

/// How it begins.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// In a session that nobody else has.
    New(Box<Lease>),
    /// As the next round of a call.
    Again(Box<Parked>),
}

/// A call in progress in its session.
struct InSession {
    lease: Lease,
    events: mpsc::Receiver<Event>,
    questions: Questions,
    /// The child is told when nobody waits any more.
    under_way: GivenUpWithThis,
}

/// How hearing a server ends.
enum Heard {
    Answer(Event),
    /// It waits for answers.
    Questions,
    /// The client is gone.
    GivenUp,
    /// The child is.
    Ended(String),
}

impl Translated {
    pub(crate) async fn run(self, beginning: Beginning) {
        let begun = match beginning {
            Beginning::New(lease) => match self.call.filter() {
                Some(filter) => return self.listen(*lease, &filter).await,
                None => self.begin(*lease).await,
            },
            Beginning::Again(parked) => self.go_on(*parked).await,
        };
        match begun {
            Ok(Some(in_session)) => self.finish(in_session).await,
            Ok(None) => {}
            Err(over) => self.fail(&over.to_string()).await,
        }
    }

    async fn fail(&self, why: &str) {
        let event = Event::own(&self.call.without_answer(why), true);
        self.tell(event.with_status(StatusCode::BAD_GATEWAY)).await;
    }

    /// A client that is gone hears nothing; that it is gone is noticed elsewhere.
    async fn tell(&self, event: Event) {
        drop(self.outlet.send(event).await);
    }

    /// A message for the client, which is held like all that is on the way.
    async fn event(&self, session: &Session, text: &str, answer: bool) -> Event {
        let frame = Frame::new(text.len(), |out| out.extend_from_slice(text.as_bytes()));
        let charge = session.account().take_when_free(frame.size());
        tokio::select! {
            charge = charge => Event::charged(frame, charge, answer),
            () = self.gone.cancelled() => Event::own("", answer),
        }
    }

    async fn begin(&self, mut lease: Lease) -> Result<Option<InSession>, Over> {
        if let Some(level) = self.call.level() {
            lease.set_level(level).await?;
        }
        let text = self.call.request(lease.take_id());
        let Some((outgoing, events)) = lease.outgoing(&text) else {
            return Err(Over::new("the request is none in a session"));
        };
        let under_way = GivenUpWithThis {
            session: Arc::clone(lease.session()),
            number: outgoing.number(),
        };
        let charge = lease.session().account().nothing();
        let outgoing = outgoing
            .charged(charge)
            .map_err(|over| Over::new(over.to_string()))?;
        tokio::select! {
            sent = outgoing.send() => sent?,
            () = self.gone.cancelled() => return Ok(None),
        }
        Ok(Some(InSession {
            lease,
            events,
            questions: Questions::default(),
            under_way,
        }))
    }

    /// Gives the server the answers that it waits for. The client is asked once more for those that it has not given.
    async fn go_on(&self, mut parked: Parked) -> Result<Option<InSession>, Over> {
        let Some(answers) = parked.questions.answers(&self.call) else {
            self.park(parked).await;
            return Ok(None);
        };
        let Parked {
            lease,
            events,
            questions,
            under_way,
            ..
        } = parked;
        for answer in answers {
            lease.say(&answer).await?;
        }
        Ok(Some(InSession {
            lease,
            events,
            questions,
            under_way,
        }))
    }

    async fn finish(&self, mut in_session: InSession) {
        match self.hear(&mut in_session).await {
            Heard::Answer(event) => {
                // Before its client can call again.
                let InSession { lease, .. } = in_session;
                self.sessions.pools().leases.give_back(lease);
                self.tell(event).await;
            }
            Heard::Questions => {
                let InSession {
                    lease,
                    events,
                    questions,
                    under_way,
                } = in_session;
                self.park(Parked {
                    lease,
                    events,
                    subject: self.sessions.pools().parking.digest(&self.call.subject()),
                    questions,
                    under_way,
                })
                .await;
            }
            Heard::GivenUp => {
                let InSession {
                    lease,
                    mut under_way,
                    ..
                } = in_session;
                // Told before its end is asked for. What it says of the call later would be heard by the next one.
                if let Some(number) = under_way.number.take() {
                    drop(Arc::clone(lease.session()).cancel(number).await);
                }
            }
            Heard::Ended(why) => self.fail(&why).await,
        }
    }

    /// Tells the client what is asked, and keeps the call until it has answered.
    async fn park(&self, parked: Parked) {
        let questions = parked.questions.clone();
        match self.sessions.pools().parking.park(parked) {
            Ok(state) => {
                let text = questions.of_client(&self.call, &state);
                self.tell(Event::own(&text, true)).await;
            }
            Err(error) => {
                self.fail(&format!("no randomness for its state: {error}"))
                    .await;
            }
        }
    }

    /// Hears the server until it has answered or waits for answers.
    async fn hear(&self, in_session: &mut InSession) -> Heard {
        loop {
            let waits = in_session.questions.are_open();
            let more = async {
                if !waits {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(MORE_QUESTIONS).await;
            };
            let event = tokio::select! {
                event = in_session.events.recv() => event,
                () = more => return Heard::Questions,
                () = self.gone.cancelled() => return Heard::GivenUp,
            };
            let Some(event) = event else {
                return Heard::Ended("the server does not answer".to_owned());
            };
            if let Some(why) = event.own_error() {
                return Heard::Ended(why.to_owned());
            }
            let body = event.json();
            drop(event);
            let Ok(message) = Message::parse(&body) else {
                continue;
            };
            let session = Arc::clone(in_session.lease.session());
            match self.call.take(&message, &in_session.lease.initialized) {
                Said::Nothing => {}
                Said::Notification(text) => {
                    let event = self.event(&session, &text, false).await;
                    self.tell(event).await;
                }
                Said::Answer { status, text } => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                    let event = self.event(&session, &text, true).await;
                    return Heard::Answer(event.with_status(status));
                }
                Said::Asks(question) => {
                    in_session.questions.add(question);
                }
                Said::Reply(text) => {
                    if let Err(over) = in_session.lease.say(&text).await {
                        return Heard::Ended(over.to_string());
                    }
                }
            }
        }
    }

    /// Passes on what the server says by itself, for as long as the client listens.
    async fn listen(&self, mut lease: Lease, filter: &Filter) {
        let heard = async {
            for uri in &filter.resources {
                lease
                    .ask("resources/subscribe", &json!({"uri": uri}))
                    .await?;
            }
            let session = Arc::clone(lease.session());
            let mut events = session.open_general()?;
            let acknowledged = self.call.acknowledged(filter);
            self.tell(Event::own(&acknowledged, false)).await;
            while let Some(event) = events.recv().await {
                let body = event.json();
                let message = Message::parse(&body).ok();
                if let Some(text) = message.and_then(|m| self.call.heard(&m, filter)) {
                    let event = self.event(&session, &text, false).await;
                    self.tell(event).await;
                }
            }
            Ok::<_, Over>(())
        };
        let ended = tokio::select! {
            heard = heard => heard,
            () = self.sessions.draining() => Ok(()),
            () = self.gone.cancelled() => return,
        };
        match ended {
            Ok(()) => {
                let text = subscription_ended(Part::alone(self.call.id()));
                self.tell(Event::own(&text, true)).await;
            }
            Err(over) => self.fail(&over.to_string()).await,
        }
    }
}
