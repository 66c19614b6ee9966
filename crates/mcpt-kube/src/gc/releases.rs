//! Releases that a command was working on when it died.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{future::join_all, try_join};
use helm_install::{Record, removal::Claims, revisions, takeover};
use helm_release::Status;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{api::ListParams, core::ObjectMeta};
use mcpt_core::{DeleteOptions, Failure, ProgressEvent, ServerName};

use super::{Gc, usage::Usage};
use crate::{
    cluster::{Cluster, TOOL},
    delete::End,
    failure::OrFail as _,
    progress::AsProgress,
    release_kind::ReleaseKind,
    server::ReleaseFacts,
};

/// The releases of a namespace, as the metadata of their records tells.
#[derive(Debug, Default)]
pub(super) struct Releases {
    /// The latest record of each.
    pub(super) latest: BTreeMap<String, ReleaseFacts>,
    /// Releases that Helm keeps in config maps: it was told to, and mcpt has nothing to do with them.
    elsewhere: BTreeSet<String>,
}

impl Releases {
    /// Whether there is a record of a release.
    pub(super) fn has(&self, name: &str) -> bool {
        self.latest.contains_key(name) || self.elsewhere.contains(name)
    }
}

/// Reads which releases there are.
///
/// # Errors
/// When the records cannot be listed.
pub(super) async fn of_namespace(cluster: &Cluster, what: &str) -> Result<Releases, Failure> {
    let of_helm = ListParams::default().labels("owner=helm");
    let (secrets, maps) = try_join!(
        cluster.list_metadata::<Secret>(of_helm.clone(), what),
        cluster.list_metadata::<ConfigMap>(of_helm, what),
    )?;
    let name = |metadata: &ObjectMeta| metadata.labels.as_ref()?.get("name").cloned();
    let facts = secrets.iter();
    Ok(Releases {
        latest: ReleaseFacts::latest(facts.filter_map(ReleaseFacts::read)),
        elsewhere: maps.iter().filter_map(name).collect(),
    })
}

/// What becomes of a release whose command died.
#[derive(Debug, PartialEq, Eq)]
enum Cure {
    /// It is removed; the claims that go with it, and why.
    Remove(Claims, &'static str),
    /// Its last revision is marked as failed, as the next deploy would do it; and what else speaks for that. It is in the record
    /// too: what may serve is no deployment of which nothing ran, and no later failure removes it.
    Fail(&'static str),
}

/// A release of a dead command that is dealt with.
struct Ended {
    /// What is told of it.
    reason: String,
    /// Whether it is removed.
    gone: bool,
}

/// `ready` says whether pods of it are, if that is known.
fn cure(history: &[Record], ready: Option<bool>) -> Option<Cure> {
    let last = history.last()?;
    Some(match last.release.info.status {
        Status::Uninstalling => Cure::Remove(Claims::ByPolicy, "its deletion was interrupted"),
        Status::PendingInstall => match ready {
            Some(false) if !history.iter().any(revisions::ran) => Cure::Remove(
                Claims::None,
                "its first deployment was interrupted before a pod of it was ready",
            ),
            Some(false) => Cure::Fail(""),
            Some(true) => Cure::Fail(", and pods of it are ready"),
            None => Cure::Fail(", and whether pods of it are ready may not be asked"),
        },
        _ => Cure::Fail(""),
    })
}

impl Gc<'_> {
    /// Ends what dead commands began. Returns the names of the releases that are gone then.
    pub(super) async fn dead_releases(&mut self, releases: &Releases) -> BTreeSet<String> {
        let suspects: Vec<ServerName> = releases
            .latest
            .values()
            .filter(|facts| facts.status.starts_with("pending-") || facts.status == "uninstalling")
            .filter_map(|facts| ServerName::new(facts.name.clone()).ok())
            .collect();
        // Together, since each may have to be watched for a while.
        let histories = join_all(suspects.iter().map(|name| self.left_behind(name))).await;
        let mut removed = BTreeSet::new();
        for (name, history) in suspects.iter().zip(histories) {
            let object = format!("release {name}");
            match self.end_dead(name, history).await {
                Ok(None) => {}
                Ok(Some(Ended { reason, gone })) => {
                    if gone {
                        removed.insert(name.to_string());
                    }
                    self.note(object, reason, Ok(()));
                }
                Err(failure) => self.fail(&object, failure),
            }
        }
        removed
    }

    /// The records of a release of mcpt, if the command that worked on it is dead.
    async fn left_behind(&self, name: &ServerName) -> Result<Option<Vec<Record>>, Failure> {
        let history = self.cluster.records(name.as_str()).all().await;
        let history = history.or_fail(self.cluster, &self.what)?;
        let Some(last) = history.last().filter(|last| {
            takeover::under_way(last.release.info.status) && ReleaseKind::of(last).is_some()
        }) else {
            return Ok(None);
        };
        let dead = takeover::is_dead(self.cluster, TOOL, last, &AsProgress(self.progress)).await;
        let dead = dead.or_fail(self.cluster, &self.what)?;
        Ok(dead.then_some(history))
    }

    /// Ends what a dead command began; `None` when none did, or another command took over since that was seen.
    async fn end_dead(
        &self,
        name: &ServerName,
        history: Result<Option<Vec<Record>>, Failure>,
    ) -> Result<Option<Ended>, Failure> {
        let Some(history) = history? else {
            return Ok(None);
        };
        // Asked now: the removals before this one may have taken long.
        let usage = Usage::of_pods(self.cluster, &self.what).await?;
        let cure = cure(&history, usage.has_ready_pods(name.as_str()));
        let (Some(cure), Some(last)) = (cure, history.last()) else {
            return Ok(None);
        };
        let Some(kind) = ReleaseKind::of(last) else {
            return Ok(None);
        };
        let (ended, done) = match cure {
            Cure::Remove(claims, reason) => {
                let (reason, gone) = (reason.to_owned(), true);
                let done = self.remove(kind, name, claims, history).await?;
                (Ended { reason, gone }, done)
            }
            Cure::Fail(why) => {
                let reason = format!(
                    "revision {} was left {} by a command that died{why}: marked as failed",
                    last.release.version, last.release.info.status
                );
                let done = self.mark_failed(name, last, why).await?;
                (
                    Ended {
                        reason,
                        gone: false,
                    },
                    done,
                )
            }
        };
        if !done {
            self.progress.event(ProgressEvent::Warning(format!(
                "release {name} is left alone: another command took it over meanwhile"
            )));
        }
        Ok(done.then_some(ended))
    }

    /// Removes a release, if its records are still these.
    async fn remove(
        &self,
        kind: ReleaseKind,
        name: &ServerName,
        claims: Claims,
        history: Vec<Record>,
    ) -> Result<bool, Failure> {
        if self.options.dry_run {
            return Ok(true);
        }
        self.progress
            .event(ProgressEvent::Step(format!("removing release {name}")));
        let options = self.delete_options();
        let end = End {
            cluster: self.cluster,
            kind,
            name,
            options: &options,
            deadline: Some(self.deadline),
            claims,
            progress: self.progress,
            what: self.what.clone(),
        };
        let deleted = Box::pin(end.left_behind(history)).await?;
        Ok(deleted.is_some())
    }

    /// Marks the last record of a release, if it is still this one.
    async fn mark_failed(
        &self,
        name: &ServerName,
        last: &Record,
        why: &str,
    ) -> Result<bool, Failure> {
        if self.options.dry_run {
            return Ok(true);
        }
        let records = self.cluster.records(name.as_str());
        let marked = takeover::mark_failed(&records, last, why).await;
        marked.or_fail(self.cluster, &self.what)
    }

    pub(super) fn delete_options(&self) -> DeleteOptions {
        DeleteOptions {
            wait: Some(self.options.timeout),
            purge_data: false,
            keep_work: false,
            delete_namespace: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use helm_release::{Release, ReleaseSecret};
    use mcpt_core::{Garbage, GcOptions, Silent};
    use serde_json::{Value, json};

    use super::*;
    use crate::{scripted, server::SERVER_LABEL};

    fn record(status: Status) -> Record {
        let mut release = Release::default();
        release.info.status = status;
        Record {
            release,
            metadata: ObjectMeta::default(),
        }
    }

    #[test]
    fn what_becomes_of_releases() {
        let remove = |claims| Some(Some(claims));
        let (none, policy) = (remove(Claims::None), remove(Claims::ByPolicy));
        let fail = Some(None);
        for (statuses, ready, expected) in [
            (&[][..], Some(false), None),
            (&[Status::PendingInstall], Some(false), none),
            (&[Status::PendingInstall], Some(true), fail),
            (&[Status::PendingInstall], None, fail),
            (&[Status::Failed, Status::PendingInstall], Some(false), none),
            (&[Status::Failed, Status::PendingInstall], Some(true), fail),
            (
                &[Status::Deployed, Status::PendingUpgrade],
                Some(false),
                fail,
            ),
            (&[Status::Failed, Status::PendingUpgrade], Some(false), fail),
            (
                &[Status::Superseded, Status::PendingInstall],
                Some(false),
                fail,
            ),
            (
                &[Status::Uninstalled, Status::PendingInstall],
                Some(false),
                fail,
            ),
            (
                &[Status::Uninstalled, Status::PendingInstall],
                Some(true),
                fail,
            ),
            (
                &[Status::Deployed, Status::PendingRollback],
                Some(false),
                fail,
            ),
            (
                &[Status::Deployed, Status::Uninstalling],
                Some(true),
                policy,
            ),
            (&[Status::Deployed, Status::Uninstalling], None, policy),
        ] {
            let history: Vec<_> = statuses.iter().map(|status| record(*status)).collect();
            let cure = cure(&history, ready).map(|cure| match cure {
                Cure::Remove(claims, _) => Some(claims),
                Cure::Fail(_) => None,
            });
            assert_eq!(cure, expected, "{statuses:?} {ready:?}");
        }
    }
    /// A record as it is stored, left long ago.
    fn left(status: Status, version: &str) -> Value {
        let mut release = record(status).release;
        release.name = "demo".to_owned();
        release.version = 1;
        let labels = BTreeMap::from([(SERVER_LABEL.to_owned(), "demo".to_owned())]);
        let mut secret = ReleaseSecret::create(&release, &labels, 5)
            .unwrap()
            .to_object();
        secret["metadata"]["resourceVersion"] = version.into();
        secret["metadata"]["annotations"] = json!({"mcpt.io/heartbeat": "2026-01-01T00:00:00Z"});
        secret
    }

    /// Lets `gc` deal with a release of which the first record is read first, and then the second, and whose pods are ready or
    /// not. Returns what was found, what was removed, and what was written, with the version that it was to replace.
    async fn dealt_with(
        first: Value,
        then: Value,
        ready: i32,
    ) -> (Vec<Garbage>, BTreeSet<String>, Vec<(String, Release)>) {
        let facts = ReleaseFacts::read(&serde_json::from_value(first["metadata"].clone()).unwrap());
        let releases = Releases {
            latest: ReleaseFacts::latest(facts),
            elsewhere: BTreeSet::new(),
        };
        let written = Arc::new(Mutex::new(Vec::new()));
        let (puts, mut reads) = (Arc::clone(&written), 0);
        let list = |items: Value| (200, json!({"metadata": {}, "items": items}).to_string());
        let cluster =
            scripted::cluster(
                move |request, body| match request.split_once(' ').unwrap() {
                    ("GET", path) if path.contains("/secrets?") => {
                        reads += 1;
                        list(json!([if reads == 1 { &first } else { &then }]))
                    }
                    ("GET", path) if path.contains("/secrets/") => {
                        scripted::refusal(404, "NotFound")
                    }
                    ("GET", path) if path.contains("/deployments") => list(json!([{
                    "metadata": {"name": "demo", "labels": {SERVER_LABEL: "demo"}},
                    "status": {"readyReplicas": ready}}])),
                    ("GET", path) if path.contains("/statefulsets") => list(json!([])),
                    ("PUT", _) => {
                        let release = ReleaseSecret::from_object(body).unwrap().decode().unwrap();
                        let version = body["metadata"]["resourceVersion"].as_str().unwrap();
                        puts.lock().unwrap().push((version.to_owned(), release));
                        if version == then["metadata"]["resourceVersion"] {
                            (200, body.to_string())
                        } else {
                            scripted::refusal(409, "Conflict")
                        }
                    }
                    ("DELETE", _) => (
                        200,
                        json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})
                            .to_string(),
                    ),
                    _ => panic!("{request}"),
                },
            );
        let options = GcOptions {
            timeout: Duration::from_secs(1),
            dry_run: false,
        };
        let mut gc = Gc {
            cluster: &cluster,
            options: &options,
            deadline: tokio::time::Instant::now() + options.timeout,
            progress: &Silent,
            what: "x".to_owned(),
            garbage: Vec::new(),
            failed: None,
        };
        let removed = Box::pin(gc.dead_releases(&releases)).await;
        assert!(gc.failed.is_none(), "{:?}", gc.failed);
        let written = written.lock().unwrap().clone();
        (gc.garbage, removed, written)
    }

    /// Between the judgement and the removal another command takes over, and is done.
    #[tokio::test]
    async fn a_release_that_another_command_took_over_is_left_alone() {
        for status in [
            Status::Uninstalling,
            Status::PendingInstall,
            Status::PendingUpgrade,
        ] {
            let (first, then) = (left(status, "1"), left(Status::Deployed, "2"));
            let (garbage, removed, written) = dealt_with(first, then, 0).await;
            assert!(garbage.is_empty() && removed.is_empty(), "{garbage:?}");
            let versions: Vec<&str> = written.iter().map(|(version, _)| &**version).collect();
            assert_eq!(versions, ["1"], "{status}");
        }
    }

    #[tokio::test]
    async fn a_release_that_is_as_it_was_judged_is_removed() {
        for status in [Status::Uninstalling, Status::PendingInstall] {
            let record = left(status, "1");
            let (garbage, removed, written) = dealt_with(record.clone(), record, 0).await;
            assert_eq!((garbage.len(), removed.len()), (1, 1), "{status}");
            let (_, begun) = &written[0];
            assert_eq!(begun.info.status, Status::Uninstalling);
            // What the next command goes by, should this one die.
            assert_eq!(begun.info.other["status_before_deletion"], "failed");
        }
    }

    /// A later failure puts it back and does not remove it.
    #[tokio::test]
    async fn a_first_deployment_that_serves_is_not_marked_as_one_of_which_nothing_ran() {
        let record = left(Status::PendingInstall, "1");
        let (garbage, removed, mut written) = dealt_with(record.clone(), record, 1).await;
        assert_eq!((garbage.len(), removed.len()), (1, 0));
        let (_, release) = written.remove(0);
        assert_eq!(release.info.status, Status::Failed);
        let metadata = ObjectMeta::default();
        assert!(!revisions::is_first(&[Record { release, metadata }]));
    }
}
