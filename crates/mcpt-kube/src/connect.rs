//! Connecting: from [`ConnectOptions`] to a cluster that answered once.

use std::{path::PathBuf, time::Duration};

use http::{HeaderValue, header::USER_AGENT};
use kube::{Client, client::ClientBuilder};
use mcpt_core::{Failure, FailureKind, Namespace};

use crate::{
    cluster::{CONNECT_TIMEOUT, Cluster, ServerVersion},
    failure,
    kubeconfig::{self, Surroundings},
};

const CANNOT_CONNECT: &str = "cannot connect to Kubernetes";

/// Longest time for the first answer, handshake included.
const FIRST_ANSWER: Duration = Duration::from_secs(8);

/// Namespace when neither the user nor the context names one.
const DEFAULT_NAMESPACE: &str = "mcp-servers";

/// Which cluster and which namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Kubeconfig file; `None` means `KUBECONFIG`, then `~/.kube/config`, then the account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; `None` means its current one.
    pub context: Option<String>,
    /// Namespace; `None` means that of the context, then `mcp-servers`.
    pub namespace: Option<Namespace>,
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

/// A cluster that was found but not spoken to yet.
pub(crate) struct Target {
    /// Client with credentials.
    pub(crate) client: Client,
    /// Namespace of the options, else of the context or the pod, else the default one.
    pub(crate) namespace: Namespace,
    /// URL of the API server, for messages.
    pub(crate) address: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("namespace", &self.namespace)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Connects and asks the API server for its version, so that whatever is wrong shows here and not half-way.
pub(crate) async fn connect(options: &ConnectOptions) -> Result<Cluster, Failure> {
    let Target {
        client,
        namespace,
        address,
    } = target(options).await?;
    let version = tokio::time::timeout(FIRST_ANSWER, client.apiserver_version())
        .await
        .map_err(|_| failure::silent(&address, FIRST_ANSWER.as_secs()).failure(CANNOT_CONNECT))?
        .map_err(|error| failure::explain(&error, &address).failure(CANNOT_CONNECT))?;
    let kubeconfig = options.kubeconfig.as_ref();
    let kubeconfig = kubeconfig.map(|file| ("--kubeconfig", file.display().to_string()));
    let context = options.context.clone().map(|name| ("--context", name));
    Ok(Cluster {
        client,
        chosen_by: kubeconfig.into_iter().chain(context).collect(),
        namespace,
        address,
        version: ServerVersion::new(version.git_version, &version.minor),
    })
}

/// Finds the cluster and makes a client for it.
pub(crate) async fn target(options: &ConnectOptions) -> Result<Target, Failure> {
    // A second installation of the same provider is refused, and is no error.
    let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let found = kubeconfig::find(
        options.kubeconfig.as_deref(),
        options.context.as_deref(),
        &Surroundings::read(),
    )
    .await?;
    let namespace = match (&options.namespace, found.namespace) {
        (Some(namespace), _) => namespace.clone(),
        (None, Some(named)) => valid(&named)?,
        (None, None) => default_namespace()?,
    };
    let mut config = found.config;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.headers.push((
        USER_AGENT,
        HeaderValue::from_static(concat!("mcpt/", env!("CARGO_PKG_VERSION"))),
    ));
    let plugin = config
        .auth_info
        .exec
        .as_ref()
        .and_then(|exec| exec.command.clone());
    let address = config
        .cluster_url
        .to_string()
        .trim_end_matches('/')
        .to_owned();

    // Building the client runs the credential plugin, which blocks.
    let builder = tokio::task::spawn_blocking(move || ClientBuilder::try_from(config))
        .await
        .map_err(|error| Failure::new(FailureKind::Failed, CANNOT_CONNECT).caused_by(&error))?
        .map_err(|error| match &error {
            kube::Error::Auth(auth) => failure::explain_auth(auth, plugin.as_deref()),
            other => failure::explain(other, &address),
        })
        .map_err(|explained| explained.failure(CANNOT_CONNECT))?;
    Ok(Target {
        client: builder.build(),
        namespace,
        address,
    })
}
