//! `mcpt chart rollback RELEASE [REVISION]`: an earlier revision again, as a new one.

use clap::Args;
use helm_install::action::{Conduct, LONGEST_DESCRIPTION, Rollback as Work};

use super::{
    failed,
    flags::HistoryFlag,
    is_release_name,
    operation_flags::{DryRun, DryRunFlag, ForceFlags, JobsFlag, WaitFlags},
    session::{Teller, connect, refused},
};
use crate::{args::Global, ending::Ending, output};

/// Arguments of `mcpt chart rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The release
    release: String,
    /// The revision [default: the one before the last]
    #[arg(allow_hyphen_values = true)]
    revision: Option<String>,
    /// When it fails, delete what it made
    #[arg(long)]
    cleanup_on_fail: bool,
    #[command(flatten)]
    history: HistoryFlag,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    waits: WaitFlags,
    #[command(flatten)]
    jobs: JobsFlag,
    #[command(flatten)]
    force: ForceFlags,
}

impl Rollback {
    /// Goes back.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let to = match self.revision.as_deref() {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                failed(format!(
                    "could not convert revision to a number: strconv.Atoi: parsing {text:?}: invalid syntax"
                ))
            })?,
        };
        let conduct = self.force.over(Conduct {
            cleanup_on_fail: self.cleanup_on_fail,
            max_history: self.history.most(),
            ..self.waits.conduct(global, self.jobs.waits())?
        })?;
        let length = conduct.description.as_deref().unwrap_or_default();
        let length = length.chars().count();
        if length > LONGEST_DESCRIPTION {
            let what = format!(
                "description must be {LONGEST_DESCRIPTION} characters or less, got {length}"
            );
            return Err(failed(what).into());
        }
        let dry_run = self.dry_run.meant(global)?;
        if !is_release_name(&self.release) {
            let what = format!("prepareRollback: Release name is invalid: {}", self.release);
            return Err(failed(what).into());
        }
        let work = Work {
            to,
            describes: true,
        };
        let teller = Teller::new(global);
        teller.run(None, async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, &self.release, &conduct);
            let done = if dry_run == DryRun::No {
                Box::pin(work.run(&action)).await
            } else {
                work.check(&action).await
            };
            done.map_err(|error| refused(&error))
        })?;
        drop(teller);
        output::line("Rollback was a success! Happy Helming!")
    }
}
