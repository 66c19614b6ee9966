//! `mcpt gateway status`: the installed gateway and the servers that it knows.

use std::fmt::Write as _;

use mcpt_gateway_api::{EndpointState, KnownEndpoint, KnownServer};
use mcpt_kube::Gateway;

use super::{Installed, cluster, here, installed};
use crate::{
    args::{Format, Global},
    commands::{
        events,
        list::state_name,
        status::{instances, updated},
    },
    duration,
    ending::Ending,
    output, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Shows it.
pub(super) fn run(global: &Global) -> Result<(), Ending> {
    let config = UserConfig::load()?;
    let installed = installed(global, &config)?;
    let gateway = runtime::run(async {
        Ok(match &installed {
            Installed::Cluster(place) => cluster(place).await?.gateway().await?,
            Installed::Here(local) => here::status(local).await?,
        })
    })?;
    match global.output {
        Format::Json => output::json(&gateway),
        Format::Yaml => output::yaml(&gateway),
        Format::Name => output::line(gateway.release.name.as_str()),
        Format::Table | Format::Wide => output::text(&text(&gateway)),
    }
}

fn text(gateway: &Gateway) -> String {
    let release = &gateway.release;
    let mut text = table::facts([
        ("Release", Some(release.name.to_string())),
        (
            "Namespace",
            release.namespace.as_ref().map(ToString::to_string),
        ),
        ("State", Some(state_name(release.state).to_owned())),
        ("Reason", release.reason.clone()),
        (
            "Ready",
            Some(format!("{}/{}", release.ready, release.desired)),
        ),
        ("Revision", release.revision.map(|r| r.to_string())),
        ("Source", Some(release.source.clone())),
        ("Updated", Some(updated(release))),
        ("Log", release.log.clone()),
    ]);
    let width = table::terminal_width();
    let mut part = |title: &str, table: Table| {
        text.push_str(title);
        text.push('\n');
        text.push_str(&table.indented(2).text(width));
    };
    if !release.replicas.is_empty() {
        let title = match release.namespace {
            Some(_) => "Pods:",
            None => "Processes:",
        };
        part(title, instances(release));
    }
    match (&gateway.servers, &gateway.servers_unknown) {
        (Some(servers), _) if !servers.is_empty() => part("Servers:", known(gateway, servers)),
        (Some(_), _) => text.push_str("Servers:    none\n"),
        (None, Some(why)) => {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "Servers:    not known: {why}");
        }
        (None, None) => {}
    }
    if !gateway.sets.is_empty() {
        text.push_str("Sets:\n");
        text.push_str(&sets(gateway).indented(2).text(width));
    }
    if let Some(endpoints) = &gateway.endpoints
        && !endpoints.is_empty()
    {
        text.push_str("Instances:\n");
        text.push_str(&instances_of(endpoints).indented(2).text(width));
    }
    if !release.events.is_empty() {
        text.push_str("Events:\n");
        text.push_str(&events::table(&release.events).indented(2).text(width));
    }
    text
}

fn known(gateway: &Gateway, servers: &[KnownServer]) -> Table {
    let mut table = Table::new(&["NAMESPACE", "NAME", "READY", "SESSIONS", "URL"]);
    for server in servers {
        table.row([
            server.namespace.clone(),
            server.name.clone(),
            format!("{}/{}", server.ready, server.endpoints),
            server.sessions.to_string(),
            url_of(gateway, &server.path),
        ]);
    }
    table
}

fn sets(gateway: &Gateway) -> Table {
    let mut table = Table::new(&["NAME", "SERVERS", "HOSTS", "URL"]);
    for set in &gateway.sets {
        table.row([
            set.name.clone(),
            listed(&set.servers),
            listed(&set.hosts),
            url_of(gateway, &set.path),
        ]);
    }
    table
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "-".to_owned(),
        names => names.join(", "),
    }
}

/// The URL of a path at the gateway.
fn url_of(gateway: &Gateway, path: &str) -> String {
    let base = gateway.urls.first().map_or("/mcp", String::as_str);
    format!("{base}{}", path.strip_prefix("/mcp").unwrap_or(path))
}

fn instances_of(endpoints: &[KnownEndpoint]) -> Table {
    let mut table = Table::new(&["SERVER", "URL", "STATE", "SINCE", "SESSIONS", "OPEN"]);
    for endpoint in endpoints {
        let state = match endpoint.state {
            EndpointState::Ready if endpoint.passed_over_ms > 0 => "unreachable",
            EndpointState::Ready => "ready",
            EndpointState::Unready => "not ready",
            EndpointState::Terminating => "terminating",
            EndpointState::Gone => "gone",
        };
        table.row([
            format!("{}/{}", endpoint.namespace, endpoint.server),
            endpoint.url.clone(),
            state.to_owned(),
            duration::age(&endpoint.since),
            endpoint.sessions.to_string(),
            endpoint.in_flight.to_string(),
        ]);
    }
    table
}
