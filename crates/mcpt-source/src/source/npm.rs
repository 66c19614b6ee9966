//! Packages of npm registries.

use std::{fmt, str::FromStr};

use semver::Version;

use super::{InvalidSource, SourceKind, invalid};

/// A package, and what of it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpmPackage {
    /// Its name.
    pub name: NpmName,
    /// Which version; the one that its registry calls `latest` when nothing is said.
    pub version: Option<NpmVersion>,
    /// Which of its programs; its only one, or the one that is called like the package, when nothing is said.
    pub bin: Option<String>,
    /// Packages that must be there with it.
    pub with: Vec<NpmPackage>,
}

/// Name of a package: `name` or `@scope/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NpmName(String);

/// Which version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NpmVersion {
    /// This one.
    Exact(Version),
    /// The one that the registry knows by this word: `next`.
    Tag(String),
    /// The newest in this range, in npm's notation: `^1.2`.
    Range(String),
}

/// Longest name, as the registry has it.
const LONGEST: usize = 214;

impl NpmName {
    /// Checks the name by the rules of the registry: no path, no hidden file, nothing that must be escaped in a URL.
    ///
    /// # Errors
    /// [`InvalidSource`] with what is wrong.
    pub fn new(text: &str) -> Result<Self, InvalidSource> {
        let wrong = |reason: &str| InvalidSource::new(SourceKind::Npm, text, reason);
        if text.is_empty() {
            return Err(wrong("the name is missing"));
        }
        if text.len() > LONGEST {
            return Err(wrong("a name has at most 214 characters"));
        }
        let parts = match text.strip_prefix('@') {
            Some(scoped) => match scoped.split_once('/') {
                Some((scope, name)) => vec![scope, name],
                None => return Err(wrong("after @ come a scope, a slash and a name")),
            },
            None => vec![text],
        };
        for part in parts {
            if part.is_empty() {
                return Err(wrong("a part of the name is empty"));
            }
            if part.contains(['/', '\\']) {
                return Err(wrong("a name is no path"));
            }
            if part.starts_with(['.', '_', '-']) {
                return Err(wrong("no part of a name begins with '.', '_' or '-'"));
            }
            if !part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            {
                return Err(wrong(
                    "a name has letters, digits, '-', '.', '_' and '~' alone",
                ));
            }
        }
        if matches!(text, "node_modules" | "favicon.ico") {
            return Err(wrong("the registry allows no package of this name"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its scope.
    pub fn unscoped(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl NpmVersion {
    /// Reads what stands behind `@`: a version, a range or a tag. `latest` is none: it is what is meant without one.
    ///
    /// # Errors
    /// The reason, when it is none of them.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        if text.is_empty() {
            return Err("the version after @ is missing");
        }
        if text == "latest" {
            return Ok(None);
        }
        if let Ok(version) = Version::parse(text.strip_prefix('v').unwrap_or(text)) {
            return Ok(Some(Self::Exact(version)));
        }
        if text.contains([':', '/', '\\']) {
            return Err(
                "only versions of the registry can be run, and no paths, addresses and aliases",
            );
        }
        let tag = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        // A lone `x` is any version.
        if tag && !matches!(text, "x" | "X") {
            return Ok(Some(Self::Tag(text.to_owned())));
        }
        let range = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-.+*^~<>=| ".contains(&b));
        if range && text.contains(|c: char| c.is_ascii_digit() || "*xX".contains(c)) {
            return Ok(Some(Self::Range(text.to_owned())));
        }
        Err("after @ comes a version, a range such as ^1.2 or a tag such as next")
    }
}

impl fmt::Display for NpmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NpmVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Tag(text) | Self::Range(text) => f.write_str(text),
        }
    }
}

impl FromStr for NpmPackage {
    type Err = InvalidSource;

    /// Reads `NAME[@VERSION]`.
    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let wrong = |reason: &str| InvalidSource::new(SourceKind::Npm, text, reason);
        if let Some(reason) = invalid::hostile(text) {
            return Err(wrong(reason));
        }
        let start = usize::from(text.starts_with('@'));
        let (name, version) = match text.get(start..).unwrap_or_default().find('@') {
            Some(at) => text.split_at(start + at),
            None => (text, ""),
        };
        Ok(Self {
            name: NpmName::new(name)?,
            version: match version.strip_prefix('@') {
                Some(version) => NpmVersion::parse(version).map_err(wrong)?,
                None => None,
            },
            bin: None,
            with: Vec::new(),
        })
    }
}

impl fmt::Display for NpmPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        match &self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}
