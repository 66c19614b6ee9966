//! What can go wrong with a package, in words of the field, each with what mends it.

use std::{fmt, io};

use mcpt_core::{CommandOption, Failure, FailureKind};

/// Why a package cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {package}")]
pub struct PackageError {
    /// As it was asked for.
    pub package: String,
    /// What was being done.
    pub doing: Doing,
    /// Why it failed.
    #[source]
    pub cause: Cause,
}

/// What is done with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Finding out which version is the newest.
    LookUp,
    /// Finding out what it consists of.
    Resolve,
    /// Making its folder.
    Install,
    /// Making its folder in a container of a runtime image.
    InstallInContainer,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookUp => "look up",
            Self::Resolve => "resolve",
            Self::Install | Self::InstallInContainer => "install",
        })
    }
}

/// What kind of fault it is. Texts of tools are as these gave them, without credentials.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A program that does the work is not there.
    #[error("the program {tool:?} is not installed: not found on PATH")]
    ToolMissing {
        /// Its name.
        tool: &'static str,
    },
    /// A file or a program cannot be used.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The registry has no package of this name, or shows it to others only.
    #[error("there is no package {name}: {detail}")]
    NoSuchPackage {
        /// The package that is missed: the one that was asked for, or one that it needs.
        name: String,
        /// The tool's words.
        detail: String,
    },
    /// The package is there, but not in this version.
    #[error("there is no such version: {detail}")]
    NoSuchVersion {
        /// The tool's words.
        detail: String,
        /// Versions that there are, the nearest first; empty when another package is meant.
        near: Vec<String>,
    },
    /// The registry asks for other credentials, or for some.
    #[error("the registry refuses the credentials, or wants some: {detail}")]
    Unauthorized {
        /// The tool's words.
        detail: String,
    },
    /// The registry's certificate is from an authority that nobody here knows.
    #[error("the registry's certificate is not trusted: {detail}")]
    UnknownAuthority {
        /// The tool's words.
        detail: String,
    },
    /// The registry cannot be reached.
    #[error("the registry cannot be reached: {detail}")]
    Unreachable {
        /// The tool's words.
        detail: String,
    },
    /// What the registry sent is not what the lock says.
    #[error("what the registry sent is not what was locked: {detail}")]
    Integrity {
        /// The tool's words.
        detail: String,
    },
    /// The registry says no checksums, so nothing can be fixed.
    #[error("the registry gives no checksum of {}", packages.join(", "))]
    NoChecksum {
        /// The packages.
        packages: Vec<String>,
    },
    /// There is nothing of it for this system, processor or version of Python.
    #[error("there is nothing of it for this platform: {detail}")]
    NoWheel {
        /// The tool's words.
        detail: String,
    },
    /// It needs another version of Node.js.
    #[error("{package} needs Node.js {needs}, and {has} is there")]
    NeedsNode {
        /// The package with its version.
        package: String,
        /// The range, in npm's notation.
        needs: String,
        /// Version that is there.
        has: String,
    },
    /// It needs another version of Python.
    #[error("no version of Python fits of those that were tried ({}): {detail}", tried.join(", "))]
    NeedsPython {
        /// Versions that were tried.
        tried: Vec<String>,
        /// The tool's words.
        detail: String,
        /// Whether they are those of the images that it may run in.
        of_images: bool,
    },
    /// It has no program, or several and none of them is meant.
    #[error("{}", programs(package, known, modules))]
    NoProgram {
        /// The package with its version.
        package: String,
        /// The programs that it has.
        known: Vec<String>,
        /// Modules of Python that can be run, where it has no program.
        modules: Vec<String>,
        /// How one of them is named.
        choose: String,
    },
    /// A package could not be built, or its own installation failed.
    #[error("a part of it cannot be built here: {detail}")]
    BuildFailed {
        /// The tool's words.
        detail: String,
    },
    /// The tool failed in a way that has no name here.
    #[error("{tool}: {detail}")]
    ToolFailed {
        /// The tool.
        tool: &'static str,
        /// Its words.
        detail: String,
    },
    /// The tool succeeded with something that cannot be used.
    #[error("{tool} gave something that cannot be used: {why}")]
    BadOutput {
        /// The tool.
        tool: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

fn programs(package: &str, known: &[String], modules: &[String]) -> String {
    match (known, modules) {
        ([], []) => format!("{package} has no program that could be run: it is a library"),
        ([], modules) => format!(
            "{package} has no program, but what Python runs as a module: {}",
            modules.join(", ")
        ),
        (known, _) => format!(
            "{package} has several programs, and none is called like it: {}",
            known.join(", ")
        ),
    }
}

impl Cause {
    /// Something could not be read, written or started.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::ToolMissing { tool: "uv" } => {
                "install uv: https://docs.astral.sh/uv/getting-started/installation/".to_owned()
            }
            Self::ToolMissing { .. } => {
                "install Node.js, which npm comes with: https://nodejs.org/en/download".to_owned()
            }
            Self::NoSuchPackage { .. } => "check its spelling; one of a private registry needs that registry in \
                .npmrc (npm) or UV_INDEX (uv), and what it asks of you to log in"
                .to_owned(),
            Self::NoSuchVersion { near, .. } if near.is_empty() => return None,
            Self::NoSuchVersion { near, .. } => format!("there is {}", near.join(", ")),
            Self::Unauthorized { .. } => "log in as for npm and uv on this machine: npm login, or a token in .npmrc; \
                uv auth login, or user and password in UV_INDEX"
                .to_owned(),
            Self::UnknownAuthority { .. } => "name the file of the authority's certificate: NODE_EXTRA_CA_CERTS (npm), \
                SSL_CERT_FILE (uv)"
                .to_owned(),
            Self::Unreachable { .. } => {
                "check the network, HTTPS_PROXY, and the registry that npm or uv is told".to_owned()
            }
            Self::Integrity { .. } => "somebody changed what was published, or what is in a cache or a mirror on the \
                way: ask who keeps the registry, and do not go on before it is clear"
                .to_owned(),
            Self::NoChecksum { .. } => "ask who keeps the registry for checksums: without them nobody can tell what \
                runs"
                .to_owned(),
            Self::NoWheel { .. } => {
                "try another version of the package, or a container image of it".to_owned()
            }
            Self::NeedsNode { .. } => {
                "install that Node.js (https://nodejs.org/en/download), or name an earlier version of the package"
                    .to_owned()
            }
            Self::NeedsPython {
                of_images: true, ..
            } => format!(
                "name an image with a Python that fits: {} for this server, or in the configuration runtimes.python, \
                 which may be a list",
                CommandOption::Image
            ),
            Self::NeedsPython { .. } => {
                "install a Python that fits, if there is one: uv python install VERSION".to_owned()
            }
            Self::NoProgram { known, modules, .. } if known.is_empty() && modules.is_empty() => {
                return None;
            }
            Self::NoProgram { choose, .. } => format!("choose one: {choose}"),
            Self::BuildFailed { .. } => {
                "install what building it needs (a compiler, make, headers), or name a version that comes built"
                    .to_owned()
            }
            Self::Io { .. } | Self::ToolFailed { .. } | Self::BadOutput { .. } => return None,
        })
    }

    /// What to do about it where that happened in a container: this machine's tools are not those that failed.
    fn hint_in_container(&self) -> Option<String> {
        const TOLD: &str = "the installer is told what npm and uv are told on this machine, on a cluster only with \
            runtimes.settings: true in the configuration, or by a Secret that package.existingSettings names";
        let runtime = || {
            format!(
                "name a runtime image that has it: runtimes.node or runtimes.python in the configuration, or {}",
                CommandOption::Image
            )
        };
        match self {
            Self::ToolMissing { .. }
            | Self::NeedsNode { .. }
            | Self::NeedsPython { .. }
            | Self::BuildFailed { .. } => Some(runtime()),
            Self::Unreachable { .. } => Some(format!(
                "{TOLD}; where a network policy restricts what pods reach, networkPolicy.egress must allow the registry"
            )),
            Self::Unauthorized { .. }
            | Self::UnknownAuthority { .. }
            | Self::NoSuchPackage { .. } => Some(TOLD.to_owned()),
            other => other.hint(),
        }
    }

    fn kind(&self) -> FailureKind {
        match self {
            Self::NoSuchPackage { .. } | Self::NoSuchVersion { .. } => FailureKind::NotFound,
            Self::NoProgram { .. } => FailureKind::Usage,
            Self::Unreachable { .. } => FailureKind::Unreachable,
            _ => FailureKind::Failed,
        }
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        let mut failure = Self::new(error.cause.kind(), error.to_string()).caused_by(&error.cause);
        let of_npm = error.package.starts_with("npm:");
        failure.hint = match error.doing {
            Doing::InstallInContainer => error.cause.hint_in_container(),
            Doing::LookUp | Doing::Resolve | Doing::Install => error.cause.hint(),
        };
        if let (Cause::BuildFailed { .. }, true, Some(hint)) =
            (&error.cause, of_npm, failure.hint.as_mut())
        {
            hint.push_str("; a server that does without that part is installed with ");
            hint.push_str(&CommandOption::NoInstallScripts.to_string());
        }
        failure
    }
}
