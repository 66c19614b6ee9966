//! `mcpt list`: the servers of one backend, or of all.

use std::path::PathBuf;

use clap::Args;
use mcpt_core::{Failure, Server, ServerState};

use super::registry::deployment;
use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    everywhere, messages, output, place, report, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The entries of a registry instead, deployed or not; may be repeated
    #[arg(long, value_name = "FILE")]
    registry: Vec<PathBuf>,
    /// Those of all backends, also when the environment or the configuration file names one; the default when none is named
    #[arg(long, conflicts_with = "registry")]
    all_backends: bool,
}

impl List {
    /// Lists them.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        if self.registry.is_empty() {
            return self.servers(global, &config);
        }
        deployment::list(global, &config, &self.registry)
    }

    fn servers(&self, global: &Global, config: &UserConfig) -> Result<(), Ending> {
        if !self.all_backends && (global.backend.is_some() || config.backend.is_some()) {
            let (servers, place) = runtime::run(async {
                let backend = place::backend(global, config).await?;
                Ok((backend.list().await?, backend.place()))
            })?;
            return show(global, &servers, false, &place);
        }
        let (found, failures) = runtime::run(async { Ok(everywhere::list(global, config).await) })?;
        let places: Vec<&str> = found.iter().map(|listed| listed.place.as_str()).collect();
        let places = places.join(", ");
        let servers: Vec<Server> = found
            .into_iter()
            .flat_map(|listed| listed.servers)
            .collect();
        // What is known first: what is not does not hide it.
        if !servers.is_empty() || failures.is_empty() || global.output != Format::Table {
            show(global, &servers, true, &places)?;
        }
        match <[Failure; 1]>::try_from(failures) {
            Ok([failure]) => Err(failure.into()),
            Err(failures) => {
                let what = format!("{} backends cannot be asked", failures.len());
                report::together(&failures, global.output, what)
                    .map_or(Ok(()), |failure| Err(failure.into()))
            }
        }
    }
}

/// Shows the servers of one backend, or of all with the name of each. `places` says where was looked.
fn show(global: &Global, servers: &[Server], of_all: bool, places: &str) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&servers),
        Format::Yaml => output::yaml(&servers),
        Format::Name => output::lines(servers.iter().map(|server| &server.name)),
        Format::Table | Format::Wide if servers.is_empty() => {
            if !global.quiet {
                messages::line(&format!("no servers {places}"));
            }
            Ok(())
        }
        Format::Table => {
            let width = table::terminal_width();
            output::text(&table(servers, of_all, false).text(width))
        }
        Format::Wide => output::text(&table(servers, of_all, true).text(None)),
    }
}

/// The URL comes last: it is the longest, and what is cut on a narrow terminal.
fn table(servers: &[Server], of_all: bool, wide: bool) -> Table {
    let spaced = servers.iter().any(|server| server.namespace.is_some());
    let mut header = vec!["NAME"];
    if of_all {
        header.push("BACKEND");
    }
    if spaced {
        header.push("NAMESPACE");
    }
    header.extend(["TEMPLATE", "STATE", "READY", "AGE"]);
    if wide {
        header.extend(["REVISION", "TRANSPORT", "SOURCE"]);
    }
    header.push("URL");
    let mut table = Table::new(&header);
    for server in servers {
        let mut row = vec![server.name.to_string()];
        if of_all {
            row.push(server.backend.to_string());
        }
        if spaced {
            let namespace = server.namespace.as_ref();
            row.push(namespace.map(ToString::to_string).unwrap_or_default());
        }
        row.extend([
            server.template.clone().unwrap_or_default(),
            state_name(server.state).to_owned(),
            format!("{}/{}", server.ready, server.desired),
            duration::age(&server.updated),
        ]);
        if wide {
            let revision = server.revision.as_ref();
            row.extend([
                revision.map(ToString::to_string).unwrap_or_default(),
                server.transport.clone(),
                server.source.clone(),
            ]);
        }
        row.push(server.url.clone().unwrap_or_default());
        table.row(row);
    }
    table
}

/// A state as it is written everywhere.
pub(crate) fn state_name(state: ServerState) -> &'static str {
    match state {
        ServerState::Pending => "pending",
        ServerState::Running => "running",
        ServerState::Degraded => "degraded",
        ServerState::Failed => "failed",
        ServerState::Stopped => "stopped",
    }
}
