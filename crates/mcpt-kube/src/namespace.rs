//! The namespace of a release: there, made for it, or taken away again.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Namespace, PersistentVolumeClaim, Secret},
};
use kube::{
    Api, Error, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::PartialObjectMeta,
};
use mcpt_core::{Failure, FailureKind, Progress, ProgressEvent};
use serde_json::json;

use crate::{
    cluster::{Cluster, FIELD_MANAGER},
    holder::{self, HOLDER},
    watch,
};

/// A namespace that this command made; only then may it be deleted again.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    uid: String,
}

/// How long after its making a namespace counts as abandoned, when it cannot be seen from here whether its command lives. A
/// deploy takes a fraction of it to record its release, and from then on the namespace is in use.
const ABANDONED: SignedDuration = SignedDuration::from_mins(10);

/// Makes the namespace if it is not there. One that a deploy made which died is as good as made by this one.
///
/// # Errors
/// When it is being deleted, or may not be made.
pub(crate) async fn ensure(
    cluster: &Cluster,
    what: &str,
    progress: &dyn Progress,
) -> Result<Option<Made>, Failure> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = cluster.namespace.as_str();
    match cluster.answer(api.get_opt(name)).await {
        Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => {
            return Err(Failure::new(FailureKind::Failed, what)
                .because(format!("namespace {name:?} is being deleted"))
                .hint(format!(
                    "wait until it is gone: kubectl get namespace {name}"
                )));
        }
        Ok(Some(found)) => return Ok(left_behind(&found, Timestamp::now())),
        Ok(None) => {}
        // Who may not read namespaces may be allowed to make them, and the other way round.
        Err(Error::Api(status)) if status.is_forbidden() => {}
        Err(error) => return Err(cluster.failure(what, &error)),
    }
    let namespace = serde_json::from_value(json!({"metadata": {
        "name": name,
        "labels": {"name": name},
        "annotations": {HOLDER: holder::this().unwrap_or_default()},
    }}));
    let namespace =
        namespace.map_err(|error| Failure::new(FailureKind::Failed, what).caused_by(&error))?;
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PostParams::default()
    };
    match cluster.answer(api.create(&params, &namespace)).await {
        Ok(made) => {
            progress.event(ProgressEvent::Step(format!("made namespace {name}")));
            Ok(made.metadata.uid.map(|uid| Made { uid }))
        }
        Err(Error::Api(status)) if status.is_already_exists() => Ok(None),
        Err(error) => Err(cluster.failure(what, &error)),
    }
}

/// Takes the mark off the namespace, whether this command made it or an earlier one that could not take it off: it is there to
/// stay.
pub(crate) async fn settle(cluster: &Cluster, made: Option<&Made>, progress: &dyn Progress) {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let uid = match made {
        Some(made) => Some(made.uid.clone()),
        None => marked(cluster, &api).await,
    };
    let Some(uid) = uid else { return };
    let body = json!({"metadata": {"uid": uid, "annotations": {HOLDER: null}}});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let name = cluster.namespace.as_str();
    let patch = Patch::Merge(&body);
    // Who may make namespaces may not always change them. With the mark it is removed by `mcpt gc` once it is empty.
    if let Err(error) = cluster
        .answer(api.patch_metadata(name, &params, &patch))
        .await
    {
        let why = cluster.failure("", &error).why.join("; ");
        progress.event(ProgressEvent::Warning(format!(
            "namespace {name} stays marked as made by a deploy that is not done, so that `mcpt gc` removes it once it is empty: {why}"
        )));
    }
}

/// The uid of the namespace when it bears a mark.
async fn marked(cluster: &Cluster, api: &Api<Namespace>) -> Option<String> {
    let found = cluster.answer(api.get_metadata_opt(cluster.namespace.as_str()));
    match found.await {
        Ok(found) => {
            let metadata = found?.metadata;
            let marked = metadata.annotations?.contains_key(HOLDER);
            marked.then_some(metadata.uid).flatten()
        }
        // Who may not read namespaces has made none.
        Err(error) => {
            tracing::debug!(%error, "whether the namespace is marked is not known");
            None
        }
    }
}

/// The namespace, if a deploy made it that died before its server was there.
///
/// # Errors
/// When the API server refuses to tell.
pub(crate) async fn abandoned(cluster: &Cluster, what: &str) -> Result<Option<Made>, Failure> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = cluster.namespace.as_str();
    match cluster.answer(api.get_opt(name)).await {
        Ok(found) => Ok(found.and_then(|found| left_behind(&found, Timestamp::now()))),
        // Who may not read namespaces has made none.
        Err(Error::Api(status)) if status.is_forbidden() => Ok(None),
        Err(error) => Err(cluster.failure(what, &error)),
    }
}

/// A namespace whose maker is dead.
fn left_behind(namespace: &Namespace, now: Timestamp) -> Option<Made> {
    let metadata = &namespace.metadata;
    let holder = metadata.annotations.as_ref()?.get(HOLDER)?;
    let dead = holder::alive(holder).map_or_else(
        || {
            let made = metadata.creation_timestamp.as_ref();
            made.is_some_and(|made| now.duration_since(made.0) > ABANDONED)
        },
        |alive| !alive,
    );
    let uid = metadata.uid.clone()?;
    (dead && metadata.deletion_timestamp.is_none()).then_some(Made { uid })
}

/// Whether it is there; for dry runs, which make nothing.
///
/// # Errors
/// When the API server refuses to tell.
pub(crate) async fn exists(cluster: &Cluster, what: &str) -> Result<bool, Failure> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    match cluster
        .answer(api.get_opt(cluster.namespace.as_str()))
        .await
    {
        Ok(found) => Ok(found.is_some()),
        // The objects' own checks will tell.
        Err(Error::Api(status)) if status.is_forbidden() => Ok(true),
        Err(error) => Err(cluster.failure(what, &error)),
    }
}

/// The uid of the namespace, if it is there.
///
/// # Errors
/// When the API server refuses to tell.
pub(crate) async fn uid(cluster: &Cluster, what: &str) -> Result<Option<String>, Failure> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let found = cluster
        .answer(api.get_metadata_opt(cluster.namespace.as_str()))
        .await
        .map_err(|error| cluster.failure(what, &error))?;
    Ok(found.and_then(|found| found.metadata.uid))
}

/// Who uses the namespace: one of its releases, of mcpt or of Helm, one of its Deployments, or one of its claims of volumes. What this command made is
/// gone when it asks, or else is left to `mcpt delete`.
async fn user(cluster: &Cluster, what: &str) -> Result<Option<String>, Failure> {
    let failed = |error: Error| cluster.failure(what, &error);
    let of_helm = ListParams::default().labels("owner=helm");
    let secrets: Api<Secret> = cluster.api();
    let records = cluster.answer(secrets.list_metadata(&of_helm)).await;
    let records = records.map_err(failed)?;
    let all = ListParams::default();
    let deployments: Api<Deployment> = cluster.api();
    let workloads = cluster.answer(deployments.list_metadata(&all)).await;
    let workloads = workloads.map_err(failed)?;
    let claims: Api<PersistentVolumeClaim> = cluster.api();
    let claims = cluster.answer(claims.list_metadata(&all)).await;
    let claims = claims.map_err(failed)?;
    Ok(named(&records.items, &workloads.items, &claims.items))
}

/// Names the first release, or else the first Deployment, or else the first claim that is not on its way out.
fn named(
    records: &[PartialObjectMeta<Secret>],
    deployments: &[PartialObjectMeta<Deployment>],
    claims: &[PartialObjectMeta<PersistentVolumeClaim>],
) -> Option<String> {
    let release = records.first().map(|record| {
        let name = record.labels().get("name").cloned();
        format!("release {:?}", name.unwrap_or_else(|| record.name_any()))
    });
    let deployment = || {
        let deployment = deployments.first()?;
        Some(format!("deployment {:?}", deployment.name_any()))
    };
    let claim = || {
        let mut stay = claims
            .iter()
            .filter(|claim| claim.metadata.deletion_timestamp.is_none());
        Some(format!(
            "persistentvolumeclaim {:?}",
            stay.next()?.name_any()
        ))
    };
    release.or_else(deployment).or_else(claim)
}

/// Deletes a namespace that this command made, and waits until it is gone, but not forever. Others may have begun to use it
/// since: a namespace with releases, workloads or claims of volumes stays.
///
/// # Errors
/// When it is in use, or the API server refuses it, or something in it holds it.
pub(crate) async fn remove(
    cluster: &Cluster,
    made: &Made,
    timeout: Duration,
    what: &str,
) -> Result<(), Failure> {
    if let Some(user) = user(cluster, what).await? {
        return Err(Failure::new(FailureKind::Failed, what).because(format!("it has {user}")));
    }
    delete(cluster, &made.uid, Some(timeout), what).await
}

/// Deletes the namespace, if it is still the one with this uid, and waits until it is gone, but not forever.
///
/// # Errors
/// When the API server refuses it, or something in it holds it.
pub(crate) async fn delete(
    cluster: &Cluster,
    uid: &str,
    timeout: Option<Duration>,
    what: &str,
) -> Result<(), Failure> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = cluster.namespace.as_str();
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: Some(uid.to_owned()),
        resource_version: None,
    });
    match cluster.answer(api.delete(name, &params)).await {
        Ok(_) => {}
        Err(Error::Api(status)) if status.is_not_found() || status.is_conflict() => return Ok(()),
        Err(error) => return Err(cluster.failure(what, &error)),
    }
    let Some(timeout) = timeout else {
        return Ok(());
    };
    let gone = watch::gone(cluster, api.clone(), name, uid, what);
    if let Ok(gone) = tokio::time::timeout(timeout, gone).await {
        return gone;
    }
    let late = format!(
        "namespace {name:?} still terminates after {} s",
        timeout.as_secs()
    );
    let mut failure = Failure::new(FailureKind::TimedOut, what).because(late);
    let left = cluster
        .answer(api.get_opt(name))
        .await
        .map_err(|error| cluster.failure(what, &error))?;
    failure.why.extend(left.iter().flat_map(holds));
    Err(failure)
}

/// What keeps a namespace from going, in the words of its controller.
fn holds(namespace: &Namespace) -> Vec<String> {
    let status = namespace.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref());
    let held = conditions.unwrap_or_default().iter();
    held.filter(|condition| condition.status == "True")
        .filter_map(|condition| condition.message.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_with_releases_or_deployments_or_claims_is_in_use() {
        let record: PartialObjectMeta<Secret> = serde_json::from_value(json!({"metadata": {
            "name": "sh.helm.release.v1.other.v1", "labels": {"owner": "helm", "name": "other"},
        }}))
        .unwrap();
        let deployment: PartialObjectMeta<Deployment> =
            serde_json::from_value(json!({"metadata": {"name": "web"}})).unwrap();
        let records = [record];
        let deployments = [deployment];
        let claim = |metadata: serde_json::Value| -> PartialObjectMeta<PersistentVolumeClaim> {
            serde_json::from_value(json!({"metadata": metadata})).unwrap()
        };
        let claims = [
            claim(json!({"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"})),
            claim(json!({"name": "data"})),
        ];
        let data = Some("persistentvolumeclaim \"data\"");
        for (records, deployments, claims, user) in [
            (&records[..0], &deployments[..0], &claims[..0], None),
            (&records[..0], &deployments[..0], &claims[..1], None),
            (&records[..0], &deployments[..0], &claims[..], data),
            (
                &records[..],
                &deployments[..],
                &claims[..],
                Some("release \"other\""),
            ),
            (
                &records[..0],
                &deployments[..],
                &claims[..],
                Some("deployment \"web\""),
            ),
        ] {
            assert_eq!(named(records, deployments, claims).as_deref(), user);
        }
    }

    #[test]
    fn a_namespace_is_abandoned_by_a_dead_deploy_only() {
        let now: Timestamp = "2026-01-01T00:20:00Z".parse().unwrap();
        let me = holder::this().unwrap();
        let gone = format!("{}/0", me.rsplit_once('/').unwrap().0);
        let elsewhere = "boot/pid:[1]/7/9".to_owned();
        let (young, old) = ("2026-01-01T00:11:00Z", "2026-01-01T00:09:00Z");
        for (holder, made, abandoned) in [
            (None, old, false),
            (Some(&me), old, false),
            (Some(&gone), young, true),
            (Some(&elsewhere), young, false),
            (Some(&elsewhere), old, true),
        ] {
            let mut namespace = json!({"metadata": {"uid": "u", "creationTimestamp": made}});
            if let Some(holder) = holder {
                namespace["metadata"]["annotations"] = json!({HOLDER: holder});
            }
            let namespace = serde_json::from_value(namespace).unwrap();
            assert_eq!(
                left_behind(&namespace, now).is_some(),
                abandoned,
                "{holder:?} {made}"
            );
        }
    }

    #[test]
    fn what_holds_a_namespace() {
        let namespace: Namespace = serde_json::from_value(json!({"status": {"conditions": [
            {"type": "NamespaceDeletionContentFailure", "status": "False", "message": "deleted"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "x in 1 resource instances"},
        ]}}))
        .unwrap();
        assert_eq!(holds(&namespace), ["x in 1 resource instances"]);
        assert!(holds(&Namespace::default()).is_empty());
    }
}
