//! [`Upgrade`]: another chart, or other values, over a release.

use helm_chart::{Values, coalesce_maps, coalesce_values};
use helm_release::{ChartRecord, HookEvent, Info, Release, Status, as_helm_reads};
use helm_render::ReleaseOptions;
use jiff::Timestamp;

use super::{
    Action, ActionError, HookPoint, Rendering, Result, Rollback, Source,
    install::{DRY_RUN, done, labels, warn},
    is_absent,
    performing::{Checked, Revision, UPDATE, current, last_success},
};
use crate::{Record, custom_labels};

/// What becomes of the values of the release before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reuse {
    /// They are taken as they are when the user gives none.
    #[default]
    WhenNoneAreGiven,
    /// They are forgotten.
    Reset,
    /// The user's lie over them, and all lie over the old chart's.
    All,
    /// The user's lie over them, and all lie over the new chart's.
    OverTheNewChart,
}

/// Makes a new revision of a release.
#[derive(Debug)]
pub struct Upgrade<'a> {
    /// The chart and the values.
    pub source: &'a Source,
    /// What becomes of the values of the release before.
    pub reuse: Reuse,
}

impl Upgrade<'_> {
    /// Upgrades it; the release as it is recorded in the end.
    ///
    /// # Errors
    /// As [`Install::run`](super::Install::run), and when there is nothing to upgrade.
    pub async fn run(&self, action: &Action<'_>) -> Result<Release> {
        let checked = Box::pin(self.prepared(action)).await?;
        let broken = match Box::pin(action.perform(checked)).await? {
            Ok(release) => return Ok(release),
            Err(broken) => broken,
        };
        if !action.conduct.rollback_on_failure || !broken.recorded {
            return Err(broken.error);
        }
        let history = action.records.all().await?;
        let source = Box::new(broken.error);
        let Some(back) = last_success(&history) else {
            return Err(ActionError::NothingToRollBackTo(source));
        };
        let to = back.release.version;
        action.step(format!("going back to revision {to}"));
        let rollback = Rollback {
            to: i64::from(to),
            describes: false,
        };
        match Box::pin(rollback.run(&action.to_its_end())).await {
            Ok(()) => Err(ActionError::Undone {
                name: action.name.to_owned(),
                undone: "rolled back",
                source,
            }),
            Err(also) => Err(ActionError::NotUndone {
                undoing: "rolling back",
                command: "upgrade",
                source,
                also: Box::new(also),
            }),
        }
    }

    /// All that comes before the record of the new revision.
    async fn prepared(&self, action: &Action<'_>) -> Result<Checked> {
        let history = action.settled().await?;
        let (revision, rendering) = self.revision(action, history).await?;
        warn(action, &rendering);
        action.checked(revision, UPDATE).await
    }

    /// What it would make on the cluster.
    ///
    /// # Errors
    /// As [`Self::run`], as far as it comes.
    pub async fn check(&self, action: &Action<'_>) -> Result<(Release, Rendering)> {
        let history = action.records.all().await?;
        let (revision, rendering) = self.revision(action, history).await?;
        warn(action, &rendering);
        let mut release = revision.release.clone();
        action.checked(revision, UPDATE).await?;
        release.info.description = done(action, DRY_RUN);
        Ok((release, rendering))
    }

    pub(super) async fn revision(
        &self,
        action: &Action<'_>,
        history: Vec<Record>,
    ) -> Result<(Revision, Rendering)> {
        let current = &current(action.name, &history)?.release;
        let last = history.last().map_or(0, |last| last.release.version);
        let source = self.over(current)?;
        let version = last + 1;
        let options = ReleaseOptions {
            name: action.name.to_owned(),
            namespace: current.namespace.clone(),
            revision: version.into(),
            is_upgrade: true,
        };
        let rendering = source.render(Some(action.cluster), &options).await?;
        let before = history.last().map(|last| &last.release);
        let release = Release {
            name: action.name.to_owned(),
            namespace: current.namespace.clone(),
            version,
            chart: Some(source.record()?),
            manifest: rendering.manifest.clone(),
            hooks: rendering.hooks.clone(),
            apply_method: action.conduct.method.recorded(before),
            info: Info {
                first_deployed: current.info.first_deployed.clone(),
                last_deployed: Timestamp::now().to_string(),
                description: "Preparing upgrade".to_owned(),
                status: Status::PendingUpgrade,
                notes: rendering.notes.clone(),
                ..Info::default()
            },
            config: source.values,
            ..Release::default()
        };
        action.refuse_both(&release)?;
        let over = Some(current.version);
        let before = history.last().map(|last| custom_labels(&last.metadata));
        let revision = Revision {
            release,
            labels: labels(before.unwrap_or_default(), &action.conduct.labels),
            history,
            over,
            done: done(action, "Upgrade complete"),
            keeps: action.conduct.max_history,
            hooks: [
                (HookEvent::PreUpgrade, HookPoint::Upgrade("pre-upgrade")),
                (HookEvent::PostUpgrade, HookPoint::Upgrade("post-upgrade")),
            ],
        };
        Ok((revision, rendering))
    }

    /// The chart and the values that are meant over a release.
    fn over(&self, current: &Release) -> Result<Source> {
        let mut source = self.source.clone();
        let old: Values = as_helm_reads(&current.config);
        match self.reuse {
            Reuse::Reset => {}
            Reuse::All => {
                let chart = current.chart.as_ref().map(ChartRecord::to_chart);
                let before = coalesce_values(&chart.unwrap_or_default(), &old)?;
                source.chart.values = before.values;
                source.values = coalesce_maps(&source.values, &old);
            }
            Reuse::OverTheNewChart => source.values = coalesce_maps(&source.values, &old),
            Reuse::WhenNoneAreGiven if source.values.is_empty() => source.values = old,
            Reuse::WhenNoneAreGiven => {}
        }
        Ok(source)
    }
}

impl Action<'_> {
    /// Whether there is no release of that name, or one that was uninstalled with its history kept: then an upgrade may install.
    ///
    /// # Errors
    /// When its records cannot be read.
    pub async fn is_to_be_installed(&self) -> Result<Option<bool>> {
        let history = self.records.all().await?;
        Ok(is_absent(&history).then_some(!history.is_empty()))
    }
}
