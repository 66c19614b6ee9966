//! Which events are a workload's: the objects of its manifests, and what controllers make of them, by the names that they give. Pure.
//!
//! Names, since an event may be about what is gone by now: pods have theirs from their controllers, of any chart. Only the
//! replica sets of its Deployments are told by their owners.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::core::ObjectMeta;
use serde_json::Value;

use crate::rollout::last_seen;

/// Random letters at the end of a generated name.
const RANDOM: usize = 5;

/// Bytes of a generated name before these; longer ones are cut.
const GENERATED: usize = 63 - RANDOM;

/// Kinds whose pods have generated names.
const GENERATING: [&str; 3] = ["ReplicaSet", "DaemonSet", "Job"];

/// Kind and name.
pub type Subject = (String, String);

/// The objects of a workload, as events name them.
#[derive(Debug, Default)]
pub struct Subjects {
    /// What its manifests have and had, hooks included.
    named: BTreeSet<Subject>,
    /// Replica sets of its Deployments.
    sets: BTreeSet<String>,
    /// Claims that its stateful sets make for each pod, as their names begin: `data-web-`.
    claims: BTreeSet<String>,
    /// Volumes of its pods for which each pod has a claim of its own.
    ephemeral: BTreeSet<String>,
    /// Older events are about an earlier one of the same name.
    since: Option<Timestamp>,
}

impl Subjects {
    /// Of these objects, as their manifests have them, and a Deployment that no manifest may have, in a namespace with these replica
    /// sets. What happened before `since` is not theirs.
    pub fn new(
        objects: &[Value],
        deployment: Option<&str>,
        sets: &[ObjectMeta],
        since: Option<Timestamp>,
    ) -> Self {
        let mut subjects = Self {
            since,
            ..Self::default()
        };
        for object in objects {
            subjects.name(object);
        }
        let named = deployment.map(|name| ("Deployment".to_owned(), name.to_owned()));
        subjects.named.extend(named);
        let owned = sets.iter().filter(|set| {
            let owners = set.owner_references.iter().flatten();
            let mut owners = owners.filter(|owner| owner.kind == "Deployment");
            owners.any(|owner| subjects.has_named("Deployment", &owner.name))
        });
        subjects.sets = owned.filter_map(|set| set.name.clone()).collect();
        subjects
    }

    fn name(&mut self, object: &Value) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (Some(kind), Some(name)) = (text("/kind"), text("/metadata/name")) else {
            return;
        };
        let list = |pointer: &str| {
            let list = object.pointer(pointer).and_then(Value::as_array);
            list.map(Vec::as_slice).unwrap_or_default()
        };
        let ephemeral = list("/spec/template/spec/volumes").iter();
        let ephemeral = ephemeral.filter(|volume| volume.get("ephemeral").is_some());
        let ephemeral = ephemeral.filter_map(|volume| volume["name"].as_str());
        self.ephemeral.extend(ephemeral.map(str::to_owned));
        if kind == "StatefulSet" {
            let claims = list("/spec/volumeClaimTemplates").iter();
            let claims = claims.filter_map(|claim| claim["metadata"]["name"].as_str());
            self.claims
                .extend(claims.map(|claim| format!("{claim}-{name}-")));
        }
        self.named.insert((kind.to_owned(), name.to_owned()));
    }

    /// Takes what came since.
    pub(crate) fn extend(&mut self, now: Self) {
        self.named.extend(now.named);
        self.sets.extend(now.sets);
        self.claims.extend(now.claims);
        self.ephemeral.extend(now.ephemeral);
    }

    /// Whether an event is about one of them.
    pub fn has(&self, event: &Event) -> bool {
        let object = &event.involved_object;
        let (Some(kind), Some(name)) = (&object.kind, &object.name) else {
            return false;
        };
        if last_seen(event) < self.since {
            return false;
        }
        self.has_named(kind, name)
            || match kind.as_str() {
                "ReplicaSet" => self.sets.contains(name),
                "Pod" => self.has_pod(name),
                "Job" => self.is_of_cron_job(name),
                "PersistentVolumeClaim" => self.has_claim(name),
                _ => false,
            }
    }

    /// What an event that is not theirs is about, when that may have come to the release since it was read. All pods of a
    /// controller are one.
    pub(crate) fn unknown(&self, event: &Event) -> Option<Subject> {
        if self.has(event) || last_seen(event) < self.since {
            return None;
        }
        let object = &event.involved_object;
        let (kind, name) = (object.kind.clone()?, object.name.as_deref()?);
        let controller = name.rsplit_once('-').filter(|_| kind == "Pod");
        let name = controller.map_or(name, |(controller, _)| controller);
        Some((kind, name.to_owned()))
    }

    fn has_named(&self, kind: &str, name: &str) -> bool {
        self.named.contains(&(kind.to_owned(), name.to_owned()))
    }

    fn has_pod(&self, pod: &str) -> bool {
        let generating = self.named.iter();
        let generating = generating.filter(|(kind, _)| GENERATING.contains(&kind.as_str()));
        let mut generating = self.sets.iter().chain(generating.map(|(_, name)| name));
        if generating.any(|controller| is_generated(pod, controller)) {
            return true;
        }
        pod.rsplit_once('-').is_some_and(|(controller, end)| {
            (is_number(end) && self.has_named("StatefulSet", controller))
                || (end.len() == RANDOM && self.is_of_cron_job(controller))
        })
    }

    /// Jobs of a `CronJob` are named by their time.
    fn is_of_cron_job(&self, job: &str) -> bool {
        let parts = job.rsplit_once('-');
        parts.is_some_and(|(cron, time)| is_number(time) && self.has_named("CronJob", cron))
    }

    fn has_claim(&self, claim: &str) -> bool {
        let mut begins = self.claims.iter();
        let numbered = |begin: &String| claim.strip_prefix(begin.as_str()).is_some_and(is_number);
        let mut volumes = self.ephemeral.iter();
        begins.any(numbered)
            || volumes.any(|volume| {
                let pod = claim.strip_suffix(volume.as_str());
                pod.and_then(|pod| pod.strip_suffix('-'))
                    .is_some_and(|pod| self.has_pod(pod))
            })
    }
}

/// Whether a pod's name was generated from its controller's.
fn is_generated(pod: &str, controller: &str) -> bool {
    let mut base = format!("{controller}-");
    // Names in Kubernetes are ASCII.
    base.truncate(GENERATED);
    pod.strip_prefix(&base)
        .is_some_and(|end| end.len() == RANDOM && end.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TIME: &str = "2026-01-01T00:00:05Z";

    /// Of a chart whose objects bear none of our labels, and none but one the release's name.
    fn objects() -> Vec<Value> {
        let object = |kind: &str, name: &str, spec: Value| json!({"kind": kind, "metadata": {"name": name}, "spec": spec});
        let volumes =
            json!([{"name": "scratch", "ephemeral": {}}, {"name": "tmp", "emptyDir": {}}]);
        vec![
            object(
                "Deployment",
                "web",
                json!({"template": {"spec": {"volumes": volumes}}}),
            ),
            object(
                "StatefulSet",
                "store",
                json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}),
            ),
            object("DaemonSet", "agent", json!({})),
            object("Job", "once", json!({})),
            object("CronJob", "nightly", json!({})),
            object("PersistentVolumeClaim", "shared", json!({})),
            object("Service", "rel", json!({})),
        ]
    }

    fn event(kind: &str, name: &str, time: &str) -> Event {
        serde_json::from_value(json!({
            "metadata": {}, "involvedObject": {"kind": kind, "name": name}, "lastTimestamp": time,
        }))
        .unwrap()
    }

    fn set(name: &str, deployment: &str) -> ObjectMeta {
        serde_json::from_value(json!({
            "name": name,
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": "u"}],
        }))
        .unwrap()
    }

    fn subjects() -> Subjects {
        let long = "l".repeat(60);
        let sets = [
            set("web-7d9f8b6c5d", "web"),
            set("rel-7d9f8b6c5d", "rel"),
            set(&long, "web"),
        ];
        Subjects::new(&objects(), None, &sets, "2026-01-01T00:00:00Z".parse().ok())
    }

    #[test]
    fn only_events_of_the_release_count() {
        let subjects = subjects();
        let long = format!("{}x7x7x", "l".repeat(58));
        for (kind, name, ours) in [
            ("Service", "rel", true),
            ("Deployment", "rel", false),
            ("Deployment", "web", true),
            ("Deployment", "web-2", false),
            ("ReplicaSet", "web-7d9f8b6c5d", true),
            ("ReplicaSet", "rel-7d9f8b6c5d", false),
            ("Pod", "web-7d9f8b6c5d-x7x7x", true),
            ("Pod", "rel-7d9f8b6c5d-x7x7x", false),
            ("Pod", "web-7d9f8b6c5d", false),
            ("Pod", "web-7d9f8b6c5d-more-x7x7x", false),
            ("Pod", long.as_str(), true),
            ("Pod", "store-0", true),
            ("Pod", "store-12", true),
            ("Pod", "store-x", false),
            ("Pod", "agent-x7x7x", true),
            ("Pod", "agent-2-x7x7x", false),
            ("Pod", "once-x7x7x", true),
            ("Job", "nightly-29384756", true),
            ("Job", "nightly-build", false),
            ("Pod", "nightly-29384756-x7x7x", true),
            ("PersistentVolumeClaim", "shared", true),
            ("PersistentVolumeClaim", "data-store-0", true),
            ("PersistentVolumeClaim", "data-store-2-0", false),
            ("PersistentVolumeClaim", "more-store-0", false),
            (
                "PersistentVolumeClaim",
                "web-7d9f8b6c5d-x7x7x-scratch",
                true,
            ),
            ("PersistentVolumeClaim", "web-7d9f8b6c5d-x7x7x-tmp", false),
        ] {
            assert_eq!(
                subjects.has(&event(kind, name, TIME)),
                ours,
                "{kind} {name}"
            );
        }
        let earlier = event("Deployment", "web", "2025-12-31T23:59:59Z");
        assert!(!subjects.has(&earlier));
    }

    #[test]
    fn what_may_have_come_since_is_looked_up_once() {
        let subjects = subjects();
        let unknown = |kind: &str, name: &str| subjects.unknown(&event(kind, name, TIME));
        let subject = |kind: &str, name: &str| Some((kind.to_owned(), name.to_owned()));
        assert_eq!(unknown("Pod", "web-7d9f8b6c5d-x7x7x"), None);
        let set = subject("Pod", "web-5c8f6d7b9f");
        assert_eq!(unknown("Pod", "web-5c8f6d7b9f-x7x7x"), set);
        assert_eq!(unknown("Pod", "web-5c8f6d7b9f-y8y8y"), set);
        assert_eq!(unknown("Service", "new"), subject("Service", "new"));
    }
}
