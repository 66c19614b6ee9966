//! The values of a server's chart, and where each comes from.
//!
//! A revision's record has the user's values as Helm writes them. Who said each of them stands beside them in a field of the
//! record that Helm does not know and leaves out of the records that it makes itself.

use std::collections::BTreeMap;

use helm_install::revisions;
use helm_release::Release;
use mcpt_core::{Failure, FailureKind, REDACTED, ServerName, ServerValue, leaves};
use serde_json::{Map, Value};

use crate::{
    absent::last_of_server, cluster::Cluster, failure::OrFail as _, redaction::redact_values,
    secrecy,
};

/// Field of a release's record that holds them.
const FIELD: &str = "mcpt_origins";

/// Of a value that nobody gave.
const DEFAULT: &str = "default of the chart";

/// Of one whose record does not say it.
const UNKNOWN: &str = "given, by whom is not recorded";

/// Who said which of the user's values, by their paths.
pub(crate) type Origins = BTreeMap<String, String>;

/// Notes that all these values are from there.
pub(crate) fn note(origins: &mut Origins, values: &Map<String, Value>, origin: &str) {
    for (path, _) in leaves(values) {
        origins.insert(path, origin.to_owned());
    }
}

/// Those that a record has.
pub(crate) fn recorded(release: &Release) -> Origins {
    let found = release.other.get(FIELD).cloned();
    // What somebody else wrote there says nothing.
    found
        .and_then(|found| serde_json::from_value(found).ok())
        .unwrap_or_default()
}

/// Writes them into a record: those of values that it has.
pub(crate) fn record(release: &mut Release, origins: &Origins) {
    let there = leaves(&release.config);
    let kept = there
        .into_iter()
        .filter_map(|(path, _)| Some((path.clone(), origins.get(&path)?.as_str().into())));
    let kept: Map<String, Value> = kept.collect();
    if !kept.is_empty() {
        release.other.insert(FIELD.to_owned(), kept.into());
    }
}

/// The values of the revision that runs, by path.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such server; when no revision of it runs.
pub(crate) async fn of(cluster: &Cluster, name: &ServerName) -> Result<Vec<ServerValue>, Failure> {
    let what = format!("cannot show the values of {name}");
    let records = cluster.records(name.as_str());
    let all = records.all().await.or_fail(cluster, &what)?;
    let last = last_of_server(cluster, name, &all, "helm get values", &what).await?;
    let running = revisions::running(&all).unwrap_or(last);
    if running.release.chart.is_none() {
        return Err(Failure::new(FailureKind::Failed, what)
            .because("the record of its revision holds no chart"));
    }
    Ok(told(&running.release))
}

/// The user's values over those of the chart.
fn told(release: &Release) -> Vec<ServerValue> {
    let origins = recorded(release);
    // As they were written: numbers stay what they are.
    let user = &release.config;
    let secrets = secrecy::of_values(user);
    let mut all: BTreeMap<String, ServerValue> = BTreeMap::new();
    let defaults = release.chart.iter().flat_map(|chart| leaves(&chart.values));
    for (path, value) in defaults {
        let value = ServerValue {
            path: path.clone(),
            value: value.clone(),
            origin: DEFAULT.to_owned(),
            is_default: true,
        };
        all.insert(path, value);
    }
    for (path, value) in leaves(user) {
        // A map of the user takes the place of the chart's empty one, and the other way round.
        all.retain(|known, _| !is_below(known, &path) && !is_below(&path, known));
        let origin = origins.get(&path).cloned();
        let value = ServerValue {
            path: path.clone(),
            value: value.clone(),
            origin: origin.unwrap_or_else(|| UNKNOWN.to_owned()),
            is_default: false,
        };
        all.insert(path, value);
    }
    let mut told: Vec<_> = all.into_values().collect();
    for one in &mut told {
        if one.path.starts_with("secrets.") {
            one.value = REDACTED.into();
        }
        redact_values(&mut one.value, &secrets);
    }
    told
}

/// Whether one path leads further than another.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use helm_release::ChartRecord;
    use serde_json::json;

    use super::*;

    fn release(config: Value) -> Release {
        let Value::Object(config) = config else {
            panic!("values are a map");
        };
        let chart = json!({
            "metadata": {"name": "x", "version": "1.0.0", "apiVersion": "v2"},
            "values": {"replicaCount": 1, "env": {}, "secrets": {}, "resources": {"limits": {"memory": "1Gi"}}},
        });
        let chart: ChartRecord = serde_json::from_value(chart).unwrap();
        Release {
            chart: Some(chart),
            config,
            ..Release::default()
        }
    }

    #[test]
    fn each_value_has_one_origin() {
        let mut release = release(json!({
            "replicaCount": 3, "env": {"A": "x", "B": "key hunter2secret"}, "secrets": {"TOKEN": "hunter2secret"},
        }));
        let mut origins = Origins::new();
        note(&mut origins, &release.config, "template demo");
        origins.insert("replicaCount".to_owned(), "--replicas".to_owned());
        origins.insert("gone".to_owned(), "--set".to_owned());
        origins.remove("env.A");
        record(&mut release, &origins);
        assert!(!recorded(&release).contains_key("gone"));
        let lines: Vec<_> = told(&release)
            .iter()
            .map(|one| format!("{} {} {}", one.path, one.value, one.origin))
            .collect();
        assert_eq!(
            lines,
            [
                format!("env.A \"x\" {UNKNOWN}"),
                format!("env.B \"key {REDACTED}\" template demo"),
                "replicaCount 3 --replicas".to_owned(),
                format!("resources.limits.memory \"1Gi\" {DEFAULT}"),
                format!("secrets.TOKEN \"{REDACTED}\" template demo"),
            ]
        );
    }
}
