//! Removing objects of a release, and only those: in Helm's order, each with its dependents, until they are gone.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::try_join_all;
use helm_render::uninstall_order;
use jiff::Timestamp;
use kube::core::ObjectMeta;
use kube_access::Progress;
use tokio::time::Instant;

use crate::{
    Error, Result,
    apply::Applier,
    manifest::{self, Object},
};

/// Which claims of volumes go with their release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// Those without a keep policy, as with Helm.
    ByPolicy,
    /// All.
    All,
    /// None: their data stays until somebody asks for its end.
    None,
    /// Those that were made after this: undoing must not take data that was there before.
    MadeSince(Timestamp),
}

/// How long something is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// As it was given, for messages.
    pub timeout: Duration,
    /// When it is over.
    pub deadline: Instant,
}

impl Limit {
    /// This long from now on.
    pub fn from_now(timeout: Duration) -> Self {
        Self {
            timeout,
            deadline: Instant::now() + timeout,
        }
    }
}

/// What came of asking for the deletion of objects.
#[derive(Debug, Default)]
pub struct DeletionRequests {
    /// Those that go.
    pub going: Vec<(Object, ObjectMeta)>,
    /// Those that stay, though they are the release's.
    pub kept: Vec<Object>,
    /// Those that are there and not the release's.
    pub foreign: Vec<Object>,
}

/// What becomes of one object.
enum Fate {
    Going(Box<ObjectMeta>),
    Kept,
    /// It is not the release's.
    Foreign,
    /// It is gone already, or is not to go.
    Nothing,
}

/// Asks for the deletion of the objects that are there and belong to the release, except those with these uids.
///
/// # Errors
/// When the API server refuses one of them; the others are asked for all the same.
pub async fn ask(
    applier: &Applier,
    objects: &[Object],
    claims: Claims,
    except: &BTreeSet<String>,
) -> Result<DeletionRequests> {
    let mut asked = DeletionRequests::default();
    let mut failed = Vec::new();
    let mut ordered: Vec<&Object> = objects.iter().collect();
    ordered.sort_by(|a, b| uninstall_order(&a.kind, &b.kind));
    for object in ordered {
        match ask_one(applier, object, claims, except).await {
            Ok(Fate::Going(live)) => asked.going.push((object.clone(), *live)),
            Ok(Fate::Kept) => asked.kept.push(object.clone()),
            Ok(Fate::Foreign) => asked.foreign.push(object.clone()),
            Ok(Fate::Nothing) => {}
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() {
        Ok(asked)
    } else {
        Err(Error::Several(failed))
    }
}

async fn ask_one(
    applier: &Applier,
    object: &Object,
    claims: Claims,
    except: &BTreeSet<String>,
) -> Result<Fate> {
    let Some(live) = applier.live(object).await? else {
        return Ok(Fate::Nothing);
    };
    if let Some(why) = applier.not_of_release(&live) {
        tracing::debug!(object = object.label(), why, "left alone");
        return Ok(Fate::Foreign);
    }
    if live.uid.as_ref().is_some_and(|uid| except.contains(uid)) {
        return Ok(Fate::Nothing);
    }
    if stays(object, &live, claims) {
        return Ok(Fate::Kept);
    }
    let deleted = applier.delete(object, &live).await?;
    Ok(if deleted {
        Fate::Going(Box::new(live))
    } else {
        Fate::Nothing
    })
}

/// Whether an object outlives its release.
fn stays(object: &Object, live: &ObjectMeta, claims: Claims) -> bool {
    let kept = object.is_kept() || manifest::kept_alive(live);
    let made = live.creation_timestamp.as_ref().map(|time| time.0);
    match claims {
        Claims::All if object.is_claim() => false,
        Claims::None if object.is_claim() => true,
        Claims::MadeSince(time) if object.is_claim() => kept || made < Some(time),
        _ => kept,
    }
}

/// Asks for the deletion of what hooks have left. Helm does not mark their objects with the release, so that only their name
/// and the hook annotation tell that they are its.
///
/// # Errors
/// When the API server refuses one of them.
pub async fn ask_hooks(applier: &Applier, objects: &[Object]) -> Result<Vec<(Object, ObjectMeta)>> {
    let mut asked = Vec::new();
    for object in objects {
        let ended = async {
            let live = applier.live(object).await?.filter(manifest::is_hook);
            let Some(live) = live else { return Ok(None) };
            Ok(applier.delete(object, &live).await?.then_some(live))
        };
        let ended: Result<_> = ended.await;
        let ended = ended?;
        asked.extend(ended.map(|live| (object.clone(), live)));
    }
    Ok(asked)
}

/// Waits until all are gone, but not forever: finalizers may hold them.
///
/// # Errors
/// When they cannot be watched; [`Error::NotGone`] with what is still there.
pub async fn gone(
    applier: &Applier,
    asked: &[(Object, ObjectMeta)],
    limit: Limit,
    progress: &dyn Progress,
) -> Result<()> {
    let waits = asked.iter().map(|(object, live)| async move {
        applier.gone(object, live).await?;
        progress.waiting(format!("{} is gone", object.label()));
        Ok::<(), Error>(())
    });
    if let Ok(done) = tokio::time::timeout_at(limit.deadline, try_join_all(waits)).await {
        return done.map(drop);
    }
    let mut left = Vec::new();
    for (object, live) in asked {
        let now = applier.live(object).await?;
        if let Some(now) = now.filter(|now| now.uid == live.uid) {
            left.push(still_there(object, &now));
        }
    }
    Err(Error::NotGone {
        waited: limit.timeout,
        left,
    })
}

/// What holds an object whose deletion was asked for.
pub fn still_there(object: &Object, live: &ObjectMeta) -> String {
    let holds = live.finalizers.as_deref().unwrap_or_default().join(", ");
    format!("{} is still there (finalizers: {holds})", object.label())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use kube_access::scripted;

    /// Of two kinds the same object may be a view, and of some it is known to the API server alone that they are in no namespace.
    #[tokio::test]
    async fn what_was_just_applied_is_not_deleted_by_another_name() {
        for (except, expected) in [("u", 0), ("v", 1)] {
            let cluster = scripted::cluster(move |request, _| {
                assert!(except != "u" || !request.starts_with("DELETE"), "{request}");
                let live = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
                    "name": "c", "namespace": "ns", "uid": "u",
                    "labels": {"app.kubernetes.io/managed-by": "Helm"},
                    "annotations": {"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "ns"}}});
                (200, live.to_string())
            });
            let applier = Applier::new(cluster, "demo".to_owned());
            let objects = [Object::named("v1", "ConfigMap", "c")];
            let except = BTreeSet::from([except.to_owned()]);
            let asked = ask(&applier, &objects, Claims::ByPolicy, &except);
            assert_eq!(asked.await.unwrap().going.len(), expected, "{except:?}");
        }
    }

    /// Objects go with the definition of their kind, but not with one version of it.
    #[tokio::test]
    async fn what_cannot_be_there_is_deleted_already() {
        let versions = |version: &str| json!([{"groupVersion": format!("example.com/{version}"), "version": version}]);
        let groups = |name: &str, version| json!({"groups": [{"name": name, "versions": versions(version)}]});
        for (groups, kind, expected) in [
            (groups("other.com", "v2"), "Thing", Ok(false)),
            (groups("example.com", "v2"), "Another", Ok(false)),
            (groups("example.com", "v2"), "Thing", Ok(true)),
            (groups("example.com", "v3"), "Thing", Err(())),
        ] {
            let told = groups.to_string();
            let cluster = scripted::cluster(move |request, _| match request {
                "GET /apis/example.com/v1" => scripted::refusal(404, "NotFound"),
                "GET /apis" => (200, told.clone()),
                "GET /apis/example.com/v2" => {
                    let resource = json!({"name": "things", "singularName": "", "namespaced": true, "kind": kind, "verbs": []});
                    let list = json!({"groupVersion": "example.com/v2", "resources": [resource]});
                    (200, list.to_string())
                }
                "GET /apis/example.com/v2/namespaces/ns/things/t" => {
                    let live = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
                        "name": "t", "namespace": "ns", "uid": "u",
                        "labels": {"app.kubernetes.io/managed-by": "Helm"},
                        "annotations": {"meta.helm.sh/release-name": "demo", "meta.helm.sh/release-namespace": "ns"}}});
                    (200, live.to_string())
                }
                "GET /apis/example.com/v3" => scripted::refusal(503, "ServiceUnavailable"),
                request => {
                    assert!(
                        request.starts_with("DELETE /apis/example.com/v2/"),
                        "{request}"
                    );
                    (
                        200,
                        json!({"kind": "Status", "status": "Success"}).to_string(),
                    )
                }
            });
            let applier = Applier::new(cluster, "demo".to_owned());
            let objects = [Object::named("example.com/v1", "Thing", "t")];
            let asked = ask(&applier, &objects, Claims::ByPolicy, &BTreeSet::new()).await;
            let going = asked.map(|asked| !asked.going.is_empty()).map_err(drop);
            assert_eq!(going, expected, "{groups} {kind}");
        }
    }

    #[test]
    fn what_stays() {
        let live = |annotations: serde_json::Value| -> ObjectMeta {
            let created = "2026-01-01T00:00:05Z";
            serde_json::from_value(
                json!({"creationTimestamp": created, "annotations": annotations}),
            )
            .unwrap()
        };
        let keep = live(json!({"helm.sh/resource-policy": "keep"}));
        let plain = live(json!({}));
        let claim = Object::named("v1", "PersistentVolumeClaim", "c");
        let other = Object::named("v1", "ConfigMap", "c");
        let since = |time: &str| Claims::MadeSince(time.parse().unwrap());
        let (before, same, after) = (
            since("2026-01-01T00:00:04Z"),
            since("2026-01-01T00:00:05Z"),
            since("2026-01-01T00:00:06Z"),
        );
        for (object, live, claims, expected) in [
            (&claim, &plain, Claims::ByPolicy, false),
            (&claim, &keep, Claims::ByPolicy, true),
            (&claim, &keep, Claims::All, false),
            (&claim, &plain, Claims::None, true),
            (&other, &plain, Claims::None, false),
            (&other, &keep, Claims::None, true),
            (&claim, &plain, before, false),
            (&claim, &plain, same, false),
            (&claim, &plain, after, true),
            (&claim, &keep, before, true),
            (&other, &plain, after, false),
            (&other, &keep, Claims::All, true),
            (&other, &keep, before, true),
        ] {
            assert_eq!(
                stays(object, live, claims),
                expected,
                "{} {claims:?}",
                object.label()
            );
        }
    }
}
