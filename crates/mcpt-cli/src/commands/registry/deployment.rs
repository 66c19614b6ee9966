//! `mcpt list --registry FILE`: the entries of registries, and what is deployed of them.

use std::path::PathBuf;

use mcpt_catalog::RegistryEntry;
use mcpt_core::{BackendKind, Server};
use mcpt_kube::ConnectOptions;
use serde_json::{Value, json};

use super::{files::Registries, runs};
use crate::{
    args::{Format, Global},
    commands::list::state_name,
    ending::Ending,
    output, place, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// An entry, where it belongs, and the server there, if it is deployed.
struct Row<'a> {
    entry: &'a RegistryEntry,
    kind: BackendKind,
    cluster: ConnectOptions,
    server: Option<Server>,
}

/// Lists them.
pub(crate) fn list(global: &Global, config: &UserConfig, files: &[PathBuf]) -> Result<(), Ending> {
    let registries = Registries::required(files, config)?;
    let mut rows: Vec<Row<'_>> = registries
        .entries()
        .map(|entry| Row {
            entry,
            kind: place::kind_for(global, config, entry),
            cluster: place::cluster_for(global, config, entry),
            server: None,
        })
        .collect();
    runtime::run(async { look_up(global, config, &mut rows).await })?;
    match global.output {
        Format::Json => output::json(&rows.iter().map(document).collect::<Vec<_>>()),
        Format::Yaml => output::yaml(&rows.iter().map(document).collect::<Vec<_>>()),
        Format::Name => output::lines(rows.iter().map(|row| &row.entry.name)),
        Format::Table => output::text(&table(&rows).text(table::terminal_width())),
        Format::Wide => output::text(&table(&rows).text(None)),
    }
}

/// Asks each place once.
async fn look_up(global: &Global, config: &UserConfig, rows: &mut [Row<'_>]) -> Result<(), Ending> {
    let mut asked: Vec<(BackendKind, ConnectOptions)> = Vec::new();
    for row in rows.iter() {
        let place = (row.kind, row.cluster.clone());
        if !asked.contains(&place) {
            asked.push(place);
        }
    }
    for (kind, cluster) in asked {
        let servers = place::open(global, config, kind, &cluster)
            .await?
            .list()
            .await?;
        for row in rows
            .iter_mut()
            .filter(|row| row.kind == kind && row.cluster == cluster)
        {
            let own = servers.iter().find(|server| server.name == row.entry.name);
            row.server = own.cloned();
        }
    }
    Ok(())
}

fn document(row: &Row<'_>) -> Value {
    json!({
        "name": row.entry.name,
        "registry": row.entry.file(),
        "backend": row.kind,
        "namespace": row.namespace(),
        "runs": runs(row.entry),
        "chart": row.entry.chart.to_string(),
        "deployed": row.server.is_some(),
        "server": row.server,
    })
}

impl Row<'_> {
    fn namespace(&self) -> Option<String> {
        let deployed = self.server.as_ref().and_then(|s| s.namespace.as_ref());
        let meant = self.cluster.namespace.as_ref();
        let meant = meant.filter(|_| self.kind == BackendKind::Kubernetes);
        deployed.or(meant).map(ToString::to_string)
    }
}

fn table(rows: &[Row<'_>]) -> Table {
    let mut table = Table::new(&[
        "NAME",
        "BACKEND",
        "NAMESPACE",
        "STATE",
        "READY",
        "RUNS",
        "URL",
    ]);
    for row in rows {
        let server = row.server.as_ref();
        table.row([
            row.entry.name.to_string(),
            row.kind.to_string(),
            row.namespace().unwrap_or_default(),
            server
                .map_or("not deployed", |s| state_name(s.state))
                .to_owned(),
            server
                .map(|s| format!("{}/{}", s.ready, s.desired))
                .unwrap_or_default(),
            runs(row.entry),
            server.and_then(|s| s.url.clone()).unwrap_or_default(),
        ]);
    }
    table
}
