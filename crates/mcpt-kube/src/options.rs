//! How a release is made: what every backend is told, and what only a release has.

use std::{collections::BTreeMap, fmt, time::Duration};

use mcpt_catalog::ChartSource;
use mcpt_core::{DryRun, Failure, Image, leaves};
use serde_json::{Map, Value, json};

use crate::release_kind::ReleaseKind;

/// What a deployment to a cluster has beyond [`mcpt_core::DeployOptions`], whose `platform` carries it.
#[derive(Clone, Default)]
pub struct ClusterOptions {
    /// Make the namespace when it is not there.
    pub create_namespace: bool,
    /// Take over what another tool changed since, instead of being refused for it.
    pub force_conflicts: bool,
    /// Chart values that win over those made from the plan, already merged from files, a profile and single values;
    /// an empty object when there are none.
    pub values: Map<String, Value>,
    /// Who said them, by their paths as [`mcpt_core::leaves`] has them: a file, an option. No secret is in it.
    pub origins: BTreeMap<String, String>,
    /// Chart to deploy with instead of the built-in one.
    pub chart: Option<ChartSource>,
    /// mcpt's own image where the nodes can have it; `None` means `localhost/mcpt`, which somebody loaded into them. Values
    /// that name one win.
    pub own_image: Option<Image>,
    /// Secrets of the namespace with logins at the registries of images, beneath what values say.
    pub pull_secrets: Vec<String>,
}

/// Without the values, which may be secret.
impl fmt::Debug for ClusterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterOptions")
            .field("create_namespace", &self.create_namespace)
            .field("chart", &self.chart)
            .field("own_image", &self.own_image)
            .field("pull_secrets", &self.pull_secrets)
            .finish_non_exhaustive()
    }
}

/// All of it for one release.
#[cfg_attr(test, derive(Debug))]
pub(crate) struct DeployOptions {
    pub(crate) wait: bool,
    pub(crate) timeout: Duration,
    pub(crate) atomic: bool,
    pub(crate) dry_run: Option<DryRun>,
    pub(crate) create_namespace: bool,
    pub(crate) force_conflicts: bool,
    pub(crate) values: Map<String, Value>,
    pub(crate) origins: BTreeMap<String, String>,
    pub(crate) chart: Option<ChartSource>,
    pub(crate) own_image: Option<Image>,
    pub(crate) pull_secrets: Vec<String>,
}

impl DeployOptions {
    /// From what a caller of the backend says. `what` is what fails by options of another backend.
    ///
    /// # Errors
    /// [`mcpt_core::FailureKind::Usage`] for these.
    pub(crate) fn of(options: &mcpt_core::DeployOptions, what: &str) -> Result<Self, Failure> {
        let release = options.platform.of::<ClusterOptions>(what)?.cloned();
        let ClusterOptions {
            create_namespace,
            force_conflicts,
            values,
            origins,
            chart,
            own_image,
            pull_secrets,
        } = release.unwrap_or_default();
        Ok(Self {
            wait: options.wait,
            timeout: options.timeout,
            atomic: options.atomic,
            dry_run: options.dry_run,
            create_namespace,
            force_conflicts,
            values,
            origins,
            chart,
            own_image,
            pull_secrets,
        })
    }

    /// Who said the given values.
    pub(crate) fn said(&self) -> BTreeMap<String, String> {
        let given = leaves(&self.values).into_iter();
        let said = given.map(|(path, _)| {
            let origin = self.origins.get(&path).cloned();
            (path, origin.unwrap_or_else(|| "the deploy".to_owned()))
        });
        said.collect()
    }

    /// The values of a built-in chart that lie beneath all others: where mcpt's own image is, and who may pull. The image is in
    /// one value, so that whoever names another one replaces all of it.
    pub(crate) fn beneath(&self, kind: ReleaseKind) -> Map<String, Value> {
        let mut values = Map::new();
        if let Some(image) = &self.own_image {
            let image = json!({ "repository": image.reference() });
            let (key, value) = match kind {
                ReleaseKind::Gateway => ("image", image),
                ReleaseKind::Server => ("mcpt", json!({ "image": image })),
            };
            values.insert(key.to_owned(), value);
        }
        if !self.pull_secrets.is_empty() {
            let names = self.pull_secrets.iter();
            let names: Vec<Value> = names.map(|name| json!({ "name": name })).collect();
            values.insert("imagePullSecrets".to_owned(), names.into());
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcpt_core::{FailureKind, PlatformOptions};

    #[test]
    fn options_of_a_release_and_of_nobody_else() {
        let mut options = mcpt_core::DeployOptions {
            wait: true,
            timeout: Duration::from_secs(1),
            atomic: false,
            dry_run: None,
            platform: PlatformOptions::none(),
        };
        assert!(!DeployOptions::of(&options, "x").unwrap().create_namespace);
        options.platform = PlatformOptions::new(ClusterOptions {
            create_namespace: true,
            ..ClusterOptions::default()
        });
        assert!(DeployOptions::of(&options, "x").unwrap().create_namespace);
        options.platform = PlatformOptions::new("of another backend");
        let failure = DeployOptions::of(&options, "x").unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage);
    }
}
