//! `mcpt catalog serve`: the API of the official registry, for clients that ask one (`/v0.1/servers` and below).

use clap::Args;
use mcp_registry::{LocalCopy, Record, Served, Shelf, serve};
use mcpt_catalog::server_json;
use mcpt_core::{Failure, FailureKind};
use serde_json::{Value, json};

use crate::{
    args::Global, commands, commands::listen::Listen, ending::Ending, log,
    mcp_registries::McpRegistries, messages, output, runtime, user_config::UserConfig,
};

/// Under whose name templates are served.
const OWNER: &str = "io.mcpt";

/// Arguments of `mcpt catalog serve`.
#[derive(Debug, Args)]
#[command(
    after_help = "It has the templates that anybody can run, and what mcpt catalog sync has copied; a sync while it runs is noticed.

Example:
  mcpt catalog serve --listen 127.0.0.1:9000"
)]
pub(super) struct Serve {
    #[command(flatten)]
    listen: Listen,
    /// Domain, turned round, under which templates are named
    #[arg(long, value_name = "OWNER", default_value = OWNER)]
    owner: String,
    /// Only what was copied of this registry; may be repeated
    #[arg(long, value_name = "REGISTRY")]
    registry: Vec<String>,
    /// No templates
    #[arg(long)]
    no_templates: bool,
}

impl Serve {
    /// Serves until it is told to end.
    pub(super) fn run(&self, global: &Global, config: &UserConfig) -> Result<(), Ending> {
        log::start_for_server(global.verbose);
        let templates = if self.no_templates {
            Vec::new()
        } else {
            self.templates(global, config)?
        };
        let registries = McpRegistries::open(config)?;
        let mut copies = Vec::new();
        for registry in registries.named(&self.registry)? {
            // One that is there and cannot be read is told now.
            registries.copy(registry)?;
            let url = McpRegistries::address(registry)?;
            copies.push((registries.path(registry), url));
        }
        let paths = copies.iter().map(|(path, _)| path.clone()).collect();
        let make = move || {
            let mut shelf = Shelf::default();
            shelf.add(templates.iter().cloned());
            for (path, url) in &copies {
                if let Some(copy) = LocalCopy::open(path)?.filter(|copy| copy.header().url == *url)
                {
                    shelf.add_copy(copy)?;
                }
            }
            Ok(shelf)
        };
        let served = Served::new(paths, make);
        served.shelf().map_err(|error| {
            Failure::new(FailureKind::Failed, "cannot serve the catalogue").caused_by(&error)
        })?;
        let address = self.listen.address();
        runtime::serve("the catalogue cannot be served", |shutdown| {
            serve(address, served, shutdown, |bound| {
                // With standard output gone the log still tells.
                drop(output::line(&format!("http://{bound}")));
            })
        })
    }

    fn templates(&self, global: &Global, config: &UserConfig) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        for entry in commands::templates(config).list().entries {
            let template = match entry.template {
                Ok(template) => template,
                Err(error) => {
                    messages::warning(
                        global,
                        &format!("template {} is not usable: {error}", entry.id),
                    );
                    continue;
                }
            };
            let Some(document) = server_json(&template, &self.owner) else {
                continue;
            };
            let record = Record::read(json!({"server": Value::Object(document)}));
            records.push(record.map_err(|error| {
                Failure::new(FailureKind::Usage, "cannot serve the templates").caused_by(&error)
            })?);
        }
        Ok(records)
    }
}
