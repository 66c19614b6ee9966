//! `mcpt chart env [NAME]`: helm's settings, as they hold here.

use std::path::PathBuf;

use clap::Args;

use super::{flags::max_history, places::PlaceFlags, session::namespace};
use crate::{args::Global, ending::Ending, output};

/// The variable that is looked for in the kubeconfig, when nobody says.
const NAMESPACE: &str = "HELM_NAMESPACE";

/// Arguments of `mcpt chart env`.
#[derive(Debug, Args)]
pub(crate) struct Environment {
    /// The value of this one alone
    name: Option<String>,
    #[command(flatten)]
    places: PlaceFlags,
}

impl Environment {
    /// Prints it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let mut all = self.all(global);
        if self.name.as_deref().is_none_or(|name| name == NAMESPACE) {
            all.push((NAMESPACE, namespace(global)?));
        }
        all.sort_unstable();
        if let Some(name) = &self.name {
            // Of one that is not known helm prints nothing.
            let found = all.iter().find(|(known, _)| known == name);
            return output::line(found.map_or("", |(_, value)| value.as_str()));
        }
        output::lines(all.iter().map(|(name, value)| format!("{name}={value:?}")))
    }

    /// All but the namespace, for which the kubeconfig is looked at.
    fn all(&self, global: &Global) -> Vec<(&'static str, String)> {
        let places = self.places.places();
        let text = |path: PathBuf| path.display().to_string();
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let home = |own: &str, xdg: &str, usual: &str| {
            let set = |name: &str| Some(variable(name)).filter(|value| !value.is_empty());
            set(own).unwrap_or_else(|| {
                let base = set(xdg).map_or_else(
                    || PathBuf::from(variable("HOME")).join(usual),
                    PathBuf::from,
                );
                text(base.join("helm"))
            })
        };
        let data = home("HELM_DATA_HOME", "XDG_DATA_HOME", ".local/share");
        vec![
            ("HELM_BIN", "mcpt chart".to_owned()),
            (
                "HELM_CACHE_HOME",
                home("HELM_CACHE_HOME", "XDG_CACHE_HOME", ".cache"),
            ),
            (
                "HELM_CONFIG_HOME",
                home("HELM_CONFIG_HOME", "XDG_CONFIG_HOME", ".config"),
            ),
            ("HELM_DEBUG", (global.verbose > 0).to_string()),
            (
                "HELM_KUBECONTEXT",
                global.context.clone().unwrap_or_default(),
            ),
            ("HELM_MAX_HISTORY", max_history().to_string()),
            ("HELM_DATA_HOME", data),
            ("HELM_REGISTRY_CONFIG", text(places.credentials.helm)),
            ("HELM_REPOSITORY_CACHE", text(places.repository_cache)),
            ("HELM_REPOSITORY_CONFIG", text(places.repository_config)),
        ]
    }
}
