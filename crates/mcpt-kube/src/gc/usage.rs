//! Whether a release without a record in the namespace is in use all the same: Helm and what is built on it can keep records in
//! another namespace than the objects.

use std::{collections::BTreeSet, fmt::Debug};

use helm_install::manifest::RELEASE_NAME;
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Secret},
};
use kube::{
    Api, Error,
    api::ListParams,
    core::{NamespaceResourceScope, ObjectMeta},
};
use mcpt_core::Failure;
use serde::de::DeserializeOwned;

use crate::{cluster::Cluster, server::SERVER_LABEL};

/// What is known of the use of releases, by their names.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Those with a record in any namespace; `None` when that may not be asked.
    recorded: Option<BTreeSet<String>>,
    /// Those with a workload that has ready pods; `None` when that may not be asked.
    ready: Option<BTreeSet<String>>,
}

impl Usage {
    /// Asks the cluster.
    ///
    /// # Errors
    /// When it does not answer. That something may not be asked is an answer.
    pub(super) async fn of(cluster: &Cluster, what: &str) -> Result<Self, Failure> {
        let asked = async {
            Ok(Self {
                recorded: recorded(cluster).await?,
                ready: ready(cluster).await?,
            })
        };
        asked
            .await
            .map_err(|error: Error| cluster.failure(what, error))
    }

    /// As [`Usage::of`], of ready pods alone.
    ///
    /// # Errors
    /// As [`Usage::of`].
    pub(super) async fn of_pods(cluster: &Cluster, what: &str) -> Result<Self, Failure> {
        let ready = ready(cluster).await;
        Ok(Self {
            recorded: None,
            ready: ready.map_err(|error| cluster.failure(what, error))?,
        })
    }

    /// Whether pods of a release are ready; `None` when that may not be asked.
    pub(super) fn has_ready_pods(&self, name: &str) -> Option<bool> {
        self.ready.as_ref().map(|ready| ready.contains(name))
    }

    /// Why the objects of a release are left alone; `None` when nobody uses them.
    pub(super) fn why_left(&self, name: &str) -> Option<&'static str> {
        let has =
            |all: &Option<BTreeSet<String>>| all.as_ref().is_some_and(|all| all.contains(name));
        if has(&self.recorded) {
            return Some("another namespace has a record of a release of that name");
        }
        if has(&self.ready) {
            return Some("it has pods that are ready");
        }
        (self.recorded.is_none() && self.ready.is_none()).then_some(
            "neither the records of other namespaces may be listed nor the workloads of this one",
        )
    }
}

/// Names of the releases with a record anywhere.
async fn recorded(cluster: &Cluster) -> Result<Option<BTreeSet<String>>, Error> {
    let (secrets, maps) =
        futures_util::try_join!(records::<Secret>(cluster), records::<ConfigMap>(cluster),)?;
    Ok(secrets.zip(maps).map(|(mut all, maps)| {
        all.extend(maps);
        all
    }))
}

async fn records<K>(cluster: &Cluster) -> Result<Option<BTreeSet<String>>, Error>
where
    K: kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = Api::all(cluster.client.clone());
    let of_helm = ListParams::default().labels("owner=helm");
    let listed = cluster.answer(api.list_metadata(&of_helm)).await;
    let Some(list) = unless_forbidden(listed)? else {
        return Ok(None);
    };
    let name = |metadata: ObjectMeta| metadata.labels?.remove("name");
    let names = list
        .items
        .into_iter()
        .filter_map(|item| name(item.metadata));
    Ok(Some(names.collect()))
}

/// Names of the releases with a workload in the namespace that has ready pods.
async fn ready(cluster: &Cluster) -> Result<Option<BTreeSet<String>>, Error> {
    let all = ListParams::default();
    let (deployments, sets): (Api<Deployment>, Api<StatefulSet>) = (cluster.api(), cluster.api());
    let deployments = unless_forbidden(cluster.answer(deployments.list(&all)).await)?;
    let sets = unless_forbidden(cluster.answer(sets.list(&all)).await)?;
    let Some((deployments, sets)) = deployments.zip(sets) else {
        return Ok(None);
    };
    let deployments = deployments.items.into_iter().map(|deployment| {
        let ready = deployment.status.and_then(|status| status.ready_replicas);
        (deployment.metadata, ready)
    });
    let sets = sets.items.into_iter().map(|set| {
        let ready = set.status.and_then(|status| status.ready_replicas);
        (set.metadata, ready)
    });
    Ok(Some(in_use(deployments.chain(sets))))
}

/// Names of the releases that workloads with ready pods bear, be it as label or as annotation.
fn in_use(workloads: impl Iterator<Item = (ObjectMeta, Option<i32>)>) -> BTreeSet<String> {
    let ready = workloads.filter(|(_, ready)| ready.is_some_and(|ready| ready > 0));
    ready
        .flat_map(|(metadata, _)| {
            let label = metadata.labels.and_then(|mut all| all.remove(SERVER_LABEL));
            let release = metadata
                .annotations
                .and_then(|mut all| all.remove(RELEASE_NAME));
            label.into_iter().chain(release)
        })
        .collect()
}

fn unless_forbidden<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Err(Error::Api(status)) if status.is_forbidden() => Ok(None),
        answer => answer.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_in_use_is_left_alone() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        for (recorded, ready, left) in [
            (names(&[]), names(&[]), None),
            (names(&["other"]), names(&["other"]), None),
            (names(&["demo"]), names(&[]), Some("record")),
            (names(&["demo"]), None, Some("record")),
            (names(&[]), names(&["demo"]), Some("ready")),
            (None, names(&["demo"]), Some("ready")),
            (None, names(&[]), None),
            (names(&[]), None, None),
            (None, None, Some("neither")),
        ] {
            let usage = Usage { recorded, ready };
            let why = usage.why_left("demo");
            assert_eq!(why.is_some(), left.is_some(), "{usage:?}");
            assert!(
                why.unwrap_or_default().contains(left.unwrap_or_default()),
                "{why:?}"
            );
        }
    }

    #[test]
    fn workloads_with_ready_pods_are_in_use() {
        let workload = |metadata: serde_json::Value, ready| {
            (
                serde_json::from_value::<ObjectMeta>(metadata).unwrap(),
                ready,
            )
        };
        let all = [
            workload(json!({"labels": {"mcpt.io/server": "a"}}), Some(1)),
            workload(
                json!({"annotations": {"meta.helm.sh/release-name": "b"}}),
                Some(2),
            ),
            workload(json!({"labels": {"mcpt.io/server": "c"}}), Some(0)),
            workload(json!({"labels": {"mcpt.io/server": "d"}}), None),
            workload(json!({}), Some(1)),
        ];
        let in_use = in_use(all.into_iter());
        assert_eq!(in_use.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}
