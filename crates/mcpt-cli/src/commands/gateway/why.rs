//! `mcpt gateway why`: where a session lives, and what becomes of its next request.

use std::io::{self, Read as _};

use clap::Args;
use mcpt_core::{Failure, FailureKind};
use mcpt_gateway_api::{EndpointState, KnownSession, SESSION_PATH, SessionPage, SessionPlace};

use super::pages::Whom;
use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, runtime, table,
};

/// Longest text that is read for a session id.
const LONGEST: u64 = 64 * 1024;

/// Arguments of `mcpt gateway why`.
#[derive(Debug, Args)]
#[command(
    after_help = "A session id is a secret: who has it can use the session. It goes to the gateway as a header, and others on this \
        machine can see arguments; with - it is read from standard input."
)]
pub(super) struct Why {
    /// The session id that the gateway gave to the client (`Mcp-Session-Id`); - reads it from standard input
    #[arg(value_name = "SESSION")]
    session: String,
    #[command(flatten)]
    whom: Whom,
}

impl Why {
    /// Tells it.
    pub(super) fn run(self, global: &Global) -> Result<(), Ending> {
        let id = self.id()?;
        let page: SessionPage = runtime::run(async {
            let gateways = self.whom.gateways(global).await?;
            let headers = [("mcp-session-id", &*id)];
            Ok(gateways.first(SESSION_PATH, &headers).await?)
        })?;
        match global.output {
            Format::Json => output::json(&page),
            Format::Yaml => output::yaml(&page),
            Format::Name => match &page.session {
                Some(session) => output::lines(session.places.iter().map(|place| &place.endpoint)),
                None => Ok(()),
            },
            Format::Table | Format::Wide => output::text(&text(page.session.as_ref())),
        }
    }

    fn id(&self) -> Result<String, Failure> {
        let mut id = self.session.clone();
        if id == "-" {
            id.clear();
            let read = io::stdin().lock().take(LONGEST).read_to_string(&mut id);
            read.map_err(|error| {
                let what = "cannot read the session id from standard input";
                Failure::new(FailureKind::Failed, what).caused_by(&error)
            })?;
        }
        let id = id.trim();
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_graphic()) {
            let failure = Failure::new(FailureKind::Usage, "that is no session id");
            return Err(failure.because("one is a word of visible ASCII characters"));
        }
        Ok(id.to_owned())
    }
}

fn text(session: Option<&KnownSession>) -> String {
    let Some(session) = session else {
        return "No gateway with this key has made that session id, or it was changed on its way. The next request gets \
                404 (\"session not found\"), and the client begins a new session.\n"
            .to_owned();
    };
    let began = ago(&session.began);
    let mut text = table::facts([("Began", Some(began)), ("Next", next(session))]);
    for place in &session.places {
        text.push_str(&table::facts([
            (
                "Server",
                Some(format!("{}/{}", place.namespace, place.server)),
            ),
            ("Instance", Some(place.endpoint.clone())),
            ("Address", place.url.clone()),
            ("State", Some(state(place))),
            ("Because", Some(because(place).to_owned())),
        ]));
    }
    text
}

fn ago(time: &str) -> String {
    format!("{time} ({} ago)", duration::age(time))
}

fn state(place: &SessionPlace) -> String {
    let name = match place.state {
        EndpointState::Ready => "ready",
        EndpointState::Unready => "not ready",
        EndpointState::Terminating => "terminating",
        EndpointState::Gone => "gone",
    };
    match &place.since {
        Some(since) => format!("{name} since {}", ago(since)),
        None => name.to_owned(),
    }
}

fn next(session: &KnownSession) -> Option<String> {
    let over = "404 (\"session not found\"): its time is over";
    session.expired.then(|| over.to_owned())
}

/// What becomes of the next request, and why.
fn because(place: &SessionPlace) -> &'static str {
    match (place.state, place.stateless) {
        _ if !place.server_known => "the gateway knows no such server: the next request gets 404",
        (EndpointState::Ready, _) => "it began there, and goes on there",
        (EndpointState::Terminating, false) => {
            "it began there, and goes on there until the instance ends; then it gets 404"
        }
        (EndpointState::Unready, false) => {
            "it began there: its requests go there all the same, since it may well answer"
        }
        (EndpointState::Gone, false) => {
            "what the instance held for it is gone: the next request gets 404, and the client begins anew"
        }
        (_, true) => "the server keeps nothing for sessions: any other instance goes on with it",
    }
}
