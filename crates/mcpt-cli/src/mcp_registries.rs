//! The registries of MCP servers that the configuration file names, and the copies of them on this machine.

use std::{collections::BTreeSet, env, path::PathBuf};

use mcp_registry::{Client, Error, LocalCopy, Record};
use mcpt_core::{Failure, FailureKind, near};
use mcpt_source::RegistryName;
use oci_registry::Tls;
use secrecy::SecretString;

use crate::{
    args::Global,
    messages,
    user_config::{McpRegistry, UserConfig},
    user_file,
};

/// The registry that is asked when the configuration names none.
const OFFICIAL: (&str, &str) = ("official", "https://registry.modelcontextprotocol.io");

/// Longest name of a registry.
const LONGEST: usize = 40;

/// All registries, the one that counts more first.
pub(crate) struct McpRegistries {
    all: Vec<McpRegistry>,
    copies: PathBuf,
}

/// A record, and the registry that has it.
pub(crate) struct RegistryRecord {
    pub(crate) registry: String,
    pub(crate) record: Record,
}

impl McpRegistries {
    /// Those of the configuration file, else the official one.
    pub(crate) fn open(config: &UserConfig) -> Result<Self, Failure> {
        let official = || McpRegistry {
            name: OFFICIAL.0.to_owned(),
            url: OFFICIAL.1.to_owned(),
            token_env: None,
            token_file: None,
            ca_file: None,
        };
        let all = config.mcp_registries.clone();
        let all = all.unwrap_or_else(|| vec![official()]);
        let mut names = BTreeSet::new();
        for McpRegistry { name, .. } in &all {
            let wrong = |why: &str| {
                Failure::new(
                    FailureKind::Usage,
                    format!("{name:?} cannot be the name of a registry"),
                )
                .because(why)
                .hint("names of mcp-registries are in the configuration file")
            };
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name.len() > LONGEST || !name.chars().all(allowed) {
                return Err(wrong(
                    "it has 1 to 40 lower-case letters, digits and '-' alone",
                ));
            }
            if !names.insert(name) {
                return Err(wrong("it is there twice"));
            }
        }
        Ok(Self {
            all,
            copies: copies()?,
        })
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[McpRegistry] {
        &self.all
    }

    /// Those that are named, or all when none is.
    pub(crate) fn named(&self, names: &[String]) -> Result<Vec<&McpRegistry>, Failure> {
        if names.is_empty() {
            return Ok(self.all.iter().collect());
        }
        let find = |name: &String| {
            let found = self.all.iter().find(|registry| registry.name == *name);
            found.ok_or_else(|| {
                let known = self.all.iter().map(|registry| registry.name.as_str());
                let hint = near::hint(name, known.clone());
                let known: Vec<&str> = known.collect();
                Failure::new(
                    FailureKind::NotFound,
                    format!("there is no registry {name:?}{hint}"),
                )
                .hint(format!("the registries are {}", known.join(", ")))
            })
        };
        names.iter().map(find).collect()
    }

    /// Where the copy of a registry is.
    pub(crate) fn path(&self, registry: &McpRegistry) -> PathBuf {
        self.copies.join(format!("{}.jsonl", registry.name))
    }

    /// The copy of a registry; `None` when there is none of what is at its address.
    pub(crate) fn copy(&self, registry: &McpRegistry) -> Result<Option<LocalCopy>, Failure> {
        let copy =
            LocalCopy::open(&self.path(registry)).map_err(|error| unusable(registry, &error))?;
        let address = Self::address(registry)?;
        Ok(copy.filter(|copy| copy.header().url == address))
    }

    /// The address of a registry as its copy has it.
    pub(crate) fn address(registry: &McpRegistry) -> Result<String, Failure> {
        let client = Client::new(&registry.url, None, Tls::default());
        let client = client.map_err(|error| unusable(registry, &error))?;
        Ok(client.url().to_string())
    }

    /// A client of a registry.
    pub(crate) fn client(registry: &McpRegistry) -> Result<Client, Failure> {
        let token = token(registry)?;
        let tls = Tls {
            ca_file: registry.ca_file.clone(),
            ..Tls::default()
        };
        Client::new(&registry.url, token, tls).map_err(|error| unusable(registry, &error))
    }

    /// The server of that name: of the first registry that has it, in its copy, else as the registry itself says. A registry that
    /// cannot be asked ends the search, since one behind it may have another server of that name.
    pub(crate) fn find(&self, name: &RegistryName) -> Result<RegistryRecord, Failure> {
        for registry in &self.all {
            let copy = self.copy(registry)?;
            let found = copy.map(|copy| copy.find(name)).transpose();
            let found = found.map_err(|error| unusable(registry, &error))?.flatten();
            let record = match found {
                Some(record) => record,
                None => match Self::ask(registry, name)? {
                    Some(record) => record,
                    None => continue,
                },
            };
            return Ok(RegistryRecord {
                registry: registry.name.clone(),
                record,
            });
        }
        let known: Vec<&str> = self
            .all
            .iter()
            .map(|registry| registry.name.as_str())
            .collect();
        let failure = Failure::new(FailureKind::NotFound, format!("there is no server {name}"));
        Err(match known.as_slice() {
            [] => failure.because("the configuration file names no registry of MCP servers"),
            known => failure.because(format!("none of {} has it", known.join(", "))),
        }
        .hint("mcpt search WORD finds servers"))
    }

    /// What a registry itself has of that name; `None` when it does not know the server at all. Of one that it has only in other
    /// versions a registry that counts less says nothing.
    fn ask(registry: &McpRegistry, name: &RegistryName) -> Result<Option<Record>, Failure> {
        let client = Self::client(registry)?;
        let failed = |error: &Error| {
            unusable(registry, error).hint(format!(
                "without a network only what mcpt catalog sync {} has got is known",
                registry.name
            ))
        };
        let unknown = match client.server(name) {
            Ok(record) => return Ok(Some(record)),
            Err(error) if error.is_unknown() => error,
            Err(error) => return Err(failed(&error)),
        };
        let Some(any) = name.version().map(|_| name.without_version()) else {
            return Ok(None);
        };
        match client.server(&any) {
            Ok(latest) => Err(unusable(registry, &unknown)
                .hint(format!("its latest version is {}", latest.version))),
            Err(error) if error.is_unknown() => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// What went wrong with a registry, in words.
pub(crate) fn unusable(registry: &McpRegistry, error: &Error) -> Failure {
    let kind = match error {
        Error::Fetch(oci_registry::Error::TimedOut { .. }) => FailureKind::TimedOut,
        Error::Fetch(oci_registry::Error::Tls(_)) | Error::Address { .. } => FailureKind::Usage,
        Error::Fetch(_) | Error::Login { .. } => FailureKind::Unreachable,
        Error::Unknown { .. } => FailureKind::NotFound,
        Error::Answer { .. } | Error::Damaged { .. } | Error::File { .. } => FailureKind::Failed,
    };
    let failure = Failure::new(kind, format!("cannot use the registry {}", registry.name));
    let failure = failure.caused_by(error);
    match error {
        Error::Login { .. } => failure.hint(
            "a registry's token is given by token-env or token-file in the configuration file",
        ),
        Error::Damaged { .. } => failure.hint(format!(
            "mcpt catalog sync --all {} makes it anew",
            registry.name
        )),
        _ => failure,
    }
}

/// Tells what a registry says against a server.
pub(crate) fn warn_of_status(global: &Global, known: &RegistryRecord) {
    let RegistryRecord { record, .. } = known;
    if record.status == mcp_registry::Status::Deprecated {
        let why = record
            .status_message
            .as_deref()
            .unwrap_or("it says no more");
        let text = format!("{} is deprecated: {why}", record.name);
        messages::warning(global, &crate::readable::line(&text));
    }
}

fn token(registry: &McpRegistry) -> Result<Option<SecretString>, Failure> {
    let wrong = |why: String| {
        let what = format!("there is no token for the registry {}", registry.name);
        Failure::new(FailureKind::Usage, what).because(why)
    };
    let text = match (&registry.token_env, &registry.token_file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(wrong("token-env and token-file are both named".to_owned()));
        }
        (Some(variable), None) => match env::var(variable) {
            Ok(text) => text,
            Err(env::VarError::NotPresent) => {
                return Err(wrong(format!("the variable {variable} is not set")));
            }
            Err(env::VarError::NotUnicode(_)) => {
                return Err(wrong(format!("the variable {variable} is no text")));
            }
        },
        (None, Some(file)) => {
            user_file::read(file).map_err(|error| wrong(format!("{}: {error}", file.display())))?
        }
    };
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("what is there is no token".to_owned()));
    }
    Ok(Some(SecretString::from(text.to_owned())))
}

/// The folder of the copies, in the user's cache.
fn copies() -> Result<PathBuf, Failure> {
    let variable = |name| {
        let path = env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = cache.ok_or_else(|| {
        Failure::new(
            FailureKind::Usage,
            "there is no place for copies of registries",
        )
        .because("neither XDG_CACHE_HOME nor HOME is set to a folder")
    })?;
    Ok(cache.join("mcpt/catalog"))
}
