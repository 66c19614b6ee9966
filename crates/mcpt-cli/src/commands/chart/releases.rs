//! What is stored of releases on a cluster, and how helm tells it.

use helm_funcs::{format_time, parse_time};
use helm_install::{Record, Stored, Which};
use helm_release::{ChartRecord, Release};
use jiff::{Zoned, tz::TimeZone};
use kube_access::chain;
use serde::Serialize;

use super::{failed, is_release_name, session::connect};
use crate::{args::Global, ending::Ending, messages, output, runtime};

/// Go's layout of times for people.
const FOR_PEOPLE: &str = "Mon Jan _2 15:04:05 2006";

/// What is stored: of one release, or of all in the namespace, which is the context's or `default` when nobody says. With
/// `everywhere` in all namespaces.
pub(super) fn stored(
    global: &Global,
    release: Option<&str>,
    everywhere: bool,
) -> Result<Vec<Record>, Ending> {
    let Stored {
        records,
        unreadable,
    } = runtime::run(async {
        let cluster = connect(global).await?;
        let which = match release {
            Some(name) => Which::Of(name),
            None if everywhere => Which::Everywhere,
            None => Which::Here,
        };
        let stored = helm_install::stored(&cluster, which).await;
        stored.map_err(|error| failed(chain(&error)).into())
    })?;
    for (name, why) in unreadable {
        messages::warning(global, &format!("{name}: {why}"));
    }
    Ok(records)
}

/// All revisions of a release, the oldest first.
pub(super) fn revisions(global: &Global, release: &str) -> Result<Vec<Record>, Ending> {
    let mut records = stored(global, Some(release), false)?;
    if records.is_empty() {
        return Err(failed("release: not found".to_owned()).into());
    }
    records.sort_by_key(|record| record.release.version);
    Ok(records)
}

/// A revision of a release; 0 is the last.
pub(super) fn revision(global: &Global, release: &str, number: u32) -> Result<Record, Ending> {
    if !is_release_name(release) {
        let what = format!("releaseContent: Release name is invalid: {release}");
        return Err(failed(what).into());
    }
    let records = revisions(global, release)?;
    let found = match number {
        0 => records.into_iter().last(),
        number => records
            .into_iter()
            .find(|record| record.release.version == number),
    };
    found.ok_or_else(|| failed("release: not found".to_owned()).into())
}

/// The name and version of a release's chart.
pub(super) fn chart_name(release: &Release) -> String {
    of_chart(release, |chart| {
        format!("{}-{}", chart.metadata.name, chart.metadata.version)
    })
}

/// The version of what is in a release's chart.
pub(super) fn app_version(release: &Release) -> String {
    of_chart(release, |chart| chart.metadata.app_version.clone())
}

fn of_chart(release: &Release, what: impl Fn(&ChartRecord) -> String) -> String {
    // Helm's word for it.
    release.chart.as_ref().map_or("MISSING".to_owned(), what)
}

/// When a revision was installed; none for Go's zero time, and for what is no time.
pub(super) fn last_deployed(release: &Release) -> Option<Zoned> {
    time(&release.info.last_deployed)
}

/// A time of a record.
pub(super) fn time(text: &str) -> Option<Zoned> {
    let local = match TimeZone::system() {
        // Go tells the local zone from UTC, also where their clocks agree.
        zone if zone == TimeZone::UTC => TimeZone::posix("UTC0").unwrap_or(zone),
        zone => zone,
    };
    let time = parse_time(text, &local).ok()?;
    (time.year() > 1).then_some(time)
}

/// A time for people.
pub(super) fn for_people(time: Option<&Zoned>) -> String {
    // What Go makes of its zero time.
    const NONE: &str = "Mon Jan  1 00:00:00 0001";
    time.map_or(NONE.to_owned(), |time| format_time(FOR_PEOPLE, time))
}

/// Writes one line of JSON as Go does, in which `<`, `>` and `&` are escaped.
pub(super) fn go_json(value: &impl Serialize) -> Result<(), Ending> {
    let text = serde_json::to_string(value)
        .map_err(|error| failed(error.to_string()))?
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026");
    output::exact(&format!("{text}\n"))
}
