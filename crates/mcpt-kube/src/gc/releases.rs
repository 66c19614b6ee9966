//! Releases that a command was working on when it died.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{future::join_all, try_join};
use helm_release::Status;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{api::ListParams, core::ObjectMeta};
use mcpt_core::{DeleteOptions, Failure, ProgressEvent, ServerName};

use super::{Gc, usage::Usage};
use crate::{
    claim,
    cluster::Cluster,
    delete::End,
    records::{Record, Records},
    release_kind::ReleaseKind,
    removal::Claims,
    revisions,
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
    /// Its last revision is marked as failed, as the next deploy would do it; and what else speaks for that.
    Fail(&'static str),
}

/// `ready` says whether pods of it are, if that is known.
fn cure(history: &[Record], ready: Option<bool>) -> Option<Cure> {
    let last = history.last()?;
    Some(match last.release.info.status {
        Status::Uninstalling => Cure::Remove(Claims::ByPolicy, "its deletion was interrupted"),
        Status::PendingInstall if !history.iter().any(revisions::ran) => match ready {
            Some(false) => Cure::Remove(
                Claims::None,
                "its first deployment was interrupted before a pod of it was ready",
            ),
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
        if suspects.is_empty() {
            return removed;
        }
        let usage = match Usage::of_pods(self.cluster, &self.what).await {
            Ok(usage) => usage,
            Err(failure) => {
                self.fail("interrupted releases", failure);
                return removed;
            }
        };
        for (name, history) in suspects.iter().zip(histories) {
            let object = format!("release {name}");
            let history = match history {
                Ok(Some(history)) => history,
                Ok(None) => continue,
                Err(failure) => {
                    self.fail(&object, failure);
                    continue;
                }
            };
            let ready = usage.has_ready_pods(name.as_str());
            let (Some(cure), Some(last)) = (cure(&history, ready), history.last()) else {
                continue;
            };
            let Some(kind) = last.kind() else { continue };
            let (reason, done) = match cure {
                Cure::Remove(claims, reason) => {
                    removed.insert(name.to_string());
                    (reason.to_owned(), self.remove(kind, name, claims).await)
                }
                Cure::Fail(why) => {
                    let reason = format!(
                        "revision {} was left {} by a command that died{why}: marked as failed",
                        last.release.version, last.release.info.status
                    );
                    (reason, self.mark_failed(name).await)
                }
            };
            self.note(object, reason, done);
        }
        removed
    }

    /// The records of a release of mcpt, if the command that worked on it is dead.
    async fn left_behind(&self, name: &ServerName) -> Result<Option<Vec<Record>>, Failure> {
        let records = Records::new(self.cluster.clone(), name.as_str());
        let history = records.all(&self.what).await?;
        let Some(last) = history
            .last()
            .filter(|last| claim::under_way(last.release.info.status) && last.kind().is_some())
        else {
            return Ok(None);
        };
        let dead = claim::is_dead(self.cluster, last, &self.what, self.progress).await?;
        Ok(dead.then_some(history))
    }

    async fn remove(
        &self,
        kind: ReleaseKind,
        name: &ServerName,
        claims: Claims,
    ) -> Result<(), Failure> {
        if self.options.dry_run {
            return Ok(());
        }
        self.progress
            .event(ProgressEvent::Step(format!("removing release {name}")));
        let options = self.delete_options();
        let end = End {
            cluster: self.cluster,
            kind,
            name,
            options: &options,
            claims,
            progress: self.progress,
            what: self.what.clone(),
        };
        Box::pin(end.release()).await.map(drop)
    }

    async fn mark_failed(&self, name: &ServerName) -> Result<(), Failure> {
        if self.options.dry_run {
            return Ok(());
        }
        let records = Records::new(self.cluster.clone(), name.as_str());
        claim::settled(self.cluster, &records, &self.what, self.progress)
            .await
            .map(drop)
    }

    pub(super) fn delete_options(&self) -> DeleteOptions {
        DeleteOptions {
            wait: Some(self.options.timeout),
            purge_data: false,
            delete_namespace: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use helm_release::Release;

    use super::*;

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
}
