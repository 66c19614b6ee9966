//! `mcpt chart version`: which helm it takes the place of.

use clap::Args;
use gotmpl::{FuncMap, MissingKey, TemplateSet};
use helm_chart::{Capabilities, HelmVersion};
use serde_json::json;

use super::failed;
use crate::{ending::Ending, output};

/// Arguments of `mcpt chart version`.
#[derive(Debug, Args)]
pub(crate) struct Version {
    /// The number alone
    #[arg(long)]
    short: bool,
    /// A template of Go's over what is known of the build, as {{.Version}}
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
}

impl Version {
    /// Prints it.
    pub(super) fn run(&self) -> Result<(), Ending> {
        let HelmVersion {
            version,
            go_version,
            kube_client_version,
        } = Capabilities::default().helm_version;
        if let Some(template) = &self.template {
            let fields = json!({
                "Version": version,
                "GitCommit": "",
                "GitTreeState": "",
                "GoVersion": go_version,
                "KubeClientVersion": kube_client_version,
            });
            return output::exact(&templated(template, &fields)?);
        }
        if self.short {
            return output::line(&version);
        }
        output::line(&format!(
            "version.BuildInfo{{Version:{version:?}, GitCommit:\"\", GitTreeState:\"\", GoVersion:{go_version:?}, \
             KubeClientVersion:{kube_client_version:?}}}"
        ))
    }
}

fn templated(template: &str, fields: &serde_json::Value) -> Result<String, Ending> {
    // As helm: with Go's own functions alone, and a field that is not there is a mistake.
    let mut set = TemplateSet::new("_", FuncMap::new(), MissingKey::Error);
    let text = set
        .parse("_", template)
        .and_then(|()| set.execute("_", &helm_funcs::from_json(fields)));
    let text = text.map_err(|error| failed(error.to_string()))?;
    Ok(gotmpl::text(&text).into_owned())
}
