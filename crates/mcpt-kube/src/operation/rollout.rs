//! The part of an operation that changes the cluster: apply, prune, wait, speak.

use std::collections::BTreeSet;

use helm_install::{
    Expected, Object, Record,
    removal::{self, Claims, DeletionRequests, Limit},
};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Service};
use kube::{Resource, api::DynamicObject};
use kube_observe::{Observed, WaitFor, until_rolled_out};
use mcpt_core::{Failure, FailureKind, ProgressEvent};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Duration;

use super::Operation;
use crate::{
    backend::selector_of,
    change::Change,
    exchange::{self, Question},
    failure::OrFail as _,
    progress::AsProgress,
    release_kind::ReleaseKind,
    server::{DEFAULT_PATH, PATH_ANNOTATION},
    trouble::{not_rolled_out, reads_probe},
};

/// How long an autoscaler's controller may still write what it had found out, after the autoscaler is gone. After a conflict
/// newer ones read the workload anew and write the number that they had in mind.
const LAST_PASS: Duration = Duration::from_secs(2);

/// What runs now.
#[derive(Debug, Default)]
pub(super) struct RolledOut {
    /// The workload.
    pub(super) observed: Observed,
    /// Its Service.
    pub(super) service: Option<Service>,
    /// What the chart of somebody else makes beside it.
    others: Vec<Deployment>,
    /// Uids of all that was applied. Whatever it was called before, it is not what an earlier revision left.
    applied: BTreeSet<String>,
}

impl Operation<'_> {
    /// Brings the cluster to the new revision and waits until the server answers.
    pub(super) async fn roll_out(
        &self,
        change: &Change,
        record: &Record,
    ) -> Result<RolledOut, Failure> {
        // Old pods need some objects as long as they run, and are all there is when the new ones fail.
        let (later, first): (Vec<Object>, Vec<Object>) = change
            .gone
            .iter()
            .cloned()
            .partition(|object| pods_need(&object.kind));
        let (scalers, first): (Vec<Object>, Vec<Object>) =
            first.into_iter().partition(Object::is_autoscaler);
        let mut rolled_out = Box::pin(self.apply(change)).await?;
        self.end_autoscaling(change, &scalers, &mut rolled_out)
            .await?;
        self.prune(&first, &rolled_out).await?;
        if self.waits() {
            self.wait(record, change, &mut rolled_out).await?;
            while self.say_again(change, &mut rolled_out).await? {
                self.wait(record, change, &mut rolled_out).await?;
            }
            self.speak(change, &rolled_out).await?;
        }
        self.prune(&later, &rolled_out).await?;
        Ok(rolled_out)
    }

    /// Whether the pods are waited for.
    fn waits(&self) -> bool {
        self.conduct.wait || self.conduct.atomic
    }

    /// Applies objects in their order.
    async fn apply(&self, change: &Change) -> Result<RolledOut, Failure> {
        self.step(format!("applying {}", counted(change.objects.len())));
        let mut rolled_out = RolledOut::default();
        for (object, expected) in &change.objects {
            let raised = match change.least(object) {
                Some(least) => self.raised(object, least).await?,
                None => None,
            };
            let object = raised.as_ref().unwrap_or(object);
            let live = self.apply_one(object, *expected).await?;
            if self.conduct.wait && matches!(object.kind.as_str(), "StatefulSet" | "DaemonSet") {
                self.progress.event(ProgressEvent::Warning(format!(
                    "{} is not waited for",
                    object.label()
                )));
            }
            self.note(object, live, &mut rolled_out)?;
        }
        Ok(rolled_out)
    }

    /// Keeps what is waited for.
    fn note(
        &self,
        object: &Object,
        live: DynamicObject,
        rolled_out: &mut RolledOut,
    ) -> Result<(), Failure> {
        rolled_out.applied.extend(live.metadata.uid.clone());
        match object.kind.as_str() {
            "Deployment" if is_of(self.kind, &live) => {
                rolled_out.observed.deployment = Some(typed::<Deployment>(live, &self.what)?);
            }
            "Deployment" => {
                let others = &mut rolled_out.others;
                others.retain(|other| other.metadata.name != live.metadata.name);
                others.push(typed(live, &self.what)?);
            }
            "Service" if is_of(self.kind, &live) => {
                rolled_out.service = Some(typed::<Service>(live, &self.what)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Deletes autoscalers of earlier revisions. As long as one is there it may change the number of pods that was applied:
    /// that is said once more when it is gone, and again if its last pass comes later still.
    async fn end_autoscaling(
        &self,
        change: &Change,
        scalers: &[Object],
        rolled_out: &mut RolledOut,
    ) -> Result<(), Failure> {
        let asked = self.prune(scalers, rolled_out).await?;
        removal::gone(
            &self.applier,
            &asked.going,
            Limit {
                timeout: self.conduct.timeout,
                deadline: self.deadline,
            },
            &AsProgress(self.progress),
        )
        .await
        .or_fail(self.cluster, &self.what)?;
        let freed: Vec<_> = change.freed().collect();
        for (object, expected) in &freed {
            // Whatever it is now: who has read it to change it, and writes only after this, meets a conflict.
            let live = self.apply_one(object, *expected).await?;
            self.note(object, live, rolled_out)?;
        }
        if self.waits() {
            // It is looked at once more when the pods are ready.
            return Ok(());
        }
        for (object, _) in freed {
            let changed = self.applier.resized(object);
            if let Ok(changed) = tokio::time::timeout(LAST_PASS, changed).await {
                self.told(changed)?;
                self.say_again(change, rolled_out).await?;
            }
        }
        Ok(())
    }

    /// Says the number of pods again where an autoscaler that is gone has written another one in its last pass. True when that
    /// was so.
    async fn say_again(
        &self,
        change: &Change,
        rolled_out: &mut RolledOut,
    ) -> Result<bool, Failure> {
        let mut again = false;
        for (object, expected) in change.freed() {
            let live = self.replicas(object).await?;
            if live.is_some() && live != object.replicas() {
                let live = self.apply_one(object, *expected).await?;
                self.note(object, live, rolled_out)?;
                again = true;
            }
        }
        Ok(again)
    }

    /// The workload with the least number of pods, when it has fewer.
    async fn raised(&self, workload: &Object, least: i64) -> Result<Option<Object>, Failure> {
        let live = self.replicas(workload).await?;
        Ok((live.unwrap_or(0) < least).then(|| {
            let mut raised = workload.clone();
            raised.body["spec"]["replicas"] = least.into();
            raised
        }))
    }

    /// Applies one object. One that is being deleted takes the apply and vanishes all the same: then it is applied anew after
    /// its end.
    async fn apply_one(
        &self,
        object: &Object,
        expected: Expected,
    ) -> Result<DynamicObject, Failure> {
        let limit = Limit {
            timeout: self.conduct.timeout,
            deadline: self.deadline,
        };
        let waits = || {
            self.progress.event(ProgressEvent::Waiting(format!(
                "{} is being deleted: waiting until it is gone",
                object.label()
            )));
        };
        let applied = self.applier.apply_anew(object, expected, limit, waits);
        Box::pin(self.in_time(applied)).await
    }

    /// Asks for the deletion of objects that the new revision does not have any more.
    async fn prune(
        &self,
        gone: &[Object],
        rolled_out: &RolledOut,
    ) -> Result<DeletionRequests, Failure> {
        if gone.is_empty() {
            return Ok(DeletionRequests::default());
        }
        self.step(format!(
            "deleting {} of earlier revisions",
            counted(gone.len())
        ));
        let applied = &rolled_out.applied;
        self.told(removal::ask(&self.applier, gone, Claims::ByPolicy, applied).await)
    }

    /// Waits for the Deployment's rollout.
    async fn wait(
        &self,
        record: &Record,
        change: &Change,
        rolled_out: &mut RolledOut,
    ) -> Result<(), Failure> {
        let Some(deployment) = &rolled_out.observed.deployment else {
            return Ok(());
        };
        self.step("waiting for the pods".to_owned());
        for other in &rolled_out.others {
            self.wait_for(other, record, change).await?;
        }
        rolled_out.observed = self.wait_for(deployment, record, change).await?;
        Ok(())
    }

    async fn wait_for(
        &self,
        deployment: &Deployment,
        record: &Record,
        change: &Change,
    ) -> Result<Observed, Failure> {
        let wanted = WaitFor {
            deployment: deployment.metadata.name.clone().unwrap_or_default(),
            generation: deployment.metadata.generation.unwrap_or(0),
            selector: selector_of(deployment),
            since: record.made(),
            reads_probe,
        };
        let timeout = self.conduct.timeout;
        let progress = AsProgress(self.progress);
        match until_rolled_out(self.cluster, &wanted, self.deadline, &progress).await {
            Ok(observed) => Ok(observed),
            Err(error) => {
                let (what, secrets) = (&self.what, change.secrets());
                Err(not_rolled_out(self.cluster, error, what, timeout, &secrets).await)
            }
        }
    }

    /// Makes sure that what runs answers as it should.
    async fn speak(&self, change: &Change, rolled_out: &RolledOut) -> Result<(), Failure> {
        let observed = &rolled_out.observed;
        let Some(deployment) = observed
            .deployment
            .as_ref()
            .filter(|deployment| deployment.spec.replicas != Some(0))
            .filter(|_| !observed.current_pods().is_empty())
        else {
            return Ok(());
        };
        let annotated = deployment
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(PATH_ANNOTATION));
        if self.kind == ReleaseKind::Server && annotated.is_none() && change.is_third_party() {
            // Nobody said that it speaks MCP, and where.
            return Ok(());
        }
        let question = match self.kind {
            ReleaseKind::Server => {
                self.step("asking the server over MCP".to_owned());
                Question::Mcp(annotated.map_or_else(|| planned_path(change), String::as_str))
            }
            ReleaseKind::Gateway => {
                self.step("asking the gateway".to_owned());
                Question::Page("/readyz")
            }
        };
        exchange::speak(
            self.cluster,
            observed,
            &selector_of(deployment),
            question,
            &change.secrets(),
            &self.what,
            self.deadline,
        )
        .await
    }
}

/// Whether an object bears the mark of its kind of release. All objects of the built-in charts do, and of other charts those of
/// the server.
fn is_of(kind: ReleaseKind, live: &DynamicObject) -> bool {
    let labels = live.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(kind.label()))
}

/// Whether pods use objects of a kind while they run or start again.
fn pods_need(kind: &str) -> bool {
    matches!(
        kind,
        "ConfigMap" | "Secret" | "ServiceAccount" | "PersistentVolumeClaim" | "Service"
    )
}

/// `1 object`, `4 objects`.
pub(super) fn counted(number: usize) -> String {
    format!(
        "{number} {}",
        if number == 1 { "object" } else { "objects" }
    )
}

/// Path of the endpoint by the values.
fn planned_path(change: &Change) -> &str {
    let mcp = change.release.config.get("mcp");
    mcp.and_then(|mcp| mcp.get("path"))
        .and_then(Value::as_str)
        .unwrap_or(DEFAULT_PATH)
}

fn typed<K: Resource + DeserializeOwned>(object: DynamicObject, what: &str) -> Result<K, Failure> {
    object.try_parse().map_err(|error| {
        Failure::new(FailureKind::Failed, what)
            .because("the API server answered with an object of another shape")
            .caused_by(&error)
    })
}
