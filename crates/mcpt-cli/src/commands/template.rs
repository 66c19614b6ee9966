//! `mcpt template list|show|validate`: what can be deployed.

use clap::{Args, Subcommand};
use mcpt_backend::Driver;
use mcpt_catalog::{Entry, Listing, Origin, Property, Template as Definition};
use mcpt_core::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::{
    args::{Format, Global},
    commands::templates,
    ending::Ending,
    messages, output,
    table::{self, Table, terminal_width},
    user_config::UserConfig,
};

/// Arguments of `mcpt template`.
#[derive(Debug, Args)]
pub(crate) struct Template {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the templates
    List,
    /// Show a template and its settings
    Show {
        /// Template id, or path of a template's folder or file (with a slash: ./my-template)
        template: String,
    },
    /// Check a template and say everything that is wrong with it
    Validate {
        /// Template id, or path of a template's folder or file (with a slash: ./my-template)
        template: String,
    },
}

impl Template {
    /// Runs the subcommand.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let catalog = templates(&UserConfig::load()?);
        match &self.command {
            Command::List => list(global, &catalog.list()),
            Command::Show { template } => show(global, &catalog.get(template).map_err(absent)?),
            Command::Validate { template } => {
                valid(global, &catalog.get(template).map_err(absent)?)
            }
        }
    }
}

/// To look at something that is not there is not the same as to use it wrongly.
fn absent(error: mcpt_catalog::CatalogError) -> Failure {
    let unknown = matches!(error, mcpt_catalog::CatalogError::Unknown { .. });
    let mut failure = Failure::from(error);
    if unknown {
        failure.kind = FailureKind::NotFound;
    }
    failure
}

fn valid(global: &Global, template: &Definition) -> Result<(), Ending> {
    let verdict = json!({ "id": template.id, "valid": true });
    match global.output {
        Format::Json => output::json(&verdict),
        Format::Yaml => output::yaml(&verdict),
        Format::Name => output::line(template.id.as_str()),
        Format::Table | Format::Wide => output::line(&format!("template {} is valid", template.id)),
    }
}

fn list(global: &Global, listing: &Listing) -> Result<(), Ending> {
    let entries = &listing.entries;
    let readable = || {
        entries
            .iter()
            .filter_map(|entry| Some((entry, entry.template.as_ref().ok()?)))
    };
    for folder in &listing.unread {
        messages::warning(global, &mcpt_core::chain(folder));
    }
    for entry in entries {
        if let Err(error) = &entry.template {
            messages::warning(
                global,
                &format!("template {} is not usable: {error}", entry.id),
            );
        }
    }
    let summary = |(entry, template): (&Entry, &Definition)| {
        json!({
            "id": template.id,
            "name": template.name,
            "description": template.description,
            "version": template.version,
            "category": template.category,
            "tags": template.tags,
            "transports": transports(template),
            "backends": backends(global, template),
            "origin": origin(&entry.origin),
        })
    };
    match global.output {
        Format::Json => output::json(&readable().map(summary).collect::<Vec<_>>()),
        Format::Yaml => output::yaml(&readable().map(summary).collect::<Vec<_>>()),
        Format::Name => output::lines(readable().map(|(entry, _)| &entry.id)),
        Format::Table | Format::Wide => {
            let wide = global.output == Format::Wide;
            let mut header = vec!["ID", "VERSION", "TRANSPORT"];
            if wide {
                header.extend(["BACKENDS", "ORIGIN"]);
            }
            header.push("DESCRIPTION");
            let mut table = Table::new(&header);
            for (entry, template) in readable() {
                let mut row = vec![
                    entry.id.to_string(),
                    template.version.clone(),
                    transports(template).join(","),
                ];
                if wide {
                    row.extend([backends(global, template).join(","), origin(&entry.origin)]);
                }
                row.push(template.description.clone());
                table.row(row);
            }
            output::text(&table.text(if wide { None } else { terminal_width() }))
        }
    }
}

/// The transports, the default one first.
fn transports(template: &Definition) -> Vec<String> {
    let spec = &template.transport;
    let others = spec.supported.iter().filter(|name| **name != spec.default);
    std::iter::once(&spec.default)
        .chain(others)
        .cloned()
        .collect()
}

/// The backends that can run it.
fn backends(global: &Global, template: &Definition) -> Vec<String> {
    let can = |driver: &&&dyn Driver| template.runs_on(driver.capabilities());
    let able = global.backends.0.iter().filter(can);
    able.map(|driver| driver.name().to_string()).collect()
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::BuiltIn => "built in".to_owned(),
        Origin::Folder(path) => path.display().to_string(),
    }
}

fn show(global: &Global, template: &Definition) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&details(global, template)),
        Format::Yaml => output::yaml(&details(global, template)),
        Format::Name => output::line(template.id.as_str()),
        Format::Table | Format::Wide => output::text(&text(global, template)),
    }
}

fn details(global: &Global, template: &Definition) -> Value {
    let settings: Vec<Value> = template
        .config
        .properties
        .iter()
        .map(|(name, property)| {
            json!({
                "name": name,
                "type": property.type_name(),
                "required": is_required(template, name),
                "secret": property.is_sensitive(name),
                "default": property.default,
                "environment": property.env_name(name),
                "description": property.description,
            })
        })
        .collect();
    json!({
        "id": template.id,
        "name": template.name,
        "description": template.description,
        "version": template.version,
        "author": template.author,
        "category": template.category,
        "tags": template.tags,
        "hosts": template.hosts,
        "transports": transports(template),
        "backends": backends(global, template),
        "image": template.image.as_ref().map(mcpt_core::Image::reference),
        "command": template.command,
        "localCommand": template.local_command,
        "package": template.package.as_ref().map(ToString::to_string),
        "settings": settings,
        "tools": template.tools,
    })
}

fn is_required(template: &Definition, name: &str) -> bool {
    template
        .config
        .required
        .iter()
        .any(|required| required == name)
}

fn text(global: &Global, template: &Definition) -> String {
    let facts = table::facts([
        ("Id", Some(template.id.to_string())),
        ("Name", Some(template.name.clone())),
        ("Version", Some(template.version.clone())),
        ("Author", template.author.clone()),
        ("Category", template.category.clone()),
        ("Transports", Some(transports(template).join(", "))),
        ("Backends", Some(backends(global, template).join(", "))),
        (
            "Image",
            template.image.as_ref().map(mcpt_core::Image::reference),
        ),
        (
            "Command",
            Some(template.local_command.join(" ")).filter(|text| !text.is_empty()),
        ),
        (
            "Package",
            template.package.as_ref().map(ToString::to_string),
        ),
        (
            "Hosts",
            Some(template.hosts.join(", ")).filter(|text| !text.is_empty()),
        ),
    ]);
    let mut text = format!("{}\n\n{facts}", template.description);
    if template.config.properties.is_empty() {
        text.push_str("\nIt has no settings.\n");
        return text;
    }
    text.push_str("\nSettings (-c KEY=VALUE):\n");
    let mut table = Table::new(&["  KEY", "TYPE", "DEFAULT", "DESCRIPTION"]);
    for (name, property) in &template.config.properties {
        table.row([
            format!("  {name}"),
            type_text(name, property),
            if is_required(template, name) {
                "required".to_owned()
            } else {
                default_text(property)
            },
            property.description.clone().unwrap_or_default(),
        ]);
    }
    text.push_str(&table.text(None));
    text
}

fn type_text(name: &str, property: &Property) -> String {
    if property.is_sensitive(name) {
        return format!("secret {}", property.type_name());
    }
    match property.choices() {
        Some(choices) => choices.iter().map(plain).collect::<Vec<_>>().join("|"),
        None => property.type_name().to_owned(),
    }
}

fn default_text(property: &Property) -> String {
    match &property.default {
        Value::Null => String::new(),
        value => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
