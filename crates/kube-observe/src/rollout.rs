//! How far a Deployment's rollout is, and which replica set and pods are the new ones. Pure: from what was observed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

/// Annotation in which the Deployment controller numbers rollouts, on the Deployment and on its replica sets.
const ROLLOUT_ANNOTATION: &str = "deployment.kubernetes.io/revision";

/// What is known of one release's workload, by uid.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The Deployment.
    pub deployment: Option<Deployment>,
    /// Replica sets with the release's labels.
    pub replica_sets: BTreeMap<String, ReplicaSet>,
    /// Pods with the release's labels.
    pub pods: BTreeMap<String, Pod>,
    /// Warnings of the namespace.
    pub events: BTreeMap<String, Event>,
    /// When what is watched for was begun, by the API server's clock, if it is known. A refusal from before is no word about it: it
    /// is shown, and does not end a wait.
    pub since: Option<Timestamp>,
}

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    /// The controller has not seen the latest Deployment yet.
    Unseen,
    /// Not all wanted new pods are available, or old ones are still there.
    Progressing {
        /// Pods that should run.
        wanted: i32,
        /// Pods of the new template that are available.
        available: i32,
        /// Pods that have to end yet: those of older templates, or those above the wanted number.
        old: i32,
    },
    /// All wanted pods of the new template are available and no old one is left.
    Complete {
        /// Pods that run.
        wanted: i32,
    },
}

/// Reads a Deployment's status, by the rules of `kubectl rollout status`.
pub fn rollout(deployment: &Deployment) -> Rollout {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    if status.observed_generation < deployment.metadata.generation {
        return Rollout::Unseen;
    }
    let updated = status.updated_replicas.unwrap_or(0);
    let total = status.replicas.unwrap_or(0);
    // `availableReplicas` counts old pods too, so that it cannot exceed what is known to be new and available.
    let available = status
        .available_replicas
        .unwrap_or(0)
        .saturating_sub(total - updated)
        .clamp(0, updated.min(wanted).max(0));
    let old = (total - updated).max(updated - wanted).max(0);
    if updated >= wanted && old == 0 && status.available_replicas.unwrap_or(0) >= wanted {
        return Rollout::Complete { wanted };
    }
    Rollout::Progressing {
        wanted,
        available,
        old,
    }
}

impl Observed {
    /// The replica set of the Deployment's present template, once the controller has made it.
    pub fn current_replica_set(&self) -> Option<&ReplicaSet> {
        let deployment = self.deployment.as_ref()?;
        if rollout(deployment) == Rollout::Unseen {
            return None;
        }
        let number = annotation(&deployment.metadata, ROLLOUT_ANNOTATION)?;
        let uid = deployment.metadata.uid.as_deref()?;
        self.replica_sets.values().find(|set| {
            owned_by(&set.metadata, uid)
                && annotation(&set.metadata, ROLLOUT_ANNOTATION) == Some(number)
        })
    }

    /// Pods of the present template that are not being deleted, oldest first. Restarts and failures of older pods are
    /// thereby never mistaken for the new ones'.
    pub fn current_pods(&self) -> Vec<&Pod> {
        let Some(uid) = self
            .current_replica_set()
            .and_then(|set| set.metadata.uid.as_deref())
        else {
            return Vec::new();
        };
        let mut pods: Vec<_> = self
            .pods
            .values()
            .filter(|pod| owned_by(&pod.metadata, uid) && pod.metadata.deletion_timestamp.is_none())
            .collect();
        pods.sort_by_key(|pod| pod.metadata.name.clone());
        pods
    }

    /// Events about one object, oldest first.
    pub fn events_of(&self, uid: &str) -> Vec<&Event> {
        let mut events: Vec<_> = self
            .events
            .values()
            .filter(|e| e.involved_object.uid.as_deref() == Some(uid))
            .collect();
        events.sort_by_key(|event| last_seen(event));
        events
    }
}

/// When an event happened last; newer writers use `eventTime` and `series`, older ones `lastTimestamp`.
pub fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|s| s.last_observed_time.as_ref())
        .map(|t| t.0);
    let last = event.last_timestamp.as_ref().map(|t| t.0);
    let first = event.event_time.as_ref().map(|t| t.0);
    series.max(last).max(first)
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

/// Whether an object belongs to the one with this uid.
pub(crate) fn owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    let owners: &[OwnerReference] = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().any(|owner| owner.uid == uid)
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "json! literals read best as arguments"
)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(generation: i64, status: serde_json::Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "d", "uid": "d", "generation": generation,
                "annotations": {"deployment.kubernetes.io/revision": "2"}},
            "spec": {"replicas": 2, "selector": {}, "template": {}},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn stages() {
        for (status, expected) in [
            (json!({}), Rollout::Unseen),
            (
                json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
                Rollout::Unseen,
            ),
            (
                json!({"observedGeneration": 2}),
                Rollout::Progressing {
                    wanted: 2,
                    available: 0,
                    old: 0,
                },
            ),
            // Two old pods still serve while the new one starts.
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}),
                Rollout::Progressing {
                    wanted: 2,
                    available: 0,
                    old: 2,
                },
            ),
            (
                json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
                Rollout::Progressing {
                    wanted: 2,
                    available: 1,
                    old: 0,
                },
            ),
            // The new ones are available, the last old one is not gone yet.
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 3}),
                Rollout::Progressing {
                    wanted: 2,
                    available: 2,
                    old: 1,
                },
            ),
            // Scaled down from 5: three are still to go.
            (
                json!({"observedGeneration": 2, "replicas": 5, "updatedReplicas": 5, "availableReplicas": 5}),
                Rollout::Progressing {
                    wanted: 2,
                    available: 2,
                    old: 3,
                },
            ),
            (
                json!({"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
                Rollout::Complete { wanted: 2 },
            ),
        ] {
            assert_eq!(
                rollout(&deployment(2, status.clone())),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn zero_wanted_is_complete() {
        let mut none = deployment(2, json!({"observedGeneration": 2}));
        none.spec.replicas = Some(0);
        assert_eq!(rollout(&none), Rollout::Complete { wanted: 0 });
    }

    #[test]
    fn only_pods_of_the_present_template_count() {
        let set = |uid: &str, number: &str, owner: &str| -> (String, ReplicaSet) {
            let set = serde_json::from_value(json!({
                "metadata": {"name": uid, "uid": uid, "annotations": {"deployment.kubernetes.io/revision": number},
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": owner}]},
                "spec": {"selector": {}}
            }))
            .unwrap();
            (uid.to_owned(), set)
        };
        let pod = |uid: &str, owner: &str, deleted: bool| -> (String, Pod) {
            let mut pod = json!({
                "metadata": {"name": uid, "uid": uid,
                    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner}]}
            });
            if deleted {
                pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            (uid.to_owned(), serde_json::from_value(pod).unwrap())
        };
        let mut observed = Observed {
            deployment: Some(deployment(2, json!({"observedGeneration": 2}))),
            replica_sets: [
                set("old", "1", "d"),
                set("new", "2", "d"),
                set("other", "2", "x"),
            ]
            .into(),
            pods: [
                pod("a", "old", false),
                pod("b", "new", false),
                pod("c", "new", true),
                pod("d", "other", false),
            ]
            .into(),
            ..Observed::default()
        };
        let names = |o: &Observed| -> Vec<String> {
            o.current_pods()
                .iter()
                .map(|p| p.metadata.name.clone().unwrap())
                .collect()
        };
        assert_eq!(names(&observed), ["b"]);
        // Before the controller has seen the new template, its annotation still names the old replica set.
        observed.deployment = Some(deployment(3, json!({"observedGeneration": 2})));
        assert!(names(&observed).is_empty());
    }
}
