//! The user's values, over which the expressions of registries are evaluated.

use std::path::PathBuf;

use helm_chart::Overrides;
use mcpt_catalog::RegistryEntry;
use mcpt_core::{Failure, FailureKind};
use serde_json::{Map, Value};

use crate::{commands::deploy::read, user_config::UserConfig};

/// The values of the configuration file's `values`, then those of `-f`, then those of `--set`, merged as Helm does.
pub(crate) fn merged(
    config: &UserConfig,
    files: &[PathBuf],
    set: &[String],
) -> Result<Map<String, Value>, Failure> {
    let mut overrides = Overrides::default();
    for path in config.values.iter().chain(files) {
        overrides
            .files
            .push((path.display().to_string(), read(path)?));
    }
    overrides.set = set.to_vec();
    overrides.merge().map_err(|error| {
        Failure::new(FailureKind::Usage, "the values cannot be read").caused_by(&error)
    })
}

/// Refuses a `--set` that no expression reads: who gives one expects an effect.
pub(crate) fn refuse_unread(set: &[String], entries: &[&RegistryEntry]) -> Result<(), Failure> {
    let mut unread = Vec::new();
    for line in set {
        let mut keys = Map::new();
        // What cannot be read is told where the values are merged.
        if helm_chart::set(&mut keys, line).is_err() {
            continue;
        }
        for key in keys.keys() {
            if !entries.iter().any(|entry| entry.may_read(key)) {
                unread.push(key.clone());
            }
        }
    }
    if unread.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Usage, "--set has no effect");
    Err(unread
        .into_iter()
        .fold(failure, |failure, key| {
            failure.because(format!("no expression of the registry reads {key}"))
        })
        .hint("values of the chart are a matter of the entry: its field values"))
}
