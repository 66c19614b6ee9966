//! What helm's commands do with releases of any chart: install, upgrade, roll back, uninstall and test them, with their hooks.
//!
//! The results are those of Helm 4: the same objects, records and words. What is better than there: a release has one command at
//! a time, which is known by its heartbeat, and what a dead one left is taken over.

mod cancellation;
mod comparing;
mod conduct;
mod crds;
mod error;
mod hooks;
mod install;
mod live;
mod method;
mod performing;
mod post_renderer;
mod rendering;
mod rollback;
mod testing;
mod uninstall;
mod upgrade;

use helm_release::{Release, Status};
use kube::api::PropagationPolicy;
use kube_access::{Cluster, Progress};

pub use self::{
    cancellation::Cancellation,
    comparing::Changed,
    conduct::{Conduct, Wait},
    error::{ActionError, HookPoint},
    install::Install,
    live::Resources,
    method::Method,
    post_renderer::PostRenderer,
    rendering::{Rendering, Source, hidden_secrets},
    rollback::{LONGEST_DESCRIPTION, Rollback},
    testing::{Chosen, Tested},
    uninstall::{Cascade, Uninstall, Uninstalled},
    upgrade::{Reuse, Upgrade},
};
use crate::{Applier, Error, Record, Records, Tool, removal::Limit, takeover};

type Result<T, E = ActionError> = std::result::Result<T, E>;

/// Receiver of what a command tells while it works.
#[derive(Clone, Copy)]
pub struct Listener<'a> {
    /// Steps and what is waited for.
    pub progress: &'a dyn Progress,
    /// The logs of hooks that say so.
    pub logs: &'a (dyn Fn(&str) + Sync),
}

impl std::fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// Work on one release of the cluster's namespace.
#[derive(Debug, Clone)]
pub struct Action<'a> {
    cluster: &'a Cluster,
    records: Records,
    applier: Applier,
    name: &'a str,
    conduct: &'a Conduct,
    told: Listener<'a>,
    cancellation: Option<&'a Cancellation>,
}

impl<'a> Action<'a> {
    /// On the release of this name.
    pub fn new(
        cluster: &'a Cluster,
        tool: Tool,
        name: &'a str,
        conduct: &'a Conduct,
        told: Listener<'a>,
    ) -> Self {
        let applier = Applier::new(cluster.clone(), name.to_owned())
            .forced(conduct.force_conflicts)
            .owning_replicas()
            .with_dependents(PropagationPolicy::Background);
        Self {
            cluster,
            records: Records::new(cluster.clone(), tool, name),
            applier,
            name,
            conduct,
            told,
            cancellation: None,
        }
    }

    /// The records, the oldest first, on which nobody works.
    ///
    /// # Errors
    /// When another command does.
    async fn settled(&self) -> Result<Vec<Record>> {
        let settled = takeover::settled(self.cluster, &self.records, self.told.progress);
        Box::pin(settled).await.map_err(|error| match error {
            Error::Busy(_) => ActionError::Pending,
            other => other.into(),
        })
    }

    /// As [`Self::settled`], but a command of another program may have been interrupted, of which nothing tells: as with helm,
    /// what ends or undoes a release is not kept from it.
    async fn settled_or_foreign(&self) -> Result<Vec<Record>> {
        let settled = takeover::settled(self.cluster, &self.records, self.told.progress);
        match Box::pin(settled).await {
            Err(Error::Busy(record)) if record.heartbeat(self.records.tool()).is_none() => {
                Ok(self.records.all().await?)
            }
            Err(Error::Busy(_)) => Err(ActionError::Pending),
            other => Ok(other?),
        }
    }

    fn limit(&self) -> Limit {
        Limit::from_now(self.conduct.timeout)
    }

    fn step(&self, text: String) {
        self.told.progress.step(text);
    }
}

/// Whether a release was uninstalled, or there is none.
fn is_absent(history: &[Record]) -> bool {
    history
        .last()
        .is_none_or(|last| last.release.info.status == Status::Uninstalled)
}

/// What a release is called in helm's messages about what its revision came to.
fn failure_of(release: &Release, error: &ActionError) -> String {
    let operation = match release.info.status {
        Status::PendingUpgrade => "Upgrade",
        Status::PendingRollback => "Rollback",
        _ => "Release",
    };
    format!("{operation} {:?} failed: {error}", release.name)
}
