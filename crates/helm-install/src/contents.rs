//! What is in the namespace, over every kind that the cluster serves: metadata only.

use futures_util::{StreamExt, stream};
use kube::{
    Api, Error,
    api::{ApiResource, DynamicObject, ListParams},
    core::ObjectMeta,
    discovery::{Discovery, Scope, verbs},
};
use kube_access::Cluster;

use crate::{Error as InstallError, Object, Result};

/// Lists under way at once.
const AT_ONCE: usize = 6;

/// Label that the cluster's controller gives the endpoints that it makes for a service.
const ENDPOINTS_OF_A_SERVICE: &str = "endpoints.kubernetes.io/managed-by";

/// One object of the namespace.
#[derive(Debug, Clone)]
pub struct NamespaceObject {
    /// What it is.
    pub object: Object,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Whether another object of the namespace has it, so that it goes with that one.
    pub owned: bool,
}

impl NamespaceObject {
    /// Whether the cluster itself puts it into every namespace, and puts it back when it is deleted.
    pub fn is_of_every_namespace(&self) -> bool {
        matches!(
            (self.object.kind.as_str(), self.object.name.as_str()),
            ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt")
        )
    }
}

/// What is in the namespace besides what every namespace has, what goes with its owner, and what is on its way out; as labels.
///
/// # Errors
/// When a kind cannot be listed, so that this is not known.
pub async fn others(cluster: &Cluster) -> Result<Vec<String>> {
    let found = of_namespace(cluster, None, true).await?;
    let others = found.iter().filter(|found| {
        let going = found.metadata.deletion_timestamp.is_some();
        !found.is_of_every_namespace() && !found.owned && !going
    });
    Ok(others.map(|found| found.object.label()).collect())
}

/// Says that these are in the namespace, and not all of them when they are many.
pub fn it_has(others: &[String]) -> Vec<String> {
    const SHOWN: usize = 5;
    let shown = others.iter().take(SHOWN);
    let mut why: Vec<String> = shown.map(|other| format!("it has {other}")).collect();
    if others.len() > SHOWN {
        why.push(format!("and {} more", others.len() - SHOWN));
    }
    why
}

/// All objects with these labels that can be deleted. Kinds that cannot be listed are passed over when `strict` is not
/// set: whoever only looks for what is his own finds none there. Events are left out: they are the cluster's own records of
/// the past.
///
/// # Errors
/// When the API server cannot be asked which kinds there are, or refuses a list.
pub async fn of_namespace(
    cluster: &Cluster,
    labels: Option<&str>,
    strict: bool,
) -> Result<Vec<NamespaceObject>> {
    let kinds = kinds(cluster).await;
    let kinds = kinds.map_err(|error| cluster.error(error))?;
    let params = labels.map_or_else(ListParams::default, |labels| {
        ListParams::default().labels(labels)
    });
    let lists = kinds.iter().map(|kind| list(cluster, kind, &params));
    let lists: Vec<_> = stream::iter(lists.collect::<Vec<_>>())
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut found = Vec::new();
    for (kind, list) in kinds.iter().zip(lists) {
        let all = match list {
            Ok(all) => all,
            Err(Error::Api(status)) if is_passed_over(status.code, strict) => {
                tracing::info!(
                    kind = kind.kind,
                    code = status.code,
                    "cannot be listed: passed over"
                );
                continue;
            }
            Err(error) => {
                return Err(InstallError::Unlisted {
                    kind: kind.kind.clone(),
                    source: cluster.error(error),
                });
            }
        };
        for metadata in all {
            found.push(NamespaceObject {
                object: Object::named(
                    &kind.api_version,
                    &kind.kind,
                    metadata.name.as_deref().unwrap_or_default(),
                ),
                owned: is_owned(&metadata, &kinds),
                metadata,
            });
        }
    }
    found.sort_by(|a, b| (&a.object.kind, &a.object.name).cmp(&(&b.object.kind, &b.object.name)));
    Ok(found)
}

/// Whether a kind whose list has been refused counts as one of which there is nothing.
fn is_passed_over(code: u16, strict: bool) -> bool {
    match code {
        // It was removed since.
        404 => true,
        // It may not be listed, or its API does not serve lists of metadata.
        403 | 405 | 406 => !strict,
        _ => false,
    }
}

/// Whether an owner lives in the namespace too. The endpoints of a service name none, but are deleted after it all the same.
fn is_owned(metadata: &ObjectMeta, kinds: &[ApiResource]) -> bool {
    let labels = metadata.labels.as_ref();
    if labels.is_some_and(|labels| labels.contains_key(ENDPOINTS_OF_A_SERVICE)) {
        return true;
    }
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let of_namespace = |kind: &str| kinds.iter().any(|known| known.kind == kind);
    owners.iter().any(|owner| of_namespace(&owner.kind))
}

async fn kinds(cluster: &Cluster) -> Result<Vec<ApiResource>, Error> {
    let discovery = Discovery::new(cluster.client.clone()).run_aggregated();
    let discovery = cluster.answer(discovery).await?;
    let mut kinds = Vec::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.resources_by_stability() {
            let listed = capabilities.supports_operation(verbs::LIST)
                && capabilities.supports_operation(verbs::DELETE);
            if capabilities.scope == Scope::Namespaced && listed && resource.kind != "Event" {
                kinds.push(resource);
            }
        }
    }
    Ok(kinds)
}

async fn list(
    cluster: &Cluster,
    kind: &ApiResource,
    params: &ListParams,
) -> Result<Vec<ObjectMeta>, Error> {
    let namespace = &cluster.namespace;
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), namespace, kind);
    let list = cluster.answer(api.list_metadata(params)).await?;
    Ok(list.items.into_iter().map(|item| item.metadata).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::GroupVersionKind;
    use serde_json::json;

    #[test]
    fn kinds_that_cannot_be_listed() {
        for (code, strict, lenient) in [
            (403, false, true),
            (404, true, true),
            (405, false, true),
            (406, false, true),
            (500, false, false),
        ] {
            assert_eq!(is_passed_over(code, true), strict, "{code}");
            assert_eq!(is_passed_over(code, false), lenient, "{code}");
        }
    }

    #[test]
    fn owners_of_the_namespace_take_their_objects_with_them() {
        let kinds = [ApiResource::from_gvk(&GroupVersionKind::gvk(
            "", "v1", "Service",
        ))];
        let metadata = |kind: &str| -> ObjectMeta {
            serde_json::from_value(json!({"ownerReferences": [
                {"apiVersion": "v1", "kind": kind, "name": "x", "uid": "x"}]}))
            .unwrap()
        };
        assert!(is_owned(&metadata("Service"), &kinds));
        assert!(!is_owned(&metadata("Node"), &kinds));
        assert!(!is_owned(&ObjectMeta::default(), &kinds));
        let endpoints =
            json!({"labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}});
        assert!(is_owned(
            &serde_json::from_value(endpoints).unwrap(),
            &kinds
        ));
    }

    #[test]
    fn what_is_in_a_namespace_is_told_shortly() {
        let others: Vec<String> = (0..7).map(|n| format!("pod \"{n}\"")).collect();
        let why = it_has(&others);
        assert_eq!(why.len(), 6);
        assert_eq!(why[5], "and 2 more");
        assert_eq!(it_has(&others[..1]), ["it has pod \"0\""]);
    }
}
