//! `mcpt restart NAME`: the instances of a server start anew, as they are configured.

use clap::Args;
use mcpt_core::{Capability, ServerName};

use crate::{
    args::Global, changed, ending::Ending, place, progress, runtime, user_config::UserConfig,
    waiting::Waiting,
};

/// Arguments of `mcpt restart`.
#[derive(Debug, Args)]
#[command(
    after_help = "New instances start beside the old ones, which end when the new ones answer; when those fail, the old ones go on. \
        Image, settings and secrets stay as they are, and so do the URL and the revision. A server that can only have one port ends first.

Examples:
  mcpt restart demo
  mcpt -b kubernetes restart demo --timeout 2m"
)]
pub(crate) struct Restart {
    /// Name of the server
    name: ServerName,
    #[command(flatten)]
    waiting: Waiting,
}

impl Restart {
    /// Restarts.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let server = runtime::run(async {
            let progress = progress::display(global);
            let what = format!("cannot restart {}", self.name);
            let needed = Capability::Restart;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            let options = self.waiting.options();
            Ok(backend
                .restart(&self.name, &options, progress.as_ref())
                .await?)
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        changed::show(global, &server)
    }
}
