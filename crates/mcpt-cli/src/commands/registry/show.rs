//! `mcpt registry show NAME`: what an entry becomes, secrets redacted.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use helm_chart::Overrides;
use mcpt_backend::Driver;
use mcpt_catalog::{
    CompiledEntry, EntryChoices, EnvValue, RegistryEntry, Settings, chart_values, check_entry,
};
use mcpt_core::{Capability, Failure, FailureKind, Image, Namespace, REDACTED, Secret, redact};
use serde_json::{Value, json};

use super::{files::Registries, user_values};
use crate::{
    args::{Format, Global},
    commands::templates,
    ending::Ending,
    output, place,
    user_config::UserConfig,
};

/// Arguments of `mcpt registry show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Name of the entry
    name: String,
    /// Registry that it is in [default: those of the configuration file]; may be repeated
    #[arg(long, value_name = "FILE")]
    registry: Vec<PathBuf>,
    /// File with values for expressions; may be repeated, - is standard input
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    values: Vec<PathBuf>,
    /// Value for expressions by its path; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Container image instead of the entry's
    #[arg(long, value_name = "IMAGE")]
    image: Option<Image>,
}

impl Show {
    pub(super) fn run(&self, global: &Global, config: &UserConfig) -> Result<(), Ending> {
        let registries = Registries::required(&self.registry, config)?;
        let entry = registries.get(&self.name)?;
        user_values::refuse_unread(&self.set, &[entry])?;
        let driver = place::driver_for(global, config, entry)?;
        let choices = EntryChoices {
            backend: driver.name(),
            capabilities: driver.capabilities(),
            settings: Settings {
                working_dir: std::env::current_dir().ok(),
                ..Settings::default()
            },
            image: self.image.clone(),
            profile: None,
            values: user_values::merged(config, &self.values, &self.set)?,
        };
        let compiled = check_entry(entry, &templates(config), &choices).map_err(Failure::from)?;
        let place = place::place_for(global, config, driver, entry);
        let document = document(entry, driver, place.namespace.as_ref(), &compiled)?;
        match global.output {
            Format::Json => output::json(&document),
            Format::Name => output::line(entry.name.as_str()),
            Format::Table | Format::Wide | Format::Yaml => output::yaml(&document),
        }
    }
}

fn document(
    entry: &RegistryEntry,
    driver: &dyn Driver,
    namespace: Option<&Namespace>,
    compiled: &CompiledEntry,
) -> Result<Value, Failure> {
    let plan = &compiled.plan;
    let plain = plan.env.iter().map(|(name, value)| (name, value.clone()));
    let secret = plan.secrets.keys().map(|name| (name, REDACTED.to_owned()));
    let env: BTreeMap<_, _> = plain.chain(secret).collect();
    let expressions: BTreeMap<_, _> = entry
        .env
        .iter()
        .filter(|(_, value)| matches!(value, EnvValue::Expression(_)))
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let missing: BTreeMap<_, _> = compiled.missing.iter().cloned().collect();
    let mut document = json!({
        "name": entry.name,
        "registry": entry.file(),
        "backend": driver.name(),
        "template": entry.template,
        "package": compiled.package.as_ref().map(ToString::to_string),
        "image": plan.image.as_ref().map(Image::reference),
        "transport": plan.transport,
        "env": env,
        "expressions": expressions,
        "missingValues": missing,
    });
    if driver.capabilities().has(Capability::Chart) {
        document["namespace"] = json!(namespace);
        document["chart"] = json!(entry.chart.to_string());
        document["values"] = values(compiled)?;
    } else {
        document["command"] = json!(plan.local_command);
    }
    Ok(without_nothing(document))
}

/// The chart's values, secrets redacted.
fn values(compiled: &CompiledEntry) -> Result<Value, Failure> {
    let takes_plan = compiled.chart.as_ref().is_none_or(|chart| chart.takes_plan);
    let plan = takes_plan.then(|| chart_values(&compiled.plan));
    let layers = [
        ("plan", plan.unwrap_or_default()),
        ("entry", compiled.values.clone()),
    ];
    let overrides = Overrides {
        files: layers
            .map(|(name, values)| (name.to_owned(), Value::Object(values).to_string()))
            .into(),
        ..Overrides::default()
    };
    let mut values = overrides.merge().map_err(|error| {
        Failure::new(FailureKind::Failed, "cannot show the values").caused_by(&error)
    })?;
    let secrets: Vec<&Secret> = compiled.plan.secrets.values().collect();
    if let Some(Value::Object(own)) = values.get_mut("secrets") {
        own.values_mut()
            .for_each(|value| *value = Value::String(REDACTED.to_owned()));
    }
    Ok(redacted(Value::Object(values), &secrets))
}

fn redacted(value: Value, secrets: &[&Secret]) -> Value {
    match value {
        Value::String(text) => Value::String(redact(&text, secrets.iter().copied())),
        Value::Array(items) => items
            .into_iter()
            .map(|item| redacted(item, secrets))
            .collect(),
        Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, redacted(value, secrets)))
            .collect(),
        other => other,
    }
}

fn without_nothing(document: Value) -> Value {
    match document {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| {
                !value.is_null() && value.as_object().is_none_or(|o| !o.is_empty())
            })
            .collect(),
        other => other,
    }
}
