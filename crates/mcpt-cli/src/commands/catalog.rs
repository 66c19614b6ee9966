//! `mcpt catalog list|show|sync|serve|registries`: servers of registries by MCP's official API (crate `mcp-registry`). Templates
//! ([`mcpt_catalog::Catalog`], `mcpt template`) are listed and served beside them; files of servers to deploy
//! ([`mcpt_catalog::Registry`], `mcpt registry`) are another thing.

mod serve;
mod show;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use mcp_registry::{Synced, sync};
use mcpt_core::{Failure, ProgressEvent};
use mcpt_source::RegistryName;
use serde_json::{Value, json};

use super::search;
use crate::{
    args::{Format, Global},
    ending::Ending,
    mcp_registries::{McpRegistries, unusable},
    messages, output, progress, report,
    table::{Table, terminal_width},
    user_config::{McpRegistry, UserConfig},
};

/// Arguments of `mcpt catalog`.
#[derive(Debug, Args)]
#[command(
    after_help = "The configuration file names registries as mcp-registries; without it there is one, the official registry.

Examples:
  mcpt catalog sync
  mcpt search github
  mcpt catalog show io.github.owner/name
  mcpt deploy io.github.owner/name"
)]
pub(crate) struct Catalog {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all servers that can be deployed by their names
    List {
        /// Only those of this registry; may be repeated
        #[arg(long, value_name = "REGISTRY")]
        registry: Vec<String>,
    },
    /// Show a server of a registry: its versions, what it runs and its settings
    Show {
        /// Name, io.github.owner/name or io.github.owner/name@VERSION
        #[arg(value_name = "NAME")]
        name: RegistryName,
    },
    /// Copy registries to this machine, or what has changed in them since
    Sync {
        /// Names of registries [default: all of the configuration file]
        #[arg(value_name = "REGISTRY")]
        registries: Vec<String>,
        /// All of it, and not only what has changed
        #[arg(long)]
        all: bool,
    },
    /// Answer as a registry of MCP servers, with templates and what was copied
    Serve(serve::Serve),
    /// List the registries, and what the copies of them have
    Registries,
}

impl Catalog {
    /// Runs the subcommand.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let registries = McpRegistries::open(&config)?;
        match &self.command {
            Command::List { registry } => list(global, &config, registry),
            Command::Show { name } => show::run(global, &registries, name),
            Command::Sync {
                registries: names,
                all,
            } => copy(global, &registries, &registries.named(names)?, *all),
            Command::Serve(serve) => serve.run(global, &config),
            Command::Registries => show_registries(global, &registries),
        }
    }
}

fn list(global: &Global, config: &UserConfig, only: &[String]) -> Result<(), Ending> {
    let mut found = Vec::new();
    let without = search::each(global, config, only, &mut |server| found.push(server))?;
    search::show(global, &found)?;
    for name in without {
        let hint =
            format!("there is no copy of the registry {name}: mcpt catalog sync {name} makes one");
        messages::hint(global, &hint);
    }
    Ok(())
}

/// Copies registries, one after the other; one that fails keeps no other from being copied.
fn copy(
    global: &Global,
    registries: &McpRegistries,
    chosen: &[&McpRegistry],
    all: bool,
) -> Result<(), Ending> {
    let mut failures = Vec::new();
    let mut copied = Vec::new();
    for registry in chosen {
        match copy_one(global, registries, registry, all) {
            Ok(synced) => copied.push((*registry, synced)),
            Err(failure) => failures.push(failure),
        }
    }
    for (registry, Synced { skipped, .. }) in &copied {
        for unusable in &skipped.first {
            let text = format!("{}: left out: {unusable}", registry.name);
            messages::warning(global, &crate::readable::line(&text));
        }
        let more = skipped.number - skipped.first.len();
        if more > 0 {
            messages::warning(
                global,
                &format!("{}: {more} more were left out", registry.name),
            );
        }
    }
    let documents = || -> Vec<Value> {
        let document = |(registry, synced): &(&McpRegistry, Synced)| {
            json!({
                "name": registry.name,
                "url": synced.header.url,
                "servers": synced.header.servers,
                "versions": synced.header.versions,
                "told": synced.told,
                "all": synced.all,
                "leftOut": synced.skipped.number,
            })
        };
        copied.iter().map(document).collect()
    };
    match global.output {
        Format::Json => output::json(&documents())?,
        Format::Yaml => output::yaml(&documents())?,
        Format::Name => output::lines(copied.iter().map(|(registry, _)| &registry.name))?,
        Format::Table | Format::Wide => {
            output::lines(
                copied
                    .iter()
                    .map(|(registry, synced)| sentence(registry, synced)),
            )?;
        }
    }
    if let ([_], [failure]) = (chosen, failures.as_slice()) {
        return Err(failure.clone().into());
    }
    let what = format!(
        "{} of {} registries were not copied",
        failures.len(),
        chosen.len()
    );
    match report::together(&failures, global.output, what) {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

fn copy_one(
    global: &Global,
    registries: &McpRegistries,
    registry: &McpRegistry,
    all: bool,
) -> Result<Synced, Failure> {
    let client = McpRegistries::client(registry)?;
    let progress = progress::display(global);
    let step = |text: String| progress.event(ProgressEvent::Step(text));
    step(format!("asking {}", client.url()));
    let mut told = |number: usize| step(format!("{}: {number} versions", registry.name));
    let path = registries.path(registry);
    sync(&client, &path, all, Timestamp::now(), &mut told)
        .map_err(|error| unusable(registry, &error))
}

fn sentence(registry: &McpRegistry, synced: &Synced) -> String {
    let header = &synced.header;
    let what = if synced.all {
        "copied".to_owned()
    } else {
        format!("{} versions have changed", synced.told)
    };
    format!(
        "{}: {what}; {} servers, {} versions",
        registry.name, header.servers, header.versions
    )
}

fn show_registries(global: &Global, registries: &McpRegistries) -> Result<(), Ending> {
    let mut rows = Vec::new();
    for registry in registries.all() {
        let header = registries.copy(registry)?.map(|copy| copy.header().clone());
        rows.push((registry, header));
    }
    let documents = || -> Vec<Value> {
        let document = |(registry, header): &(&McpRegistry, Option<mcp_registry::Header>)| {
            json!({
                "name": registry.name,
                "url": registry.url,
                "token": registry.token_env.is_some() || registry.token_file.is_some(),
                "servers": header.as_ref().map(|header| header.servers),
                "versions": header.as_ref().map(|header| header.versions),
                "synced": header.as_ref().map(|header| header.synced),
            })
        };
        rows.iter().map(document).collect()
    };
    match global.output {
        Format::Json => output::json(&documents()),
        Format::Yaml => output::yaml(&documents()),
        Format::Name => output::lines(registries.all().iter().map(|registry| &registry.name)),
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["NAME", "SERVERS", "VERSIONS", "SYNCED", "URL"]);
            for (registry, header) in &rows {
                let told = |tell: fn(&mcp_registry::Header) -> String| {
                    header.as_ref().map(tell).unwrap_or_default()
                };
                table.row([
                    registry.name.clone(),
                    told(|header| header.servers.to_string()),
                    told(|header| header.versions.to_string()),
                    told(|header| header.synced.strftime("%Y-%m-%d %H:%M").to_string()),
                    registry.url.clone(),
                ]);
            }
            output::text(&table.text(terminal_width()))
        }
    }
}
