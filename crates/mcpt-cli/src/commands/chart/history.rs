//! `mcpt chart history RELEASE`: the revisions of a release.

use clap::Args;
use helm_funcs::format_time;
use helm_release::Release;
use serde::Serialize;
use serde_json::Value;

use super::{
    columns, failed, is_release_name,
    releases::{app_version, chart_name, for_people, go_json, last_deployed, revisions},
};
use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// Go's layout of a time in JSON.
const IN_JSON: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// Arguments of `mcpt chart history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// The release
    release: String,
    /// Most revisions
    #[arg(long, value_name = "NUMBER", default_value_t = 256)]
    max: usize,
    /// The revision too that a rollback went back to
    #[arg(long)]
    show_rollback_revision: bool,
}

#[derive(Debug, Serialize)]
struct Element {
    revision: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<String>,
    status: &'static str,
    chart: String,
    app_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_revision: Option<u64>,
    description: String,
}

impl History {
    /// Prints them.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        if !is_release_name(&self.release) {
            let what = format!("release name is invalid: {}", self.release);
            return Err(failed(what).into());
        }
        let records = revisions(global, &self.release)?;
        let from = records.len().saturating_sub(self.max);
        let releases = records[from..].iter().map(|record| &record.release);
        match global.output {
            Format::Json => go_json(&releases.map(element).collect::<Vec<_>>()),
            Format::Yaml => output::yaml(&releases.map(element).collect::<Vec<_>>()),
            Format::Name => output::lines(releases.map(|release| release.version)),
            Format::Table | Format::Wide => {
                let mut head = ["REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION"].to_vec();
                if self.show_rollback_revision {
                    head.push("ROLLBACK");
                }
                head.push("DESCRIPTION");
                let mut rows = vec![head.into_iter().map(str::to_owned).collect()];
                rows.extend(releases.map(|release| self.row(release)));
                output::text(&columns::text_or_blank(&rows))
            }
        }
    }

    fn row(&self, release: &Release) -> Vec<String> {
        let mut row = vec![
            release.version.to_string(),
            for_people(last_deployed(release).as_ref()),
            release.info.status.to_string(),
            chart_name(release),
            app_version(release),
        ];
        if self.show_rollback_revision {
            row.push(rolled_back_to(release).map_or(String::new(), |number| number.to_string()));
        }
        row.push(release.info.description.clone());
        row
    }
}

fn element(release: &Release) -> Element {
    Element {
        revision: release.version,
        updated: last_deployed(release).map(|time| format_time(IN_JSON, &time)),
        status: release.info.status.as_str(),
        chart: chart_name(release),
        app_version: app_version(release),
        rollback_revision: rolled_back_to(release),
        description: release.info.description.clone(),
    }
}

/// The revision that a rollback went back to, which Helm 4 writes down.
fn rolled_back_to(release: &Release) -> Option<u64> {
    let number = release.info.other.get("rollback_revision");
    number.and_then(Value::as_u64).filter(|number| *number > 0)
}
