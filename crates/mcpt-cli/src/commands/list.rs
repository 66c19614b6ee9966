//! `mcpt list`: the servers of a backend.

use std::path::PathBuf;

use clap::Args;
use mcpt_core::{Server, ServerState};

use super::registry::deployment;
use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    messages, output, place, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The entries of a registry instead, deployed or not; may be repeated
    #[arg(long, value_name = "FILE")]
    registry: Vec<PathBuf>,
}

impl List {
    /// Lists them.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        if self.registry.is_empty() {
            return servers(global, &config);
        }
        deployment::list(global, &config, &self.registry)
    }
}

fn servers(global: &Global, config: &UserConfig) -> Result<(), Ending> {
    let (servers, place) = runtime::run(async {
        let backend = place::backend(global, config).await?;
        Ok((backend.list().await?, backend.place()))
    })?;
    match global.output {
        Format::Json => output::json(&servers),
        Format::Yaml => output::yaml(&servers),
        Format::Name => output::lines(servers.iter().map(|server| &server.name)),
        Format::Table | Format::Wide if servers.is_empty() => {
            if !global.quiet {
                messages::line(&format!("no servers {place}"));
            }
            Ok(())
        }
        Format::Table => output::text(&table(&servers, false).text(table::terminal_width())),
        Format::Wide => output::text(&table(&servers, true).text(None)),
    }
}

/// The URL comes last: it is the longest, and what is cut on a narrow terminal.
fn table(servers: &[Server], wide: bool) -> Table {
    let spaced = servers.iter().any(|server| server.namespace.is_some());
    let mut header = vec!["NAME"];
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
