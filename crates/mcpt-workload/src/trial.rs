//! The trial of a new run beside the one that it is to replace: what its starter tells, and what becomes of it.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use mcpt_core::{Progress, ProgressEvent};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

/// Ends of the server before it has ever answered, after which waiting is given up.
const ENDS_BEFORE_GIVING_UP: u32 = 2;

/// How long a server may take to answer before anything is said about it.
const USUAL: Duration = Duration::from_secs(1);

/// What whoever has started the server tells the command that waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event {
    /// The server's process runs.
    Started,
    /// It has not answered yet.
    Waiting {
        /// What came instead.
        why: String,
    },
    /// It has answered an MCP request.
    Ready,
    /// It has answered, again and again, but not as an MCP server does.
    Refused {
        /// What it answered.
        why: String,
    },
    /// Its process ended.
    Exited {
        /// How.
        why: String,
    },
    /// It is the server now.
    Committed,
    /// The starter gives up.
    Failed {
        /// Why.
        why: String,
    },
}

/// Why a run did not pass its trial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// It ended instead, again and again.
    #[error("it {how}, {times} times before it answered")]
    Ended {
        /// How it ended the last time.
        how: String,
        /// How often it ended.
        times: u32,
    },
    /// It answers, but not as an MCP server does.
    #[error("{0}")]
    Refuses(String),
    /// Its starter gave up.
    #[error("{0}")]
    Failed(String),
    /// Its starter is gone.
    #[error("its supervisor ended")]
    Gone,
}

/// Waits until the server's process runs.
///
/// # Errors
/// When it cannot be started.
pub async fn until_started(mut events: impl Stream<Item = Event> + Unpin) -> Result<(), Unready> {
    loop {
        match events.next().await {
            Some(Event::Started | Event::Ready | Event::Exited { .. } | Event::Refused { .. }) => {
                return Ok(());
            }
            Some(Event::Failed { why }) => return Err(Unready::Failed(why)),
            Some(Event::Waiting { .. } | Event::Committed) => {}
            None => return Err(Unready::Gone),
        }
    }
}

/// Waits until the server has answered an MCP request. `last_why` is what has kept it from that, for one who ends the waiting.
///
/// # Errors
/// When it ends instead, again and again, or answers wrongly.
pub async fn until_ready(
    mut events: impl Stream<Item = Event> + Unpin,
    progress: &dyn Progress,
    last_why: &mut Option<String>,
) -> Result<(), Unready> {
    let mut ends = 0;
    let mut patience = Instant::now() + USUAL;
    let mut unsaid = None;
    loop {
        let event = tokio::select! {
            event = events.next() => event.ok_or(Unready::Gone)?,
            () = sleep_until(patience), if unsaid.is_some() => {
                if let Some(why) = unsaid.take() {
                    progress.event(ProgressEvent::Waiting(format!("still waiting: {why}")));
                }
                continue;
            }
        };
        match event {
            Event::Ready => return Ok(()),
            Event::Started => {
                patience = Instant::now() + USUAL;
                progress.event(ProgressEvent::Waiting(
                    "waiting for its first answer".to_owned(),
                ));
            }
            Event::Waiting { why } => {
                unsaid = Some(why.clone());
                *last_why = Some(why);
            }
            Event::Exited { why } => {
                ends += 1;
                if ends >= ENDS_BEFORE_GIVING_UP {
                    return Err(Unready::Ended {
                        how: why,
                        times: ends,
                    });
                }
                progress.event(ProgressEvent::Warning(format!(
                    "it {why}; starting it again"
                )));
                *last_why = Some(format!("it {why}"));
            }
            Event::Refused { why } => return Err(Unready::Refuses(why)),
            Event::Failed { why } => return Err(Unready::Failed(why)),
            Event::Committed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use mcpt_core::Silent;

    use super::*;

    async fn outcome(events: &[Event]) -> (Result<(), Unready>, Option<String>) {
        let mut last = None;
        let events = stream::iter(events.to_vec());
        let outcome = until_ready(events, &Silent, &mut last).await;
        (outcome, last)
    }

    fn ended() -> Event {
        Event::Exited {
            why: "exited with code 1".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_run_that_ends_once_gets_a_second_chance() {
        let (outcome_of_one, last) = outcome(&[Event::Started, ended(), Event::Started]).await;
        assert_eq!(outcome_of_one, Err(Unready::Gone), "and is waited for");
        assert_eq!(last.as_deref(), Some("it exited with code 1"));
        let again = [Event::Started, ended(), Event::Started, Event::Ready];
        assert_eq!(outcome(&again).await.0, Ok(()));
        let (twice, _) = outcome(&[ended(), ended(), Event::Ready]).await;
        let said = "it exited with code 1, 2 times before it answered";
        assert_eq!(twice.unwrap_err().to_string(), said);
    }

    #[tokio::test]
    async fn started_is_not_ready() {
        let starting = [Event::Started];
        assert_eq!(until_started(stream::iter(starting.clone())).await, Ok(()));
        assert_eq!(outcome(&starting).await.0, Err(Unready::Gone));
    }
}
