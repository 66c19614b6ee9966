//! The options of commands that make or update a release.

use std::time::Duration;

use crate::{chart_values::ChartValues, user_config::UserConfig, waiting::Changing};
use clap::{Args, ValueEnum};
use mcpt_catalog::ChartSource;
use mcpt_core::{Capabilities, Capability, ChangeOptions, DeployOptions, DryRun, PlatformOptions};
use mcpt_kube::ClusterOptions;

/// How it is made.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Deployment")]
pub(crate) struct Deployment {
    /// Make the namespace when it is not there (Kubernetes)
    #[arg(long)]
    create_namespace: bool,
    /// Secret of the namespace with the login at the images' registry; may be repeated (Kubernetes)
    #[arg(long, value_name = "NAME")]
    image_pull_secret: Vec<String>,
    #[command(flatten)]
    changing: Changing,
    /// When it fails, put everything back as it was before
    #[arg(long)]
    atomic: bool,
    /// Show what would be deployed and change nothing; =server also asks the API server
    #[arg(
        long,
        value_name = "WHERE",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "client"
    )]
    dry_run: Option<DryRunPlace>,
    /// Show what would change and change nothing; ends with 1 when something would, as kubectl diff does
    #[arg(long, conflicts_with_all = ["dry_run", "atomic"])]
    diff: bool,
}

/// Where a dry run checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DryRunPlace {
    /// On this machine.
    Client,
    /// Also on the API server.
    Server,
}

/// For a server that was deployed elsewhere, in a backend with these capabilities: all or nothing, and only once it answers.
pub(crate) fn elsewhere(
    config: &UserConfig,
    can: Capabilities,
    timeout: Duration,
    dry_run: bool,
    create_namespace: bool,
) -> DeployOptions {
    DeployOptions {
        wait: true,
        timeout,
        atomic: true,
        dry_run: dry_run.then_some(DryRun::Client),
        platform: if can.has(Capability::Chart) {
            PlatformOptions::new(ClusterOptions {
                create_namespace,
                own_image: config.image.clone(),
                pull_secrets: config.image_pull_secrets.clone(),
                ..ClusterOptions::default()
            })
        } else {
            PlatformOptions::none()
        },
    }
}

impl Deployment {
    /// Whether only what would change is asked for.
    pub(crate) fn is_diff(&self) -> bool {
        self.diff
    }

    /// Whether nothing is to be changed.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run.is_some()
    }

    /// The options that a backend with these capabilities does not have: each with what is lacking.
    pub(crate) fn lacking(&self, can: Capabilities) -> Vec<(&'static str, Capability)> {
        [
            (
                "--dry-run=server",
                self.dry_run == Some(DryRunPlace::Server),
                Capability::RemoteDryRun,
            ),
            ("--diff", self.diff, Capability::Comparison),
            (
                "--create-namespace",
                self.create_namespace,
                Capability::Namespaces,
            ),
            (
                "--image-pull-secret",
                !self.image_pull_secret.is_empty(),
                Capability::Chart,
            ),
        ]
        .into_iter()
        .filter(|(_, given, needed)| *given && !can.has(*needed))
        .map(|(option, _, needed)| (option, needed))
        .collect()
    }

    /// For a backend with these capabilities: with these chart values, and this chart instead of the built-in one, over what
    /// the configuration says of images. A backend that renders no chart is told of none of it.
    pub(crate) fn options(
        &self,
        config: &UserConfig,
        can: Capabilities,
        values: ChartValues,
        chart: Option<ChartSource>,
    ) -> DeployOptions {
        let ChangeOptions {
            wait,
            timeout,
            force_conflicts,
        } = self.changing.options();
        DeployOptions {
            wait,
            timeout,
            atomic: self.atomic,
            dry_run: self.dry_run.map(|place| match place {
                DryRunPlace::Client => DryRun::Client,
                DryRunPlace::Server => DryRun::Server,
            }),
            platform: if can.has(Capability::Chart) {
                PlatformOptions::new(ClusterOptions {
                    create_namespace: self.create_namespace,
                    force_conflicts,
                    values: values.values,
                    origins: values.origins,
                    chart,
                    own_image: config.image.clone(),
                    pull_secrets: if self.image_pull_secret.is_empty() {
                        config.image_pull_secrets.clone()
                    } else {
                        self.image_pull_secret.clone()
                    },
                })
            } else {
                PlatformOptions::none()
            },
        }
    }
}
