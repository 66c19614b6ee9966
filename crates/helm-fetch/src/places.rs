//! Where Helm keeps the list of repositories and their indexes.

use std::ffi::OsString;
use std::path::PathBuf;

use oci_registry::Credentials;

/// The files of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `repositories.yaml`
    pub repository_config: PathBuf,
    /// The folder of the indexes.
    pub repository_cache: PathBuf,
    /// The logins at registries.
    pub credentials: Credentials,
}

impl Places {
    /// Where helm looks: `HELM_REPOSITORY_CONFIG` and `HELM_REPOSITORY_CACHE`, else below `HELM_CONFIG_HOME` and
    /// `HELM_CACHE_HOME`, else below those of the XDG rules, else below the home folder; logins in `HELM_REGISTRY_CONFIG`, else
    /// there too, and in Docker's file, which `DOCKER_CONFIG` names the folder of. `variable` gives what a variable of the
    /// environment holds; an empty one counts as none.
    pub fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let home = || set("HOME").unwrap_or_default();
        let base = |helm: &str, xdg: &str, usual: &str| {
            set(helm).unwrap_or_else(|| set(xdg).unwrap_or_else(|| home().join(usual)).join("helm"))
        };
        let config = || base("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config");
        Self {
            repository_config: set("HELM_REPOSITORY_CONFIG")
                .unwrap_or_else(|| config().join("repositories.yaml")),
            repository_cache: set("HELM_REPOSITORY_CACHE").unwrap_or_else(|| {
                base("HELM_CACHE_HOME", "XDG_CACHE_HOME", ".cache").join("repository")
            }),
            credentials: Credentials {
                helm: set("HELM_REGISTRY_CONFIG")
                    .unwrap_or_else(|| config().join("registry/config.json")),
                docker: set("DOCKER_CONFIG")
                    .unwrap_or_else(|| home().join(".docker"))
                    .join("config.json"),
            },
        }
    }

    /// The cached index of a repository.
    pub(crate) fn index(&self, name: &str) -> PathBuf {
        self.repository_cache.join(format!("{name}-index.yaml"))
    }

    /// The cached names of a repository's charts.
    pub(crate) fn charts(&self, name: &str) -> PathBuf {
        self.repository_cache.join(format!("{name}-charts.txt"))
    }
}
