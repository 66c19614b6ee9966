//! What the engine tells about a server's containers.

use std::collections::HashMap;

use bollard::{models::EventMessage, query_parameters::EventsOptions};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use mcpt_core::{EventStream, Failure, ServerEvent};

use crate::{engine::Engine, failure::failure, marks, server, trial, unit::Group};

/// Events of the containers of a server since the oldest of them was made, as far as the engine remembers, and those to come.
pub(crate) fn events(engine: &Engine, group: &Group, follow: bool) -> EventStream {
    let since = group.all().map(|unit| unit.created).min().unwrap_or(0);
    let label = format!("{}={}", marks::SERVER, group.name);
    let options = EventsOptions {
        since: Some(since.to_string()),
        until: (!follow).then(|| Timestamp::now().as_second().saturating_add(1).to_string()),
        filters: Some(HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![label]),
        ])),
    };
    let what = format!("cannot show the events of {}", group.name);
    let api = engine.api.clone();
    api.events(Some(options))
        .filter_map(move |event| {
            let event = match event {
                Ok(message) => read(&message).map(Ok),
                Err(error) => Some(Err::<ServerEvent, Failure>(failure(&what, &error))),
            };
            std::future::ready(event)
        })
        .boxed()
}

/// One event; `None` for what mcpt itself does all the time.
fn read(message: &EventMessage) -> Option<ServerEvent> {
    let action = message.action.as_deref()?;
    let attributes = message
        .actor
        .as_ref()?
        .attributes
        .clone()
        .unwrap_or_default();
    let attribute = |name: &str| attributes.get(name).map(String::as_str);
    let is_lock = attribute(marks::ROLE) == Some("lock");
    if is_lock || action.starts_with("exec_") {
        return None;
    }
    let code = attribute("exitCode").or_else(|| attribute("containerExitCode"));
    let code = code.and_then(|code| code.parse::<i64>().ok());
    let (reason, said) = match action {
        "create" => ("Created", "its container was made".to_owned()),
        "start" => ("Started", "it was started".to_owned()),
        "die" | "died" => ("Ended", format!("it {}", trial::ended(code, false))),
        "oom" => ("OutOfMemory", "it used more memory than it may".to_owned()),
        "kill" => {
            let signal = attribute("signal").unwrap_or_default();
            ("Signalled", format!("it was sent signal {signal}"))
        }
        "stop" => ("Stopped", "it was stopped".to_owned()),
        "restart" => ("Restarted", "it was started again".to_owned()),
        "rename" => ("Renamed", "it passed its trial".to_owned()),
        "destroy" | "remove" => ("Removed", "its container was removed".to_owned()),
        "health_status: unhealthy" => ("Unhealthy", "its image's own check failed".to_owned()),
        _ => return None,
    };
    let ended_badly = matches!(action, "die" | "died") && code.is_some_and(|code| code != 0);
    Some(ServerEvent {
        time: server::time(message.time.unwrap_or_default()),
        warning: ended_badly || matches!(action, "oom" | "health_status: unhealthy"),
        reason: reason.to_owned(),
        object: format!("container/{}", attribute("name").unwrap_or_default()),
        message: said,
        count: 1,
    })
}
