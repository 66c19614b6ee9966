//! Connecting: which cluster and which namespace, as the options of mcpt say it.

use std::path::PathBuf;

use helm_render::Limits;
use http::HeaderValue;
use kube_access::ClusterTarget;
use mcpt_core::{CommandOption, Failure, FailureKind, Namespace};
use mcpt_discovery::ClusterDiscovery;

use crate::{cluster::Cluster, failure::failure};

const CANNOT_CONNECT: &str = "cannot connect to Kubernetes";

/// Namespace when neither the user nor the context names one.
const DEFAULT_NAMESPACE: &str = "mcp-servers";

/// How mcpt calls itself towards the API server.
const USER_AGENT: &str = concat!("mcpt/", env!("CARGO_PKG_VERSION"));

/// Which cluster and which namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Kubeconfig file; `None` means `KUBECONFIG`, then `~/.kube/config`, then the account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; `None` means its current one.
    pub context: Option<String>,
    /// Namespace; `None` means that of the context, then `mcp-servers`.
    pub namespace: Option<Namespace>,
    /// What the templates of charts may use.
    pub limits: Limits,
}

/// The namespace when nobody names one.
pub(crate) fn default_namespace() -> Result<Namespace, Failure> {
    valid(DEFAULT_NAMESPACE)
}

fn valid(namespace: &str) -> Result<Namespace, Failure> {
    Namespace::new(namespace).map_err(|error| {
        Failure::new(FailureKind::Usage, CANNOT_CONNECT).because(error.to_string())
    })
}

/// Connects and makes sure that the API server answers, so that whatever is wrong shows here and not half-way.
pub(crate) async fn connect(options: &ConnectOptions) -> Result<Cluster, Failure> {
    let (target, namespace) = find(options).await?;
    let access = target.connect(namespace.as_str()).await;
    let kubeconfig = options.kubeconfig.as_ref();
    let kubeconfig = kubeconfig.map(|file| (CommandOption::Kubeconfig, file.display().to_string()));
    let context = options
        .context
        .clone()
        .map(|name| (CommandOption::Context, name));
    Ok(Cluster {
        access: access.map_err(|error| failure(CANNOT_CONNECT, &error))?,
        chosen_by: kubeconfig.into_iter().chain(context).collect(),
        limits: options.limits,
        namespace,
    })
}

/// Whether a cluster is configured. Nobody is asked.
pub(crate) fn is_configured(options: &ConnectOptions) -> bool {
    kube_access::is_configured(&access_options(options))
}

fn access_options(options: &ConnectOptions) -> kube_access::ConnectOptions {
    kube_access::ConnectOptions {
        kubeconfig: options.kubeconfig.clone(),
        context: options.context.clone(),
        user_agent: Some(HeaderValue::from_static(USER_AGENT)),
        ..kube_access::ConnectOptions::default()
    }
}

/// The cluster, not spoken to yet, and the namespace of the options, else of the context or the pod, else the default one.
async fn find(options: &ConnectOptions) -> Result<(ClusterTarget, Namespace), Failure> {
    let target = ClusterTarget::find(&access_options(options)).await;
    let target = target.map_err(|error| failure(CANNOT_CONNECT, &error))?;
    let namespace = match (&options.namespace, &target.namespace) {
        (Some(namespace), _) => namespace.clone(),
        (None, Some(named)) => valid(named)?,
        (None, None) => default_namespace()?,
    };
    Ok((target, namespace))
}

/// The servers of a cluster for a gateway: those of one namespace or of all.
///
/// # Errors
/// [`FailureKind::Usage`] for a kubeconfig or context that is not usable, and whatever the API server refuses with: bad
/// credentials, no right to list Services or `EndpointSlices`.
pub(crate) async fn discover(
    options: &ConnectOptions,
    all_namespaces: bool,
) -> Result<ClusterDiscovery, Failure> {
    let (target, namespace) = find(options).await?;
    let discovery = ClusterDiscovery::of(target, namespace, all_namespaces).await;
    discovery.map_err(|error| {
        let what = format!("cannot find servers on {}", error.address);
        let failure = failure(what, &error.source);
        if error.all_namespaces {
            failure.hint(format!(
                "to see one namespace only: leave {} out",
                CommandOption::AllNamespaces
            ))
        } else {
            failure
        }
    })
}
