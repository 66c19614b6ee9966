//! What is told of single instances, and of the sessions that live in them.

use std::time::SystemTime;

use jiff::Timestamp;
use mcpt_core::Sessions;
use mcpt_gateway_api::{EndpointState, EndpointsPage, KnownEndpoint, KnownSession, SessionPlace};
use mcpt_routing::{Conditions, Endpoint, Leg, Pinned, Server, SessionKeys};

use crate::{
    directory::{Directory, unix_time},
    upstream::Upstream,
};

/// All endpoints, by namespace, server and id.
pub(super) fn endpoints(directory: &Directory) -> EndpointsPage {
    let current = directory.table().current();
    let mut servers: Vec<_> = current.iter().collect();
    servers.sort_by_key(|server| server.key());
    let mut endpoints = Vec::new();
    for server in servers {
        let mut of_server: Vec<_> = server.endpoints().iter().collect();
        of_server.sort_by_key(|(endpoint, _)| endpoint.id());
        let known = of_server.into_iter();
        endpoints.extend(known.map(|(endpoint, conditions)| {
            known_endpoint(directory, server, endpoint, *conditions)
        }));
    }
    EndpointsPage { endpoints }
}

fn known_endpoint(
    directory: &Directory,
    server: &Server<Upstream>,
    endpoint: &Endpoint<Upstream>,
    conditions: Conditions,
) -> KnownEndpoint {
    let key = server.key();
    let since = directory.standings.since(key, endpoint.id());
    KnownEndpoint {
        namespace: key.namespace.to_string(),
        server: key.name.to_string(),
        id: endpoint.id().to_string(),
        url: url(endpoint),
        state: state(conditions),
        since: text(since.unwrap_or_else(SystemTime::now)),
        sessions: endpoint.all_sessions(),
        in_flight: endpoint.in_flight(),
        passed_over_ms: endpoint.passed_over(directory.now()),
    }
}

/// What a session id says, and what has become of the places that it names; `None` when it cannot be opened.
pub(super) fn session(
    directory: &Directory,
    keys: &SessionKeys,
    sealed: &[u8],
) -> Option<KnownSession> {
    let ticket = keys.open(sealed)?;
    let began = Timestamp::from_second(i64::from(ticket.issued));
    Some(KnownSession {
        began: began.unwrap_or(Timestamp::UNIX_EPOCH).to_string(),
        expired: !ticket.is_current(unix_time()),
        places: ticket
            .legs
            .iter()
            .map(|leg| place(directory, leg))
            .collect(),
    })
}

fn place(directory: &Directory, leg: &Leg) -> SessionPlace {
    let key = &leg.server;
    let server = directory.server(key.namespace.as_str(), key.name.as_str());
    let pinned = server.as_ref().map(|server| server.pinned(&leg.endpoint));
    let (state, since, url) = match &pinned {
        Some(Pinned::Endpoint(endpoint, conditions)) => {
            let since = directory.standings.since(key, &leg.endpoint);
            (state(*conditions), since, Some(url(endpoint)))
        }
        Some(Pinned::Gone) | None => {
            let since = directory.standings.gone_since(key, &leg.endpoint);
            (EndpointState::Gone, since, None)
        }
    };
    SessionPlace {
        namespace: key.namespace.to_string(),
        server: key.name.to_string(),
        endpoint: leg.endpoint.to_string(),
        state,
        since: since.map(text),
        url,
        server_known: server.is_some(),
        stateless: server.is_some_and(|server| server.sessions() == Sessions::Stateless),
    }
}

fn state(conditions: Conditions) -> EndpointState {
    if conditions.terminating {
        EndpointState::Terminating
    } else if conditions.ready {
        EndpointState::Ready
    } else {
        EndpointState::Unready
    }
}

fn url(endpoint: &Endpoint<Upstream>) -> String {
    endpoint.address().to_string()
}

/// RFC 3339, to the second.
fn text(time: SystemTime) -> String {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.0}")
}
