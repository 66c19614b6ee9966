//! The namespace of a release: there, made for it, or taken away again.

mod mark;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Error,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::{ObjectMeta, PartialObjectMeta},
};
use kube_access::{Cluster, Progress};
use serde_json::json;

use self::mark::Mark;
use crate::{
    Denied, Error as InstallError, Result, contents, holder,
    tool::{FIELD_MANAGER, Tool},
};

/// A namespace as it was seen.
#[derive(Debug, Clone)]
pub struct NamespaceVersion {
    uid: String,
    version: String,
}

impl NamespaceVersion {
    fn of(metadata: &ObjectMeta) -> Option<Self> {
        Some(Self {
            uid: metadata.uid.clone()?,
            version: metadata.resource_version.clone()?,
        })
    }
}

/// What a deployment has to do with the namespace that it goes into.
#[derive(Debug)]
pub enum Entered {
    /// No command counts on it: it is there to stay, and nothing needs to be done about it.
    Unmarked,
    /// It bears a mark that is not this deployment's to answer for. If a server is there in the end, the mark goes.
    Marked,
    /// This deployment counts on it.
    Counted(NamespaceVersion),
    /// Whether it is there is not known, and it was not made, for want of these rights: what is done in it will tell.
    Unknown(Denied),
}

/// This command, as the mark of a namespace names it.
fn me() -> String {
    holder::this().unwrap_or_else(|| format!("process/{}", std::process::id()))
}

/// Begins to count on the namespace, which is made if it is not there and `create` says so. On one that a command made which is
/// not done, or died, this one counts too: it is removed by the last that fails.
///
/// When another deployment of this process counts on it already, that one leaves it for all.
///
/// # Errors
/// When it is being deleted, or may not be made.
pub async fn enter(
    cluster: &Cluster,
    tool: Tool,
    create: bool,
    progress: &dyn Progress,
) -> Result<Entered> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = cluster.namespace.as_str();
    let (me, now) = (me(), Timestamp::now());
    loop {
        let (found, unreadable) = match cluster.answer(api.get_metadata_opt(name)).await {
            Ok(found) => (found, None),
            // Who may not read namespaces may be allowed to make them, and the other way round.
            Err(Error::Api(status)) if status.is_forbidden() => {
                (None, Some(cluster.error(Error::Api(status))))
            }
            Err(error) => return Err(cluster.error(error).into()),
        };
        if let Some(PartialObjectMeta { metadata, .. }) = found {
            if metadata.deletion_timestamp.is_some() {
                return Err(InstallError::NamespaceEnding(name.to_owned()));
            }
            let (Some(mark), Some(seen)) =
                (Mark::of(&metadata, tool), NamespaceVersion::of(&metadata))
            else {
                return Ok(Entered::Unmarked);
            };
            if mark.has(&me) {
                return Ok(Entered::Marked);
            }
            let others = mark.living(&me, now);
            let mark = others.map_or_else(|| Mark::new(&me, now), |others| others.with(&me, now));
            match write(cluster, tool, &api, &seen, Some(&mark)).await {
                Ok(Some(seen)) => return Ok(Entered::Counted(seen)),
                // It has changed or is gone since.
                Ok(None) => continue,
                Err(Error::Api(status)) if status.is_forbidden() => {
                    tracing::debug!(%status, "what counts on the namespace cannot be noted");
                    return Ok(Entered::Marked);
                }
                Err(error) => return Err(cluster.error(error).into()),
            }
        }
        if !create {
            // If it is not there, the objects' own checks will tell. Whoever may not read it has made none.
            return Ok(Entered::Unmarked);
        }
        let namespace = serde_json::from_value(json!({"metadata": {
            "name": name,
            "labels": {"name": name},
            "annotations": {tool.holder: Mark::new(&me, now).text()},
        }}));
        let namespace = namespace.map_err(|error| cluster.error(Error::SerdeError(error)))?;
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.into()),
            ..PostParams::default()
        };
        match cluster.answer(api.create(&params, &namespace)).await {
            Ok(made) => {
                progress.step(format!("made namespace {name}"));
                return Ok(
                    NamespaceVersion::of(&made.metadata).map_or(Entered::Marked, Entered::Counted)
                );
            }
            Err(Error::Api(status)) if status.is_already_exists() => {
                if unreadable.is_some() {
                    return Ok(Entered::Unmarked);
                }
            }
            Err(error) => {
                let refused = matches!(&error, Error::Api(status) if status.is_forbidden());
                let error = cluster.error(error);
                // Who may do neither may be allowed to deploy into one that is there: the objects' own checks will tell.
                return match unreadable.filter(|_| refused) {
                    Some(read) => Ok(Entered::Unknown(Denied {
                        read: Arc::new(read),
                        make: Some(Arc::new(error)),
                    })),
                    None => Err(error.into()),
                };
            }
        }
    }
}

/// Writes the mark of a namespace, or takes it off, if nothing of it has changed since it was seen; `None` when it has.
async fn write(
    cluster: &Cluster,
    tool: Tool,
    api: &Api<Namespace>,
    seen: &NamespaceVersion,
    mark: Option<&Mark>,
) -> Result<Option<NamespaceVersion>, Error> {
    let body = json!({"metadata": {
        "uid": seen.uid,
        "resourceVersion": seen.version,
        "annotations": {tool.holder: mark.map(Mark::text)},
    }});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(&body);
    let written = api.patch_metadata(cluster.namespace.as_str(), &params, &patch);
    match cluster.answer(written).await {
        Ok(now) => Ok(NamespaceVersion::of(&now.metadata)),
        Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Counts on the namespace no longer, since what was to be deployed is not there. It is removed when no other command counts on
/// it and nothing is in it. Else it is there to stay; tells what is in it.
///
/// # Errors
/// When the API server refuses it, or something in it holds it.
pub async fn leave(
    cluster: &Cluster,
    tool: Tool,
    timeout: Duration,
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let me = me();
    loop {
        let found = cluster.answer(api.get_metadata_opt(cluster.namespace.as_str()));
        let found = found.await.map_err(|error| cluster.error(error))?;
        let Some(PartialObjectMeta { metadata, .. }) = found else {
            return Ok(Vec::new());
        };
        let (Some(mark), Some(seen)) = (Mark::of(&metadata, tool), NamespaceVersion::of(&metadata))
        else {
            // Another command was done in it: it is there to stay.
            return Ok(Vec::new());
        };
        if !mark.has(&me) || metadata.deletion_timestamp.is_some() {
            return Ok(Vec::new());
        }
        if let Some(others) = mark.living(&me, Timestamp::now()) {
            let left = write(cluster, tool, &api, &seen, Some(&others)).await;
            match left.map_err(|error| cluster.error(error))? {
                Some(_) => return Ok(Vec::new()),
                None => continue,
            }
        }
        match remove(cluster, &seen, timeout, progress).await? {
            Removed::Yes => return Ok(Vec::new()),
            Removed::InUse(others) => {
                settle(cluster, tool, Some(&seen), progress).await;
                return Ok(others);
            }
            Removed::Changed => {}
        }
    }
}

/// Takes the mark off the namespace, whether this command made it or an earlier one that could not take it off: it is there to
/// stay.
pub async fn settle(
    cluster: &Cluster,
    tool: Tool,
    entered: Option<&NamespaceVersion>,
    progress: &dyn Progress,
) {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let uid = match entered {
        Some(seen) => Some(seen.uid.clone()),
        None => marked(cluster, tool, &api).await,
    };
    let Some(uid) = uid else { return };
    let body = json!({"metadata": {"uid": uid, "annotations": {tool.holder: null}}});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.into()),
        ..PatchParams::default()
    };
    let name = cluster.namespace.as_str();
    let patch = Patch::Merge(&body);
    // Who may make namespaces may not always change them. With the mark a clean-up removes it once it is empty.
    if let Err(error) = cluster
        .answer(api.patch_metadata(name, &params, &patch))
        .await
    {
        let why = cluster.error(error);
        progress.warning(format!(
            "namespace {name} stays marked as made by a deploy that is not done, so that a clean-up removes it once it is empty: {why}"
        ));
    }
}

/// The uid of the namespace when it bears a mark.
async fn marked(cluster: &Cluster, tool: Tool, api: &Api<Namespace>) -> Option<String> {
    let found = cluster.answer(api.get_metadata_opt(cluster.namespace.as_str()));
    match found.await {
        Ok(found) => {
            let metadata = found?.metadata;
            let marked = metadata.annotations?.contains_key(tool.holder);
            marked.then_some(metadata.uid).flatten()
        }
        // Who may not read namespaces has made none.
        Err(error) => {
            tracing::debug!(%error, "whether the namespace is marked is not known");
            None
        }
    }
}

/// The namespace, if deploys made it that died before a server was there.
///
/// # Errors
/// When the API server refuses to tell.
pub async fn abandoned(cluster: &Cluster, tool: Tool) -> Result<Option<NamespaceVersion>> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = cluster.namespace.as_str();
    match cluster.answer(api.get_metadata_opt(name)).await {
        Ok(found) => {
            Ok(found.and_then(|found| left_behind(&found.metadata, tool, Timestamp::now())))
        }
        // Who may not read namespaces has made none.
        Err(Error::Api(status)) if status.is_forbidden() => Ok(None),
        Err(error) => Err(cluster.error(error).into()),
    }
}

/// A namespace on which only dead commands count.
fn left_behind(metadata: &ObjectMeta, tool: Tool, now: Timestamp) -> Option<NamespaceVersion> {
    let living = Mark::of(metadata, tool)?.living("", now);
    let going = metadata.deletion_timestamp.is_some();
    NamespaceVersion::of(metadata).filter(|_| living.is_none() && !going)
}

/// Whether a namespace is there.
#[derive(Debug)]
pub enum Existence {
    /// It is.
    There,
    /// It is not.
    Absent,
    /// This user may not know: what is done in it will tell.
    Unknown(Denied),
}

/// Whether it is there; for dry runs, which make nothing.
///
/// # Errors
/// When the API server cannot be asked.
pub async fn exists(cluster: &Cluster) -> Result<Existence> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    match cluster
        .answer(api.get_opt(cluster.namespace.as_str()))
        .await
    {
        Ok(Some(_)) => Ok(Existence::There),
        Ok(None) => Ok(Existence::Absent),
        Err(Error::Api(status)) if status.is_forbidden() => Ok(Existence::Unknown(Denied {
            read: Arc::new(cluster.error(Error::Api(status))),
            make: None,
        })),
        Err(error) => Err(cluster.error(error).into()),
    }
}

/// The namespace, if it is there, and whether another command that may live counts on it.
///
/// # Errors
/// When the API server refuses to tell.
pub async fn look(cluster: &Cluster, tool: Tool) -> Result<Option<(NamespaceVersion, bool)>> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let found = cluster
        .answer(api.get_metadata_opt(cluster.namespace.as_str()))
        .await
        .map_err(|error| cluster.error(error))?;
    Ok(found.and_then(|PartialObjectMeta { metadata, .. }| {
        let others =
            Mark::of(&metadata, tool).and_then(|mark| mark.living(&me(), Timestamp::now()));
        Some((NamespaceVersion::of(&metadata)?, others.is_some()))
    }))
}

/// What became of removing a namespace.
#[derive(Debug)]
pub enum Removed {
    /// It is gone.
    Yes,
    /// It stays for what else is in it.
    InUse(Vec<String>),
    /// It stays, since it changed meanwhile: another command may count on it.
    Changed,
}

/// Deletes a namespace that deployments made, and waits until it is gone, but not forever. Others may have begun to use it
/// since: it stays when anything is in it that the cluster itself did not put there. What this command made is gone when it asks,
/// or else is left to a deletion that is asked for.
///
/// # Errors
/// When the API server refuses it or does not tell all that is in it, or something in it holds it.
pub async fn remove(
    cluster: &Cluster,
    seen: &NamespaceVersion,
    timeout: Duration,
    progress: &dyn Progress,
) -> Result<Removed> {
    let others = contents::others(cluster).await?;
    if !others.is_empty() {
        return Ok(Removed::InUse(others));
    }
    progress.step(format!(
        "removing namespace {}: a deploy made it, and it is empty",
        cluster.namespace
    ));
    let removed = delete(cluster, seen, Some(timeout)).await?;
    Ok(if removed {
        Removed::Yes
    } else {
        Removed::Changed
    })
}

/// Deletes the namespace, if it is still as it was seen, and waits until it is gone, but not forever. False when it changed.
///
/// # Errors
/// When the API server refuses it, or something in it holds it.
pub async fn delete(
    cluster: &Cluster,
    seen: &NamespaceVersion,
    timeout: Option<Duration>,
) -> Result<bool> {
    let asked = ask(cluster, seen).await?;
    if let Some(timeout) = timeout.filter(|_| asked) {
        gone(cluster, &seen.uid, timeout).await?;
    }
    Ok(asked)
}

/// Asks for its deletion; false when it is gone, or not as it was seen.
async fn ask(cluster: &Cluster, seen: &NamespaceVersion) -> Result<bool> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let conditions = Preconditions {
        uid: Some(seen.uid.clone()),
        resource_version: Some(seen.version.clone()),
    };
    let params = DeleteParams::background().preconditions(conditions);
    let asked = cluster.answer(api.delete(cluster.namespace.as_str(), &params));
    match asked.await {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(false),
        Err(error) => Err(cluster.error(error).into()),
    }
}

/// Waits for its end.
async fn gone(cluster: &Cluster, uid: &str, timeout: Duration) -> Result<()> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = cluster.namespace.as_str();
    let gone = kube_access::gone(cluster, api.clone(), name, uid);
    if let Ok(gone) = tokio::time::timeout(timeout, gone).await {
        return Ok(gone?);
    }
    let left = cluster
        .answer(api.get_opt(name))
        .await
        .map_err(|error| cluster.error(error))?;
    Err(InstallError::NamespaceNotGone {
        namespace: name.to_owned(),
        waited: timeout,
        held: left.iter().flat_map(holds).collect(),
    })
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
mod tests;
