//! `mcpt chart list`: the releases in a namespace, or in all.

use std::collections::BTreeMap;

use clap::Args;
use helm_funcs::{format_time, go_regex};
use helm_install::Record;
use helm_release::Status;
use mcpt_core::Failure;
use serde::Serialize;

use super::{
    columns, failed,
    releases::{app_version, chart_name, go_json, last_deployed, stored},
    selector::Selector,
};
use crate::{
    args::{Format, Global},
    ending::Ending,
    output,
};

/// Go's layout of a time as it is.
const AS_IT_IS: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// Arguments of `mcpt chart list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Names only; -q says the same
    #[arg(long)]
    short: bool,
    /// No line with the columns' names
    #[arg(long)]
    no_headers: bool,
    /// Times in this layout of Go's
    #[arg(long, value_name = "LAYOUT")]
    time_format: Option<String>,
    /// Those whose names match this regular expression of Go's
    #[arg(short, long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Those whose labels are so, as key=value,key!=value
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// By time, the oldest first
    #[arg(short = 'd', long)]
    date: bool,
    /// In the opposite order
    #[arg(short, long)]
    reverse: bool,
    /// Those that are deployed
    #[arg(long)]
    deployed: bool,
    /// Those that failed
    #[arg(long)]
    failed: bool,
    /// Those that a command works on, or was interrupted at
    #[arg(long)]
    pending: bool,
    /// Revisions in whose place others are
    #[arg(long)]
    superseded: bool,
    /// Those that were removed with their history kept
    #[arg(long)]
    uninstalled: bool,
    /// Those that are being removed
    #[arg(long)]
    uninstalling: bool,
    /// Most releases; 0 for all
    #[arg(short, long, value_name = "NUMBER", default_value_t = 256)]
    max: usize,
    /// How many to pass over before
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    offset: usize,
}

#[derive(Debug, Serialize)]
struct Element {
    name: String,
    namespace: String,
    revision: String,
    updated: String,
    status: &'static str,
    chart: String,
    app_version: String,
}

impl List {
    /// Prints them.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let mut records = stored(global, None, self.all_namespaces)?;
        if let Some(filter) = &self.filter {
            let filter = go_regex(filter).map_err(|error| failed(error.to_string()))?;
            records.retain(|record| filter.is_match(&record.release.name));
        }
        let records = self.chosen(records)?;
        if self.short || global.quiet {
            let names: Vec<&str> = records.iter().map(|r| r.release.name.as_str()).collect();
            return match global.output {
                Format::Json => go_json(&names),
                Format::Yaml => output::yaml(&names),
                _ => output::lines(names),
            };
        }
        let elements: Vec<Element> = records.iter().map(|record| self.element(record)).collect();
        match global.output {
            Format::Json => go_json(&elements),
            Format::Yaml => output::yaml(&elements),
            Format::Name => output::lines(elements.iter().map(|element| &element.name)),
            Format::Table | Format::Wide => {
                let mut rows = Vec::new();
                if !self.no_headers {
                    rows.push(
                        [
                            "NAME",
                            "NAMESPACE",
                            "REVISION",
                            "UPDATED",
                            "STATUS",
                            "CHART",
                            "APP VERSION",
                        ]
                        .map(str::to_owned)
                        .to_vec(),
                    );
                }
                rows.extend(elements.into_iter().map(|element| {
                    vec![
                        element.name,
                        element.namespace,
                        element.revision,
                        element.updated,
                        element.status.to_owned(),
                        element.chart,
                        element.app_version,
                    ]
                }));
                output::text(&columns::text_or_blank(&rows))
            }
        }
    }

    fn element(&self, record: &Record) -> Element {
        let release = &record.release;
        let layout = self.time_format.as_deref().unwrap_or(AS_IT_IS);
        let updated = last_deployed(release).map(|time| format_time(layout, &time));
        Element {
            name: release.name.clone(),
            namespace: release.namespace.clone(),
            revision: release.version.to_string(),
            updated: updated.unwrap_or_else(|| "-".to_owned()),
            status: release.info.status.as_str(),
            chart: chart_name(release),
            app_version: app_version(release),
        }
    }

    /// Those that are wanted, in the order in which they are shown.
    fn chosen(&self, mut records: Vec<Record>) -> Result<Vec<Record>, Failure> {
        let statuses = self.statuses();
        // Of each release the last revision, unless it is the earlier ones that are wanted.
        if statuses.as_deref() != Some(&[Status::Superseded]) {
            let mut latest: BTreeMap<(String, String), Record> = BTreeMap::new();
            for record in records {
                let release = &record.release;
                let key = (release.namespace.clone(), release.name.clone());
                let newest = latest.get(&key).map_or(0, |known| known.release.version);
                if release.version >= newest {
                    latest.insert(key, record);
                }
            }
            records = latest.into_values().collect();
        }
        if let Some(statuses) = statuses {
            records.retain(|record| statuses.contains(&record.release.info.status));
        }
        // After the rest, as with helm: of the last revision alone.
        if let Some(selector) = &self.selector {
            let selector: Selector = selector
                .parse()
                .map_err(|error| failed(format!("unable to parse requirement: {error}")))?;
            let none = BTreeMap::new();
            let labels = |record: &Record| {
                selector.matches(record.metadata.labels.as_ref().unwrap_or(&none))
            };
            records.retain(labels);
        }
        let name = |record: &Record| record.release.name.clone();
        let deployed =
            |record: &Record| last_deployed(&record.release).map(|time| time.timestamp());
        match (self.date, self.reverse) {
            (false, false) => records.sort_by_key(name),
            (false, true) => records.sort_by_key(|record| std::cmp::Reverse(name(record))),
            (true, false) => records.sort_by_key(deployed),
            (true, true) => records.sort_by_key(|record| std::cmp::Reverse(deployed(record))),
        }
        let most = if self.max == 0 { usize::MAX } else { self.max };
        Ok(records.into_iter().skip(self.offset).take(most).collect())
    }

    /// Statuses that are asked for; none for all.
    fn statuses(&self) -> Option<Vec<Status>> {
        let mut wanted = Vec::new();
        for (flag, statuses) in [
            (self.deployed, &[Status::Deployed][..]),
            (self.uninstalled, &[Status::Uninstalled]),
            (self.uninstalling, &[Status::Uninstalling]),
            (
                self.pending,
                &[
                    Status::PendingInstall,
                    Status::PendingRollback,
                    Status::PendingUpgrade,
                ],
            ),
            (self.failed, &[Status::Failed]),
            (self.superseded, &[Status::Superseded]),
        ] {
            if flag {
                wanted.extend_from_slice(statuses);
            }
        }
        (!wanted.is_empty()).then_some(wanted)
    }
}
