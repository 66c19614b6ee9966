//! `mcpt search WORD…`: servers that can be deployed by their names, from everywhere that is known without asking anybody.

use clap::Args;
use mcp_registry::{Match, Status, Words};
use serde::Serialize;

use crate::{
    args::{Format, Global},
    commands,
    commands::registry::{self, files::Registries},
    ending::Ending,
    mcp_registries::{McpRegistries, unusable},
    messages, output,
    table::{Table, terminal_width},
    user_config::UserConfig,
};

/// Arguments of `mcpt search`.
#[derive(Debug, Args)]
#[command(
    after_help = "Looks in templates, in the registries of the configuration file, and in the copies that mcpt catalog sync has made; \
        nobody is asked.

Examples:
  mcpt search github
  mcpt search issue tracker --limit 5"
)]
pub(crate) struct Search {
    /// What must be in a server's name, title or description; all of the words must
    #[arg(value_name = "WORD", required = true)]
    words: Vec<String>,
    /// How many are shown, the best first
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// A server that can be deployed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SearchHit {
    /// What `mcpt deploy` takes.
    name: String,
    version: String,
    /// Where it is from.
    from: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    description: String,
    status: Status,
}

impl Search {
    /// Looks and shows.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let words = Words::new(self.words.iter().map(String::as_str));
        let most = self.limit as usize;
        let mut found = Vec::new();
        let without = each(global, &config, &[], &mut |server| {
            if let Some(fit) = words.fit(&server.name, &server.title, &server.description) {
                found.push((fit, server));
            }
            if found.len() >= most.saturating_mul(2).max(1000) {
                best(&mut found, most);
            }
        })?;
        best(&mut found, most);
        let found: Vec<SearchHit> = found.into_iter().map(|(_, server)| server).collect();
        show(global, &found)?;
        for name in without {
            messages::hint(
                global,
                &format!(
                    "there is no copy of the registry {name}: mcpt catalog sync {name} makes one"
                ),
            );
        }
        Ok(())
    }
}

/// Keeps the best. Among equals what came first, which is from where counts more.
fn best(found: &mut Vec<(Match, SearchHit)>, most: usize) {
    found.sort_by(|(one, _), (other, _)| other.cmp(one));
    found.truncate(most);
}

/// Gives all servers that are known, the latest version of each: templates, entries of registry files, and the copies of these
/// registries, or of all when none is named. Of a name that several have only the first is given. The answer has the registries
/// of which there is no copy.
pub(crate) fn each(
    global: &Global,
    config: &UserConfig,
    only: &[String],
    take: &mut dyn FnMut(SearchHit),
) -> Result<Vec<String>, Ending> {
    if only.is_empty() {
        local(global, config, take)?;
    }
    let registries = McpRegistries::open(config)?;
    let mut without = Vec::new();
    let mut before = Vec::new();
    for registry in registries.named(only)? {
        let Some(mut copy) = registries.copy(registry)? else {
            without.push(registry.name.clone());
            continue;
        };
        while let Some(entry) = copy.entry().map_err(|error| unusable(registry, &error))? {
            if !entry.latest
                || entry.status == Status::Deleted
                || is_hidden(&mut before, &entry.name)?
            {
                continue;
            }
            take(SearchHit {
                name: entry.name,
                version: entry.version,
                from: registry.name.clone(),
                title: entry.title,
                description: entry.description,
                status: entry.status,
            });
        }
        if let Some(copy) = registries.copy(registry)? {
            before.push(Before { copy, at: None });
        }
    }
    Ok(without)
}

/// A copy of a registry that counts more, which is read along.
struct Before {
    copy: mcp_registry::LocalCopy,
    at: Option<String>,
}

/// Whether a registry that counts more has a server of that name. Names come in order, so each copy is read once.
fn is_hidden(before: &mut [Before], name: &str) -> Result<bool, Ending> {
    for Before { copy, at } in before {
        while at.as_deref().is_none_or(|at| at < name) {
            let next = copy.entry().map_err(|error| {
                mcpt_core::Failure::new(
                    mcpt_core::FailureKind::Failed,
                    "cannot read the copy of a registry",
                )
                .caused_by(&error)
            })?;
            let Some(entry) = next else { break };
            *at = Some(entry.name);
        }
        if at.as_deref() == Some(name) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn local(
    global: &Global,
    config: &UserConfig,
    take: &mut dyn FnMut(SearchHit),
) -> Result<(), Ending> {
    for entry in commands::templates(config).list().entries {
        match entry.template {
            Ok(template) => take(SearchHit {
                name: template.id.to_string(),
                version: template.version,
                from: "template".to_owned(),
                title: template.name,
                description: template.description,
                status: Status::Active,
            }),
            Err(error) => messages::warning(
                global,
                &format!("template {} is not usable: {error}", entry.id),
            ),
        }
    }
    for entry in Registries::open(&[], config)?.entries() {
        take(SearchHit {
            name: entry.name.to_string(),
            version: String::new(),
            from: entry.file().display().to_string(),
            title: String::new(),
            description: registry::runs(entry),
            status: Status::Active,
        });
    }
    Ok(())
}

/// Shows servers in the form that is asked for.
pub(crate) fn show(global: &Global, found: &[SearchHit]) -> Result<(), Ending> {
    match global.output {
        Format::Json => output::json(&found),
        Format::Yaml => output::yaml(&found),
        Format::Name => output::lines(found.iter().map(|server| &server.name)),
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["NAME", "VERSION", "FROM", "DESCRIPTION"]);
            for server in found {
                let description = match server.status {
                    Status::Active => server.description.clone(),
                    _ => format!("(deprecated) {}", server.description),
                };
                table.row([
                    server.name.clone(),
                    server.version.clone(),
                    server.from.clone(),
                    description,
                ]);
            }
            let width = (global.output == Format::Table).then(terminal_width);
            output::text(&table.text(width.flatten()))
        }
    }
}
