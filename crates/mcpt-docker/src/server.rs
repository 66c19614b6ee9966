//! A group of containers as the [`Server`] that users see.

use std::collections::BTreeMap;

use bollard::models::ContainerInspectResponse;
use futures_util::future::try_join_all;
use jiff::Timestamp;
use mcpt_core::{Failure, REDACTED, Replica, Revision, Server, ServerName, ServerState};

use crate::{
    engine::{Engine, Kind},
    front, marks, trial,
    unit::{Group, Unit},
};

/// A server as the list of containers alone shows it.
pub(crate) fn listed(kind: Kind, group: &Group) -> Server {
    let current = group.current();
    let units = current.map_or(group.trial.as_slice(), |(_, units)| units);
    let first = units.first().or(group.front.as_ref());
    let label = |name: &str| first.and_then(|unit| unit.label(name)).map(str::to_owned);
    let ready = if current.is_some() {
        units.iter().filter(|unit| unit.is_ready()).count()
    } else {
        0
    };
    let (state, reason) = state(group, units, ready);
    Server {
        name: group.name.clone(),
        backend: kind.backend(),
        namespace: None,
        template: label(marks::TEMPLATE),
        transport: label(marks::TRANSPORT).unwrap_or_default(),
        state,
        reason,
        desired: units.len() as u32,
        ready: ready as u32,
        url: url(group),
        revision: current.map(|(revision, _)| Revision(revision)),
        source: label(marks::SOURCE).unwrap_or_default(),
        updated: time(
            units
                .iter()
                .map(|unit| unit.created)
                .max()
                .unwrap_or_default(),
        ),
        log: None,
        autoscaling: None,
        replicas: Vec::new(),
        env: BTreeMap::new(),
        events: Vec::new(),
    }
}

/// Where clients find it: at the port of its front.
pub(crate) fn url(group: &Group) -> Option<String> {
    let port = front::port(group.front.as_ref()?)?;
    Some(format!("http://127.0.0.1:{port}/mcp/{}", group.name))
}

fn state(group: &Group, units: &[Unit], ready: usize) -> (ServerState, Option<String>) {
    let front = group.front.as_ref().is_some_and(Unit::runs);
    if group.current().is_none() {
        return if group.is_being_changed() {
            (
                ServerState::Pending,
                Some("it is being deployed".to_owned()),
            )
        } else {
            (
                ServerState::Failed,
                Some("its first deployment failed".to_owned()),
            )
        };
    }
    let runs = units.iter().any(Unit::runs);
    let restarts = units.iter().any(|unit| unit.state == "restarting");
    match ready {
        _ if !front && runs => (
            ServerState::Failed,
            Some("its front, which has its port, does not run".to_owned()),
        ),
        0 if restarts => (
            ServerState::Failed,
            Some("it ends again and again".to_owned()),
        ),
        0 if runs => (
            ServerState::Failed,
            Some("its image's own check says that it is not healthy".to_owned()),
        ),
        0 => (
            ServerState::Stopped,
            Some("its containers are stopped".to_owned()),
        ),
        ready if ready < units.len() => (
            ServerState::Degraded,
            Some(format!("{ready} of {} replicas run", units.len())),
        ),
        _ => (ServerState::Running, None),
    }
}

/// The server of that name as it is now.
///
/// # Errors
/// As [`status`].
pub(crate) async fn now(engine: &Engine, name: &ServerName, what: &str) -> Result<Server, Failure> {
    let group = engine.group(name, what).await?;
    status(engine, &group, what).await
}

/// A server with its replicas, and why they are as they are.
///
/// # Errors
/// When the engine cannot be asked.
pub(crate) async fn status(engine: &Engine, group: &Group, what: &str) -> Result<Server, Failure> {
    let mut server = listed(engine.kind, group);
    let units: Vec<&Unit> = match group.current() {
        Some((_, units)) => units.iter().collect(),
        None => group.trial.iter().collect(),
    };
    let looks = units.iter().map(|unit| engine.inspect(&unit.id, what));
    let looks = try_join_all(looks).await?;
    let mut causes = Vec::new();
    for (unit, container) in units.iter().zip(looks) {
        let Some(container) = container else { continue };
        if server.env.is_empty() {
            server.env = environment(unit, &container);
        }
        let counts = group.current().is_some();
        let (replica, cause) = replica(unit, &container, counts);
        causes.extend(cause);
        server.replicas.push(replica);
    }
    causes.dedup();
    if server.state != ServerState::Running && !causes.is_empty() {
        let causes = causes.join("; ");
        server.reason = Some(match server.reason {
            Some(reason) => format!("{reason}: {causes}"),
            None => causes,
        });
    }
    Ok(server)
}

fn replica(
    unit: &Unit,
    container: &ContainerInspectResponse,
    counts: bool,
) -> (Replica, Option<String>) {
    let state = container.state.clone().unwrap_or_default();
    let ended = trial::ended(state.exit_code, state.oom_killed == Some(true));
    let error = state.error.filter(|error| !error.is_empty());
    let (word, cause) = match unit.state.as_str() {
        "running" if unit.is_ready() => ("Running".to_owned(), None),
        "running" => ("Unhealthy".to_owned(), None),
        "restarting" => (
            "CrashLoop".to_owned(),
            Some(format!("{} {ended}", unit.name)),
        ),
        "exited" | "dead" => (
            "Exited".to_owned(),
            Some(format!("{} {}", unit.name, error.unwrap_or(ended))),
        ),
        "created" => (
            "Created".to_owned(),
            error.map(|error| format!("{} did not start: {error}", unit.name)),
        ),
        other => (other.to_owned(), None),
    };
    let replica = Replica {
        name: unit.name.clone(),
        node: None,
        ready: counts && unit.is_ready(),
        state: word,
        restarts: container.restart_count.unwrap_or_default().max(0) as u32,
        usage: None,
        started: state.started_at.and_then(|time| to_the_second(&time)),
    };
    (replica, cause)
}

/// The variables that the plan set, secret ones redacted. What the image itself sets is left out.
fn environment(unit: &Unit, container: &ContainerInspectResponse) -> BTreeMap<String, String> {
    let all = container
        .config
        .as_ref()
        .and_then(|config| config.env.clone());
    let all: BTreeMap<String, String> = all
        .into_iter()
        .flatten()
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect();
    let names = unit.label(marks::ENV).unwrap_or_default().split(',');
    names
        .filter_map(|name| match name.strip_suffix('!') {
            Some(secret) => Some((secret.to_owned(), REDACTED.to_owned())),
            None => Some((name.to_owned(), all.get(name)?.clone())),
        })
        .collect()
}

/// Seconds since the epoch as RFC 3339 in UTC.
pub(crate) fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| String::new(), |time| time.to_string())
}

/// The engine's time without its parts of a second; `None` for the zero of one that never was.
fn to_the_second(text: &str) -> Option<String> {
    let seconds = text.parse::<Timestamp>().ok()?.as_second();
    (seconds > 0).then(|| time(seconds))
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};

    use super::*;
    use crate::unit::{groups, tests::container};

    fn state_of(containers: &[ContainerSummary]) -> ServerState {
        let units = containers.iter().filter_map(Unit::read).collect();
        listed(Kind::Docker, &groups(units)[0]).state
    }

    #[test]
    fn states_of_servers() {
        let front = || container("a", "mcpt-a", "front");
        let replica = |number: u32, state| ContainerSummary {
            state: Some(state),
            ..container("a", &format!("mcpt-a.r1.{number}"), "replica")
        };
        let running = ContainerSummaryStateEnum::RUNNING;
        let exited = ContainerSummaryStateEnum::EXITED;
        let restarting = ContainerSummaryStateEnum::RESTARTING;
        let tried = container("a", "mcpt-a.r1.1.trial", "replica");
        for (containers, expected) in [
            (vec![front(), replica(1, running)], ServerState::Running),
            (
                vec![front(), replica(1, running), replica(2, exited)],
                ServerState::Degraded,
            ),
            (vec![front(), replica(1, restarting)], ServerState::Failed),
            (vec![front(), replica(1, exited)], ServerState::Stopped),
            (vec![replica(1, running)], ServerState::Failed),
            (vec![front(), tried], ServerState::Failed),
            (vec![front()], ServerState::Failed),
        ] {
            assert_eq!(state_of(&containers), expected, "{containers:?}");
        }
    }

    #[test]
    fn times_that_never_were_are_none() {
        assert_eq!(to_the_second("0001-01-01T00:00:00Z"), None);
        let time = to_the_second("2026-01-02T03:04:05.678901234Z");
        assert_eq!(time.as_deref(), Some("2026-01-02T03:04:05Z"));
    }
}
