//! [`Install`]: a chart becomes a release.

use std::collections::BTreeMap;

use helm_release::{HookEvent, Info, Release, Status};
use helm_render::ReleaseOptions;
use jiff::Timestamp;

use super::{
    Action, ActionError, HookPoint, Method, Rendering, Result, Source, Uninstall,
    crds::definitions,
    performing::{Checked, INSTALL, Revision},
};
use crate::{
    Record,
    namespace::{self, Entered},
};

/// What a command that changes nothing says in its record.
pub(super) const DRY_RUN: &str = "Dry run complete";

/// Makes a release of a chart.
#[derive(Debug)]
pub struct Install<'a> {
    /// The chart and the values.
    pub source: &'a Source,
    /// Makes the namespace when it is not there.
    pub create_namespace: bool,
    /// Leaves the definitions in `crds/` out.
    pub skip_crds: bool,
    /// Takes the name of a release that was uninstalled with its history kept, or that failed.
    pub replace: bool,
}

impl Install<'_> {
    /// Installs it; the release as it is recorded in the end.
    ///
    /// # Errors
    /// When a release of that name is there, the chart cannot be rendered, an object is not the release's or is refused, a hook
    /// fails, or what is waited for is not ready in time.
    pub async fn run(&self, action: &Action<'_>) -> Result<Release> {
        let checked = Box::pin(self.prepared(action)).await?;
        let (cluster, tool) = (action.cluster, action.records.tool());
        let progress = action.told.progress;
        let entered = namespace::enter(cluster, tool, self.create_namespace, progress).await?;
        let outcome = Box::pin(action.perform(checked)).await;
        // The namespace stays, whatever comes of the release, as with helm.
        match &entered {
            Entered::Counted(seen) => namespace::settle(cluster, tool, Some(seen), progress).await,
            Entered::Marked => namespace::settle(cluster, tool, None, progress).await,
            Entered::Unmarked | Entered::Unknown(_) => {}
        }
        let broken = match outcome? {
            Ok(release) => return Ok(release),
            Err(broken) => broken,
        };
        if !action.conduct.rollback_on_failure || !broken.recorded {
            return Err(broken.error);
        }
        action.step("removing what was made".to_owned());
        let source = Box::new(broken.error);
        match Box::pin(Uninstall::default().run(&action.to_its_end())).await {
            Ok(_) => Err(ActionError::Undone {
                name: action.name.to_owned(),
                undone: "uninstalled",
                source,
            }),
            Err(also) => Err(ActionError::NotUndone {
                undoing: "uninstalling",
                command: "install",
                source,
                also: Box::new(also),
            }),
        }
    }

    /// All that comes before the record of the release.
    async fn prepared(&self, action: &Action<'_>) -> Result<Checked> {
        let history = action.settled().await.map_err(|error| match error {
            ActionError::Pending => ActionError::NameInUse,
            other => other,
        })?;
        let revision = self.revision_after(&history)?;
        let Source { chart, values, .. } = self.source;
        if !self.skip_crds {
            let files = definitions(chart, values)?;
            if !files.is_empty() {
                action.install_definitions(&files).await?;
            }
        }
        let options = options(action);
        let rendering = self.source.render(Some(action.cluster), &options).await?;
        warn(action, &rendering);
        let namespace = &action.cluster.namespace;
        let method = action.conduct.method;
        let release = self.record((action.name, namespace), &rendering, revision, method)?;
        let revision = Revision {
            release,
            labels: labels(BTreeMap::new(), &action.conduct.labels),
            history,
            over: None,
            done: done(action, "Install complete"),
            keeps: 0,
            hooks: [
                (HookEvent::PreInstall, HookPoint::Install("pre-install")),
                (HookEvent::PostInstall, HookPoint::Install("post-install")),
            ],
        };
        action.checked(revision, INSTALL).await
    }

    /// What it would make, without a cluster.
    ///
    /// # Errors
    /// When the chart cannot be rendered.
    pub async fn offline(
        &self,
        name: &str,
        namespace: &str,
        method: Method,
    ) -> Result<(Release, Rendering)> {
        let options = ReleaseOptions::install(name, namespace);
        let rendering = self.source.render(None, &options).await?;
        let record = self.record((name, namespace), &rendering, 1, method)?;
        Ok((dry(record), rendering))
    }

    /// What it would make on the cluster, with what the templates look up there and a look at what is there already.
    ///
    /// # Errors
    /// As [`Self::run`], as far as it comes.
    pub async fn check(&self, action: &Action<'_>) -> Result<(Release, Rendering)> {
        let options = options(action);
        let rendering = self.source.render(Some(action.cluster), &options).await?;
        warn(action, &rendering);
        let namespace = &action.cluster.namespace;
        let method = action.conduct.method;
        let release = self.record((action.name, namespace), &rendering, 1, method)?;
        let revision = Revision {
            release: release.clone(),
            labels: BTreeMap::new(),
            history: Vec::new(),
            over: None,
            done: String::new(),
            keeps: 0,
            hooks: [(HookEvent::PreInstall, HookPoint::Other); 2],
        };
        action.checked(revision, INSTALL).await?;
        Ok((dry(release), rendering))
    }

    /// The number of the new revision.
    fn revision_after(&self, history: &[Record]) -> Result<u32> {
        let Some(last) = history.last() else {
            return Ok(1);
        };
        let status = last.release.info.status;
        let is_free = matches!(status, Status::Uninstalled | Status::Failed);
        if self.replace && is_free {
            Ok(last.release.version + 1)
        } else {
            Err(ActionError::NameInUse)
        }
    }

    fn record(
        &self,
        (name, namespace): (&str, &str),
        rendering: &Rendering,
        version: u32,
        method: Method,
    ) -> Result<Release> {
        let now = Timestamp::now().to_string();
        Ok(Release {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            version,
            chart: Some(self.source.record()?),
            config: self.source.values.clone(),
            manifest: rendering.manifest.clone(),
            hooks: rendering.hooks.clone(),
            apply_method: method.recorded(None),
            info: Info {
                first_deployed: now.clone(),
                last_deployed: now,
                description: "Initial install underway".to_owned(),
                status: Status::PendingInstall,
                notes: rendering.notes.clone(),
                ..Info::default()
            },
            ..Release::default()
        })
    }
}

/// Helm tells templates of an installation that it is the first revision, also when it replaces another one.
fn options(action: &Action<'_>) -> ReleaseOptions {
    ReleaseOptions::install(action.name, action.cluster.namespace.clone())
}

/// Tells what helm logs of a rendering.
pub(super) fn warn(action: &Action<'_>, rendering: &Rendering) {
    for warning in &rendering.warnings {
        action.told.progress.warning(warning.clone());
    }
}

/// A release that is not made.
pub(super) fn dry(mut release: Release) -> Release {
    DRY_RUN.clone_into(&mut release.info.description);
    release
}

/// The labels of a record, from those of the record before and the wanted ones.
pub(super) fn labels(
    mut before: BTreeMap<String, String>,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    before.extend(wanted.clone());
    before.retain(|_, value| value != "null");
    before
}

/// What the record says in the end.
pub(super) fn done(action: &Action<'_>, usual: &str) -> String {
    let own = action.conduct.description.clone();
    own.unwrap_or_else(|| usual.to_owned())
}
