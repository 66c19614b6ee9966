//! Finding entries: in registries that are named, or in those of the configuration file.

use std::path::PathBuf;

use mcpt_catalog::{Catalog, CatalogError, Registry, RegistryEntry};
use mcpt_core::{Failure, FailureKind, near};

use crate::user_config::UserConfig;

/// Registries to look in.
pub(crate) struct Registries {
    all: Vec<Registry>,
    /// Whether the user named them with this command.
    named: bool,
}

impl Registries {
    /// Those that the command names, else those of the configuration file. All of them must be readable.
    pub(crate) fn open(named: &[PathBuf], config: &UserConfig) -> Result<Self, Failure> {
        let files = if named.is_empty() {
            &config.registries
        } else {
            named
        };
        let all = files
            .iter()
            .map(|file| Registry::read(file))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            all,
            named: !named.is_empty(),
        })
    }

    /// The same, but there must be one.
    pub(crate) fn required(named: &[PathBuf], config: &UserConfig) -> Result<Self, Failure> {
        let registries = Self::open(named, config)?;
        if registries.all.is_empty() {
            return Err(Failure::new(FailureKind::Usage, "there is no registry")
                .hint("name a file, or list files as registries in the configuration file"));
        }
        Ok(registries)
    }

    /// All registries.
    pub(crate) fn all(&self) -> &[Registry] {
        &self.all
    }

    /// All entries, those of the first registry first.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &RegistryEntry> {
        self.all.iter().flat_map(Registry::entries)
    }

    /// The entry of that name, if there is one. Of an entry that is in several registries nobody knows which is meant.
    pub(crate) fn find(&self, name: &str) -> Result<Option<&RegistryEntry>, Failure> {
        let found: Vec<&RegistryEntry> = self
            .all
            .iter()
            .filter_map(|registry| registry.find(name))
            .collect();
        match found.as_slice() {
            [] => Ok(None),
            [entry] => Ok(Some(entry)),
            several => {
                let failure = several.iter().fold(
                    Failure::new(FailureKind::Usage, format!("{name} is ambiguous")),
                    |failure, entry| {
                        failure.because(format!("it is an entry of {}", entry.file().display()))
                    },
                );
                Err(failure.hint("say which one is meant: --registry FILE"))
            }
        }
    }

    /// The entry of that name, which must be there.
    pub(crate) fn get(&self, name: &str) -> Result<&RegistryEntry, Failure> {
        if let Some(entry) = self.find(name)? {
            return Ok(entry);
        }
        if let [registry] = self.all.as_slice() {
            return Ok(registry.get(name)?);
        }
        let names = self.entries().map(|entry| entry.name.as_str());
        let hint = near::hint(name, names);
        Err(Failure::new(
            FailureKind::Usage,
            format!("unknown registry entry {name:?}{hint}"),
        )
        .hint("mcpt registry list shows the entries"))
    }

    /// The entry that a name means where it may as well be a template's id.
    pub(crate) fn meant(
        &self,
        name: &str,
        catalog: &Catalog,
    ) -> Result<Option<&RegistryEntry>, Failure> {
        if self.named {
            return self.get(name).map(Some);
        }
        let Some(entry) = self.find(name)? else {
            return Ok(None);
        };
        if matches!(catalog.get(name), Err(CatalogError::Unknown { .. })) {
            return Ok(Some(entry));
        }
        let file = entry.file().display();
        Err(
            Failure::new(FailureKind::Usage, format!("{name} is ambiguous"))
                .because(format!("it is an entry of {file}"))
                .because("it is a template")
                .hint(format!(
                    "say which one is meant: --registry {file}, or --no-registry"
                )),
        )
    }
}
