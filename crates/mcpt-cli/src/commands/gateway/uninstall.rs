//! `mcpt gateway uninstall`: the end of the gateway in a cluster.

use std::time::Duration;

use clap::Args;
use mcpt_core::DeleteOptions;
use mcpt_kube::GATEWAY;
use serde_json::json;

use super::{cluster, on_kubernetes};
use crate::{
    args::{Format, Global},
    duration,
    ending::Ending,
    output, progress, runtime,
    user_config::UserConfig,
};

/// Arguments of `mcpt gateway uninstall`.
#[derive(Debug, Args)]
pub(super) struct Uninstall {
    /// Also its namespace, if nothing else is in it
    #[arg(
        long = "delete-namespace",
        conflicts_with = "no_wait",
        id = "delete_namespace"
    )]
    and_namespace: bool,
    /// Return once the deletion has begun
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for its end
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    timeout: Duration,
}

impl Uninstall {
    /// Removes everything of it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        on_kubernetes(global, &config, "uninstall")?;
        let options = DeleteOptions {
            wait: (!self.no_wait).then_some(self.timeout),
            purge_data: false,
            delete_namespace: self.and_namespace,
        };
        runtime::run(async {
            let progress = progress::display(global);
            let cluster = cluster(global, &config).await?;
            Ok(cluster
                .uninstall_gateway(&options, progress.as_ref())
                .await?)
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        let done = json!({ "name": GATEWAY, "deleted": !self.no_wait });
        match global.output {
            Format::Json => output::json(&done),
            Format::Yaml => output::yaml(&done),
            Format::Name => output::line(GATEWAY),
            Format::Table | Format::Wide if self.no_wait => {
                output::line(&format!("{GATEWAY} is being deleted"))
            }
            Format::Table | Format::Wide => output::line(&format!("{GATEWAY} deleted")),
        }
    }
}
