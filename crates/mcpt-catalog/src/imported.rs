//! Servers that were found elsewhere, as a registry and the values of its secrets.

use std::collections::{BTreeMap, BTreeSet};

use mcpt_core::{Image, ServerName};
use mcpt_source::{NpmPackage, Part, PypiPackage, Recipe, SharedFolder, Source, Text, Transport};
use serde_json::{Map, Value, json};

/// Entries of a registry, and the user's values that its expressions read.
#[derive(Default)]
pub struct Imported {
    registry: Map<String, Value>,
    values: Map<String, Value>,
    names: BTreeSet<String>,
}

/// An entry that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedEntry {
    /// Its name in the registry.
    pub name: ServerName,
    /// Values that are still to be given, as expressions name them: `github.GITHUB_TOKEN`.
    pub missing: Vec<String>,
}

/// Why a server cannot be an entry of a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotImported {
    /// It runs elsewhere.
    #[error("it runs elsewhere, and there is nothing to deploy")]
    Remote,
    /// Nothing of that kind can be an entry yet.
    #[error("{0} cannot be an entry of a registry yet")]
    Kind(&'static str),
    /// A secret would be seen by all.
    #[error(
        "its setting {0} is a secret and an argument, which every list of processes shows: give it as a variable if the server reads one"
    )]
    SecretArgument(String),
    /// An argument is not complete.
    #[error("the value of {0} is not known, and arguments of an entry have no expressions")]
    Unknown(String),
    /// It has no name that is free.
    #[error("{0:?} cannot be the name of an entry")]
    Name(String),
    /// A variable that no shell could set.
    #[error("its variable {0:?} has no name that an entry can have")]
    Variable(String),
}

impl std::fmt::Debug for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are secrets.
        f.debug_struct("Imported")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl Imported {
    /// The registry.
    pub fn registry(&self) -> Value {
        Value::Object(self.registry.clone())
    }

    /// The values of secrets that were found, by entry; `None` when there are none. Whoever writes them keeps others from reading them.
    pub fn values(&self) -> Option<Value> {
        (!self.values.is_empty()).then(|| Value::Object(self.values.clone()))
    }

    /// Adds a server. `known` has the values of settings that are no secrets, as somebody gave them.
    ///
    /// # Errors
    /// [`NotImported`] with why it can be no entry; nothing is added then.
    pub fn add(
        &mut self,
        name: &str,
        recipe: &Recipe,
        known: &BTreeMap<String, String>,
    ) -> Result<ImportedEntry, NotImported> {
        let name = self.free_name(name)?;
        let mut made = Entry {
            recipe,
            known,
            key: name.as_str().replace('-', "_"),
            secrets: Map::new(),
            missing: Vec::new(),
        };
        let entry = made.entry()?;
        if !made.secrets.is_empty() {
            self.values
                .insert(made.key.clone(), Value::Object(made.secrets));
        }
        self.names.insert(name.to_string());
        self.registry.insert(name.to_string(), entry);
        Ok(ImportedEntry {
            name,
            missing: made.missing,
        })
    }

    /// A name that a server can have and that is not taken.
    fn free_name(&self, name: &str) -> Result<ServerName, NotImported> {
        let mut made = String::new();
        for c in name.to_lowercase().chars() {
            if c.is_ascii_alphanumeric() {
                made.push(c);
            } else if !made.is_empty() && !made.ends_with('-') {
                made.push('-');
            }
        }
        // Room for a number behind it.
        made.truncate(48);
        let made = made.trim_end_matches('-');
        let made = if made.is_empty() { "server" } else { made };
        let numbered = (2..).map(|number| format!("{made}-{number}"));
        let mut names = std::iter::once(made.to_owned()).chain(numbered);
        // There are fewer entries than numbers.
        let free = names.find_map(|name| {
            let taken = self.names.contains(&name);
            ServerName::new(name).ok().filter(|_| !taken)
        });
        free.ok_or_else(|| NotImported::Name(made.to_owned()))
    }
}

/// One entry while it is made.
struct Entry<'a> {
    recipe: &'a Recipe,
    known: &'a BTreeMap<String, String>,
    /// Its key in the values.
    key: String,
    secrets: Map<String, Value>,
    missing: Vec<String>,
}

impl Entry<'_> {
    fn entry(&mut self) -> Result<Value, NotImported> {
        let mut entry = Map::new();
        let mut args = self.words()?;
        match &self.recipe.source {
            // What an entry's package cannot say is left to the runner that says it.
            Source::Npm(package) if !package.with.is_empty() => {
                entry.insert("type".to_owned(), json!("process"));
                entry.insert("command".to_owned(), json!(npx(package)));
            }
            Source::Npm(package) => {
                entry.insert("package".to_owned(), json!(format!("npm:{package}")));
                entry.extend(program(package.bin.as_deref()));
            }
            Source::Pypi(package)
                if package.python.is_some()
                    || package.module.is_some()
                    || !package.with.is_empty() =>
            {
                entry.insert("type".to_owned(), json!("process"));
                entry.insert("command".to_owned(), json!(uvx(package)));
            }
            Source::Pypi(package) => {
                entry.insert("package".to_owned(), json!(format!("pypi:{package}")));
                entry.extend(program(package.script.as_deref()));
            }
            Source::Program(program) => {
                entry.insert("type".to_owned(), json!("process"));
                entry.insert("command".to_owned(), json!([program]));
            }
            Source::Oci(image) => {
                if let Transport::Http { url } = &self.recipe.transport {
                    entry.insert("image".to_owned(), json!(image.reference()));
                    entry.insert("transport".to_owned(), self.http(url));
                } else {
                    entry.insert("type".to_owned(), json!("process"));
                    let (command, behind) = self.docker(image, args)?;
                    entry.insert("command".to_owned(), json!(command));
                    args = behind;
                }
                if let Some(program) = &self.recipe.entrypoint
                    && !entry.contains_key("command")
                {
                    entry.insert("command".to_owned(), json!([program]));
                }
            }
            Source::Template(id) => {
                entry.insert("template".to_owned(), json!(id));
            }
            Source::Remote(_) => return Err(NotImported::Remote),
            Source::Mcpb(_) => return Err(NotImported::Kind("an MCPB bundle")),
            Source::Folder(_) => return Err(NotImported::Kind("a folder")),
            Source::Registry(_) => {
                return Err(NotImported::Kind("a name of a registry of MCP servers"));
            }
        }
        if self.recipe.transport == Transport::Stdio {
            entry.insert("transport".to_owned(), json!("stdio"));
        }
        if !args.is_empty() {
            entry.insert("args".to_owned(), json!(args));
        }
        let env = self.env()?;
        if !env.is_empty() {
            entry.insert("env".to_owned(), Value::Object(env));
        }
        Ok(Value::Object(entry))
    }

    /// The arguments, which have no expressions.
    fn words(&self) -> Result<Vec<String>, NotImported> {
        let texts = self.recipe.args.iter();
        texts
            .filter_map(|text| self.word(text).transpose())
            .collect()
    }

    /// A text without expressions; `None` when it is about something that may be left out.
    fn word(&self, text: &Text) -> Result<Option<String>, NotImported> {
        for name in text.settings() {
            let setting = self.recipe.settings.get(name);
            if setting.is_some_and(|setting| setting.secret) {
                return Err(NotImported::SecretArgument(name.to_owned()));
            }
            if self.value(name).is_none() {
                if setting.is_some_and(|setting| !setting.required) {
                    return Ok(None);
                }
                return Err(NotImported::Unknown(name.to_owned()));
            }
        }
        text.fill(|name| self.value(name))
            .map(Some)
            .map_err(|missing| NotImported::Unknown(missing.0))
    }

    /// The value of a setting that is no secret.
    fn value(&self, name: &str) -> Option<&str> {
        let setting = self.recipe.settings.get(name)?;
        if setting.secret {
            return None;
        }
        let known = self.known.get(name).map(String::as_str);
        known.or(setting.default.as_deref())
    }

    fn env(&mut self) -> Result<Map<String, Value>, NotImported> {
        let mut env = Map::new();
        for (name, text) in &self.recipe.env {
            let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !fits {
                return Err(NotImported::Variable(name.chars().take(60).collect()));
            }
            let open = |setting: &str| {
                let optional = self
                    .recipe
                    .settings
                    .get(setting)
                    .is_some_and(|s| !s.required && !s.secret);
                optional && self.value(setting).is_none()
            };
            if text.settings().any(open) {
                continue;
            }
            let value = self.expression(text);
            env.insert(name.clone(), Value::String(value));
        }
        Ok(env)
    }

    /// A text in which secrets, and what is not known, are expressions over the user's values.
    fn expression(&mut self, text: &Text) -> String {
        let mut made = String::new();
        for part in text.parts() {
            match part {
                Part::Plain(plain) => made.push_str(&quoted(plain)),
                Part::Setting(name) => {
                    let known = self.value(name).map(quoted);
                    let more = known.unwrap_or_else(|| self.secret(name));
                    made.push_str(&more);
                }
            }
        }
        made
    }

    fn secret(&mut self, name: &str) -> String {
        let given = self
            .recipe
            .settings
            .get(name)
            .and_then(|setting| setting.given.as_ref());
        let path = format!("{}.{name}", self.key);
        match given {
            Some(given) => {
                self.secrets.insert(name.to_owned(), json!(given.expose()));
            }
            None if !self.missing.contains(&path) => self.missing.push(path.clone()),
            None => {}
        }
        format!("{{{{ .Values.{path} }}}}")
    }

    /// Port and path of a server in a container.
    fn http(&self, url: &Text) -> Value {
        let filled = url
            .fill(|name| Some(self.value(name).unwrap_or("8080")))
            .unwrap_or_default();
        let rest = filled
            .split_once("://")
            .map_or(filled.as_str(), |(_, rest)| rest);
        let (authority, path) = rest
            .split_once('/')
            .map_or((rest, String::new()), |(authority, path)| {
                (authority, format!("/{path}"))
            });
        let port = authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        let path = if path.is_empty() {
            "/mcp".to_owned()
        } else {
            path
        };
        json!({"type": "http", "port": port.unwrap_or(8080), "path": path})
    }

    /// What the client ran: the engine of this machine, with the variables by their names alone.
    fn docker(
        &self,
        image: &Image,
        args: Vec<String>,
    ) -> Result<(Vec<String>, Vec<String>), NotImported> {
        let mut command = ["docker", "run", "-i", "--rm"].map(str::to_owned).to_vec();
        for name in self.recipe.env.keys() {
            command.extend(["-e".to_owned(), name.clone()]);
        }
        for SharedFolder {
            host,
            container,
            read_only,
        } in &self.recipe.folders
        {
            let host = self.word(host)?.unwrap_or_default();
            let mode = if *read_only { ":ro" } else { "" };
            command.extend(["-v".to_owned(), format!("{host}:{container}{mode}")]);
        }
        if let Some(program) = &self.recipe.entrypoint {
            command.extend(["--entrypoint".to_owned(), program.clone()]);
        }
        command.push(match (&image.tag, &image.digest) {
            (None, None) => image.repository.clone(),
            _ => image.reference(),
        });
        Ok((command, args))
    }
}

/// Plain text that means no expression.
fn quoted(plain: &str) -> String {
    plain.replace("{{", "{{ \"{{\" }}")
}

/// The field that names the program of a package.
fn program(name: Option<&str>) -> Option<(String, Value)> {
    Some(("program".to_owned(), json!(name?)))
}

/// The command of a package of npm.
fn npx(package: &NpmPackage) -> Vec<String> {
    let mut command = vec!["npx".to_owned(), "-y".to_owned()];
    match &package.bin {
        None if package.with.is_empty() => command.push(package.to_string()),
        bin => {
            for one in std::iter::once(package).chain(&package.with) {
                command.extend(["-p".to_owned(), one.to_string()]);
            }
            let bin = bin.as_deref().unwrap_or_else(|| package.name.unscoped());
            command.push(bin.to_owned());
        }
    }
    command
}

/// The command of a package of Python.
fn uvx(package: &PypiPackage) -> Vec<String> {
    let mut command = vec!["uvx".to_owned()];
    if let Some(python) = &package.python {
        command.extend(["--python".to_owned(), python.clone()]);
    }
    for with in &package.with {
        command.extend(["--with".to_owned(), with.to_string()]);
    }
    command.extend(["--from".to_owned(), package.to_string()]);
    match (&package.module, &package.script) {
        (Some(module), _) => command.extend(["python".to_owned(), "-m".to_owned(), module.clone()]),
        (None, Some(script)) => command.push(script.clone()),
        (None, None) => command.push(package.name.to_string()),
    }
    command
}
