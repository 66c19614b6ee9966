//! Objects of releases that have no record, and pods of chart tests that ended.

use std::collections::BTreeMap;

use helm_install::{
    Object,
    contents::NamespaceObject,
    manifest::{self, MANAGED_BY},
    removal::Claims,
    takeover,
};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Error,
    api::{DeleteParams, ListParams, Preconditions},
    core::ObjectMeta,
};
use mcpt_core::{Failure, ProgressEvent, ServerName};

use super::{Gc, releases::Releases, usage::Usage};
use crate::{delete::End, failure::OrFail as _, release_kind::ReleaseKind, server::SERVER_LABEL};

/// Objects with all the marks of a release of which there is no record, by its name.
fn orphans(
    found: &[NamespaceObject],
    releases: &Releases,
    namespace: &str,
) -> BTreeMap<ServerName, Vec<Object>> {
    let mut orphans = BTreeMap::<ServerName, Vec<Object>>::new();
    for NamespaceObject {
        object,
        metadata,
        owned,
    } in found
    {
        let label = metadata.labels.as_ref().and_then(|l| l.get(SERVER_LABEL));
        let Some(name) = label.and_then(|name| ServerName::new(name.clone()).ok()) else {
            continue;
        };
        let ours = manifest::not_of_release(metadata, name.as_str(), namespace).is_none();
        let stays = *owned
            || object.is_claim()
            || metadata.deletion_timestamp.is_some()
            || manifest::kept_alive(metadata)
            || manifest::is_hook(metadata);
        if ours && !stays && !releases.has(name.as_str()) {
            orphans.entry(name).or_default().push(object.clone());
        }
    }
    orphans
}

/// Whether a live object has all labels and annotations that its manifest gives it.
fn bears_marks_of(live: &ObjectMeta, object: &Object) -> bool {
    [("labels", &live.labels), ("annotations", &live.annotations)]
        .into_iter()
        .all(|(field, live)| {
            let wanted = object.body["metadata"][field].as_object();
            wanted.into_iter().flatten().all(|(key, value)| {
                let has = live.as_ref().and_then(|all| all.get(key));
                has.map(String::as_str) == value.as_str()
            })
        })
}

/// An object that a hook made and that has done its work.
struct Ended {
    kind: &'static str,
    metadata: ObjectMeta,
}

impl Gc<'_> {
    /// Removes objects whose release has no record and is not in use.
    pub(super) async fn orphans(&mut self, found: &[NamespaceObject], releases: &Releases) {
        let namespace = self.cluster.namespace.as_str();
        let orphans = orphans(found, releases, namespace);
        if orphans.is_empty() {
            return;
        }
        let usage = match Usage::of(self.cluster, &self.what).await {
            Ok(usage) => usage,
            Err(failure) => return self.fail("objects without a record", failure),
        };
        for (name, objects) in orphans {
            if let Some(why) = usage.why_left(name.as_str()) {
                self.progress.event(ProgressEvent::Warning(format!(
                    "there is no record of release {name}, but its objects are left alone: {why}"
                )));
                continue;
            }
            let labels: Vec<String> = objects
                .iter()
                .map(|object| format!("{}/{}", object.kind, object.name))
                .collect();
            let done = self.remove_orphans(&name, objects).await;
            let reason = format!("there is no record of its release {name}");
            for (number, label) in labels.into_iter().enumerate() {
                let done = match &done {
                    Ok(()) => Ok(()),
                    // Told once for all of them.
                    Err(failure) if number == 0 => Err(failure.clone()),
                    Err(_) => break,
                };
                self.note(label, reason.clone(), done);
            }
        }
    }

    async fn remove_orphans(&self, name: &ServerName, objects: Vec<Object>) -> Result<(), Failure> {
        if self.options.dry_run {
            return Ok(());
        }
        self.progress.event(ProgressEvent::Step(format!(
            "removing what is left of {name}"
        )));
        let options = self.delete_options();
        let end = End {
            cluster: self.cluster,
            kind: ReleaseKind::Server,
            name,
            options: &options,
            deadline: Some(self.deadline),
            claims: Claims::ByPolicy,
            progress: self.progress,
            what: self.what.clone(),
        };
        Box::pin(end.leftovers(objects)).await.map(drop)
    }

    /// Removes pods and jobs of chart tests that have ended: Helm leaves those that failed.
    pub(super) async fn ended_tests(&mut self, releases: &Releases) {
        let ended = match self.ended().await {
            Ok(ended) if ended.is_empty() => return,
            Ok(ended) => ended,
            Err(failure) => return self.fail("chart tests", failure),
        };
        for facts in releases.latest.values() {
            let hooks = match self.hooks(&facts.name).await {
                Ok(hooks) => hooks,
                Err(failure) => {
                    self.fail(&format!("release {}", facts.name), failure);
                    continue;
                }
            };
            for Ended { kind, metadata } in &ended {
                let name = metadata.name.as_deref().unwrap_or_default();
                let made_by_it = |object: &&Object| {
                    object.kind == *kind && object.name == name && bears_marks_of(metadata, object)
                };
                if hooks.iter().find(made_by_it).is_none() {
                    continue;
                }
                let done = match *kind {
                    "Job" => self.delete::<Job>(metadata).await,
                    _ => self.delete::<Pod>(metadata).await,
                };
                let reason = format!("it was made by a test of release {} that ended", facts.name);
                self.note(format!("{kind}/{name}"), reason, done);
            }
        }
    }

    /// What hooks of any release made and that has ended.
    async fn ended(&self) -> Result<Vec<Ended>, Failure> {
        let labelled = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
        let (pods, jobs) = futures_util::try_join!(
            self.cluster.list::<Pod>(labelled.clone(), &self.what),
            self.cluster.list::<Job>(labelled, &self.what),
        )?;
        let over = |pod: &Pod| {
            let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
            matches!(phase, Some("Succeeded" | "Failed"))
        };
        let pods = pods.into_iter().filter(over).map(|pod| Ended {
            kind: "Pod",
            metadata: pod.metadata,
        });
        let finished = |job: &Job| {
            let conditions = job.status.as_ref().and_then(|s| s.conditions.as_ref());
            conditions
                .into_iter()
                .flatten()
                .any(|c| matches!(c.type_.as_str(), "Complete" | "Failed") && c.status == "True")
        };
        let jobs = jobs.into_iter().filter(finished).map(|job| Ended {
            kind: "Job",
            metadata: job.metadata,
        });
        Ok(pods
            .chain(jobs)
            .filter(|ended| manifest::is_hook(&ended.metadata))
            .collect())
    }

    /// Objects of the hooks of a release of mcpt on which nobody works.
    async fn hooks(&self, release: &str) -> Result<Vec<Object>, Failure> {
        let history = self.cluster.records(release).all().await;
        let history = history.or_fail(self.cluster, &self.what)?;
        let mut hooks = Vec::new();
        let last = history.last().filter(|last| {
            ReleaseKind::of(last).is_some() && !takeover::under_way(last.release.info.status)
        });
        for hook in last.iter().flat_map(|last| &last.release.hooks) {
            match manifest::parse(&hook.manifest) {
                Ok(objects) => hooks.extend(objects),
                Err(error) => tracing::debug!(%error, release, "a hook cannot be read"),
            }
        }
        Ok(hooks)
    }

    async fn delete<K>(&self, metadata: &ObjectMeta) -> Result<(), Failure>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>
            + Clone
            + serde::de::DeserializeOwned
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        if self.options.dry_run {
            return Ok(());
        }
        let api: Api<K> = self.cluster.api();
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: metadata.uid.clone(),
            resource_version: None,
        });
        let name = metadata.name.as_deref().unwrap_or_default();
        match self.cluster.answer(api.delete(name, &params)).await {
            Ok(_) => Ok(()),
            // Gone by itself, or another one by that name now.
            Err(Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            Err(error) => Err(self.cluster.failure(&self.what, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(kind: &str, metadata: Value, owned: bool) -> NamespaceObject {
        NamespaceObject {
            object: Object::named("v1", kind, "x"),
            metadata: serde_json::from_value(metadata).unwrap(),
            owned,
        }
    }

    /// Metadata with all marks, changed in one place: at a JSON pointer this value, or nothing.
    fn marks(pointer: &str, value: Option<&str>) -> Value {
        let mut marks = json!({
            "labels": {"app.kubernetes.io/managed-by": "Helm", "mcpt.io/server": "demo"},
            "annotations": {"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "ns"},
        });
        if let Some((map, key)) = pointer.split_once(' ') {
            let map = marks[map].as_object_mut().unwrap();
            match value {
                Some(value) => map.insert(key.to_owned(), value.into()),
                None => map.remove(key),
            };
        }
        marks
    }

    #[test]
    fn only_what_has_all_marks_is_an_orphan() {
        let label = "labels mcpt.io/server";
        let manager = "labels app.kubernetes.io/managed-by";
        let release = "annotations meta.helm.sh/release-name";
        let space = "annotations meta.helm.sh/release-namespace";
        let policy = "annotations helm.sh/resource-policy";
        let hook = "annotations helm.sh/hook";
        for (kind, pointer, value, owned, expected) in [
            ("ConfigMap", "", None, false, true),
            ("ConfigMap", "", None, true, false),
            ("PersistentVolumeClaim", "", None, false, false),
            ("ConfigMap", label, None, false, false),
            ("ConfigMap", label, Some("other"), false, false),
            ("ConfigMap", label, Some("Not_A_Name"), false, false),
            ("ConfigMap", manager, Some("kustomize"), false, false),
            ("ConfigMap", manager, None, false, false),
            ("ConfigMap", release, None, false, false),
            ("ConfigMap", release, Some("other"), false, false),
            ("ConfigMap", space, None, false, false),
            ("ConfigMap", space, Some("elsewhere"), false, false),
            ("ConfigMap", policy, Some("keep"), false, false),
            ("Pod", hook, Some("test"), false, false),
        ] {
            let all = [found(kind, marks(pointer, value), owned)];
            let orphans = orphans(&all, &Releases::default(), "ns");
            assert_eq!(
                !orphans.is_empty(),
                expected,
                "{kind} {pointer} {value:?} {owned}"
            );
        }
        let mut going = marks("", None);
        going["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let going = [found("ConfigMap", going, false)];
        assert!(orphans(&going, &Releases::default(), "ns").is_empty());
    }

    #[test]
    fn a_hook_bears_the_marks_of_its_manifest() {
        let object = manifest::parse(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: t, labels: {a: b}, annotations: {helm.sh/hook: test}}\n",
        )
        .unwrap()
        .remove(0);
        for (live, expected) in [
            (
                json!({"labels": {"a": "b", "c": "d"}, "annotations": {"helm.sh/hook": "test"}}),
                true,
            ),
            (
                json!({"labels": {"a": "x"}, "annotations": {"helm.sh/hook": "test"}}),
                false,
            ),
            (json!({"labels": {"a": "b"}}), false),
        ] {
            let live: ObjectMeta = serde_json::from_value(live).unwrap();
            assert_eq!(bears_marks_of(&live, &object), expected, "{live:?}");
        }
    }
}
