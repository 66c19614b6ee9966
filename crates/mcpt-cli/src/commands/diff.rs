//! `mcpt diff NAME`: what differs between two revisions of a server.

use clap::Args;
use mcpt_core::{Capability, Revision, ServerName};

use crate::{args::Global, compared, ending::Ending, place, runtime, user_config::UserConfig};

/// Arguments of `mcpt diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "What a deploy would change is shown by mcpt deploy --diff. Secrets are never shown, only whether they are the same.

Exit codes are those of kubectl diff: 0 no difference, 1 differences, above 1 it failed (2 where other commands exit with 1).

Examples:
  mcpt -b kubernetes diff demo        the last change
  mcpt -b kubernetes diff demo 3      what changed since revision 3
  mcpt -b kubernetes diff demo 2 3"
)]
pub(crate) struct Diff {
    /// Name of the server
    name: ServerName,
    /// Revision to compare with [default: the newest one before the other that ran]
    from: Option<u32>,
    /// The other revision [default: the last one]
    to: Option<u32>,
}

impl Diff {
    /// Shows it.
    pub(crate) fn run(&self, global: &Global) -> Result<(), Ending> {
        self.compare(global).map_err(Ending::above_one)
    }

    fn compare(&self, global: &Global) -> Result<(), Ending> {
        let config = UserConfig::load()?;
        let comparison = runtime::run(async {
            let what = format!("cannot compare revisions of {}", self.name);
            let needed = Capability::History;
            let backend =
                place::of_server_that_can(global, &config, &self.name, needed, what).await?;
            let [from, to] = [self.from, self.to].map(|number| number.map(Revision));
            Ok(backend.compare_revisions(&self.name, from, to).await?)
        })?;
        compared::show(global, &[(self.name.to_string(), comparison)])
    }
}
