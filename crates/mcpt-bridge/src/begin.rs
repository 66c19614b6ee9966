//! The beginning of a session: its child answers `initialize` as a client can use it, or says why not.

use std::time::Duration;

use mcpt_protocol::{Message, handshake::Initialized};
use tokio::sync::mpsc;

use crate::{
    readiness::StartFailure,
    session::{Outgoing, Session},
    sse::Event,
};

/// How much of an answer that cannot be used is quoted.
const QUOTED: usize = 300;

/// What a child answers to `initialize`.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The session can begin, with this version.
    Agreed { answer: Event, version: String },
    /// It does not give what the client asked for: its own error.
    Refused { answer: Event },
}

/// Has the child of a new session answer `initialize`.
///
/// # Errors
/// [`StartFailure`] when it does not, within `limit`, or with what no client can use.
pub(crate) async fn begin(
    session: &Session,
    request: Outgoing,
    mut answers: mpsc::Receiver<Event>,
    limit: Duration,
) -> Result<Begun, StartFailure> {
    let failed = |reason: String, hopeless: bool| StartFailure {
        reason,
        tail: session.tail().lines(),
        hopeless,
    };
    let answer = async {
        request.send().await.ok()?;
        answers.recv().await
    };
    let Ok(answer) = tokio::time::timeout(limit, answer).await else {
        let seconds = limit.as_secs_f64();
        let reason = format!("the server did not answer initialize within {seconds} s");
        return Err(failed(reason, false));
    };
    if let Some(over) = session.over() {
        let reason = if over.hopeless {
            over.to_string()
        } else {
            format!("no answer to initialize: {over}")
        };
        return Err(failed(reason, over.hopeless));
    }
    let Some(answer) = answer else {
        let reason = "no answer to initialize: the server closed its input";
        return Err(failed(reason.to_owned(), false));
    };
    if let Some(why) = answer.own_error() {
        return Err(failed(format!("no answer to initialize: {why}"), false));
    }
    let body = answer.json();
    let read = Message::parse(&body).map(|message| message.result().map(Initialized::read));
    match read {
        Ok(Some(Ok(initialized))) => Ok(Begun::Agreed {
            version: initialized.protocol_version,
            answer,
        }),
        Ok(None) => Ok(Begun::Refused { answer }),
        Ok(Some(Err(unusable))) => {
            let reason = format!("{unusable}: {}", shown(&body));
            Err(failed(reason, false))
        }
        Err(malformed) => Err(failed(format!("{malformed}: {}", shown(&body)), false)),
    }
}

/// The beginning of a message, for people: it may be kept for long.
pub(crate) fn shown(message: &[u8]) -> String {
    String::from_utf8_lossy(message.get(..QUOTED).unwrap_or(message)).into_owned()
}
