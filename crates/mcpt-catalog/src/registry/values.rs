//! What an entry says about its chart's values.

use std::collections::BTreeMap;

use helm_chart::Chart;
use mcpt_core::{Image, Secret};
use serde_json::{Map, Value, json};

use super::{Faults, RegistryEntry};

/// Values that the entry itself names, for the chart of servers. What a plan carries is not among them, except where a profile
/// would win over the plan.
pub(super) fn own(entry: &RegistryEntry) -> Map<String, Value> {
    let mut values = Map::new();
    if let Some(replicas) = entry.replicas {
        values.insert("replicaCount".into(), json!(replicas));
    }
    if let Some(resources) = resources(entry) {
        values.insert("resources".into(), resources);
    }
    if let Some(service) = service(entry) {
        values.insert("service".into(), service);
    }
    if let Some(scaling) = scaling(entry) {
        values.insert("autoscaling".into(), scaling);
    }
    for (key, texts) in [
        ("labels", &entry.labels),
        ("annotations", &entry.annotations),
    ] {
        if !texts.is_empty() {
            values.insert(key.into(), json!(texts));
        }
    }
    if let Some(persistence) = &entry.persistence {
        let given = [
            ("size", persistence.size.as_ref().map(|v| json!(v))),
            (
                "storageClass",
                persistence.storage_class.as_ref().map(|v| json!(v)),
            ),
            (
                "accessModes",
                persistence.access_modes.as_ref().map(|v| json!(v)),
            ),
            (
                "existingClaim",
                persistence.existing_claim.as_ref().map(|v| json!(v)),
            ),
            ("keep", persistence.keep.map(|v| json!(v))),
            ("enabled", Some(json!(true))),
        ];
        values.insert("persistence".into(), object(given));
    }
    values
}

/// Values for the chart of somebody else: the usual names, and only those that the chart has. What it has no place for would be
/// lost without a word, and so is a fault.
pub(super) fn foreign(
    entry: &RegistryEntry,
    chart: &Chart,
    image: Option<&Image>,
    env: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, Secret>,
    faults: &mut Faults,
) -> Map<String, Value> {
    let image = image.map(|image| image_of_others(image, chart));
    let texts = |texts: &BTreeMap<String, String>| (!texts.is_empty()).then(|| json!(texts));
    let secret = (!secrets.is_empty()).then(|| {
        let exposed = secrets
            .iter()
            .map(|(name, secret)| (name.clone(), json!(secret.expose())));
        Value::Object(exposed.collect())
    });
    let mut values = Map::new();
    for (field, key, value) in [
        ("image", "image", image),
        (
            "replicas",
            "replicaCount",
            entry.replicas.map(|number| json!(number)),
        ),
        ("resources", "resources", resources(entry)),
        ("service", "service", service(entry)),
        ("scaling", "autoscaling", scaling(entry)),
        ("labels", "labels", texts(&entry.labels)),
        ("annotations", "annotations", texts(&entry.annotations)),
        ("env", "env", texts(env)),
        ("env", "secrets", secret),
    ] {
        let Some(value) = value else { continue };
        if let Some(path) = without_place(&value, chart.values.get(key), key) {
            let what = if key == "secrets" {
                ", for secret variables"
            } else {
                ""
            };
            faults.add(
                &format!("/{field}"),
                format!(
                    "the chart {} has no value {path}{what}: say it in values, by the chart's own names",
                    chart.name()
                ),
            );
        }
        values.insert(key.into(), value);
    }
    values
}

/// An image for a chart that knows `repository` and `tag` and puts a colon between them, or has a place for a digest.
fn image_of_others(image: &Image, chart: &Chart) -> Value {
    let has_digest = chart
        .values
        .get("image")
        .is_some_and(|block| block.get("digest").is_some());
    let (repository, tag, digest) = match &image.digest {
        Some(digest) if has_digest => (
            image.repository.clone(),
            image.tag.clone(),
            Some(digest.clone()),
        ),
        Some(digest) if image.tag.is_none() => {
            // `NAME@sha256` and `HEX`, since the colon is the chart's.
            let (algorithm, hex) = digest.split_once(':').unwrap_or(("sha256", digest));
            let repository = format!("{}@{algorithm}", image.repository);
            (repository, Some(hex.to_owned()), None)
        }
        _ => (image.repository.clone(), Some(image.version()), None),
    };
    object([
        ("repository", Some(json!(repository))),
        ("tag", tag.map(|tag| json!(tag))),
        ("digest", digest.map(|digest| json!(digest))),
    ])
}

/// The first value that a chart's defaults have no place for. An empty map takes all.
fn without_place(value: &Value, defaults: Option<&Value>, path: &str) -> Option<String> {
    match (value, defaults) {
        (_, None) => Some(path.to_owned()),
        (Value::Object(_), Some(Value::Object(known))) if known.is_empty() => None,
        (Value::Object(entries), Some(Value::Object(known))) => {
            // Names of variables, labels and resources are the user's own.
            if matches!(path, "env" | "secrets" | "labels" | "annotations")
                || path.contains("resources")
            {
                return None;
            }
            entries.iter().find_map(|(key, value)| {
                without_place(value, known.get(key), &format!("{path}.{key}"))
            })
        }
        (Value::Object(_), Some(Value::Null)) => None,
        (Value::Object(_), Some(_)) => Some(format!("{path} that is a map")),
        _ => None,
    }
}

fn resources(entry: &RegistryEntry) -> Option<Value> {
    let resources = json!(entry.resources);
    resources
        .as_object()
        .is_some_and(|kinds| !kinds.is_empty())
        .then_some(resources)
}

fn service(entry: &RegistryEntry) -> Option<Value> {
    let service = object([
        ("type", entry.service.kind.as_ref().map(|v| json!(v))),
        ("port", entry.service.port.map(|v| json!(v))),
    ]);
    service
        .as_object()
        .is_some_and(|fields| !fields.is_empty())
        .then_some(service)
}

fn scaling(entry: &RegistryEntry) -> Option<Value> {
    let scaling = entry.scaling?;
    Some(object([
        ("enabled", Some(json!(true))),
        ("minReplicas", scaling.min.map(|v| json!(v))),
        ("maxReplicas", Some(json!(scaling.max))),
        (
            "targetCPUUtilizationPercentage",
            scaling.cpu.map(|v| json!(v)),
        ),
    ]))
}

fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}
