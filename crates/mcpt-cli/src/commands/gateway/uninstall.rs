//! `mcpt gateway uninstall`: the end of the installed gateway.

use clap::Args;
use mcpt_kube::GATEWAY;
use serde_json::json;

use super::{Installed, cluster, here, installed};
use crate::{
    args::{Format, Global},
    deletion::Deletion,
    ending::Ending,
    output, progress, runtime,
    user_config::UserConfig,
};

/// Arguments of `mcpt gateway uninstall`.
#[derive(Debug, Args)]
pub(super) struct Uninstall {
    #[command(flatten)]
    deletion: Deletion,
}

impl Uninstall {
    /// Removes everything of it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let installed = installed(global, &config)?;
        let options = self.deletion.options(false);
        runtime::run(async {
            let place = match &installed {
                Installed::Cluster(place) => place,
                Installed::Here(local) => {
                    return Ok(here::uninstall(global, local, &options).await?);
                }
            };
            let progress = progress::display(global);
            let cluster = cluster(place).await?;
            let removed = cluster.uninstall_gateway(&options, progress.as_ref());
            removed.await?;
            Ok(())
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        let done = json!({ "name": GATEWAY, "deleted": !self.deletion.no_wait });
        match global.output {
            Format::Json => output::json(&done),
            Format::Yaml => output::yaml(&done),
            Format::Name => output::line(GATEWAY),
            Format::Table | Format::Wide if self.deletion.no_wait => {
                output::line(&format!("{GATEWAY} is being deleted"))
            }
            Format::Table | Format::Wide => output::line(&format!("{GATEWAY} deleted")),
        }
    }
}
