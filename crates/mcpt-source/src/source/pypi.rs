//! Packages of Python indexes.

use std::{fmt, str::FromStr};

use super::{InvalidSource, SourceKind, invalid};

/// A package, and what of it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PypiPackage {
    /// Its name.
    pub name: PypiName,
    /// Its extras, without brackets.
    pub extras: Vec<PypiName>,
    /// Which version; the newest that is no pre-release when nothing is said.
    pub version: Option<PypiVersion>,
    /// Which of its scripts; the one that is called like the package when nothing is said.
    pub script: Option<String>,
    /// The module that is run instead of a script, as `python -m` does.
    pub module: Option<String>,
    /// Packages that must be there with it.
    pub with: Vec<PypiPackage>,
    /// Version of Python that it is run with, if one is asked for: `3.12`.
    pub python: Option<String>,
}

/// Name of a package or an extra, as it was written.
#[derive(Debug, Clone)]
pub struct PypiName(String);

/// Which version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PypiVersion {
    /// This one.
    Exact(String),
    /// The newest that meets these specifiers, in Python's notation: `>=1.2,<2`.
    Specifiers(String),
}

/// Longest name that is accepted; indexes have none of that length.
const LONGEST: usize = 200;

impl PypiName {
    /// Checks the name by the rules of the packaging specifications.
    ///
    /// # Errors
    /// [`InvalidSource`] with what is wrong.
    pub fn new(text: &str) -> Result<Self, InvalidSource> {
        let wrong = |reason: &str| InvalidSource::new(SourceKind::Pypi, text, reason);
        let ends = |c: char| c.is_ascii_alphanumeric();
        if text.is_empty() {
            return Err(wrong("the name is missing"));
        }
        if text.len() > LONGEST {
            return Err(wrong("a name has at most 200 characters"));
        }
        if text.contains(['/', '\\']) {
            return Err(wrong("a name is no path"));
        }
        if !text.starts_with(ends) || !text.ends_with(ends) {
            return Err(wrong("a name begins and ends with a letter or a digit"));
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        {
            return Err(wrong("a name has letters, digits, '-', '.' and '_' alone"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as indexes know it: in small letters, each run of `-`, `_` and `.` one `-`.
    pub fn normalized(&self) -> String {
        let mut normalized = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            if !matches!(c, '-' | '_' | '.') {
                normalized.push(c.to_ascii_lowercase());
            } else if !normalized.ends_with('-') {
                normalized.push('-');
            }
        }
        normalized
    }
}

/// Two spellings of one name are the same name.
impl PartialEq for PypiName {
    fn eq(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }
}

impl Eq for PypiName {}

impl PypiVersion {
    /// Reads specifiers: `==1.2`, `>=1,<2`, `~=1.4`.
    ///
    /// # Errors
    /// The reason, when they are none.
    pub(crate) fn specifiers(text: &str) -> Result<Self, &'static str> {
        let mut all = Vec::new();
        for part in text.split(',') {
            let part = part.trim();
            let operators = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];
            let Some((operator, version)) = operators
                .iter()
                .find_map(|operator| Some((*operator, part.strip_prefix(operator)?.trim())))
            else {
                return Err("before a version stands ==, >=, <=, ~=, !=, < or >");
            };
            check_version(version)?;
            all.push((operator, version));
        }
        Ok(match all.as_slice() {
            [("==" | "===", version)] if !version.contains('*') => {
                Self::Exact((*version).to_owned())
            }
            all => {
                let all: Vec<String> = all
                    .iter()
                    .map(|(operator, version)| format!("{operator}{version}"))
                    .collect();
                Self::Specifiers(all.join(","))
            }
        })
    }

    /// Reads what stands behind `@` in uv's notation: a version, or `latest`, which is none.
    ///
    /// # Errors
    /// The reason, when it is neither.
    pub(crate) fn after_at(text: &str) -> Result<Option<Self>, &'static str> {
        if text == "latest" {
            return Ok(None);
        }
        if text.contains([':', '/', '\\']) {
            return Err("only versions of the index can be run, and no paths and addresses");
        }
        if text.starts_with(['=', '<', '>', '~', '!']) {
            return Self::specifiers(text).map(Some);
        }
        check_version(text)?;
        Ok(Some(Self::Exact(text.to_owned())))
    }
}

fn check_version(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("the version is missing");
    }
    if text.contains([':', '/', '\\']) {
        return Err("only versions of the index can be run, and no paths and addresses");
    }
    let first = text.strip_prefix('v').unwrap_or(text);
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-.+!*_".contains(&b);
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !text.bytes().all(known) {
        return Err(
            "a version begins with a digit and has letters, digits and '.', '-', '+', '!', '_' alone",
        );
    }
    Ok(())
}

impl fmt::Display for PypiName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PypiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => write!(f, "=={version}"),
            Self::Specifiers(text) => f.write_str(text),
        }
    }
}

impl FromStr for PypiPackage {
    type Err = InvalidSource;

    /// Reads `NAME[EXTRA,…][SPECIFIERS]`, and `NAME@VERSION` as uv does.
    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let wrong = |reason: &str| InvalidSource::new(SourceKind::Pypi, text, reason);
        if let Some(reason) = invalid::hostile(text) {
            return Err(wrong(reason));
        }
        if text.contains(';') {
            return Err(wrong("a package has no conditions behind ';' here"));
        }
        let end = text
            .find(['[', '=', '<', '>', '~', '!', '@', ' '])
            .unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let name = PypiName::new(name).map_err(|error| wrong(&error.reason))?;
        let (extras, rest) = match rest.strip_prefix('[') {
            Some(inside) => {
                let (inside, rest) = inside
                    .split_once(']')
                    .ok_or_else(|| wrong("the bracket of the extras is not closed"))?;
                let extras = inside
                    .split(',')
                    .map(|extra| PypiName::new(extra.trim()).map_err(|error| wrong(&error.reason)));
                (extras.collect::<Result<_, _>>()?, rest)
            }
            None => (Vec::new(), rest),
        };
        let rest = rest.trim();
        let version = match rest.strip_prefix('@') {
            _ if rest.is_empty() => None,
            Some(version) => PypiVersion::after_at(version.trim()).map_err(wrong)?,
            None => Some(PypiVersion::specifiers(rest).map_err(wrong)?),
        };
        Ok(Self {
            name,
            extras,
            version,
            script: None,
            module: None,
            with: Vec::new(),
            python: None,
        })
    }
}

impl fmt::Display for PypiPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        if !self.extras.is_empty() {
            let extras: Vec<&str> = self.extras.iter().map(PypiName::as_str).collect();
            write!(f, "[{}]", extras.join(","))?;
        }
        match &self.version {
            Some(version) => version.fmt(f),
            None => Ok(()),
        }
    }
}
