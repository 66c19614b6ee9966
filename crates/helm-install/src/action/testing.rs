//! The tests of a release: its hooks of the event `test`.

use std::fmt::Write as _;

use helm_release::{Hook, HookEvent, Release};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::{
    Action, ActionError, Result,
    hooks::{Leftovers, containers},
};
use crate::Work;

/// Which tests run.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// Only these, unless there are none.
    pub only: Vec<String>,
    /// Not these.
    pub except: Vec<String>,
}

impl Chosen {
    fn has(&self, hook: &Hook) -> bool {
        let named = self.only.is_empty() || self.only.contains(&hook.name);
        named && !self.except.contains(&hook.name)
    }
}

/// What came of the tests.
#[derive(Debug)]
pub struct Tested {
    /// The release, with how its tests ended.
    pub release: Release,
    /// Why they failed.
    pub outcome: Result<()>,
    /// How many of its hooks were left out; those stand first.
    skipped: usize,
    left: Leftovers,
}

impl Tested {
    fn hooks(&self) -> &[Hook] {
        self.release.hooks.get(self.skipped..).unwrap_or_default()
    }
}

impl Action<'_> {
    /// Runs the tests, and records how they ended. What a dead command left is taken over first.
    ///
    /// # Errors
    /// When there is no such release, or another command works on it.
    pub async fn test(&self, chosen: &Chosen) -> Result<Tested> {
        let history = self.settled_or_foreign().await?;
        let last = history.last().ok_or(ActionError::NotFound)?;
        let mut release = last.release.clone();
        let (mut hooks, mut skipped): (Vec<Hook>, Vec<Hook>) =
            release.hooks.drain(..).partition(|hook| chosen.has(hook));
        let (outcome, left) = self.start_hooks(&mut hooks, HookEvent::Test).await;
        let count = skipped.len();
        skipped.append(&mut hooks);
        release.hooks = skipped;
        let (records, version) = (&self.records, last.resource_version());
        let recorded = records.replace(last, release.clone(), Work::Done, version);
        if recorded.await?.is_none() {
            let changed =
                "another command changed the release: how the tests ended is not recorded";
            self.told.progress.warning(changed.to_owned());
        }
        Ok(Tested {
            release,
            outcome,
            skipped: count,
            left,
        })
    }

    /// The logs of the tests that are pods, and what of them could not be read.
    pub async fn logs_of_tests(&self, tested: &Tested) -> (String, Vec<ActionError>) {
        let (mut text, mut errors) = (String::new(), Vec::new());
        let pods: Api<Pod> = self.cluster.api();
        let tests = helm_release::hooks_for(tested.hooks(), HookEvent::Test);
        for hook in tests.into_iter().filter(|hook| hook.kind == "Pod") {
            let pod = self.cluster.answer(pods.get(&hook.name)).await;
            let pod = match pod {
                Ok(pod) => pod,
                Err(error) => {
                    errors.push(self.cluster.error(error).into());
                    break;
                }
            };
            for container in containers(&pod) {
                match self.log(&pods, &hook.name, &container).await {
                    Ok(log) => {
                        // Writing to a string cannot fail.
                        let _ = writeln!(text, "POD LOGS: {} ({container})\n{log}", hook.name);
                    }
                    Err(error) => errors.push(error),
                }
            }
        }
        (text, errors)
    }

    /// Deletes what the tests' policies say.
    ///
    /// # Errors
    /// When something cannot be deleted.
    pub async fn tidy_tests(&self, tested: &Tested) -> Result<()> {
        self.tidy_hooks(tested.hooks(), &tested.left).await
    }
}
