//! What is asked for: a package as a source names it, and how it may be installed.

use std::fmt;

use mcpt_source::{NpmPackage, NpmVersion, PypiPackage, PypiVersion, Source};

/// A package as users name it, not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageSource {
    /// Of npm or a registry like it.
    Npm(NpmPackage),
    /// Of `PyPI` or an index like it.
    Pypi(PypiPackage),
}

impl PackageSource {
    /// The package of a source, if it is one.
    #[must_use]
    pub fn of(source: &Source) -> Option<Self> {
        match source {
            Source::Npm(package) => Some(Self::Npm(package.clone())),
            Source::Pypi(package) => Some(Self::Pypi(package.clone())),
            _ => None,
        }
    }

    /// The package of any version: `npm:NAME`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Npm(package) => format!("npm:{}", package.name.as_str()),
            Self::Pypi(package) => format!("pypi:{}", package.name.as_str()),
        }
    }

    /// Its exact version, if that is what it names.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        match self {
            Self::Npm(package) => match &package.version {
                Some(NpmVersion::Exact(version)) => Some(version.to_string()),
                _ => None,
            },
            Self::Pypi(package) => match &package.version {
                Some(PypiVersion::Exact(version)) => Some(version.clone()),
                _ => None,
            },
        }
    }
}

/// As a source is written.
impl fmt::Display for PackageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npm(package) => write!(f, "npm:{package}"),
            Self::Pypi(package) => write!(f, "pypi:{package}"),
        }
    }
}

/// How a package may be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveOptions {
    /// Let programs run that npm packages have for their installation. Native modules are built by them; they are the
    /// authors' code and can do what the user can, as the server itself can.
    pub install_scripts: bool,
    /// Versions of Python that a package of `PyPI` may be resolved for, the preferred one first: `3.12`. None when any that can be
    /// had will do. What the package itself asks for says more.
    pub pythons: Vec<String>,
}

impl Default for ResolveOptions {
    /// As `npx` does.
    fn default() -> Self {
        Self {
            install_scripts: true,
            pythons: Vec::new(),
        }
    }
}
