//! The servers of a cluster for those who route to them: Services that carry a server's label and the pods behind them,
//! told as they change.
//!
//! Two watches, of Services (their metadata alone: name, path, kind of sessions) and of their `EndpointSlices`. A watch
//! that broke goes on where it was; one that cannot must list anew, and until that is complete what was known holds.

mod instances;
mod picture;
mod starter;
mod watching;

use std::{sync::Arc, time::Duration};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{NamespaceResourceScope, PartialObjectMeta},
};
use kube_access::{ClusterTarget, Surroundings, is_final};
use mcpt_core::{Namespace, marks::SERVER_LABEL};
use mcpt_routing::{Change, Discovery, Starter};
use serde::de::DeserializeOwned;

use self::{picture::Picture, starter::ClusterStarter};

/// Longest time for the first look, which is only there to show mistakes early.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// A source of the servers of a cluster: those of one namespace or of all.
#[derive(Debug)]
pub struct ClusterDiscovery {
    target: ClusterTarget,
    namespace: Namespace,
    all_namespaces: bool,
    starter: Arc<ClusterStarter>,
}

/// Why servers cannot be found.
#[derive(Debug, thiserror::Error)]
#[error("cannot find servers on {address}: {source}")]
pub struct DiscoveryError {
    /// URL of the API server.
    pub address: String,
    /// What it said.
    #[source]
    pub source: kube_access::Error,
    /// Whether it was asked for those of all namespaces.
    pub all_namespaces: bool,
}

impl ClusterDiscovery {
    /// Asks a cluster once for servers. An API server that does not answer is waited for by [`Discovery::watch`], as it is
    /// whenever it goes away; who is refused is told here.
    ///
    /// # Errors
    /// Whatever the API server refuses with: bad credentials, no right to list Services or `EndpointSlices`.
    pub async fn of(
        target: ClusterTarget,
        namespace: Namespace,
        all_namespaces: bool,
    ) -> Result<Self, DiscoveryError> {
        let discovery = Self {
            starter: ClusterStarter::new(target.client.clone()),
            target,
            namespace,
            all_namespaces,
        };
        discovery.look::<PartialObjectMeta<Service>>().await?;
        discovery.look::<EndpointSlice>().await?;
        Ok(discovery)
    }

    /// The namespace whose servers are found first, or alone.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Why pods may not answer, unless this process is a pod itself.
    pub fn unreachable_hint(&self) -> Option<&'static str> {
        let outside = !Surroundings::read().in_cluster;
        outside.then_some("pods can usually be reached from inside the cluster only: mcpt gateway install runs the gateway there")
    }

    async fn look<K>(&self) -> Result<(), DiscoveryError>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.api();
        let one = ListParams::default().labels(SERVER_LABEL).limit(1);
        let address = || self.target.address.clone();
        let error = match tokio::time::timeout(FIRST_LOOK, api.list(&one)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(source)) => {
                let refused = matches!(&source, kube::Error::Api(status) if is_final(status.code));
                let error = self.error(kube_access::Error::Request {
                    address: address(),
                    source: Box::new(source),
                });
                if refused {
                    return Err(error);
                }
                error
            }
            Err(_) => self.error(kube_access::Error::Silent {
                address: address(),
                waited: FIRST_LOOK,
            }),
        };
        tracing::warn!(%error, "waiting for the cluster");
        Ok(())
    }

    fn error(&self, source: kube_access::Error) -> DiscoveryError {
        DiscoveryError {
            address: self.target.address.clone(),
            source,
            all_namespaces: self.all_namespaces,
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        let client: Client = self.target.client.clone();
        if self.all_namespaces {
            Api::all(client)
        } else {
            Api::namespaced(client, self.namespace.as_str())
        }
    }
}

impl Discovery for ClusterDiscovery {
    fn name(&self) -> &'static str {
        "servers of the cluster"
    }

    fn starter(&self) -> Option<Arc<dyn Starter>> {
        Some(Arc::clone(&self.starter) as Arc<dyn Starter>)
    }

    fn watch(self: Box<Self>) -> BoxStream<'static, Change> {
        let address = &self.target.address;
        let services = watching::follow(self.api(), "services", address);
        let slices = watching::follow(self.api(), "endpoint slices", address);
        let events = stream::select(
            services.map(picture::Event::Service),
            slices.map(picture::Event::Slice),
        );
        let mut picture = Picture::default();
        let starter = Arc::clone(&self.starter);
        events
            .flat_map(move |event| {
                let changes = picture.take(event);
                starter.take(&picture, &changes);
                stream::iter(changes)
            })
            .boxed()
    }
}
