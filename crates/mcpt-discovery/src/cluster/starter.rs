//! [`ClusterStarter`]: starts and stops the pods of servers, by the scale of their Deployments.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use mcpt_routing::{Change, ServerKey, StartError, Starter};
use serde_json::json;

use super::picture::Picture;

/// Who has written the number of pods, for those who look at the object.
const MANAGER: &str = "mcpt-gateway";
/// How long the API server may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What is scaled: the Deployment that is called as the Service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workload {
    pub(super) name: String,
    /// How many pods it is started with.
    pub(super) replicas: NonZeroU32,
}

/// Scales Deployments; needs the right to get and patch their scale.
#[derive(Debug)]
pub(super) struct ClusterStarter {
    client: ClientOf,
    known: Mutex<BTreeMap<ServerKey, Workload>>,
}

/// A client, which has nothing to show.
struct ClientOf(Client);

impl std::fmt::Debug for ClientOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl ClusterStarter {
    pub(super) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client: ClientOf(client),
            known: Mutex::default(),
        })
    }

    /// Takes in what has changed, of which `picture` knows more.
    pub(super) fn take(&self, picture: &Picture, changes: &[Change]) {
        let mut known = self.known();
        for change in changes {
            match change {
                Change::Snapshot(servers) => {
                    let keys = servers.iter().map(|server| &server.key);
                    *known = keys
                        .filter_map(|key| Some((key.clone(), picture.workload(key)?)))
                        .collect();
                }
                Change::Set(server) => match picture.workload(&server.key) {
                    Some(workload) => drop(known.insert(server.key.clone(), workload)),
                    None => drop(known.remove(&server.key)),
                },
                Change::Remove(key) => drop(known.remove(key)),
            }
        }
    }

    /// Nothing is ever half done under the lock, so a panic elsewhere has left it whole.
    fn known(&self) -> MutexGuard<'_, BTreeMap<ServerKey, Workload>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Scales to none, or from none to as many as its Service says.
    async fn scale(&self, server: &ServerKey, up: bool) -> Result<bool, StartError> {
        let workload = self.known().get(server).cloned();
        let Some(Workload { name, replicas }) = workload else {
            return Ok(false);
        };
        let client = self.client.0.clone();
        let deployments: Api<Deployment> = Api::namespaced(client, server.namespace.as_str());
        let scaled = async {
            let scale = deployments.get_scale(&name).await?;
            let now = scale.spec.and_then(|spec| spec.replicas).unwrap_or(0);
            if (now > 0) == up {
                return Ok(());
            }
            // Of the very state that was looked at: somebody else may say another number meanwhile.
            let wanted = if up { replicas.get() } else { 0 };
            let patch = json!({
                "metadata": {"resourceVersion": scale.metadata.resource_version},
                "spec": {"replicas": wanted},
            });
            let by = PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            };
            deployments
                .patch_scale(&name, &by, &Patch::Merge(patch))
                .await?;
            tracing::info!(%server, from = now, to = wanted, "server scaled");
            Ok(())
        };
        match tokio::time::timeout(ANSWER_WITHIN, scaled).await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(kube::Error::Api(status))) => match status.code {
                // Somebody was faster; whoever needs it looks again.
                409 => Ok(true),
                404 => Ok(false),
                401 | 403 => Err(StartError::Refused(status.message.clone())),
                _ => Err(StartError::Failed(status.message.clone())),
            },
            Ok(Err(error)) => Err(StartError::Failed(error.to_string())),
            Err(_) => Err(StartError::Failed(
                "the API server does not answer".to_owned(),
            )),
        }
    }
}

impl Starter for ClusterStarter {
    fn start<'s>(&'s self, server: &'s ServerKey) -> BoxFuture<'s, Result<bool, StartError>> {
        self.scale(server, true).boxed()
    }

    fn stop<'s>(&'s self, server: &'s ServerKey) -> BoxFuture<'s, Result<bool, StartError>> {
        self.scale(server, false).boxed()
    }
}
