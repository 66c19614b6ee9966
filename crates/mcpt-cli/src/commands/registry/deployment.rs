//! `mcpt list --registry FILE`: the entries of registries, and what is deployed of them.

use std::path::PathBuf;

use mcpt_backend::{Driver, Place};
use mcpt_catalog::RegistryEntry;
use mcpt_core::{Failure, Server};
use serde_json::{Value, json};

use super::{files::Registries, runs};
use crate::{
    args::{Format, Global},
    commands::list::state_name,
    ending::Ending,
    output, place, report, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// An entry, where it belongs, and the server there, if it is deployed.
struct Row<'a> {
    entry: &'a RegistryEntry,
    driver: &'static dyn Driver,
    place: Place,
    /// Whether the place has answered: of the others nobody knows whether it is deployed.
    answered: bool,
    server: Option<Server>,
}

/// Lists them.
pub(crate) fn list(global: &Global, config: &UserConfig, files: &[PathBuf]) -> Result<(), Ending> {
    let registries = Registries::required(files, config)?;
    let mut rows: Vec<Row<'_>> = registries
        .entries()
        .map(|entry| {
            let driver = place::driver_for(global, config, entry)?;
            Ok(Row {
                entry,
                driver,
                place: place::place_for(global, config, driver, entry),
                answered: false,
                server: None,
            })
        })
        .collect::<Result<_, Failure>>()?;
    let failures = runtime::run(async { Ok(look_up(global, config, &mut rows).await) })?;
    // Rows of which nothing is known would say less than the registry itself.
    if failures.is_empty() || rows.iter().any(|row| row.answered) {
        show(global, &rows)?;
    }
    end(global, failures)
}

fn show(global: &Global, rows: &[Row<'_>]) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&rows.iter().map(document).collect::<Vec<_>>()),
        Format::Yaml => output::yaml(&rows.iter().map(document).collect::<Vec<_>>()),
        Format::Name => output::lines(rows.iter().map(|row| &row.entry.name)),
        Format::Table => output::text(&table(rows).text(table::terminal_width())),
        Format::Wide => output::text(&table(rows).text(None)),
    }
}

/// Asks each place once, and gives what those say that do not answer: one of them hides no other.
async fn look_up(global: &Global, config: &UserConfig, rows: &mut [Row<'_>]) -> Vec<Failure> {
    let mut places: Vec<(&'static dyn Driver, Place)> = Vec::new();
    for row in rows.iter() {
        if !places
            .iter()
            .any(|(driver, place)| row.is_at(*driver, place))
        {
            places.push((row.driver, row.place.clone()));
        }
    }
    let mut failures = Vec::new();
    // One after the other: a login that the first asks the user for serves those after it.
    for (driver, place) in places {
        let servers = match servers(global, config, driver, &place).await {
            Ok(servers) => servers,
            Err(failure) => {
                failures.push(failure);
                continue;
            }
        };
        for row in rows.iter_mut().filter(|row| row.is_at(driver, &place)) {
            let own = servers.iter().find(|server| server.name == row.entry.name);
            row.server = own.cloned();
            row.answered = true;
        }
    }
    failures
}

async fn servers(
    global: &Global,
    config: &UserConfig,
    driver: &'static dyn Driver,
    place: &Place,
) -> Result<Vec<Server>, Failure> {
    place::open(global, config, driver, place)
        .await?
        .list()
        .await
}

/// Each failure as it is, and of several one about all at the end.
fn end(global: &Global, mut failures: Vec<Failure>) -> Result<(), Ending> {
    // Namespaces of one cluster fail in the same way.
    failures.dedup();
    if failures.len() == 1
        && let Some(failure) = failures.pop()
    {
        return Err(failure.into());
    }
    let what = format!("{} places did not answer", failures.len());
    report::together(&failures, global.output, what).map_or(Ok(()), |all| Err(all.into()))
}

fn document(row: &Row<'_>) -> Value {
    json!({
        "name": row.entry.name,
        "registry": row.entry.file(),
        "backend": row.driver.name(),
        "namespace": row.namespace(),
        "runs": runs(row.entry),
        "chart": row.entry.chart.to_string(),
        "deployed": row.answered.then_some(row.server.is_some()),
        "server": row.server,
    })
}

impl Row<'_> {
    fn is_at(&self, driver: &dyn Driver, place: &Place) -> bool {
        self.driver.name() == driver.name() && self.place == *place
    }

    fn namespace(&self) -> Option<String> {
        let deployed = self.server.as_ref().and_then(|s| s.namespace.as_ref());
        let meant = self.place.namespace.as_ref();
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
            row.driver.name().to_string(),
            row.namespace().unwrap_or_default(),
            match server {
                Some(server) => state_name(server.state),
                None if row.answered => "not deployed",
                None => "unknown",
            }
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
