//! The configuration file of the user: defaults for options that are the same at every call.

use std::{
    env,
    ffi::OsString,
    num::ParseIntError,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use mcpt_backend::Rendering;
use mcpt_core::{BackendName, Failure, FailureKind, Image, Namespace};
use mcpt_package::Runtimes;
use serde::Deserialize;

use crate::{duration, user_file};

mod remembered;

/// What the file may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UserConfig {
    /// Backend when `--backend` names none; `MCPT_BACKEND` says more than the file.
    pub(crate) backend: Option<BackendName>,
    /// Who named that backend, for messages.
    #[serde(skip)]
    pub(crate) backend_by: String,
    /// Namespace when `--namespace` names none.
    pub(crate) namespace: Option<Namespace>,
    /// Folders with templates of the user; one that is not absolute starts at the file's own folder.
    pub(crate) templates: Vec<PathBuf>,
    /// Registries of servers; paths as those of `templates`.
    pub(crate) registries: Vec<PathBuf>,
    /// Files with values for the expressions of registries; the later ones win. Paths as those of `templates`.
    pub(crate) values: Vec<PathBuf>,
    /// Registries of MCP servers, the one that counts more first; the official one when the file says nothing of them.
    #[serde(rename = "mcp-registries")]
    pub(crate) mcp_registries: Option<Vec<McpRegistry>>,
    /// What the templates of charts may use; the environment says more than the file.
    pub(crate) render: Render,
    /// mcpt's own image where a cluster's nodes can have it; `mcpt image push` writes it.
    #[serde(deserialize_with = "image")]
    pub(crate) image: Option<Image>,
    /// Secrets with logins at the images' registries, when `--image-pull-secret` names none.
    #[serde(rename = "image-pull-secrets")]
    pub(crate) image_pull_secrets: Vec<String>,
    /// Images that packages are installed and run in; the environment says more than the file.
    pub(crate) runtimes: RuntimeImages,
}

/// Images that packages are installed and run in, `{version}` in them being that of Node.js or Python.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RuntimeImages {
    /// With Node.js and npm; `MCPT_RUNTIME_NODE` says more.
    node: Names,
    /// With Python and uv; `MCPT_RUNTIME_PYTHON` says more.
    python: Names,
    /// Whether installers on a cluster are told what npm and uv are told on this machine, with the credentials in it.
    pub(crate) settings: bool,
}

/// Names of images, the preferred one first; one alone may stand without a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "OneOrMore")]
struct Names(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "the name of an image, or a list of such names")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Names {
    fn from(said: OneOrMore) -> Self {
        match said {
            OneOrMore::One(name) => Self(vec![name]),
            OneOrMore::More(names) => Self(names),
        }
    }
}

impl Names {
    /// These, or others where nothing was said.
    fn or(self, usual: Vec<String>) -> Vec<String> {
        if self.0.is_empty() { usual } else { self.0 }
    }
}

fn image<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Image>, D::Error> {
    let text = Option::<String>::deserialize(source)?;
    let read = text.map(|text| Image::parse(&text)).transpose();
    read.map_err(serde::de::Error::custom)
}

/// A registry of MCP servers, and how to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct McpRegistry {
    /// What it is called here.
    pub(crate) name: String,
    /// Its address.
    pub(crate) url: String,
    /// Variable of the environment that has the token.
    pub(crate) token_env: Option<String>,
    /// File that has the token. Paths as those of `templates`.
    pub(crate) token_file: Option<PathBuf>,
    /// File with the certificates to trust instead of the system's.
    pub(crate) ca_file: Option<PathBuf>,
}

/// What the templates of charts may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Render {
    /// How long they may take: `90s`; `MCPT_RENDER_TIME` says more.
    time: Option<Period>,
    /// How many MiB of text and lists they may make; `MCPT_RENDER_MEMORY` says more.
    memory: Option<Mebibytes>,
}

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mebibytes(u64);

impl FromStr for Mebibytes {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for Mebibytes {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        // All numbers of YAML are floating here.
        let number = f64::deserialize(source)?.to_string();
        let wrong = |error| serde::de::Error::custom(format!("{number} MiB: {error}"));
        number.parse().map_err(wrong)
    }
}

/// A duration, as the options have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period(Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let read = duration::parse(&text);
        read.map(Self)
            .map_err(|error| serde::de::Error::custom(format!("{text:?}: {error}")))
    }
}

impl UserConfig {
    /// What the file says, and what the environment says instead.
    pub(crate) fn load() -> Result<Self, Failure> {
        let mut config = Self::of_file()?;
        if let Some(backend) = backend_of(env::var_os("MCPT_BACKEND")) {
            config.backend = Some(backend);
            "the variable MCPT_BACKEND".clone_into(&mut config.backend_by);
        }
        config.render.read(|name| env::var_os(name))?;
        config.runtimes.read(|name| env::var_os(name));
        Ok(config)
    }

    /// The images that packages are installed and run in.
    pub(crate) fn runtimes(&self) -> Runtimes {
        let usual = Runtimes::default();
        let RuntimeImages { node, python, .. } = self.runtimes.clone();
        Runtimes {
            node: node.or(usual.node),
            python: python.or(usual.python),
        }
    }

    /// What the templates of charts may use.
    pub(crate) fn rendering(&self) -> Rendering {
        let memory = self.render.memory;
        Rendering {
            time: self.render.time.map(|Period(time)| time),
            memory: memory.map(|Mebibytes(number)| number.saturating_mul(1 << 20)),
        }
    }

    /// `MCPT_CONFIG`, else `$XDG_CONFIG_HOME/mcpt/config.yaml`, else `~/.config/mcpt/config.yaml`, and whether it must be there:
    /// the last two need not.
    fn file() -> Option<(PathBuf, bool)> {
        let variable = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        if let Some(named) = variable("MCPT_CONFIG") {
            return Some((named, true));
        }
        let usual = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        Some((usual?.join("mcpt/config.yaml"), false))
    }

    fn of_file() -> Result<Self, Failure> {
        let Some((path, must_be)) = Self::file() else {
            return Ok(Self::default());
        };
        match user_file::read(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if !must_be && error.is_missing() => Ok(Self::default()),
            Err(error) => Err(unusable(&path).caused_by(&error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let values =
            goyaml::map_from_str(text).map_err(|error| unusable(path).caused_by(&error))?;
        let mut config: Self = serde_json::from_value(values.into())
            .map_err(|error| unusable(path).caused_by(&error))?;
        config.backend_by = format!("the configuration file {}", path.display());
        let folder = path.parent().unwrap_or(path);
        let UserConfig {
            templates,
            registries,
            values,
            mcp_registries,
            ..
        } = &mut config;
        let of_registries = mcp_registries
            .iter_mut()
            .flatten()
            .flat_map(|registry| registry.token_file.iter_mut().chain(&mut registry.ca_file));
        let paths = templates.iter_mut().chain(registries).chain(values);
        for path in paths.chain(of_registries) {
            *path = folder.join(&*path);
        }
        Ok(config)
    }
}

impl RuntimeImages {
    /// What the environment says instead, names with commas between them; an empty text says nothing.
    fn read(&mut self, variable: impl Fn(&str) -> Option<OsString>) {
        for (name, images) in [
            ("MCPT_RUNTIME_NODE", &mut self.node),
            ("MCPT_RUNTIME_PYTHON", &mut self.python),
        ] {
            if let Some(text) = variable(name).filter(|text| !text.is_empty()) {
                let text = text.to_string_lossy();
                let names = text.split(',').map(|name| name.trim().to_owned());
                *images = Names(names.filter(|name| !name.is_empty()).collect());
            }
        }
    }
}

impl Render {
    /// What the environment says instead; an empty text says nothing.
    fn read(&mut self, variable: impl Fn(&str) -> Option<OsString>) -> Result<(), Failure> {
        let text = |name: &str| {
            let text = variable(name)?.to_string_lossy().into_owned();
            (!text.is_empty()).then_some(text)
        };
        let unusable = |name: &str, why: String| {
            Failure::new(
                FailureKind::Usage,
                format!("cannot use the variable {name}"),
            )
            .because(why)
        };
        let (time, memory) = ("MCPT_RENDER_TIME", "MCPT_RENDER_MEMORY");
        if let Some(text) = text(time) {
            let read = duration::parse(&text);
            let read = read.map_err(|error| unusable(time, format!("{text:?}: {error}")))?;
            self.time = Some(Period(read));
        }
        if let Some(text) = text(memory) {
            let read = text.parse();
            let why = || format!("{text:?}: expected a number of MiB");
            self.memory = Some(read.map_err(|_| unusable(memory, why()))?);
        }
        Ok(())
    }
}

/// The backend that the environment names; an empty text is none, as with other variables.
fn backend_of(variable: Option<OsString>) -> Option<BackendName> {
    let name = variable.filter(|name| !name.is_empty())?;
    Some(BackendName::from(name.to_string_lossy().into_owned()))
}

fn unusable(path: &Path) -> Failure {
    Failure::new(
        FailureKind::Usage,
        format!("cannot use the configuration file {}", path.display()),
    )
    .hint(
        "it is YAML with the keys backend, namespace, templates, registries, values, mcp-registries, render, runtimes, image \
         and image-pull-secrets",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backend_of_the_environment() {
        let of = |text: &str| backend_of(Some(text.into()));
        assert_eq!(backend_of(None), None);
        assert_eq!(of(""), None);
        assert_eq!(of("kubernetes"), Some(BackendName::new("kubernetes")));
    }

    #[test]
    fn what_templates_may_use() {
        let path = Path::new("/c/config.yaml");
        let mut config = UserConfig::parse(path, "render: {time: 90s, memory: 2048}\n").unwrap();
        let said = config.rendering();
        assert_eq!(said.time, Some(Duration::from_secs(90)));
        assert_eq!(said.memory, Some(2 << 30));
        let variable = |name: &str| (name == "MCPT_RENDER_TIME").then(|| "5m".into());
        config.render.read(variable).unwrap();
        let said = config.rendering();
        assert_eq!(said.time, Some(Duration::from_mins(5)));
        assert_eq!(said.memory, Some(2 << 30));
        for text in ["5 MiB", "-1"] {
            let variable = |name: &str| (name == "MCPT_RENDER_MEMORY").then(|| text.into());
            let failure = Render::default().read(variable).unwrap_err();
            assert!(
                failure.to_string().contains("MCPT_RENDER_MEMORY"),
                "{failure}"
            );
        }
        assert_eq!(UserConfig::default().rendering(), Rendering::default());
    }

    #[test]
    fn images_of_packages() {
        let path = Path::new("/c/config.yaml");
        let mut config = UserConfig::parse(path, "runtimes: {node: r.example/node:24}\n").unwrap();
        assert_eq!(config.runtimes().node, ["r.example/node:24"]);
        assert_eq!(config.runtimes().python, Runtimes::default().python);
        let variable = |name: &str| (name == "MCPT_RUNTIME_NODE").then(|| "a:24, b:22".into());
        config.runtimes.read(variable);
        assert_eq!(config.runtimes().node, ["a:24", "b:22"]);
        let several = "runtimes: {python: [r.example/python:3.11, r.example/python:3.13]}\n";
        let config = UserConfig::parse(path, several).unwrap();
        assert_eq!(config.runtimes().pythons(), ["3.11", "3.13"]);
        let failure = UserConfig::parse(path, "runtimes: {python: 3}\n").unwrap_err();
        assert!(
            failure.to_string().contains("a list of such names"),
            "{failure}"
        );
    }

    #[test]
    fn read_and_refused() {
        let path = Path::new("/c/mcpt/config.yaml");
        let config = UserConfig::parse(
            path,
            "backend: kubernetes\nnamespace: tools\ntemplates: [mine, /abs]\nregistries: [r.json]\nvalues: [../v.yaml]\n",
        )
        .unwrap();
        assert_eq!(config.backend, Some(BackendName::new("kubernetes")));
        assert_eq!(config.namespace, Some(Namespace::new("tools").unwrap()));
        assert_eq!(
            config.templates,
            [PathBuf::from("/c/mcpt/mine"), PathBuf::from("/abs")]
        );
        assert_eq!(config.registries, [PathBuf::from("/c/mcpt/r.json")]);
        assert_eq!(config.values, [PathBuf::from("/c/mcpt/../v.yaml")]);
        assert_eq!(UserConfig::parse(path, "").unwrap().backend, None);
        for (text, said) in [
            ("backend: [process]", "string"),
            ("namespace: No_Such", "No_Such"),
            ("colour: red", "colour"),
            ("render: {time: 90}", "string"),
            ("render: {time: 0s}", "longer"),
            ("render: {memory: -1}", "-1"),
            ("render: {space: 1}", "space"),
            ("image: 'A B'", "A B"),
            ("image-pull-secrets: a", "sequence"),
            ("- a", "map"),
        ] {
            let failure = UserConfig::parse(path, text).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage);
            assert!(failure.to_string().contains(said), "{failure}");
        }
    }
}
