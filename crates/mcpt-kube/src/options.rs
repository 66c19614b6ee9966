//! How a release is made: what every backend is told, and what only a release has.

use std::{fmt, time::Duration};

use mcpt_catalog::ChartSource;
use mcpt_core::{DryRun, Failure};
use serde_json::{Map, Value};

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
    /// Chart to deploy with instead of the built-in one.
    pub chart: Option<ChartSource>,
}

/// Without the values, which may be secret.
impl fmt::Debug for ClusterOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterOptions")
            .field("create_namespace", &self.create_namespace)
            .field("chart", &self.chart)
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
    pub(crate) chart: Option<ChartSource>,
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
            chart,
        } = release.unwrap_or_default();
        Ok(Self {
            wait: options.wait,
            timeout: options.timeout,
            atomic: options.atomic,
            dry_run: options.dry_run,
            create_namespace,
            force_conflicts,
            values,
            chart,
        })
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
