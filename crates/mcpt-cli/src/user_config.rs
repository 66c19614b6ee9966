//! The configuration file of the user: defaults for options that are the same at every call.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use mcpt_core::{BackendName, Failure, FailureKind, Namespace};
use serde::Deserialize;

use crate::user_file;

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
}

impl UserConfig {
    /// What the file says, and what the environment says instead.
    pub(crate) fn load() -> Result<Self, Failure> {
        let mut config = Self::of_file()?;
        if let Some(backend) = backend_of(env::var_os("MCPT_BACKEND")) {
            config.backend = Some(backend);
            "the variable MCPT_BACKEND".clone_into(&mut config.backend_by);
        }
        Ok(config)
    }

    /// Reads `MCPT_CONFIG`, else `$XDG_CONFIG_HOME/mcpt/config.yaml`, else `~/.config/mcpt/config.yaml`. The last two need
    /// not be there.
    fn of_file() -> Result<Self, Failure> {
        let variable = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let named = variable("MCPT_CONFIG");
        let usual = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
        let Some(path) = named
            .clone()
            .or_else(|| Some(usual?.join("mcpt/config.yaml")))
        else {
            return Ok(Self::default());
        };
        match user_file::read(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if named.is_none() && error.is_missing() => Ok(Self::default()),
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
            ..
        } = &mut config;
        for path in templates.iter_mut().chain(registries).chain(values) {
            *path = folder.join(&*path);
        }
        Ok(config)
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
    .hint("it is YAML with the keys backend, namespace, templates, registries and values")
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
            ("- a", "map"),
        ] {
            let failure = UserConfig::parse(path, text).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage);
            assert!(failure.to_string().contains(said), "{failure}");
        }
    }
}
