//! The gateway in a namespace: a release like a server's, of another chart. Installed, asked and removed.

use std::time::Duration;

use futures_util::future::OptionFuture;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::ListParams;
use kube_access::is_ready;
use mcpt_client::ClientError;
use mcpt_core::{
    DeleteOptions, Deleted, DeployOptions, Failure, Namespace, Progress, Server, ServerName,
    ServerState,
};
use mcpt_gateway_api::{
    ENDPOINTS_PATH, EndpointsPage, KnownEndpoint, KnownServer, KnownSet, SERVERS_PATH, ServersPage,
};
use serde::Serialize;

use crate::{
    backend::{Kubernetes, deployment, selector_of},
    cluster::Cluster,
    delete,
    deploy::{self, CANNOT_INSTALL},
    failure::failure,
    options,
    release_kind::ReleaseKind,
    status, tunnel,
};

/// Name of the gateway's release.
pub const GATEWAY: &str = "mcpt-gateway";

/// Name of the port of the gateway's own pages.
const PAGES_PORT: &str = "admin";
/// Longest time for the gateway's answer about its servers.
const ANSWER: Duration = Duration::from_secs(10);

/// The gateway of a namespace. Its JSON is a contract of `-o json`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Its release and workload, as a server's are told.
    #[serde(flatten)]
    pub release: Server,
    /// Addresses that a server's name is added to: `http://…/mcp`. First that in the cluster.
    pub urls: Vec<String>,
    /// The servers that one of its pods knows; `None` when none could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<KnownServer>>,
    /// The instances of these servers; `None` when none of the pods could be asked, or it is too old to know the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<KnownEndpoint>>,
    /// Named sets of these servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<KnownSet>,
    /// Why none could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub servers_unknown: Option<String>,
}

/// A way to the own pages of one of a gateway's pods; dropping it closes it.
#[derive(Debug)]
pub struct GatewayPages {
    /// The pod.
    pub pod: String,
    tunnel: tunnel::Tunnel,
}

impl GatewayPages {
    /// What the paths of pages are added to.
    pub fn base(&self) -> String {
        format!("http://{}", self.tunnel.0.address)
    }
}

/// What installing did.
#[derive(Debug, Clone)]
pub struct InstalledGateway {
    /// The gateway afterwards. `None` after a dry run.
    pub gateway: Option<Gateway>,
    /// What would be applied, secrets redacted; only after a dry run.
    pub manifest: Option<String>,
}

/// Renders and checks without a cluster. Without a namespace the default one is meant, since no kubeconfig is read.
///
/// # Errors
/// [`mcpt_core::FailureKind::Usage`] with all faults of the values.
pub fn gateway_dry_run(
    options: &DeployOptions,
    namespace: Option<&Namespace>,
) -> Result<InstalledGateway, Failure> {
    let options = options::DeployOptions::of(options, CANNOT_INSTALL)?;
    let deployed = deploy::gateway_offline(&name()?, &options, namespace)?;
    Ok(InstalledGateway {
        gateway: None,
        manifest: deployed.manifest,
    })
}

impl Kubernetes {
    /// Installs the gateway in the namespace, or updates it. `options` mean what they mean for a server.
    ///
    /// # Errors
    /// A [`Failure`] that names the cause; with `atomic` nothing is left behind.
    pub async fn install_gateway(
        &self,
        options: &DeployOptions,
        progress: &dyn Progress,
    ) -> Result<InstalledGateway, Failure> {
        let name = name()?;
        let options = options::DeployOptions::of(options, CANNOT_INSTALL)?;
        let deployed = Box::pin(deploy::gateway(&self.cluster, &name, &options, progress)).await?;
        let installed: OptionFuture<_> = deployed
            .manifest
            .is_none()
            .then(|| Box::pin(self.gateway()))
            .into();
        Ok(InstalledGateway {
            gateway: installed.await.transpose()?,
            manifest: deployed.manifest,
        })
    }

    /// The gateway of the namespace, with the servers that it knows.
    ///
    /// # Errors
    /// [`mcpt_core::FailureKind::NotFound`] when there is none.
    pub async fn gateway(&self) -> Result<Gateway, Failure> {
        let (cluster, name) = (&self.cluster, name()?);
        let asked = status::status(cluster, ReleaseKind::Gateway, &name);
        let mut release = Box::pin(asked).await?;
        let what = "cannot ask the gateway";
        let service: Option<Service> = cluster.get(GATEWAY, what).await?;
        let deployment = deployment(cluster, ReleaseKind::Gateway, &name, what).await?;
        let selector = deployment.as_ref().map(selector_of);
        let pods: Vec<Pod> = match &selector {
            Some(selector) => {
                let labelled = ListParams::default().labels(selector);
                cluster.list(labelled, what).await?
            }
            None => Vec::new(),
        };
        let told = match selector {
            Some(selector) if release.ready > 0 => {
                known(cluster, selector, with_pages(&pods).into_iter().next()).await
            }
            _ => Err(Failure::new(mcpt_core::FailureKind::Unreachable, what)
                .because("none of its pods is ready")),
        };
        let urls = service
            .as_ref()
            .map(|service| urls(release.url.take(), service, &pods))
            .unwrap_or_default();
        let (page, endpoints, servers_unknown) = match told {
            Ok((page, endpoints)) => (Some(page), endpoints, None),
            Err(failure) => (None, None, Some(failure.why.join("; "))),
        };
        let (servers, sets) = page.map(|page| (page.servers, page.sets)).unzip();
        Ok(Gateway {
            release,
            urls,
            servers,
            sets: sets.unwrap_or_default(),
            endpoints,
            servers_unknown,
        })
    }

    /// Ways to the gateway's own pages, one for each of its pods that is ready.
    ///
    /// # Errors
    /// [`mcpt_core::FailureKind::NotFound`] when there is no gateway, [`mcpt_core::FailureKind::Unreachable`] when none of its
    /// pods is ready or can be reached.
    pub async fn gateway_pages(&self) -> Result<Vec<GatewayPages>, Failure> {
        let what = "cannot ask the gateway";
        let (cluster, name) = (&self.cluster, name()?);
        let found = deployment(cluster, ReleaseKind::Gateway, &name, what).await?;
        let Some(found) = found else {
            let missing = Failure::new(mcpt_core::FailureKind::NotFound, what);
            let namespace = &cluster.namespace;
            return Err(missing.because(format!("there is none in namespace {namespace}")));
        };
        let selector = selector_of(&found);
        let labelled = ListParams::default().labels(&selector);
        let pods: Vec<Pod> = cluster.list(labelled, what).await?;
        let mut pages = Vec::new();
        for (pod, port) in with_pages(&pods) {
            let known = Some((pod.clone(), port));
            let tunnel = tunnel::open(cluster, selector.clone(), known).await;
            let tunnel = tunnel.map_err(|error| failure(what, &error))?;
            pages.push(GatewayPages { pod, tunnel });
        }
        if pages.is_empty() {
            let unready = Failure::new(mcpt_core::FailureKind::Unreachable, what);
            return Err(unready.because("none of its pods is ready"));
        }
        Ok(pages)
    }

    /// Removes everything of the gateway, and nothing else.
    ///
    /// # Errors
    /// [`mcpt_core::FailureKind::NotFound`] when there is none.
    pub async fn uninstall_gateway(
        &self,
        options: &DeleteOptions,
        progress: &dyn Progress,
    ) -> Result<Deleted, Failure> {
        let kind = ReleaseKind::Gateway;
        delete::delete(&self.cluster, kind, &name()?, options, progress).await
    }
}

impl Gateway {
    /// Whether all of its pods are ready.
    pub fn is_running(&self) -> bool {
        self.release.state == ServerState::Running
    }
}

fn name() -> Result<ServerName, Failure> {
    ServerName::new(GATEWAY).map_err(|error| {
        Failure::new(
            mcpt_core::FailureKind::Usage,
            "the gateway's name cannot be used",
        )
        .caused_by(&error)
    })
}

/// Asks one ready pod which servers it knows, and their instances if it can tell.
async fn known(
    cluster: &Cluster,
    selector: String,
    pod: Option<(String, u16)>,
) -> Result<(ServersPage, Option<Vec<KnownEndpoint>>), Failure> {
    let what = "cannot ask the gateway for its servers";
    let tunnel = tunnel::open(cluster, selector, pod).await;
    let tunnel = tunnel.map_err(|error| failure(what, &error))?.0;
    let base = format!("http://{}", tunnel.address);
    let page = match mcpt_client::http_get(&format!("{base}{SERVERS_PATH}"), ANSWER).await {
        Ok(page) => page,
        Err(error) => {
            return Err(match tunnel.trouble().await {
                Some(trouble) => failure(what, &trouble.error),
                None => error.into_failure(what),
            });
        }
    };
    let unreadable = |error| {
        Failure::new(mcpt_core::FailureKind::Failed, what)
            .because("its answer is of another version")
            .caused_by(&error)
    };
    let page: ServersPage = serde_json::from_str(&page).map_err(unreadable)?;
    let asked = mcpt_client::http_get(&format!("{base}{ENDPOINTS_PATH}"), ANSWER).await;
    let endpoints = match asked {
        Ok(page) => {
            let page: EndpointsPage = serde_json::from_str(&page).map_err(unreadable)?;
            Some(page.endpoints)
        }
        Err(ClientError::Status { status: 404, .. }) => None,
        Err(error) => return Err(error.into_failure(what)),
    };
    Ok((page, endpoints))
}

/// The ready pods, each with the port of its own pages, by name. Gateways of older versions have them where clients come,
/// which is where a way leads if nothing else is known.
fn with_pages(pods: &[Pod]) -> Vec<(String, u16)> {
    let ready = pods.iter().filter(|pod| is_ready(pod));
    let found = ready.filter_map(|pod| {
        let containers = pod.spec.as_ref()?.containers.iter();
        let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
        let pages = ports.find(|port| port.name.as_deref() == Some(PAGES_PORT))?;
        Some((
            pod.metadata.name.clone()?,
            u16::try_from(pages.container_port).ok()?,
        ))
    });
    let mut found: Vec<_> = found.collect();
    found.sort();
    found
}

/// Where clients reach it: in the cluster, by the nodes' ports, by load balancers.
fn urls(in_cluster: Option<String>, service: &Service, pods: &[Pod]) -> Vec<String> {
    let mut urls: Vec<String> = in_cluster.into_iter().collect();
    let port = service
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_ref()?.first());
    let Some(port) = port else { return urls };
    if let Some(node_port) = port.node_port {
        // Any node has the port; those of the gateway's pods are known without asking for nodes.
        let mut nodes: Vec<&str> = pods
            .iter()
            .filter(|pod| is_ready(pod))
            .filter_map(|pod| pod.status.as_ref()?.host_ip.as_deref())
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        urls.extend(nodes.into_iter().map(|node| url(node, node_port)));
    }
    let balancers = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    for balancer in balancers.into_iter().flatten() {
        let host = balancer.hostname.as_deref().or(balancer.ip.as_deref());
        urls.extend(host.map(|host| url(host, port.port)));
    }
    urls
}

fn url(host: &str, port: i32) -> String {
    // An IPv6 address needs brackets.
    if host.contains(':') {
        format!("http://[{host}]:{port}/mcp")
    } else {
        format!("http://{host}:{port}/mcp")
    }
}

#[cfg(test)]
mod tests {
    use mcpt_core::{DryRun, PlatformOptions};
    use serde_json::json;

    use super::*;
    use crate::ClusterOptions;

    #[test]
    fn refused_session_keys_are_not_shown() {
        for key in [
            "0123456789 with-a-blank-0123456789",
            "it's \"0123456789\" \\ with-all-quotes\n",
            "short",
        ] {
            for keys in [
                json!([key]),
                json!(["x".repeat(32), key]),
                json!({"a": key}),
            ] {
                let options = DeployOptions {
                    wait: false,
                    timeout: Duration::from_secs(1),
                    atomic: false,
                    dry_run: Some(DryRun::Client),
                    platform: PlatformOptions::new(ClusterOptions {
                        values: json!({"sessionKeys": {"keys": keys}})
                            .as_object()
                            .unwrap()
                            .clone(),
                        ..ClusterOptions::default()
                    }),
                };
                let failure = gateway_dry_run(&options, None).unwrap_err();
                let why = failure.why.join("\n");
                assert!(why.contains("value sessionKeys.keys"), "{why}");
                for part in key
                    .split(['"', '\\', '\n', '\''])
                    .filter(|part| part.len() > 3)
                {
                    assert!(!why.contains(part), "{part} in {why}");
                }
            }
        }
    }

    #[test]
    fn addresses() {
        let pod = |node: &str, ready: &str| {
            json!({"metadata": {"name": node},
                "status": {"hostIP": node, "conditions": [{"type": "Ready", "status": ready}]}})
        };
        let pods = [
            pod("10.0.0.2", "True"),
            pod("10.0.0.1", "True"),
            pod("10.0.0.2", "True"),
            pod("10.0.0.3", "False"),
        ];
        let pods = pods.map(|pod| serde_json::from_value::<Pod>(pod).unwrap());
        for (service, expected) in [
            (json!({"spec": {"ports": [{"port": 80}]}}), vec!["in"]),
            (
                json!({"spec": {"ports": [{"port": 80, "nodePort": 30080}]}}),
                vec![
                    "in",
                    "http://10.0.0.1:30080/mcp",
                    "http://10.0.0.2:30080/mcp",
                ],
            ),
            (
                json!({"spec": {"ports": [{"port": 80}]},
                    "status": {"loadBalancer": {"ingress": [{"hostname": "lb.example.com"}, {"ip": "fd00::1"}]}}}),
                vec![
                    "in",
                    "http://lb.example.com:80/mcp",
                    "http://[fd00::1]:80/mcp",
                ],
            ),
        ] {
            let service: Service = serde_json::from_value(service).unwrap();
            assert_eq!(urls(Some("in".to_owned()), &service, &pods), expected);
        }
    }
}
