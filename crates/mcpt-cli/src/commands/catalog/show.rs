//! `mcpt catalog show NAME`: one server of a registry.

use mcp_registry::{Entry, Status};
use mcpt_core::{Failure, FailureKind};
use mcpt_source::{Recipe, RegistryName, Setting, Transport, server_json};
use serde_json::{Value, json};

use crate::{
    args::{Format, Global},
    ending::Ending,
    mcp_registries::{McpRegistries, RegistryRecord, unusable},
    output,
    table::{self, Table},
};

/// Looks for the server and shows it.
pub(super) fn run(
    global: &Global,
    registries: &McpRegistries,
    name: &RegistryName,
) -> Result<(), Ending> {
    let known = registries.find(name)?;
    let versions = versions(registries, &known)?;
    match global.output {
        Format::Json => output::json(&document(&known, &versions)),
        Format::Yaml => output::yaml(&document(&known, &versions)),
        Format::Name => output::line(&format!("{}@{}", known.record.name, known.record.version)),
        Format::Table | Format::Wide => output::text(&text(&known, &versions)?),
    }
}

/// The versions that the copy of its registry has; none when it is not in there.
fn versions(registries: &McpRegistries, known: &RegistryRecord) -> Result<Vec<Entry>, Failure> {
    let registry = registries
        .all()
        .iter()
        .find(|registry| registry.name == known.registry);
    let Some(registry) = registry else {
        return Ok(Vec::new());
    };
    let copy = registries.copy(registry)?;
    let versions = copy
        .map(|copy| copy.versions(&known.record.name))
        .transpose();
    let versions = versions.map_err(|error| unusable(registry, &error))?;
    Ok(versions.unwrap_or_default())
}

fn document(known: &RegistryRecord, versions: &[Entry]) -> Value {
    let RegistryRecord { registry, record } = known;
    json!({
        "name": record.name,
        "version": record.version,
        "from": registry,
        "status": record.status,
        "statusMessage": record.status_message,
        "published": record.published,
        "updated": record.updated,
        "versions": versions.iter().map(|entry| &entry.version).collect::<Vec<_>>(),
        "server": record.document,
    })
}

fn text(known: &RegistryRecord, versions: &[Entry]) -> Result<String, Failure> {
    let RegistryRecord { registry, record } = known;
    let status = (record.status != Status::Active).then(|| {
        let status = match record.status {
            Status::Deleted => "deleted",
            _ => "deprecated",
        };
        match &record.status_message {
            Some(why) => format!("{status}: {why}"),
            None => status.to_owned(),
        }
    });
    let other: Vec<&str> = versions
        .iter()
        .filter(|entry| entry.version != record.version && entry.status != Status::Deleted)
        .map(|entry| entry.version.as_str())
        .collect();
    let said = |name: &str| Some(record.text(name).to_owned()).filter(|text| !text.is_empty());
    let repository = record.document.get("repository");
    let repository = repository.and_then(|repository| repository.get("url")?.as_str());
    let facts = table::facts([
        ("Name", Some(record.name.clone())),
        ("Title", said("title")),
        ("Version", Some(record.version.clone())),
        (
            "Others",
            Some(other.join(", ")).filter(|text| !text.is_empty()),
        ),
        ("Status", status),
        ("From", Some(registry.clone())),
        ("Repository", repository.map(str::to_owned)),
        ("Website", said("websiteUrl")),
    ]);
    let mut text = format!("{}\n\n{facts}", one_line(record.text("description")));
    let server = server_json::read_value(&Value::Object(record.document.clone()));
    let server = server.map_err(|error| {
        let what = format!("{} cannot be used", record.name);
        let failure = Failure::new(FailureKind::Failed, what);
        error.problems.into_iter().fold(failure, Failure::because)
    })?;
    text.push_str("\nWays of having it:\n");
    let mut ways = Table::new(&["WAY", "SOURCE", "SPEAKS"]).indented(2);
    let mut settings = Table::new(&["KEY", "TYPE", "DEFAULT", "DESCRIPTION"]).indented(2);
    let mut seen = Vec::new();
    for offer in &server.offers {
        match &offer.recipe {
            Ok(recipe) => {
                let speaks = match recipe.transport {
                    Transport::Stdio => "stdio",
                    Transport::Http { .. } | Transport::Remote => "http",
                };
                ways.row([
                    offer.place.clone(),
                    recipe.source.to_string(),
                    speaks.to_owned(),
                ]);
                add_settings(recipe, &mut seen, &mut settings);
            }
            Err(error) => ways.row([offer.place.clone(), error.to_string(), String::new()]),
        }
    }
    if server.offers.is_empty() {
        text.push_str("  It names no package and no address.\n");
    } else {
        text.push_str(&ways.text(None));
    }
    if !seen.is_empty() {
        text.push_str("\nSettings (-c KEY=VALUE):\n");
        text.push_str(&settings.text(None));
    }
    Ok(text)
}

fn add_settings<'a>(recipe: &'a Recipe, seen: &mut Vec<&'a str>, table: &mut Table) {
    for (name, setting) in &recipe.settings {
        if seen.contains(&name.as_str()) {
            continue;
        }
        seen.push(name);
        let default = match (&setting.default, setting.required) {
            (Some(default), _) if !setting.secret => default.clone(),
            (None, true) => "required".to_owned(),
            _ => String::new(),
        };
        table.row([
            name.clone(),
            type_text(setting),
            default,
            setting.description.clone(),
        ]);
    }
}

fn type_text(setting: &Setting) -> String {
    if setting.secret {
        return "secret".to_owned();
    }
    if !setting.choices.is_empty() {
        return setting.choices.join("|");
    }
    match setting.format {
        mcpt_source::Format::Text => "string",
        mcpt_source::Format::Number => "number",
        mcpt_source::Format::Boolean => "boolean",
        mcpt_source::Format::Path => "path",
    }
    .to_owned()
}

/// Lines of a stranger would look like ours.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
