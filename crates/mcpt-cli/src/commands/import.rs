//! `mcpt import FILE`: the servers of a client's file or a compose file, as a registry.

mod written;

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use mcpt_catalog::{Imported, ImportedEntry};
use mcpt_core::{Failure, FailureKind, near, shell_word};
use mcpt_source::{
    Note, Recipe, Source,
    client_file::{self, ClientFile, FileEntry, Grammar},
    is_secret_value,
};
use serde_json::{Value, json};

use crate::{
    args::{Format, Global},
    ending::Ending,
    messages, output,
    table::{Table, terminal_width},
    user_file,
};

/// Arguments of `mcpt import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads the files of Claude Desktop and Claude Code, VS Code, Cursor, Windsurf, Zed, Cline, Continue, Gemini CLI, \
        Codex, opencode, Goose, LM Studio, JetBrains and others, and compose files. Nothing in them is run. Secrets that are written \
        in them go into a file of values of their own, which nobody else can read.

Examples:
  mcpt import ~/.cursor/mcp.json
  mcpt import claude_desktop_config.json --to servers.json
  mcpt import .vscode/mcp.json --only github --only time --to servers.json
  mcpt import mcp.json --set files.allowed_files=/srv/data --to servers.json"
)]
pub(crate) struct Import {
    /// File of a client, or compose file; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Registry to write; it must not be there yet [default: only show what is in the file]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// File for the secrets that are found [default: the registry's name with .values before its end]
    #[arg(long, value_name = "FILE", requires = "to")]
    values: Option<PathBuf>,
    /// Only this server of the file; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Value of a setting that the file leaves open and that is no secret; may be repeated
    #[arg(long, value_name = "NAME.SETTING=VALUE")]
    set: Vec<String>,
}

/// A server of the file and what became of it.
struct Line<'a> {
    found: &'a FileEntry,
    entry: Option<ImportedEntry>,
    why: Option<String>,
}

impl Import {
    /// Reads, shows and, if asked to, writes.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let file = self.read()?;
        for note in &file.notes {
            messages::warning(global, &format!("{}: {note}", self.file.display()));
        }
        let chosen = self.chosen(&file)?;
        let settings = self.settings(&chosen)?;
        let mut imported = Imported::default();
        let mut lines = Vec::new();
        for found in chosen {
            let mut line = Line {
                found,
                entry: None,
                why: None,
            };
            match &found.recipe {
                Ok(recipe) => {
                    let known = known(recipe, settings.get(found.name.as_str()));
                    match imported.add(&found.name, recipe, &known) {
                        Ok(entry) => line.entry = Some(entry),
                        Err(error) => line.why = Some(error.to_string()),
                    }
                }
                Err(error) => line.why = Some(error.to_string()),
            }
            lines.push(line);
        }
        show(global, &lines)?;
        for line in &lines {
            for note in notes(line.found) {
                messages::warning(global, &format!("{}: {}", line.found.name, note.0));
            }
        }
        if let Some(to) = &self.to {
            return self.write(global, to, &imported, &lines);
        }
        messages::hint(global, "with --to FILE they are written as a registry");
        Ok(())
    }

    fn read(&self) -> Result<ClientFile, Failure> {
        let what = || format!("cannot import {}", self.file.display());
        let text = user_file::read(&self.file).map_err(|error| {
            let kind = if error.is_missing() {
                FailureKind::NotFound
            } else {
                FailureKind::Usage
            };
            Failure::new(kind, what()).caused_by(&error)
        })?;
        let grammar = self
            .file
            .file_name()
            .and_then(|name| Grammar::of_name(&name.to_string_lossy()));
        client_file::read(&text, grammar)
            .map_err(|error| Failure::new(FailureKind::Usage, what()).caused_by(&error))
    }

    /// The servers that are asked for.
    fn chosen<'a>(&self, file: &'a ClientFile) -> Result<Vec<&'a FileEntry>, Failure> {
        let names = || file.servers.iter().map(|found| found.name.as_str());
        for name in &self.only {
            if !names().any(|known| known == name) {
                let hint = near::hint(name, names());
                let what = format!("{} has no server {name:?}{hint}", self.file.display());
                return Err(Failure::new(FailureKind::Usage, what));
            }
        }
        let all = file.servers.iter();
        Ok(all
            .filter(|found| self.only.is_empty() || self.only.contains(&found.name))
            .collect())
    }

    /// The values of `--set`, by server.
    fn settings<'a>(
        &'a self,
        chosen: &[&FileEntry],
    ) -> Result<BTreeMap<&'a str, BTreeMap<String, String>>, Failure> {
        let mut settings: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        for line in &self.set {
            let wrong =
                |why: String| Failure::new(FailureKind::Usage, "--set cannot be used").because(why);
            let parts = line.split_once('=').and_then(|(path, value)| {
                let (name, setting) = path.rsplit_once('.')?;
                Some((name, setting, value))
            });
            let Some((name, setting, value)) = parts else {
                return Err(wrong("it is NAME.SETTING=VALUE".to_owned()));
            };
            let recipe = chosen
                .iter()
                .find(|found| found.name == name)
                .and_then(|found| found.recipe.as_ref().ok());
            let Some(recipe) = recipe else {
                return Err(wrong(format!("there is no server {name:?} to import")));
            };
            match recipe.settings.get(setting) {
                None => {
                    let hint = near::hint(setting, recipe.settings.keys().map(String::as_str));
                    return Err(wrong(format!("{name} has no setting {setting:?}{hint}")));
                }
                Some(known) if known.secret => {
                    return Err(wrong(format!(
                        "{name}.{setting} is a secret: it belongs into the file of values"
                    ))
                    .hint("arguments of a command are seen by all who list processes"));
                }
                Some(_) => {}
            }
            settings
                .entry(name)
                .or_default()
                .insert(setting.to_owned(), value.to_owned());
        }
        Ok(settings)
    }

    fn write(
        &self,
        global: &Global,
        to: &std::path::Path,
        imported: &Imported,
        lines: &[Line<'_>],
    ) -> Result<(), Ending> {
        let entries: Vec<&ImportedEntry> = lines
            .iter()
            .filter_map(|line| line.entry.as_ref())
            .collect();
        if entries.is_empty() {
            return Err(Failure::new(FailureKind::Failed, "nothing was written")
                .because("no server of the file can be an entry of a registry")
                .into());
        }
        let values = self.values.clone().unwrap_or_else(|| written::beside(to));
        let secrets = imported.values();
        // The secrets first: a registry without its values would look complete.
        if let Some(secrets) = &secrets {
            written::new_file(&values, secrets, 0o600)?;
        }
        if let Err(failure) = written::new_file(to, &imported.registry(), 0o644) {
            // Else the same command would be refused for them when what is wrong is mended.
            let failure = match secrets.is_some().then(|| std::fs::remove_file(&values)) {
                Some(Err(error)) => {
                    failure.because(format!("{} is left: {error}", values.display()))
                }
                _ => failure,
            };
            return Err(failure.into());
        }
        let mut deploy = format!(
            "mcpt deploy --all --registry {}",
            shell_word(&to.to_string_lossy())
        );
        if secrets.is_some() {
            deploy += " -f ";
            deploy += &shell_word(&values.to_string_lossy());
            messages::warning(
                global,
                &format!(
                    "{} has secrets in it: keep it out of repositories",
                    values.display()
                ),
            );
        }
        let missing: Vec<&str> = entries
            .iter()
            .flat_map(|entry| &entry.missing)
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            messages::warning(
                global,
                &format!("still to be given as values: {}", missing.join(", ")),
            );
        }
        messages::hint(global, &deploy);
        Ok(())
    }
}

/// Values of settings that are no secrets: those of the command, and what the client itself would have taken from the
/// environment, as it is here.
fn known(recipe: &Recipe, given: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut known = given.cloned().unwrap_or_default();
    for (name, setting) in &recipe.settings {
        if setting.secret || known.contains_key(name) {
            continue;
        }
        let variable = match name.as_str() {
            "userHome" => "HOME",
            name => name,
        };
        let value = std::env::var(variable).ok();
        let of_a_variable = setting.placeholder.is_none() && setting.default.is_none();
        // What it is called says nothing of what it is here.
        let plain = |value: &String| of_a_variable && !is_secret_value(value);
        if let Some(value) = value.filter(plain) {
            known.insert(name.clone(), value);
        }
    }
    known
}

fn notes(found: &FileEntry) -> &[Note] {
    found.recipe.as_ref().map_or(&[], |recipe| &recipe.notes)
}

/// What a server is, in a word.
fn kind(source: &Source) -> &'static str {
    match source {
        Source::Template(_) => "template",
        Source::Npm(_) => "npm",
        Source::Pypi(_) => "pypi",
        Source::Oci(_) => "image",
        Source::Remote(_) => "remote",
        Source::Mcpb(_) => "bundle",
        Source::Folder(_) => "folder",
        Source::Registry(_) => "registry",
        Source::Program(_) => "program",
    }
}

fn show(global: &Global, lines: &[Line<'_>]) -> Result<(), Ending> {
    let documents = || lines.iter().map(document).collect::<Vec<_>>();
    match global.output {
        Format::Json => output::json(&documents()),
        Format::Yaml => output::yaml(&documents()),
        Format::Name => output::lines(lines.iter().filter_map(|line| {
            let entry = line.entry.as_ref()?;
            Some(entry.name.to_string())
        })),
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["NAME", "KIND", "SOURCE", "SETTINGS", "ENTRY"]);
            for line in lines {
                let recipe = line.found.recipe.as_ref().ok();
                let settings = recipe.map(|recipe| {
                    recipe
                        .settings
                        .keys()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .join(",")
                });
                table.row([
                    line.found.name.clone(),
                    recipe.map_or_else(String::new, |recipe| kind(&recipe.source).to_owned()),
                    recipe.map_or_else(String::new, |recipe| recipe.source.to_string()),
                    settings.unwrap_or_default(),
                    match (&line.entry, &line.why) {
                        (Some(entry), _) => entry.name.to_string(),
                        (None, why) => format!("none: {}", why.as_deref().unwrap_or_default()),
                    },
                ]);
            }
            let width = if global.output == Format::Wide {
                None
            } else {
                terminal_width()
            };
            output::text(&table.text(width))
        }
    }
}

/// All about one server but values.
fn document(line: &Line<'_>) -> Value {
    let recipe = line.found.recipe.as_ref().ok();
    let settings = recipe.map(|recipe| {
        let setting = |(name, setting): (&String, &mcpt_source::Setting)| {
            json!({"name": name, "secret": setting.secret, "required": setting.required, "given": setting.given.is_some()})
        };
        recipe.settings.iter().map(setting).collect::<Vec<_>>()
    });
    let notes: Vec<&str> = notes(line.found)
        .iter()
        .map(|note| note.0.as_str())
        .collect();
    json!({
        "name": line.found.name,
        "place": line.found.place,
        "kind": recipe.map(|recipe| kind(&recipe.source)),
        "source": recipe.map(|recipe| recipe.source.to_string()),
        "settings": settings.unwrap_or_default(),
        "notes": notes,
        "entry": line.entry.as_ref().map(|entry| &entry.name),
        "missing": line.entry.as_ref().map(|entry| entry.missing.clone()).unwrap_or_default(),
        "why": line.why,
    })
}
