//! The trial of a replica: what the engine tells of it, and whether it answers, as events.

use std::collections::HashMap;

use bollard::{models::EventMessage, query_parameters::EventsOptions};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use mcpt_core::Failure;
use mcpt_workload::{Endpoint, Event, News, Readiness};

use crate::engine::Engine;

type EngineEvents = BoxStream<'static, Result<EventMessage, bollard::errors::Error>>;

/// A replica that was started.
struct Trial {
    engine: Engine,
    id: String,
    endpoint: Endpoint,
    /// Port in the container.
    port: u16,
    told: EngineEvents,
    /// While it runs.
    readiness: Option<Readiness>,
    /// Whether it was ended for want of memory since its last start.
    out_of_memory: bool,
    done: bool,
}

/// Events of a container from when it was made on, in seconds since the epoch. Each start and end, the end told with its
/// reason, and [`Event::Ready`] once it has answered.
pub(crate) fn events(
    engine: &Engine,
    id: &str,
    endpoint: &Endpoint,
    port: u16,
    since: i64,
) -> BoxStream<'static, Event> {
    let options = EventsOptions {
        since: Some(since.to_string()),
        until: None,
        filters: Some(HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("container".to_owned(), vec![id.to_owned()]),
        ])),
    };
    let api = engine.api.clone();
    let trial = Trial {
        told: api.events(Some(options)).boxed(),
        engine: engine.clone(),
        id: id.to_owned(),
        endpoint: endpoint.clone(),
        port,
        readiness: None,
        out_of_memory: false,
        done: false,
    };
    stream::unfold(trial, |mut trial| async {
        let event = trial.next().await?;
        Some((event, trial))
    })
    .boxed()
}

impl Trial {
    async fn next(&mut self) -> Option<Event> {
        if self.done {
            return None;
        }
        loop {
            let news = async {
                match &mut self.readiness {
                    Some(readiness) => readiness.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                told = self.told.next() => match told {
                    Some(Ok(message)) => {
                        if let Some(event) = self.take(&message).await {
                            return Some(event);
                        }
                    }
                    Some(Err(error)) => return Some(self.fail(crate::failure::words(&error))),
                    None => return Some(self.fail("the engine tells no more of it".to_owned())),
                },
                news = news => return Some(match news {
                    News::Ready => {
                        self.done = true;
                        Event::Ready
                    }
                    News::Waiting(why) => Event::Waiting { why },
                    News::Refusing(why) => Event::Refused { why },
                }),
            }
        }
    }

    fn fail(&mut self, why: String) -> Event {
        self.done = true;
        Event::Failed { why }
    }

    async fn take(&mut self, message: &EventMessage) -> Option<Event> {
        match message.action.as_deref()? {
            "start" => {
                self.out_of_memory = false;
                match published(&self.engine, &self.id, self.port).await {
                    Ok(Some(port)) => {
                        self.readiness = Some(Readiness::new(self.endpoint.clone(), port));
                        Some(Event::Started)
                    }
                    // It ended before it was looked at, which is told next.
                    Ok(None) => None,
                    Err(failure) => Some(self.fail(failure.why.join("; "))),
                }
            }
            "oom" => {
                self.out_of_memory = true;
                None
            }
            "die" | "died" => {
                self.readiness = None;
                let attributes = message
                    .actor
                    .as_ref()
                    .and_then(|actor| actor.attributes.as_ref());
                let code = attributes
                    .and_then(|all| all.get("exitCode").or_else(|| all.get("containerExitCode")));
                let code = code.and_then(|code| code.parse().ok());
                Some(Event::Exited {
                    why: ended(code, self.out_of_memory),
                })
            }
            "destroy" | "remove" => Some(self.fail("somebody removed its container".to_owned())),
            _ => None,
        }
    }
}

/// The port of this machine that a port of a container has since its last start.
async fn published(engine: &Engine, id: &str, port: u16) -> Result<Option<u16>, Failure> {
    let Some(container) = engine.inspect(id, "").await? else {
        return Ok(None);
    };
    let ports = container.network_settings.and_then(|network| network.ports);
    let bound = ports.and_then(|mut ports| ports.remove(&format!("{port}/tcp"))?);
    let port = bound.and_then(|bound| bound.into_iter().find_map(|binding| binding.host_port));
    Ok(port.and_then(|port| port.parse().ok()))
}

/// How a container ended.
pub(crate) fn ended(code: Option<i64>, out_of_memory: bool) -> String {
    match code {
        _ if out_of_memory => "was killed: it used more memory than it may".to_owned(),
        Some(code @ 129..=192) => match signal(code - 128) {
            Some(name) => format!("was ended by {name}"),
            None => format!("exited with code {code}"),
        },
        Some(code) => format!("exited with code {code}"),
        None => "ended".to_owned(),
    }
}

fn signal(number: i64) -> Option<&'static str> {
    let signal = nix::sys::signal::Signal::try_from(i32::try_from(number).ok()?).ok()?;
    Some(signal.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        for (code, out_of_memory, said) in [
            (Some(1), false, "exited with code 1"),
            (Some(137), false, "was ended by SIGKILL"),
            (
                Some(137),
                true,
                "was killed: it used more memory than it may",
            ),
            (None, false, "ended"),
        ] {
            assert_eq!(ended(code, out_of_memory), said);
        }
    }
}
