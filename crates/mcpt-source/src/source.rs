//! [`Source`]: where a server comes from, and the one grammar of it for commands, registries and clients' files.

mod bundle;
mod invalid;
mod name;
mod npm;
mod pypi;
mod remote;

use std::{fmt, path::PathBuf, str::FromStr};

use mcpt_core::{Image, TemplateId, near};

pub use self::{
    bundle::Bundle,
    invalid::{InvalidSource, SourceKind},
    name::RegistryName,
    npm::{NpmName, NpmPackage, NpmVersion},
    pypi::{PypiName, PypiPackage, PypiVersion},
    remote::{Remote, RemoteKind},
};

/// Where a server comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A template of the catalogue.
    Template(TemplateId),
    /// A package of an npm registry: `npm:@scope/name@1.2.3`.
    Npm(NpmPackage),
    /// A package of a Python index: `pypi:name[extra]==1.2.3`.
    Pypi(PypiPackage),
    /// A container image: `oci:ghcr.io/owner/name:1.2.3`.
    Oci(Image),
    /// A server that runs elsewhere: `https://mcp.example.com/mcp`.
    Remote(Remote),
    /// An MCPB bundle: `mcpb:./name.mcpb`.
    Mcpb(Bundle),
    /// A folder of this machine: `./my-server`.
    Folder(PathBuf),
    /// A name of a registry of MCP servers: `io.github.owner/name`.
    Registry(RegistryName),
    /// A program of this machine. Texts of this form come from command lines and clients' files, never from this grammar.
    Program(String),
}

/// Registries of images that may be followed by one name alone, as names of MCP servers are.
const IMAGE_HOSTS: [&str; 9] = [
    "docker.io",
    "ghcr.io",
    "quay.io",
    "gcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "registry.gitlab.com",
    "registry.k8s.io",
    "registry.access.redhat.com",
];

/// What registries of images end with that are made for each customer.
const IMAGE_HOST_ENDS: [&str; 6] = [
    ".gcr.io",
    ".pkg.dev",
    ".azurecr.io",
    ".amazonaws.com",
    ".ocir.io",
    ".icr.io",
];

/// Words before a colon that are kinds of sources, but none that can be run.
const ELSEWHERE: [(&str, &str); 14] = [
    (
        "git",
        "servers are not built from Git repositories: name the package or image that it publishes",
    ),
    (
        "github",
        "servers are not built from Git repositories: name the package or image that it publishes",
    ),
    ("npx", "an npm package is written as npm:NAME"),
    ("pip", "a Python package is written as pypi:NAME"),
    ("pipy", "a Python package is written as pypi:NAME"),
    ("uvx", "a Python package is written as pypi:NAME"),
    ("uv", "a Python package is written as pypi:NAME"),
    ("file", "a folder is written as ./FOLDER"),
    ("nuget", "NuGet packages cannot be run yet"),
    ("cargo", "crates cannot be run yet"),
    ("gem", "Ruby gems cannot be run"),
    ("go", "Go modules cannot be run yet"),
    ("brew", "Homebrew formulas cannot be run"),
    ("jsr", "JSR packages cannot be run"),
];

impl FromStr for Source {
    type Err = InvalidSource;

    /// Reads one of the forms of [`SourceKind::form`]. Whether there is such a template, package or folder is not looked at;
    /// a path must begin with `./`, `../`, `/` or `~/`, since `owner/name` is an image.
    ///
    /// # Errors
    /// [`InvalidSource`] with what is wrong and what would be right.
    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        if let Some(reason) = invalid::hostile(text) {
            return Err(InvalidSource::new(SourceKind::Any, text, reason));
        }
        if let Some((prefix, rest)) = text.split_once(':')
            && let Some(source) = prefixed(prefix, rest, text)
        {
            return source;
        }
        if is_path(text) {
            return Ok(path(text));
        }
        if text.starts_with('@') {
            let package = text.parse::<NpmPackage>();
            return Err(match package {
                Ok(_) => InvalidSource::new(
                    SourceKind::Any,
                    text,
                    format!("this is the name of an npm package: write npm:{text}"),
                ),
                Err(error) => error,
            });
        }
        if text.contains('/') {
            return if names_image(text) {
                image(text)
            } else {
                text.parse().map(Self::Registry)
            };
        }
        if text.contains(':') {
            return image(text);
        }
        if bundle::is_file(text) {
            return Ok(Self::Mcpb(Bundle::File(PathBuf::from(text))));
        }
        TemplateId::new(text)
            .map(Self::Template)
            .map_err(|_| template_error(text))
    }
}

impl Source {
    /// As it is read, but for the query of an address: some services have their keys in it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Remote(remote) => {
                let url = remote.url.to_string();
                url.split('?').next().unwrap_or_default().to_owned()
            }
            Self::Mcpb(Bundle::Url { .. }) => {
                let text = self.to_string();
                let shown = text.split(['?', '#']).next();
                shown.unwrap_or_default().to_owned()
            }
            other => other.to_string(),
        }
    }
}

/// A text with a word before a colon, if that word is a kind of source.
fn prefixed(prefix: &str, rest: &str, text: &str) -> Option<Result<Source, InvalidSource>> {
    Some(match prefix {
        "npm" => rest.parse().map(Source::Npm),
        "pypi" => rest.parse().map(Source::Pypi),
        "oci" | "docker" => image(rest.strip_prefix("//").unwrap_or(rest)),
        "mcpb" => rest.parse().map(Source::Mcpb),
        "http" | "https" => match rest
            .starts_with("//")
            .then(|| Bundle::of_url(text))
            .flatten()
        {
            Some(bundle) => bundle.map(Source::Mcpb),
            None => text.parse().map(Source::Remote),
        },
        _ if rest.starts_with("//") || prefix.contains('+') => Err(InvalidSource::new(
            SourceKind::Any,
            text,
            elsewhere(prefix.split('+').next().unwrap_or(prefix))
                .unwrap_or("servers are reached by http and https alone"),
        )),
        _ => {
            let reason = elsewhere(prefix).map(str::to_owned).or_else(|| {
                let kind = near::near(prefix, ["npm", "pypi", "oci", "mcpb", "docker", "https"])?;
                Some(format!(
                    "there is no kind {prefix:?}: did you mean {kind:?}?"
                ))
            })?;
            Err(InvalidSource::new(SourceKind::Any, text, reason))
        }
    })
}

fn elsewhere(prefix: &str) -> Option<&'static str> {
    let mut known = ELSEWHERE.iter();
    known.find(|(kind, _)| *kind == prefix).map(|(_, why)| *why)
}

fn image(text: &str) -> Result<Source, InvalidSource> {
    Image::parse(text).map(Source::Oci).map_err(|error| {
        let reason = match error {
            mcpt_core::InvalidImage::Grammar { reason, .. } => reason.to_owned(),
            error @ mcpt_core::InvalidImage::TwoImages { .. } => error.to_string(),
        };
        InvalidSource::new(SourceKind::Oci, text, reason)
    })
}

fn is_path(text: &str) -> bool {
    matches!(text, "." | ".." | "~")
        || ["./", "../", "/", "~/", ".\\", "..\\"]
            .iter()
            .any(|start| text.starts_with(start))
}

fn path(text: &str) -> Source {
    if bundle::is_file(text) {
        Source::Mcpb(Bundle::File(PathBuf::from(text)))
    } else {
        Source::Folder(PathBuf::from(text))
    }
}

/// Whether a text with a slash is an image and not the name of an MCP server, which is a domain turned round, one slash and a
/// name.
fn names_image(text: &str) -> bool {
    let (name, behind) = text.split_once('@').unwrap_or((text, ""));
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    behind.contains(':')
        || !first.contains('.')
        || rest.contains(['/', ':'])
        || first.contains(':')
        || IMAGE_HOSTS.contains(&first)
        || IMAGE_HOST_ENDS.iter().any(|end| first.ends_with(end))
}

fn template_error(text: &str) -> InvalidSource {
    let reason = if text.is_empty() {
        "it is empty"
    } else if text.contains("==") || text.contains(['[', ']', '<', '>', '~']) {
        "a Python package is written as pypi:NAME==VERSION"
    } else if text.contains('@') {
        "a package is written as npm:NAME@VERSION or pypi:NAME==VERSION"
    } else {
        "the name of a template has lower-case letters, digits and '-' alone"
    };
    InvalidSource::new(SourceKind::Any, text, reason)
}

/// As it is read.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(id) => id.fmt(f),
            Self::Npm(package) => write!(f, "npm:{package}"),
            Self::Pypi(package) => write!(f, "pypi:{package}"),
            Self::Oci(image) => match (&image.tag, &image.digest) {
                (None, None) => write!(f, "oci:{}", image.repository),
                _ => write!(f, "oci:{}", image.reference()),
            },
            Self::Remote(remote) => remote.url.fmt(f),
            Self::Mcpb(bundle) => write!(f, "mcpb:{bundle}"),
            Self::Folder(path) => path.display().fmt(f),
            Self::Registry(name) => name.fmt(f),
            Self::Program(program) => program.fmt(f),
        }
    }
}
