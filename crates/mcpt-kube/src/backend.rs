//! [`Kubernetes`]: the [`Backend`] over one cluster and namespace.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, future::try_join4};
use helm_install::{manifest::RELEASE_NAME, namespace};
use helm_release::Status;
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Secret, Service},
};
use kube::{ResourceExt, api::ListParams};
use kube_observe::Observed;
use mcpt_core::{
    Backend, BackendName, Capabilities, ChangeOptions, Comparison, Connection, DeleteOptions,
    Deleted, Deployed, EventStream, Exec, ExecStream, Failure, Garbage, GcOptions, InstanceUsage,
    LogOptions, Logs, Plan, Progress, Recalled, Revision, RevisionEntry, Scale, Server, ServerName,
    ServerValue,
};

use crate::{
    ConnectOptions,
    absent::no_server,
    cluster::{Cluster, TOOL},
    compare, connect, delete, deploy, driver, events, exec,
    failure::{OrFail as _, failure},
    gc, history, logs,
    options::DeployOptions,
    progress::AsProgress,
    recall,
    release_kind::ReleaseKind,
    restart, rollback, scale,
    server::{self, DEFAULT_PATH, ReleaseFacts, SERVER_LABEL},
    status, tunnel, usage, values,
};

/// A connected cluster and a namespace in it, where each server is one Helm release.
#[derive(Debug, Clone)]
pub struct Kubernetes {
    pub(crate) cluster: Cluster,
}

impl Kubernetes {
    /// Connects to a cluster and makes sure that it answers.
    ///
    /// # Errors
    /// [`mcpt_core::FailureKind::Usage`] for a kubeconfig or context that is not usable, [`mcpt_core::FailureKind::Unreachable`] when there is none,
    /// nothing answers, what answers is not trusted, or credentials cannot be had or are refused.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, Failure> {
        Ok(Self {
            cluster: connect::connect(options).await?,
        })
    }

    /// Label selector of the pods of a server that must exist.
    async fn selector(
        &self,
        name: &ServerName,
        what: &str,
    ) -> Result<(Deployment, String), Failure> {
        let found = deployment(&self.cluster, ReleaseKind::Server, name, what).await?;
        let Some(deployment) = found else {
            return Err(no_server(&self.cluster, name, what).await);
        };
        let selector = selector_of(&deployment);
        Ok((deployment, selector))
    }
}

/// The Deployment of a release, which must be one of mcpt.
///
/// # Errors
/// When the API server refuses.
pub(crate) async fn deployment(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
    what: &str,
) -> Result<Option<Deployment>, Failure> {
    let found: Option<Deployment> = cluster.get(name.as_str(), what).await?;
    let own = |found: &Deployment| release_of(found, kind) == Some(name.as_str());
    match found.filter(own) {
        // The chart of somebody else names its objects as it likes.
        None if kind == ReleaseKind::Server => {
            let labelled = Box::pin(cluster.list::<Deployment>(labelled(name), what)).await?;
            Ok(labelled.into_iter().find(own))
        }
        found => Ok(found),
    }
}

/// The Service of a release: the one named so, else, of a server, the one that bears its label.
///
/// # Errors
/// When the API server refuses.
pub(crate) async fn service(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
    what: &str,
) -> Result<Option<Service>, Failure> {
    let found: Option<Service> = cluster.get(name.as_str(), what).await?;
    if found.is_some() || kind != ReleaseKind::Server {
        return Ok(found);
    }
    let labelled = Box::pin(cluster.list::<Service>(labelled(name), what)).await?;
    let own = |found: &Service| release_of(found, kind) == Some(name.as_str());
    Ok(labelled.into_iter().find(own))
}

/// The release that an object is of. Another object may bear the label; only what is named by its release, or is of the one that
/// is, belongs to it.
fn release_of<K: ResourceExt>(object: &K, kind: ReleaseKind) -> Option<&str> {
    let named = object.labels().get(kind.label())?;
    let release = object.annotations().get(RELEASE_NAME);
    (object.name_any() == *named || release == Some(named)).then_some(named)
}

/// What bears the label of a server.
pub(crate) fn labelled(name: &ServerName) -> ListParams {
    ListParams::default().labels(&format!("{SERVER_LABEL}={name}"))
}

/// Objects by their uid.
pub(crate) fn by_uid<K: ResourceExt>(objects: Vec<K>) -> std::collections::BTreeMap<String, K> {
    objects
        .into_iter()
        .map(|object| (object.uid().unwrap_or_default(), object))
        .collect()
}

/// The label selector of a Deployment's pods, as the API takes it.
pub(crate) fn selector_of(deployment: &Deployment) -> String {
    let selector = &deployment.spec.selector;
    let labels = selector.match_labels.iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|one| {
        let (key, values) = (
            &one.key,
            one.values.as_deref().unwrap_or_default().join(","),
        );
        match one.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            // "Exists": the API knows no others.
            _ => key.clone(),
        }
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

fn by_name<K: ResourceExt>(mut objects: Vec<K>) -> Vec<K> {
    objects.sort_by_key(ResourceExt::name_any);
    objects
}

#[async_trait]
impl Backend for Kubernetes {
    fn name(&self) -> BackendName {
        driver::NAME.clone()
    }

    fn capabilities(&self) -> Capabilities {
        driver::CAPABILITIES
    }

    fn place(&self) -> String {
        format!("in namespace {:?}", self.cluster.namespace.as_str())
    }

    fn command(&self, words: &str) -> String {
        self.cluster.command(words)
    }

    async fn check(&self, plan: &Plan, options: &mcpt_core::DeployOptions) -> Result<(), Failure> {
        let options = DeployOptions::of(options, &deploy::cannot(plan))?;
        Box::pin(deploy::check(&self.cluster, plan, &options)).await
    }

    async fn begin_together(
        &self,
        options: &[&mcpt_core::DeployOptions],
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let what = "cannot deploy there";
        let mut create_namespace = false;
        for options in options {
            create_namespace |= DeployOptions::of(options, what)?.create_namespace;
        }
        let told = AsProgress(progress);
        let entered = namespace::enter(&self.cluster, TOOL, create_namespace, &told).await;
        entered.map(drop).or_fail(&self.cluster, what)
    }

    async fn end_together(
        &self,
        timeout: Duration,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let name = &self.cluster.namespace;
        let what = format!("namespace {name} was not removed");
        let left = namespace::leave(&self.cluster, TOOL, timeout, &AsProgress(progress)).await;
        left.map(drop).or_fail(&self.cluster, &what)
    }

    async fn deploy(
        &self,
        plan: &Plan,
        options: &mcpt_core::DeployOptions,
        progress: &dyn Progress,
    ) -> Result<Deployed, Failure> {
        let options = DeployOptions::of(options, &deploy::cannot(plan))?;
        deploy::deploy(&self.cluster, plan, &options, progress).await
    }

    async fn compare(
        &self,
        plan: &Plan,
        options: &mcpt_core::DeployOptions,
    ) -> Result<Comparison, Failure> {
        let options = DeployOptions::of(options, &deploy::cannot(plan))?;
        Box::pin(compare::with_plan(&self.cluster, plan, &options)).await
    }

    async fn compare_revisions(
        &self,
        name: &ServerName,
        from: Option<Revision>,
        to: Option<Revision>,
    ) -> Result<Comparison, Failure> {
        compare::revisions(&self.cluster, name, from, to).await
    }

    async fn list(&self) -> Result<Vec<Server>, Failure> {
        let what = "cannot list servers";
        let records = ListParams::default().labels("owner=helm");
        let ours = ListParams::default().labels(SERVER_LABEL);
        let scalers = self
            .cluster
            .list::<HorizontalPodAutoscaler>(ours.clone(), what);
        let (deployments, services, secrets, scalers) = try_join4(
            self.cluster.list::<Deployment>(ours.clone(), what),
            self.cluster.list::<Service>(ours, what),
            self.cluster.list_metadata::<Secret>(records, what),
            // Who may not read them sees the servers all the same.
            scalers.map(|found| Ok(found.unwrap_or_default())),
        )
        .await?;
        let facts = secrets.iter().filter_map(ReleaseFacts::read);
        let mut releases = ReleaseFacts::latest(facts);
        // As in the list of Helm: only their history is there.
        releases.retain(|_, release| release.status != Status::Uninstalled.as_str());
        let mut servers = Vec::new();
        for deployment in by_name(deployments) {
            let Some(name) = release_of(&deployment, ReleaseKind::Server).map(str::to_owned) else {
                continue;
            };
            let Ok(server) = ServerName::new(name.clone()) else {
                continue;
            };
            let release = releases.remove(&name);
            let service = services
                .iter()
                .find(|service| service.name_any() == name)
                .or_else(|| {
                    let own = |s: &&Service| release_of(*s, ReleaseKind::Server) == Some(&name);
                    services.iter().find(own)
                });
            let observed = Observed {
                deployment: Some(deployment),
                ..Observed::default()
            };
            let scaler = scalers.iter().find(|scaler| scaler.name_any() == name);
            servers.push(Server {
                autoscaling: scaler.and_then(server::autoscaling),
                ..server::server(
                    server,
                    &self.cluster.namespace,
                    release.as_ref(),
                    &observed,
                    service,
                )
            });
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
        Box::pin(status::status(&self.cluster, ReleaseKind::Server, name)).await
    }

    async fn events(&self, name: &ServerName, follow: bool) -> Result<EventStream, Failure> {
        events::open(&self.cluster, name, follow).await
    }

    async fn logs(&self, name: &ServerName, options: &LogOptions) -> Result<Logs, Failure> {
        let what = format!("cannot read the logs of {name}");
        let (deployment, selector) = self.selector(name, &what).await?;
        let mut logs = logs::open(&self.cluster, name, &selector, options, &what).await?;
        let wanted = deployment.spec.replicas;
        logs.several |= wanted.is_some_and(|wanted| wanted > 1);
        Ok(logs)
    }

    async fn delete(
        &self,
        name: &ServerName,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<Deleted, Failure> {
        delete::delete(&self.cluster, ReleaseKind::Server, name, options, progress).await
    }

    async fn scale(
        &self,
        name: &ServerName,
        scale: &Scale,
        options: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        scale::scale(&self.cluster, name, *scale, *options, progress).await
    }

    async fn restart(
        &self,
        name: &ServerName,
        options: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        Box::pin(restart::restart(&self.cluster, name, *options, progress)).await
    }

    async fn history(&self, name: &ServerName) -> Result<Vec<RevisionEntry>, Failure> {
        history::history(&self.cluster, name).await
    }

    async fn rollback(
        &self,
        name: &ServerName,
        to: Option<Revision>,
        options: &ChangeOptions,
        progress: &dyn Progress,
    ) -> Result<Server, Failure> {
        rollback::rollback(&self.cluster, name, to, *options, progress).await
    }

    async fn values(&self, name: &ServerName) -> Result<Vec<ServerValue>, Failure> {
        values::of(&self.cluster, name).await
    }

    async fn recall(&self, name: &ServerName) -> Result<Recalled, Failure> {
        recall::recall(&self.cluster, name).await
    }

    async fn usage(&self, name: Option<&ServerName>) -> Result<Vec<InstanceUsage>, Failure> {
        usage::of(&self.cluster, name).await
    }

    async fn gc(
        &self,
        options: &GcOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<Garbage>, Failure> {
        gc::gc(&self.cluster, options, progress).await
    }

    async fn exec(&self, name: &ServerName, exec: Exec) -> Result<ExecStream, Failure> {
        let what = format!("cannot run a command beside {name}");
        let (_, selector) = self.selector(name, &what).await?;
        Box::pin(exec::run(&self.cluster, name, &selector, exec, what)).await
    }

    async fn connect(&self, name: &ServerName) -> Result<Connection, Failure> {
        self.way(name, 0, format!("cannot connect to {name}")).await
    }

    async fn forward(&self, name: &ServerName, port: u16) -> Result<Connection, Failure> {
        let what = format!("cannot forward a port to {name}");
        self.way(name, port, what).await
    }
}

impl Kubernetes {
    /// A way to a server by a port of the loopback; 0 is a free one.
    async fn way(&self, name: &ServerName, port: u16, what: String) -> Result<Connection, Failure> {
        let (deployment, selector) = self.selector(name, &what).await?;
        let path = deployment
            .annotations()
            .get(server::PATH_ANNOTATION)
            .cloned();
        let tunnel = tunnel::open_at(&self.cluster, selector, None, port).await;
        let tunnel = tunnel.map_err(|error| failure(what, &error))?;
        Ok(Connection {
            url: format!(
                "http://{}{}",
                tunnel.0.address,
                path.as_deref().unwrap_or(DEFAULT_PATH)
            ),
            host: Some(tunnel.host()),
            tunnel: Some(Box::new(tunnel)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_of_any_chart() {
        let selector = serde_json::json!({
            "matchLabels": {"app": "web", "tier": "x"},
            "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["b", "c"]},
                {"key": "d", "operator": "NotIn", "values": ["e"]},
                {"key": "f", "operator": "Exists"},
                {"key": "g", "operator": "DoesNotExist"},
            ],
        });
        let deployment = serde_json::json!({"spec": {"selector": selector, "template": {}}});
        let deployment: Deployment = serde_json::from_value(deployment).unwrap();
        assert_eq!(
            selector_of(&deployment),
            "app=web,tier=x,a in (b,c),d notin (e),f,!g"
        );
    }
}
