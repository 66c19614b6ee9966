//! [`Kubernetes`]: the [`Backend`] over one cluster and namespace.

use async_trait::async_trait;
use futures_util::future::try_join3;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Event, Pod, Secret, Service},
};
use kube::{
    Api, Resource, ResourceExt,
    api::ListParams,
    core::{NamespaceResourceScope, PartialObjectMeta},
};
use mcpt_core::{
    Backend, BackendKind, Connection, DeleteOptions, DeployOptions, Deployed, Failure, FailureKind,
    LogOptions, LogStream, Plan, Progress, Server, ServerName, ServerState,
};
use serde::de::DeserializeOwned;

use crate::{
    ConnectOptions,
    cluster::Cluster,
    connect, delete, deploy, forward, logs,
    records::{Record, Records},
    rollout::Observed,
    server::{self, ReleaseFacts, SERVER_LABEL},
};

/// Path of the MCP endpoint when the Deployment does not say.
const DEFAULT_PATH: &str = "/mcp";

/// A connected cluster and a namespace in it, where each server is one Helm release.
#[derive(Debug, Clone)]
pub struct Kubernetes {
    cluster: Cluster,
}

impl Kubernetes {
    /// Connects to a cluster and makes sure that it answers.
    ///
    /// # Errors
    /// [`FailureKind::Usage`] for a kubeconfig or context that is not usable, [`FailureKind::Unreachable`] when there is none,
    /// nothing answers, what answers is not trusted, or credentials cannot be had or are refused.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, Failure> {
        Ok(Self {
            cluster: connect::connect(options).await?,
        })
    }

    /// The Deployment of a server, which must be one of mcpt.
    async fn deployment(
        &self,
        name: &ServerName,
        what: &str,
    ) -> Result<Option<Deployment>, Failure> {
        let api: Api<Deployment> = self.cluster.api();
        let found = self
            .cluster
            .answer(api.get_opt(name.as_str()))
            .await
            .map_err(|error| self.cluster.failure(what, &error))?;
        Ok(found.filter(|d| {
            d.labels()
                .get(SERVER_LABEL)
                .is_some_and(|l| l == name.as_str())
        }))
    }

    /// Label selector of the pods of a server that must exist.
    async fn selector(
        &self,
        name: &ServerName,
        what: &str,
    ) -> Result<(Deployment, String), Failure> {
        let deployment = self
            .deployment(name, what)
            .await?
            .ok_or_else(|| self.not_found(name, what))?;
        let selector = selector_of(&deployment);
        Ok((deployment, selector))
    }

    fn not_found(&self, name: &ServerName, what: &str) -> Failure {
        Failure::new(FailureKind::NotFound, what)
            .because(format!(
                "there is no server {:?} in namespace {:?}",
                name.as_str(),
                self.cluster.namespace.as_str()
            ))
            .hint("see which there are: mcpt list --backend kubernetes")
    }

    async fn all<K>(&self, params: ListParams, what: &str) -> Result<Vec<K>, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let api: Api<K> = self.cluster.api();
        let list = self
            .cluster
            .answer(api.list(&params))
            .await
            .map_err(|error| self.cluster.failure(what, &error))?;
        Ok(list.items)
    }

    /// What explains why a server is not ready: its replica sets, and the namespace's warnings.
    async fn explain(
        &self,
        observed: &mut Observed,
        selector: &str,
        what: &str,
    ) -> Result<(), Failure> {
        let sets: Vec<ReplicaSet> = self
            .all(ListParams::default().labels(selector), what)
            .await?;
        let events: Vec<Event> = self
            .all(ListParams::default().fields("type=Warning"), what)
            .await?;
        observed.replica_sets = by_uid(sets);
        observed.events = by_uid(events);
        Ok(())
    }
}

fn by_uid<K: ResourceExt>(objects: Vec<K>) -> std::collections::BTreeMap<String, K> {
    objects
        .into_iter()
        .map(|object| (object.uid().unwrap_or_default(), object))
        .collect()
}

/// The label selector of a Deployment's pods, as the API takes it.
pub(crate) fn selector_of(deployment: &Deployment) -> String {
    let labels = deployment.spec.selector.match_labels.iter().flatten();
    labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

fn by_name<K: ResourceExt>(mut objects: Vec<K>) -> Vec<K> {
    objects.sort_by_key(ResourceExt::name_any);
    objects
}

#[async_trait]
impl Backend for Kubernetes {
    fn kind(&self) -> BackendKind {
        BackendKind::Kubernetes
    }

    async fn deploy(
        &self,
        plan: &Plan,
        options: &DeployOptions,
        progress: &dyn Progress,
    ) -> Result<Deployed, Failure> {
        deploy::deploy(&self.cluster, plan, options, progress).await
    }

    async fn list(&self) -> Result<Vec<Server>, Failure> {
        let what = "cannot list servers";
        let records = ListParams::default().labels("owner=helm");
        let (deployments, services, secrets) = try_join3(
            self.all::<Deployment>(ListParams::default().labels(SERVER_LABEL), what),
            self.all::<Service>(ListParams::default().labels(SERVER_LABEL), what),
            self.all::<PartialObjectMeta<Secret>>(records, what),
        )
        .await?;
        let facts = secrets
            .iter()
            .filter_map(|secret| ReleaseFacts::read(&secret.metadata));
        let mut releases = ReleaseFacts::latest(facts);
        let mut servers = Vec::new();
        for deployment in by_name(deployments) {
            let name = deployment.name_any();
            // Another object may bear the label; only what is named by its server is one.
            let (Ok(server), Some(true)) = (
                ServerName::new(name.clone()),
                deployment
                    .labels()
                    .get(SERVER_LABEL)
                    .map(|label| *label == name),
            ) else {
                continue;
            };
            let release = releases.remove(&name);
            let service = services.iter().find(|service| service.name_any() == name);
            let observed = Observed {
                deployment: Some(deployment),
                ..Observed::default()
            };
            servers.push(server::server(
                server,
                &self.cluster.namespace,
                release.as_ref(),
                &observed,
                service,
            ));
        }
        // Releases whose Deployment is gone or was never made.
        for (name, release) in releases.into_iter().filter(|(_, release)| release.of_mcpt) {
            if let Ok(server) = ServerName::new(name) {
                let none = Observed::default();
                servers.push(server::server(
                    server,
                    &self.cluster.namespace,
                    Some(&release),
                    &none,
                    None,
                ));
            }
        }
        servers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(servers)
    }

    async fn status(&self, name: &ServerName) -> Result<Server, Failure> {
        let what = format!("cannot get the status of {name}");
        let records = Records::new(self.cluster.clone(), name.as_str());
        let deployment = self.deployment(name, &what).await?;
        let latest = records.latest(&what).await?;
        if deployment.is_none() && !latest.as_ref().is_some_and(|record| record.facts().of_mcpt) {
            return Err(self.not_found(name, &what));
        }
        let facts = latest.as_ref().map(Record::facts);
        let told = |observed: &Observed, service: Option<&Service>| {
            let namespace = &self.cluster.namespace;
            server::server(name.clone(), namespace, facts.as_ref(), observed, service)
        };
        let mut observed = Observed::default();
        let mut service = None;
        let mut unexplained = None;
        if let Some(deployment) = deployment {
            let selector = selector_of(&deployment);
            let labelled = ListParams::default().labels(&selector);
            observed.pods = by_uid(self.all::<Pod>(labelled, &what).await?);
            observed.deployment = Some(deployment);
            let services: Api<Service> = self.cluster.api();
            let found = self.cluster.answer(services.get_opt(name.as_str())).await;
            service = found.map_err(|error| self.cluster.failure(&what, &error))?;
            let state = told(&observed, None).state;
            if !matches!(state, ServerState::Running | ServerState::Stopped) {
                // Who may not read events shall see the state all the same.
                unexplained = self.explain(&mut observed, &selector, &what).await.err();
            }
        }
        let mut server = told(&observed, service.as_ref());
        if let Some(failure) = unexplained {
            let why = format!("the cause cannot be read: {}", failure.why.join("; "));
            server.reason = Some(match server.reason {
                Some(reason) => format!("{reason}; {why}"),
                None => why,
            });
        }
        server.replicas.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(record) = &latest {
            server.env = server::env(&record.release.config);
        }
        Ok(server)
    }

    async fn logs(&self, name: &ServerName, options: &LogOptions) -> Result<LogStream, Failure> {
        let what = format!("cannot read the logs of {name}");
        let (_, selector) = self.selector(name, &what).await?;
        logs::open(&self.cluster, &selector, options).await
    }

    async fn delete(
        &self,
        name: &ServerName,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        delete::delete(&self.cluster, name, options, progress).await
    }

    async fn connect(&self, name: &ServerName) -> Result<Connection, Failure> {
        let what = format!("cannot connect to {name}");
        let (deployment, selector) = self.selector(name, &what).await?;
        let path = deployment
            .annotations()
            .get(server::PATH_ANNOTATION)
            .cloned();
        let target = forward::Target::new(self.cluster.clone(), selector, None);
        let tunnel = forward::open(target)
            .await
            .map_err(|failure| Failure { what, ..failure })?;
        Ok(Connection {
            url: format!(
                "http://{}{}",
                tunnel.address,
                path.as_deref().unwrap_or(DEFAULT_PATH)
            ),
            tunnel: Some(Box::new(tunnel)),
        })
    }
}
