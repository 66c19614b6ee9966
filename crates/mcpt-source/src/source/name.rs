//! Names of servers in registries of MCP servers.

use std::{fmt, str::FromStr};

use super::{InvalidSource, SourceKind, invalid};

/// Name of a server, `io.github.owner/name`, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryName {
    name: String,
    version: Option<String>,
}

/// Longest name and longest version, by the schema of `server.json`.
const LONGEST: usize = 200;
const LONGEST_VERSION: usize = 255;

impl RegistryName {
    /// The name without the version.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same server, in its latest version.
    #[must_use]
    pub fn without_version(&self) -> Self {
        Self {
            name: self.name.clone(),
            version: None,
        }
    }

    /// The version; the latest when nothing is said.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl FromStr for RegistryName {
    type Err = InvalidSource;

    /// Reads `DOMAIN/NAME[@VERSION]`, by the rules of the schema of `server.json`.
    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let wrong = |reason: &str| InvalidSource::new(SourceKind::Registry, text, reason);
        if let Some(reason) = invalid::hostile(text) {
            return Err(wrong(reason));
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let (domain, server) = name
            .split_once('/')
            .ok_or_else(|| wrong("a domain, a slash and a name belong to it"))?;
        if server.contains('/') {
            return Err(wrong("it has one slash"));
        }
        if name.len() > LONGEST {
            return Err(wrong("it has at most 200 characters"));
        }
        for (part, also) in [(domain, &b"-."[..]), (server, &b"-._"[..])] {
            if part.is_empty() {
                return Err(wrong("a part of it is empty"));
            }
            if part.split('.').any(str::is_empty) {
                return Err(wrong("between two dots stands something"));
            }
            if !part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
            {
                return Err(wrong(
                    "it has letters, digits, '-', '.' and, in the name, '_' alone",
                ));
            }
        }
        let version = match version {
            None | Some("latest") => None,
            Some("") => return Err(wrong("the version after @ is missing")),
            Some(version) if version.len() > LONGEST_VERSION => {
                return Err(wrong("a version has at most 255 characters"));
            }
            Some(version) if version.contains(['/', '\\', '@', ' ']) => {
                return Err(wrong("a version has no slash, space or @"));
            }
            Some(version) => Some(version.to_owned()),
        };
        Ok(Self {
            name: name.to_owned(),
            version,
        })
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}
