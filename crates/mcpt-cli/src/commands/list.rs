//! `mcpt list`: the servers of a backend.

use mcpt_core::{Server, ServerState};

use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    messages, output, place, runtime,
    table::Table,
    user_config::UserConfig,
};

/// Lists them.
pub(crate) fn run(global: &Global) -> Result<(), Ending> {
    let config = UserConfig::load()?;
    let servers = runtime::run(async { Ok(place::backend(global, &config).await?.list().await?) })?;
    match global.output {
        Format::Json => output::json(&servers),
        Format::Yaml => output::yaml(&servers),
        Format::Name => output::lines(servers.iter().map(|server| &server.name)),
        Format::Table | Format::Wide if servers.is_empty() => {
            if !global.quiet {
                let kind = place::kind(global, &config);
                messages::line(&format!("no servers on the {kind} backend"));
            }
            Ok(())
        }
        Format::Table => output::text(&table(&servers, false).text(None)),
        Format::Wide => output::text(&table(&servers, true).text(None)),
    }
}

fn table(servers: &[Server], wide: bool) -> Table {
    let mut header = vec!["NAME", "TEMPLATE", "STATE", "READY", "AGE", "URL"];
    if wide {
        header.extend(["NAMESPACE", "REVISION", "TRANSPORT", "SOURCE"]);
    }
    let mut table = Table::new(&header);
    for server in servers {
        let mut row = vec![
            server.name.to_string(),
            server.template.clone().unwrap_or_default(),
            state_name(server.state).to_owned(),
            format!("{}/{}", server.ready, server.desired),
            duration::age(&server.updated),
            server.url.clone().unwrap_or_default(),
        ];
        if wide {
            row.extend([
                server
                    .namespace
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                server
                    .revision
                    .map(|revision| revision.to_string())
                    .unwrap_or_default(),
                server.transport.clone(),
                server.source.clone(),
            ]);
        }
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
