//! [`Package`]: a server that is a package of npm or `PyPI`, resolved to one lock of all that it consists of.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Who publishes a package, and whose tools install it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// npm's registry or one like it; runs on Node.js.
    Npm,
    /// `PyPI` or an index like it; runs on Python.
    Pypi,
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
        })
    }
}

/// A package whose whole tree is fixed: whoever installs this lock gets the same bytes, or is refused. It holds no secret and
/// no address of a registry, which is a matter of where it is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Package {
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// Its name there.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// What was asked for, in the notation of a source: `npm:NAME@^1`.
    pub requested: String,
    /// What of it is run.
    pub entry_point: EntryPoint,
    /// Version of Python that it was resolved for, `3.12`; `None` for other ecosystems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Number of packages in the lock, itself included.
    pub packages: usize,
    /// Packages, `NAME@VERSION`, whose authors have programs run when they are installed.
    pub install_scripts: Vec<String>,
    /// The lock as the ecosystem's own tools read it: texts of files by their names.
    pub lock: BTreeMap<String, String>,
}

/// What of a package is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryPoint {
    /// The program that it installs under this name.
    Program(String),
    /// The Python module of this name, as `python -m` does.
    Module(String),
}

impl Package {
    /// What can be deployed to get this version again: `npm:NAME@1.2.3`, `pypi:NAME==1.2.3`.
    #[must_use]
    pub fn source(&self) -> String {
        let between = match self.ecosystem {
            Ecosystem::Npm => "@",
            Ecosystem::Pypi => "==",
        };
        format!("{}:{}{between}{}", self.ecosystem, self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_leads_back_to_the_version() {
        let mut package = Package {
            ecosystem: Ecosystem::Npm,
            name: "@a/b".to_owned(),
            version: "1.2.3".to_owned(),
            requested: "npm:@a/b".to_owned(),
            entry_point: EntryPoint::Program("b".to_owned()),
            python: None,
            packages: 1,
            install_scripts: Vec::new(),
            lock: BTreeMap::new(),
        };
        assert_eq!(package.source(), "npm:@a/b@1.2.3");
        package.ecosystem = Ecosystem::Pypi;
        package.name = "b".to_owned();
        assert_eq!(package.source(), "pypi:b==1.2.3");
        let text = serde_json::to_string(&package).unwrap();
        assert_eq!(serde_json::from_str::<Package>(&text).unwrap(), package);
    }
}
