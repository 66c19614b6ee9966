//! `mcpt chart upgrade RELEASE CHART`: another chart, or other values, over a release.

use clap::Args;
use helm_install::action::{Conduct, Install as Installation, Reuse, Upgrade as Work};
use helm_release::Release;

use super::{
    failed,
    flags::HistoryFlag,
    install::{RevisionFlags, install, prefixed},
    is_release_name,
    operation_flags::DryRun,
    printed::{self, Extra, manifest},
    session::{Teller, connect, refused, refused_as},
};
use crate::{
    args::{Format, Global},
    ending::Ending,
    output, runtime,
};

/// What helm says before errors.
const FAILED: &str = "UPGRADE FAILED: ";

/// Arguments of `mcpt chart upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// The release
    release: String,
    #[arg(help = "A folder, an archive, repository/chart or oci://host/path/chart")]
    chart: String,
    /// Install it when there is no such release
    #[arg(short, long)]
    install: bool,
    #[command(flatten)]
    reuse: ReuseFlags,
    /// When it fails, delete what it made
    #[arg(long)]
    cleanup_on_fail: bool,
    #[command(flatten)]
    history: HistoryFlag,
    #[command(flatten)]
    of_both: RevisionFlags,
}

impl Upgrade {
    /// Upgrades it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        let flags = &self.of_both;
        if self.install
            && let Some(replace) = self.to_be_installed(global)?
        {
            if matches!(global.output, Format::Table | Format::Wide) {
                // At once, as helm does: it stands there also when the installation fails.
                let told = format!(
                    "Release {:?} does not exist. Installing it now.",
                    self.release
                );
                output::line(&told)?;
            }
            let source = flags.source.source(&self.chart)?;
            let work = Installation {
                source: &source,
                create_namespace: flags.create_namespace,
                skip_crds: flags.skip_crds,
                replace,
            };
            // Of an installation by an upgrade helm tells the error alone.
            return install(global, flags, &work, &self.release, "");
        }
        let conduct = Conduct {
            cleanup_on_fail: self.cleanup_on_fail,
            max_history: self.history.most(),
            ..flags.conduct(global)?
        };
        let dry_run = flags.dry_run(global)?;
        let hides = flags
            .hides_secrets(dry_run)
            .map_err(|failure| prefixed(FAILED, failure.into()))?;
        let source = flags.source.source(&self.chart)?;
        if !is_release_name(&self.release) {
            let what = format!("{FAILED}release name is invalid: {}", self.release);
            return Err(failed(what).into());
        }
        let work = Work {
            source: &source,
            reuse: self.reuse.meant(),
        };
        let failed = refused_as(FAILED);
        let teller = Teller::new(global);
        let cancelled = Some(self.release.as_str());
        let (mut release, shown): (Release, Option<String>) = teller.run(cancelled, async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, &self.release, &conduct);
            // What it lies over is on the cluster, which is asked in any case.
            if dry_run != DryRun::No {
                let made = work.check(&action).await.map_err(&failed)?;
                return Ok((made.0, Some(manifest(&made.1, hides))));
            }
            let made = Box::pin(work.run(&action)).await.map_err(&failed)?;
            Ok((made, None))
        })?;
        drop(teller);
        if let (true, Some(hidden)) = (hides, &shown) {
            // In every format.
            release.manifest.clone_from(hidden);
        }
        let before = format!(
            "Release {:?} has been upgraded. Happy Helming!\n",
            self.release
        );
        let extra = Extra {
            hide_notes: flags.hide_notes,
            manifest: shown.as_deref(),
            before: &before,
            ..Extra::default()
        };
        printed::release(global, &release, extra)
    }

    /// Whether it is to be installed, and in place of a release that was uninstalled.
    fn to_be_installed(&self, global: &Global) -> Result<Option<bool>, Ending> {
        if !is_release_name(&self.release) {
            let what = format!("release name is invalid: {}", self.release);
            return Err(failed(what).into());
        }
        let conduct = Conduct::default();
        let teller = Teller::new(global);
        runtime::run(async {
            let cluster = connect(global).await?;
            let action = teller.action(&cluster, &self.release, &conduct);
            let there = action.is_to_be_installed().await;
            there.map_err(|error| refused(&error))
        })
    }
}

/// What becomes of the values of the release before.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ReuseFlags {
    /// Forget the values of the release
    #[arg(long)]
    reset_values: bool,
    /// Lay the given values over those of the release
    #[arg(long)]
    reuse_values: bool,
    /// The same, over the values of the new chart
    #[arg(long)]
    reset_then_reuse_values: bool,
}

impl ReuseFlags {
    pub(super) fn meant(self) -> Reuse {
        if self.reset_values {
            Reuse::Reset
        } else if self.reuse_values {
            Reuse::All
        } else if self.reset_then_reuse_values {
            Reuse::OverTheNewChart
        } else {
            Reuse::WhenNoneAreGiven
        }
    }
}
