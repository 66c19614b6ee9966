//! Running the hooks of an event: in their order, each after what an earlier run has left is gone, until each has done its work.

use helm_release::{Hook, HookEvent, HookExecution, HookPhase};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, LogParams},
};

use super::{Action, ActionError, Result};
use crate::{
    Expected, Object,
    manifest::{self, has_hook_mark},
    readiness::Until,
    removal, until_ready,
};

const BEFORE_CREATION: &str = "before-hook-creation";
const SUCCEEDED: &str = "hook-succeeded";
const FAILED: &str = "hook-failed";

/// What a run of hooks leaves to be tidied up.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Those that ended well, in the order in which they ran.
    succeeded: Vec<usize>,
    /// The one that did not.
    failed: Option<usize>,
}

impl Action<'_> {
    /// Runs the hooks of an event and tidies up.
    ///
    /// # Errors
    /// When one fails, or the cluster refuses one.
    pub(super) async fn run_hooks(&self, hooks: &mut [Hook], event: HookEvent) -> Result<()> {
        if self.conduct.no_hooks {
            return Ok(());
        }
        let (ran, left) = Box::pin(self.start_hooks(hooks, event)).await;
        let tidied = Box::pin(self.tidy_hooks(hooks, &left)).await;
        ran.and(tidied)
    }

    /// Runs the hooks of an event. What is to be tidied up afterwards is told also when one failed.
    pub(super) async fn start_hooks(
        &self,
        hooks: &mut [Hook],
        event: HookEvent,
    ) -> (Result<()>, Leftovers) {
        let mut order: Vec<usize> = (0..hooks.len())
            .filter(|at| hooks[*at].events.contains(&event))
            .collect();
        // Stable: hooks are in the order of their kinds already.
        order.sort_by(|a, b| {
            let key = |at: usize| (hooks[at].weight, &hooks[at].name);
            key(*a).cmp(&key(*b))
        });
        let mut left = Leftovers::default();
        for at in order {
            let hook = &mut hooks[at];
            if hook.delete_policies.is_empty() {
                hook.delete_policies = vec![BEFORE_CREATION.to_owned()];
            }
            self.step(format!("hook {} ({})", hook.path, hook.name));
            let now = || Some(Timestamp::now().to_string());
            hook.last_run = HookExecution {
                started_at: now(),
                completed_at: None,
                phase: HookPhase::Unknown,
            };
            let ran = self.run_one(hook).await;
            hook.last_run.completed_at = now();
            if let Err(error) = ran {
                hook.last_run.phase = HookPhase::Failed;
                self.log_by_policy(hook, FAILED).await;
                left.failed = Some(at);
                return (Err(error), left);
            }
            hook.last_run.phase = HookPhase::Succeeded;
            left.succeeded.push(at);
        }
        (Ok(()), left)
    }

    async fn run_one(&self, hook: &Hook) -> Result<()> {
        let objects = manifest::parse(&hook.manifest)?;
        self.delete_by_policy(hook, &objects, BEFORE_CREATION)
            .await?;
        let expected = Expected {
            ours: false,
            by_update: false,
        };
        for object in &objects {
            self.apply_one(object, expected).await?;
        }
        let (timeout, progress) = (self.conduct.timeout, self.told.progress);
        let ready = until_ready(&self.applier, &objects, Until::HookDone, timeout, progress);
        Ok(ready.await??)
    }

    /// Deletes hooks whose policies say so, the last first, and tells the logs of those that ended well.
    ///
    /// # Errors
    /// When one cannot be deleted.
    pub(super) async fn tidy_hooks(&self, hooks: &[Hook], left: &Leftovers) -> Result<()> {
        let failed = left.failed.map(|at| (at, FAILED));
        let succeeded = left.succeeded.iter().rev().map(|at| (*at, SUCCEEDED));
        for (at, how) in failed.into_iter().chain(succeeded) {
            let hook = &hooks[at];
            if how == SUCCEEDED && left.failed.is_none() {
                self.log_by_policy(hook, SUCCEEDED).await;
            }
            let objects = manifest::parse(&hook.manifest)?;
            self.delete_by_policy(hook, &objects, how).await?;
        }
        Ok(())
    }

    async fn delete_by_policy(&self, hook: &Hook, objects: &[Object], policy: &str) -> Result<()> {
        // With the definition of a kind all objects of it would go.
        let is_definition = hook.kind == "CustomResourceDefinition";
        if is_definition || !hook.delete_policies.iter().any(|p| p == policy) {
            return Ok(());
        }
        let mut going = Vec::new();
        for object in objects {
            let Some(live) = self.applier.live(object).await? else {
                continue;
            };
            if !has_hook_mark(&live) {
                let object = object.label();
                return Err(ActionError::NoHook { object });
            }
            if self.applier.delete(object, &live).await? {
                going.push((object.clone(), live));
            }
        }
        Ok(removal::gone(&self.applier, &going, self.limit(), self.told.progress).await?)
    }

    /// Tells the logs of a hook's containers, when its policy says so. That they cannot be had is no failure of the hook.
    async fn log_by_policy(&self, hook: &Hook, policy: &str) {
        if !hook.output_log_policies.iter().any(|p| p == policy) {
            return;
        }
        let params = match hook.kind.as_str() {
            "Job" => ListParams::default().labels(&format!("job-name={}", hook.name)),
            "Pod" => ListParams::default().fields(&format!("metadata.name={}", hook.name)),
            _ => return,
        };
        if let Err(error) = self.log_pods(hook, &params).await {
            let warning = format!("the logs of hook {} cannot be read: {error}", hook.name);
            self.told.progress.warning(warning);
        }
    }

    async fn log_pods(&self, hook: &Hook, params: &ListParams) -> Result<()> {
        let objects = manifest::parse(&hook.manifest)?;
        let named = objects.into_iter().find_map(|object| object.namespace);
        let namespace = named.unwrap_or_else(|| self.cluster.namespace.clone());
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), &namespace);
        let found = self.cluster.answer(pods.list(params)).await;
        let found = found.map_err(|error| ActionError::from(self.cluster.error(error)))?;
        for pod in found.items {
            let name = pod.metadata.name.clone().unwrap_or_default();
            for container in containers(&pod) {
                let text = self.log(&pods, &name, &container).await?;
                (self.told.logs)(&text);
            }
        }
        Ok(())
    }

    /// The log of a container.
    pub(super) async fn log(&self, pods: &Api<Pod>, pod: &str, container: &str) -> Result<String> {
        let params = LogParams {
            container: Some(container.to_owned()),
            ..LogParams::default()
        };
        let text = self.cluster.answer(pods.logs(pod, &params)).await;
        text.map_err(|error| self.cluster.error(error).into())
    }
}

/// The containers of a pod, those first that run before the others.
pub(super) fn containers(pod: &Pod) -> Vec<String> {
    let spec = pod.spec.iter();
    let all = spec.flat_map(|spec| {
        spec.init_containers
            .iter()
            .flatten()
            .chain(&spec.containers)
    });
    all.map(|container| container.name.clone()).collect()
}
