//! Whether a child could be started now: checked with a throw-away child at the start and after each failure.

use std::{io, sync::Arc, time::Duration};

use mcpt_http::Budget;
use mcpt_protocol::{Kind, Message};
use serde_json::json;
use tokio::{io::AsyncWriteExt, sync::watch};
use tokio_util::task::TaskTracker;

use crate::{
    BridgeConfig, BridgeError,
    child::{self, Started},
    lines::Line,
};

const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// Whether new sessions can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The first check is under way.
    Starting,
    /// The last child that was started answered `initialize`.
    Ready,
    /// The last child that was started did not.
    Failing(StartFailure),
    /// The bridge is shutting down.
    Draining,
}

/// Why a child could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartFailure {
    pub(crate) reason: String,
    /// Last lines of its stderr.
    pub(crate) tail: Vec<String>,
    /// Whether the command cannot be executed at all: not there, or no program.
    pub(crate) hopeless: bool,
}

/// The state, for those who ask and those who tell.
#[derive(Debug)]
pub(crate) struct Readiness(watch::Sender<State>);

impl Readiness {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::Starting))
    }

    pub(crate) fn state(&self) -> State {
        self.0.borrow().clone()
    }

    /// A child of a session did not start.
    pub(crate) fn failed(&self, failure: StartFailure) {
        self.change(State::Failing(failure));
    }

    /// A child of a session started.
    pub(crate) fn succeeded(&self) {
        self.change(State::Ready);
    }

    /// The bridge is shutting down: from now on nothing else is said.
    pub(crate) fn drain(&self) {
        self.change(State::Draining);
    }

    fn change(&self, new: State) {
        self.0.send_if_modified(|state| {
            let changes = *state != State::Draining && *state != new;
            if changes {
                match &new {
                    State::Ready => tracing::info!("ready: the server answers"),
                    State::Failing(failure) => {
                        tracing::error!("not ready: {}", failure.reason);
                        for line in &failure.tail {
                            tracing::error!("its last words: {line}");
                        }
                    }
                    State::Starting | State::Draining => {}
                }
                *state = new;
            }
            changes
        });
    }

    /// Checks whenever the state is not known or bad, at growing intervals, until the bridge shuts down.
    ///
    /// # Errors
    /// When the command cannot be executed at all before it ever was. Later it may come back, as in an update of a package.
    pub(crate) async fn keep_checking(
        &self,
        config: Arc<BridgeConfig>,
        tasks: TaskTracker,
        budget: Budget,
    ) -> Result<(), BridgeError> {
        let mut first = true;
        let mut changes = self.0.subscribe();
        let mut pause = BACKOFF_FIRST;
        loop {
            let state = changes.borrow_and_update().clone();
            match state {
                State::Draining => return Ok(()),
                State::Ready => {
                    first = false;
                    pause = BACKOFF_FIRST;
                    if changes.changed().await.is_err() {
                        return Ok(());
                    }
                }
                State::Starting | State::Failing(_) => {
                    match check(&config, &tasks, &budget).await {
                        Ok(()) => self.succeeded(),
                        Err(failure) if first && failure.hopeless => {
                            return Err(BridgeError::Command(failure.reason));
                        }
                        Err(failure) => {
                            first = false;
                            self.failed(failure);
                            changes.mark_unchanged();
                            let draining = changes.wait_for(|s| *s == State::Draining);
                            if tokio::time::timeout(pause, draining).await.is_ok() {
                                return Ok(());
                            }
                            pause = (pause * 2).min(BACKOFF_MAX);
                        }
                    }
                }
            }
        }
    }
}

/// Starts a child, has it answer `initialize`, and ends it.
async fn check(
    config: &BridgeConfig,
    tasks: &TaskTracker,
    budget: &Budget,
) -> Result<(), StartFailure> {
    let Started {
        mut process,
        mut stdin,
        mut stdout,
    } = child::start(config, "readiness-check", &budget.account())
        .map_err(|e| cannot_start(config, &e))?;
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "mcpt-bridge", "version": env!("CARGO_PKG_VERSION")},
    }});
    let answer = async {
        let request = format!("{initialize}\n");
        let mut open = stdin.write_all(request.as_bytes()).await.is_ok();
        while open {
            match stdout.next().await {
                // Noise and notifications do no harm.
                Ok(Line::Complete) => {
                    if let Ok(message) = Message::parse(stdout.line())
                        && let Kind::Response { is_error, .. } = *message.kind()
                    {
                        return Some((shown(stdout.line()), is_error));
                    }
                }
                Ok(Line::TooLong | Line::NoRoom) => {}
                Ok(Line::End) | Err(_) => open = false,
            }
        }
        None
    };
    let outcome = match tokio::time::timeout(config.initialize_timeout, answer).await {
        Ok(Some((_, false))) => Ok(()),
        Ok(Some((line, true))) => Err(format!("the server refuses initialize: {line}")),
        Ok(None) => Err(format!(
            "no answer to initialize: {}",
            process.how_it_ended().await
        )),
        Err(_) => Err(format!(
            "the server did not answer initialize within {} s",
            config.initialize_timeout.as_secs_f64()
        )),
    };
    let tail = process.tail().clone();
    drop(stdin);
    drop(stdout);
    tasks.spawn(process.end());
    outcome.map_err(|reason| StartFailure {
        reason,
        tail: tail.lines(),
        hopeless: false,
    })
}

/// The beginning of a line, for people: it is kept as long as the state.
fn shown(line: &[u8]) -> String {
    const SHOWN: usize = 500;
    String::from_utf8_lossy(line.get(..SHOWN).unwrap_or(line)).into_owned()
}

/// The failure of a command that cannot be executed at all.
pub(crate) fn cannot_start(config: &BridgeConfig, error: &io::Error) -> StartFailure {
    let program = config.command.first().cloned().unwrap_or_default();
    let is_path = program.as_encoded_bytes().contains(&b'/');
    let why = match error.kind() {
        // The system says the same of a script whose interpreter is missing, as is usual in small images.
        io::ErrorKind::NotFound if is_path => {
            "the file, or the interpreter that it names, does not exist".to_owned()
        }
        io::ErrorKind::NotFound => "no such program is on PATH".to_owned(),
        io::ErrorKind::PermissionDenied => "it is not executable".to_owned(),
        _ => error.to_string(),
    };
    StartFailure {
        reason: format!("cannot start {}: {why}", program.display()),
        tail: Vec::new(),
        hopeless: matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
        ),
    }
}
