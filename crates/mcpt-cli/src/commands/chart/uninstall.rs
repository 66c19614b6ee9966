//! `mcpt chart uninstall RELEASE…`: the end of releases.

use clap::{Args, ValueEnum};
use helm_install::action::{ActionError, Cascade, Uninstall as Work};

use super::{
    failed, is_release_name,
    operation_flags::WaitFlags,
    session::{Teller, connect, refused},
};
use crate::{args::Global, ending::Ending, output};

/// Arguments of `mcpt chart uninstall`.
#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// The releases
    #[arg(required = true, value_name = "RELEASE")]
    releases: Vec<String>,
    /// Keep the records
    #[arg(long)]
    keep_history: bool,
    /// What becomes of what the objects own: background, foreground or orphan
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value = "background",
        hide_possible_values = true
    )]
    cascade: How,
    /// It is no failure when there is no such release
    #[arg(long)]
    ignore_not_found: bool,
    /// Change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    waits: WaitFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    Background,
    Foreground,
    Orphan,
}

impl From<How> for Cascade {
    fn from(how: How) -> Self {
        match how {
            How::Background => Self::Background,
            How::Foreground => Self::Foreground,
            How::Orphan => Self::Orphan,
        }
    }
}

impl Uninstall {
    /// Removes them, one after the other.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        for release in &self.releases {
            self.one(global, release)?;
        }
        Ok(())
    }

    fn one(&self, global: &Global, release: &str) -> Result<(), Ending> {
        if !is_release_name(release) {
            let what = format!("uninstall: Release name is invalid: {release}");
            return Err(failed(what).into());
        }
        let conduct = self.waits.conduct(global, false)?;
        let work = Work {
            keep_history: self.keep_history,
            cascade: self.cascade.into(),
        };
        let teller = Teller::new(global);
        let removed = teller.run(None, async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, release, &conduct);
            let removed = if self.dry_run {
                work.check(&action).await
            } else {
                Box::pin(work.run(&action)).await
            };
            match removed {
                Err(ActionError::NotFound | ActionError::NotLoaded(_)) if self.ignore_not_found => {
                    Ok(None)
                }
                Err(error) => Err(refused(&error)),
                Ok(removed) => Ok(Some(removed)),
            }
        })?;
        drop(teller);
        let info = removed.map_or(String::new(), |removed| removed.info);
        if !info.is_empty() {
            output::text(&format!("{info}\n"))?;
        }
        output::line(&format!("release \"{release}\" uninstalled"))
    }
}
