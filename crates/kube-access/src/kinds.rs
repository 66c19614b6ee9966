//! Which resource a kind is served as. The kinds that every cluster has are known here, so that a deploy needs no
//! discovery request; others are looked up once.

use std::{collections::HashMap, sync::Arc};

use kube::{
    Client, Error,
    core::{ApiResource, GroupVersionKind},
    discovery::{self, ApiCapabilities, Scope},
    error::DiscoveryError,
};
use tokio::sync::Mutex;

/// A kind with its place in the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Whether its objects live in a namespace.
    pub namespaced: bool,
}

impl From<(ApiResource, ApiCapabilities)> for Kind {
    fn from((resource, capabilities): (ApiResource, ApiCapabilities)) -> Self {
        Self {
            resource,
            namespaced: capabilities.scope == Scope::Namespaced,
        }
    }
}

/// Whether the answer to [`Kinds::get`] is that the cluster does not serve the kind.
pub fn is_unknown(error: &Error) -> bool {
    match error {
        Error::Discovery(_) => true,
        Error::Api(status) => status.code == 404,
        _ => false,
    }
}

/// `apiVersion`, kind, plural, namespaced.
const BUILT_IN: &[(&str, &str, &str, bool)] = &[
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Namespace", "namespaces", false),
    ("v1", "PersistentVolume", "persistentvolumes", false),
    (
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
    ),
    ("v1", "Pod", "pods", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "Service", "services", true),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        true,
    ),
    ("batch/v1", "CronJob", "cronjobs", true),
    ("batch/v1", "Job", "jobs", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "networkpolicies",
        true,
    ),
    (
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "clusterroles",
        false,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
    ),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
        true,
    ),
];

fn built_in(api_version: &str, kind: &str) -> Option<Kind> {
    let &(api_version, kind, plural, namespaced) = BUILT_IN
        .iter()
        .find(|row| row.0 == api_version && row.1 == kind)?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let gvk = GroupVersionKind::gvk(group, version, kind);
    Some(Kind {
        resource: ApiResource::from_gvk_with_plural(&gvk, plural),
        namespaced,
    })
}

/// Whether objects of a kind are known to be in no namespace.
pub fn is_cluster_wide(api_version: &str, kind: &str) -> bool {
    built_in(api_version, kind).is_some_and(|kind| !kind.namespaced)
}

/// Looks kinds up, each unknown one at most once.
#[derive(Clone)]
pub struct Kinds {
    client: Client,
    found: Arc<Mutex<HashMap<(String, String), Kind>>>,
}

impl Kinds {
    /// Over a client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            found: Arc::default(),
        }
    }

    /// The kind of an object.
    ///
    /// # Errors
    /// When the cluster does not serve it or cannot be asked.
    pub async fn get(&self, api_version: &str, kind: &str) -> Result<Kind, Error> {
        if let Some(kind) = built_in(api_version, kind) {
            return Ok(kind);
        }
        let key = (api_version.to_owned(), kind.to_owned());
        let mut found = self.found.lock().await;
        if let Some(kind) = found.get(&key) {
            return Ok(kind.clone());
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let kind = Kind::from(discovery::pinned_kind(&self.client, &gvk).await?);
        found.insert(key, kind.clone());
        Ok(kind)
    }

    /// The kind of an object that may be there, in whichever version it is served by now: an object is the same in all of them.
    /// `None` when none is served, and so there is no such object.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn in_any_version(
        &self,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Kind>, Error> {
        match self.get(api_version, kind).await {
            Err(error) if is_unknown(&error) => {}
            known => return known.map(Some),
        }
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let group = match discovery::group(&self.client, group).await {
            Err(Error::Discovery(DiscoveryError::MissingApiGroup(_))) => return Ok(None),
            group => group?,
        };
        let served = group.resources_by_stability().into_iter();
        let mut kinds = served.map(Kind::from);
        Ok(kinds.find(|found| found.resource.kind == kind))
    }
}

impl std::fmt::Debug for Kinds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kinds").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_kinds() {
        let policy = built_in("networking.k8s.io/v1", "NetworkPolicy").unwrap();
        assert_eq!(policy.resource.plural, "networkpolicies");
        assert_eq!(policy.resource.group, "networking.k8s.io");
        assert_eq!(policy.resource.api_version, "networking.k8s.io/v1");
        assert!(policy.namespaced);
        let service = built_in("v1", "Service").unwrap();
        assert_eq!(
            (
                service.resource.group.as_str(),
                service.resource.version.as_str()
            ),
            ("", "v1")
        );
        assert!(!built_in("v1", "Namespace").unwrap().namespaced);
        assert_eq!(built_in("example.com/v1", "Service"), None);
    }
}
