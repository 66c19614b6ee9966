//! `mcpt history NAME`: the revisions of a server.

use clap::Args;
use jiff::Timestamp;
use mcpt_core::{Capability, RevisionEntry, ServerName};

use crate::{
    args::{Format, Global},
    ending::Ending,
    output, place, runtime,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Name of the server
    name: ServerName,
}

impl History {
    /// Shows them.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let entries = runtime::run(async {
            let what = format!("cannot show the history of {}", self.name);
            let needed = Capability::History;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            Ok(backend.history(&self.name).await?)
        })?;
        match global.output {
            Format::Json => output::json(&entries),
            Format::Yaml => output::yaml(&entries),
            Format::Name => output::lines(entries.iter().map(|entry| entry.revision)),
            Format::Table => output::text(&rows(&entries, false).text(table::terminal_width())),
            Format::Wide => output::text(&rows(&entries, true).text(None)),
        }
    }
}

fn rows(entries: &[RevisionEntry], wide: bool) -> Table {
    let mut header = vec![
        "REVISION",
        "UPDATED",
        "STATUS",
        "CHART",
        "APP VERSION",
        "DESCRIPTION",
    ];
    if wide {
        header.insert(5, "SOURCE");
    }
    let mut table = Table::new(&header);
    for entry in entries {
        let mut row = vec![
            entry.revision.to_string(),
            shown(&entry.updated),
            entry.status.clone(),
            entry.chart.clone(),
            entry.app_version.clone(),
            entry.description.clone(),
        ];
        if wide {
            row.insert(5, entry.source.clone());
        }
        table.row(row);
    }
    table
}

/// A time as Helm shows it.
fn shown(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(
        |_| time.to_owned(),
        |time| time.strftime("%a %b %e %H:%M:%S %Y").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpt_core::Revision;

    #[test]
    fn as_helm_shows_it() {
        let entry = RevisionEntry {
            revision: Revision(2),
            updated: "2026-11-03T06:07:08.9Z".into(),
            status: "deployed".into(),
            chart: "mcp-server-0.1.0".into(),
            app_version: "0.1.0".into(),
            source: "localhost/mcpt:0.1.0".into(),
            description: "Rollback to 1".into(),
        };
        let lines = |wide| rows(std::slice::from_ref(&entry), wide).text(None);
        assert_eq!(
            lines(false),
            "REVISION   UPDATED                    STATUS     CHART              APP VERSION   DESCRIPTION\n\
             2          Tue Nov  3 06:07:08 2026   deployed   mcp-server-0.1.0   0.1.0         Rollback to 1\n"
        );
        assert!(lines(true).contains("localhost/mcpt:0.1.0   Rollback to 1"));
    }
}
