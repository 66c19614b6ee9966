//! `mcpt rollback NAME [REVISION]`: an earlier revision runs again.

use clap::Args;
use mcpt_core::{Capability, Revision, ServerName};

use crate::{
    args::Global, changed, ending::Ending, place, progress, runtime, user_config::UserConfig,
    waiting::Changing,
};

/// Arguments of `mcpt rollback`.
#[derive(Debug, Args)]
#[command(
    after_help = "What comes back is all of the revision together: image, settings, secrets, number of instances. It becomes a \
        new revision; nothing of the history is lost.

Examples:
  mcpt -b kubernetes history demo
  mcpt -b kubernetes rollback demo
  mcpt -b kubernetes rollback demo 3"
)]
pub(crate) struct Rollback {
    /// Name of the server
    name: ServerName,
    /// Revision to go back to [default: the newest one before the current one that ran]
    revision: Option<u32>,
    #[command(flatten)]
    changing: Changing,
}

impl Rollback {
    /// Rolls back.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let server = runtime::run(async {
            let progress = progress::display(global);
            let what = format!("cannot roll {} back", self.name);
            let needed = Capability::History;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            let to = self.revision.map(Revision);
            let options = self.changing.options();
            Ok(backend
                .rollback(&self.name, to, &options, progress.as_ref())
                .await?)
        })
        .map_err(|ending| ending.hint_when_interrupted("the same command again finishes it"))?;
        changed::show(global, &server)
    }
}
