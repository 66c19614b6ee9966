//! `mcpt registry list|show|validate`: entries of registries.

pub(crate) mod deployment;
pub(crate) mod files;
mod show;
pub(crate) mod user_values;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mcpt_catalog::{EntryChoices, RegistryEntry, Settings, check_entry};
use mcpt_core::{Failure, FailureKind, Image, ServerName};
use serde_json::{Map, json};

use self::files::Registries;
use crate::{
    args::{Format, Global},
    commands::templates,
    ending::Ending,
    output, place,
    table::{self, Table},
    user_config::UserConfig,
};

/// Arguments of `mcpt registry`.
#[derive(Debug, Args)]
pub(crate) struct Registry {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the entries
    List {
        /// Registries [default: those of the configuration file]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Show what an entry becomes, secrets redacted
    Show(show::Show),
    /// Check registries and say everything that is wrong with them
    Validate {
        /// Registries [default: those of the configuration file]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

impl Registry {
    /// Runs the subcommand.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        match &self.command {
            Command::List { files } => {
                list(global, &config, &Registries::required(files, &config)?)
            }
            Command::Show(show) => show.run(global, &config),
            Command::Validate { files } => {
                validate(global, &config, &Registries::required(files, &config)?)
            }
        }
    }
}

/// What an entry runs: its image, its template or its command.
pub(crate) fn runs(entry: &RegistryEntry) -> String {
    let image = entry.image.as_ref().map(Image::reference);
    let command = (!entry.command.is_empty()).then(|| entry.command.join(" "));
    image
        .or_else(|| entry.template.clone())
        .or(command)
        .unwrap_or_default()
}

fn list(global: &Global, config: &UserConfig, registries: &Registries) -> Result<(), Ending> {
    let documents = || {
        let document = |entry: &RegistryEntry| {
            Ok(json!({
                "name": entry.name,
                "registry": entry.file(),
                "backend": place::driver_for(global, config, entry)?.name(),
                "namespace": entry.namespace,
                "runs": runs(entry),
                "chart": entry.chart.to_string(),
            }))
        };
        let documents = registries.entries().map(document);
        documents.collect::<Result<Vec<_>, Failure>>()
    };
    match global.output {
        Format::Json => output::json(&documents()?),
        Format::Yaml => output::yaml(&documents()?),
        Format::Name => output::lines(registries.entries().map(|entry| &entry.name)),
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["NAME", "BACKEND", "NAMESPACE", "RUNS", "CHART"]);
            for entry in registries.entries() {
                let namespace = entry.namespace.as_ref().map(ToString::to_string);
                table.row([
                    entry.name.to_string(),
                    place::driver_for(global, config, entry)?.name().to_string(),
                    namespace.unwrap_or_default(),
                    runs(entry),
                    entry.chart.to_string(),
                ]);
            }
            let width = (global.output == Format::Table).then(table::terminal_width);
            output::text(&table.text(width.flatten()))
        }
    }
}

/// Checks all that can be checked without the user's values: the files, and each entry's template, chart and settings. What
/// runs may be left to the command, with `--image`.
fn validate(global: &Global, config: &UserConfig, registries: &Registries) -> Result<(), Ending> {
    let catalog = templates(config);
    let mut why = Vec::new();
    for entry in registries.entries() {
        let open = entry.image.is_none() && entry.template.is_none() && entry.command.is_empty();
        let driver = place::driver_for(global, config, entry)?;
        // Stands for what `--image` will name.
        let image = Image {
            repository: "given-with-the-command".to_owned(),
            tag: None,
            digest: None,
            pull_policy: None,
        };
        let choices = EntryChoices {
            backend: driver.name(),
            capabilities: driver.capabilities(),
            settings: Settings::default(),
            image: open.then_some(image),
            profile: None,
            values: Map::new(),
        };
        if let Err(error) = check_entry(entry, &catalog, &choices) {
            why.extend(Failure::from(error).why);
        }
    }
    if !why.is_empty() {
        let mut failure = Failure::new(FailureKind::Usage, "the registry has faults")
            .hint("the format is in the guide's chapter on registries");
        failure.why = why;
        return Err(failure.into());
    }
    let names = |registry: &mcpt_catalog::Registry| {
        registry
            .entries()
            .map(|entry| entry.name.clone())
            .collect::<Vec<ServerName>>()
    };
    let verdicts = || {
        let verdict = |registry: &mcpt_catalog::Registry| json!({"file": registry.file, "valid": true, "entries": names(registry)});
        registries.all().iter().map(verdict).collect::<Vec<_>>()
    };
    match global.output {
        Format::Json => output::json(&verdicts()),
        Format::Yaml => output::yaml(&verdicts()),
        Format::Name => output::lines(registries.entries().map(|entry| &entry.name)),
        Format::Table | Format::Wide => output::lines(registries.all().iter().map(|registry| {
            let number = registry.entries().count();
            let entries = if number == 1 { "entry" } else { "entries" };
            format!("{} is valid: {number} {entries}", registry.file.display())
        })),
    }
}
