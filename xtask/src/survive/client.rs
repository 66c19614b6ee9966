//! One client: it calls at its times until it is told to stop, and writes down what became of each call.

use std::{
    sync::{Arc, mpsc::Sender},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

use super::{
    exchange::Connection,
    mcp::{self, Failure, Kind, SessionId, Way},
};

/// How a client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Manner {
    /// In a session, on a kept connection, a tool that counts.
    Session,
    /// Without sessions, on a kept connection.
    Kept,
    /// Without sessions, each call on a new connection.
    Fresh,
}

/// What became of one call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// JSON-RPC id, which no other call of this run has.
    pub(crate) id: String,
    pub(crate) manner: &'static str,
    /// When it was to be made, and when its answer was there.
    pub(crate) due: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Result<(), Failure>,
    /// Attempts to connect that failed before.
    pub(crate) refused: u64,
    /// Of the session that it was made in: its instance, and when it began.
    pub(crate) session: Option<(Arc<str>, Instant)>,
    /// When the session before was found to be over, of the first good call in a new one.
    pub(crate) gone_at: Option<Instant>,
}

impl Call {
    /// As a line for people who look for something.
    pub(crate) fn told(&self, begin: Instant) -> Value {
        let since = |at: Instant| at.saturating_duration_since(begin).as_secs_f64();
        let failure = self.outcome.as_ref().err();
        json!({
            "id": self.id, "manner": self.manner, "due": since(self.due), "ended": since(self.ended),
            "failed": failure.map(|failure| format!("{:?}: {}", failure.kind, failure.why)),
            "refused": self.refused, "instance": self.session.as_ref().map(|(instance, _)| &**instance),
            "gone_at": self.gone_at.map(since),
        })
    }
}

/// When a client calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    pub(super) first: Instant,
    pub(super) pause: Duration,
}

/// A session, and what its counter must say.
#[derive(Debug)]
struct Session {
    id: SessionId,
    instance: Option<Arc<str>>,
    began: Instant,
    counter: u64,
    /// Calls of which nobody knows whether they were made.
    unsure: u64,
}

impl Session {
    /// Takes in what the counter said.
    fn counts(&mut self, number: u64) -> Result<(), Failure> {
        let (next, most) = (self.counter + 1, self.counter + 1 + self.unsure);
        let kind = if number < next {
            Some(Kind::Reset)
        } else if number > most {
            Some(Kind::Doubled)
        } else {
            None
        };
        let why = format!("the counter says {number} after {}", self.counter);
        self.counter = number;
        self.unsure = 0;
        kind.map_or(Ok(()), |kind| Err(Failure { kind, why }))
    }
}

pub(super) struct Client {
    name: String,
    way: Arc<Way>,
    manner: Manner,
    connection: Connection,
    session: Option<Session>,
    calls: u64,
    gone_at: Option<Instant>,
    ledger: Sender<Call>,
}

impl Client {
    /// `name` is the beginning of the ids of its calls.
    pub(super) fn new(name: String, way: Arc<Way>, manner: Manner, ledger: Sender<Call>) -> Self {
        Self {
            name,
            way,
            manner,
            connection: Connection::new(manner != Manner::Fresh),
            session: None,
            calls: 0,
            gone_at: None,
            ledger,
        }
    }

    /// Calls until `stop` says so, and ends its session.
    pub(super) async fn run(mut self, schedule: Schedule, mut stop: watch::Receiver<bool>) {
        let mut due = schedule.first;
        loop {
            let pause = due.saturating_duration_since(Instant::now());
            // Whoever would tell is gone as well: nobody wants calls any more.
            let told = timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok();
            // Each calls once at least, so that it is known that all of them can.
            if told && self.calls > 0 {
                break;
            }
            self.turn(due).await;
            due = (due + schedule.pause).max(Instant::now());
        }
        if let Some(session) = self.session.take() {
            let began = Instant::now();
            let ended = mcp::end(&mut self.connection, &self.way.target, &session.id).await;
            // Many end at once, which says nothing about how long a call takes.
            if ended.is_err() {
                let id = self.next_id();
                self.write(id, began, ended, Some(&session));
            }
        }
    }

    async fn turn(&mut self, due: Instant) {
        if self.manner != Manner::Session {
            let id = self.next_id();
            let outcome = mcp::echo(&mut self.connection, &self.way, &id).await;
            return self.write(id, due, outcome, None);
        }
        if self.in_session(due).await {
            // As clients do: a session that is over is begun anew at once.
            let _ = self.in_session(Instant::now()).await;
        }
    }

    /// Calls in the session, a new one when there is none. Whether the session turned out to be over.
    async fn in_session(&mut self, due: Instant) -> bool {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => match self.begin().await {
                Ok(session) => session,
                Err(failure) => {
                    let id = self.next_id();
                    self.write(id, due, Err(failure), None);
                    return false;
                }
            },
        };
        let id = self.next_id();
        let (target, counter) = (&self.way.target, &self.way.tools.counter);
        let called = mcp::call(&mut self.connection, target, &session.id, &id, counter).await;
        let outcome = called
            .and_then(|result| mcp::number(&result))
            .and_then(|number| session.counts(number));
        let kind = outcome.as_ref().err().map(|failure| failure.kind);
        match kind {
            None | Some(Kind::Reset | Kind::Doubled | Kind::Unreachable) => {}
            Some(_) => session.unsure += 1,
        }
        self.write(id, due, outcome, Some(&session));
        if kind == Some(Kind::Gone) {
            self.gone_at = Some(Instant::now());
            return true;
        }
        self.session = Some(session);
        false
    }

    async fn begin(&mut self) -> Result<Session, Failure> {
        let (id, began) = (self.next_id(), Instant::now());
        let way = Arc::clone(&self.way);
        let session = mcp::initialize(&mut self.connection, &way.target, &id).await?;
        self.write(id, began, Ok(()), None);
        let instance = match &way.tools.whoami {
            Some(whoami) => {
                let (id, began) = (self.next_id(), Instant::now());
                let connection = &mut self.connection;
                let named = mcp::call(connection, &way.target, &session, &id, whoami).await?;
                self.write(id, began, Ok(()), None);
                mcp::instance(&named)
            }
            None => None,
        };
        Ok(Session {
            id: session,
            instance,
            began: Instant::now(),
            counter: 0,
            unsure: 0,
        })
    }

    fn next_id(&mut self) -> String {
        self.calls += 1;
        format!("{}-{}", self.name, self.calls)
    }

    fn write(
        &mut self,
        id: String,
        due: Instant,
        outcome: Result<(), Failure>,
        session: Option<&Session>,
    ) {
        let good = outcome.is_ok() && session.is_some();
        let gone_at = if good { self.gone_at.take() } else { None };
        let call = Call {
            id,
            manner: match self.manner {
                Manner::Session => "session",
                Manner::Kept => "stateless, kept connection",
                Manner::Fresh => "stateless, new connections",
            },
            due,
            ended: Instant::now(),
            outcome,
            refused: std::mem::take(&mut self.connection.refused),
            session: session.and_then(|session| Some((session.instance.clone()?, session.began))),
            gone_at,
        };
        // Nobody reads it any more when the run was given up.
        let _ = self.ledger.send(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_by_one_but_for_calls_of_which_nobody_knows() {
        let mut session = Session {
            id: SessionId::example(),
            instance: None,
            began: Instant::now(),
            counter: 4,
            unsure: 0,
        };
        let kind = |outcome: Result<(), Failure>| outcome.err().map(|failure| failure.kind);
        assert_eq!(kind(session.counts(5)), None);
        assert_eq!(kind(session.counts(5)), Some(Kind::Reset));
        assert_eq!(kind(session.counts(7)), Some(Kind::Doubled));
        session.unsure = 1;
        assert_eq!(kind(session.counts(9)), None);
        session.unsure = 1;
        assert_eq!(kind(session.counts(10)), None);
        session.unsure = 1;
        assert_eq!(kind(session.counts(13)), Some(Kind::Doubled));
        assert_eq!(kind(session.counts(1)), Some(Kind::Reset));
    }
}
