//! Connecting: from [`ConnectOptions`] to a cluster that answered once.

use std::{fmt, path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, header::USER_AGENT};
use kube::Client;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Cluster, Error, Overrides, Result, ServerVersion,
    bearer::PluginToken,
    context::Access,
    kubeconfig::{self, KubeconfigError, Surroundings},
    plugin::Plugin,
    proxy,
    stack::{self, Token},
};

/// Longest time for establishing a connection to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest time for the first answer, handshake included.
const FIRST_ANSWER: Duration = Duration::from_secs(8);

/// Which cluster.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// Kubeconfig file; `None` means `KUBECONFIG`, then `~/.kube/config`, then the account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; `None` means its current one.
    pub context: Option<String>,
    /// How the program calls itself towards the API server: `mcpt/0.1.0`.
    pub user_agent: Option<HeaderValue>,
    /// What counts before what a kubeconfig says.
    pub overrides: Overrides,
}

/// A cluster that was found but not spoken to yet.
pub struct ClusterTarget {
    /// Client with credentials.
    pub client: Client,
    /// Namespace of the context or of the pod, if one is named there.
    pub namespace: Option<String>,
    /// URL of the API server, and of the proxy before it, for messages.
    pub address: String,
}

impl fmt::Debug for ClusterTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterTarget")
            .field("namespace", &self.namespace)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Whether a cluster is configured: by an option, a kubeconfig with a current context, or the account of a pod. Nobody is asked;
/// a configuration that cannot be used is one.
#[must_use]
pub fn is_configured(options: &ConnectOptions) -> bool {
    if options.kubeconfig.is_some()
        || options.context.is_some()
        || options.overrides.server.is_some()
    {
        return true;
    }
    !matches!(
        kubeconfig::find(options, &Surroundings::read()),
        Err(KubeconfigError::Absent { .. }
            | KubeconfigError::NamedAbsent { .. }
            | KubeconfigError::NoCurrentContext { .. })
    )
}

/// The namespace of the context or of the pod, if one is named there. Nobody is asked, and no credential plugin is run.
///
/// # Errors
/// [`Error::Kubeconfig`] when what is named is not there or not usable.
pub fn namespace_of_context(options: &ConnectOptions) -> Result<Option<String>> {
    let found = kubeconfig::find(options, &Surroundings::read())?;
    Ok(found.namespace)
}

impl ClusterTarget {
    /// Finds the cluster and makes a client for it.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] when what is named is not there or not usable, [`Error::Plugin`] when a credential plugin gives none.
    pub async fn find(options: &ConnectOptions) -> Result<Self> {
        // A second installation of the same provider is refused, and is no error.
        let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();

        let found = kubeconfig::find(options, &Surroundings::read())?;
        let Access { mut config, token } = found.access;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        if let Some(name) = &options.user_agent {
            config.headers.push((USER_AGENT, name.clone()));
        }
        let server = config.cluster_url.to_string();
        let mut address = server.trim_end_matches('/').to_owned();
        if let Some(proxy) = &config.proxy_url {
            address = format!("{address} (through the proxy {})", proxy::shown(proxy));
        }
        let plugin = Plugin::of(&mut config.auth_info);
        let token = match (plugin, token) {
            (Some(plugin), _) => {
                let given = plugin.run_aside().await.map_err(Box::new)?;
                if let Some((certificate, key)) = &given.identity {
                    let key = STANDARD.encode(key.expose_secret());
                    let user = &mut config.auth_info;
                    user.client_certificate_data = Some(STANDARD.encode(certificate));
                    user.client_key_data = Some(SecretString::from(key));
                }
                Some(Token::Plugin(PluginToken::new(plugin, given)))
            }
            (None, file) => file.map(Token::File),
        };
        let client = stack::client(&config, token).map_err(|source| Error::Request {
            address: address.clone(),
            source: Box::new(source),
        })?;
        Ok(Self {
            client,
            namespace: found.namespace,
            address,
        })
    }

    /// Asks the API server for its version, so that whatever is wrong shows here and not half-way.
    ///
    /// # Errors
    /// When it does not answer, is not trusted, or refuses.
    pub async fn connect(self, namespace: &str) -> Result<Cluster> {
        let Self {
            client, address, ..
        } = self;
        let answer = tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await;
        let version = match answer {
            Ok(Ok(version)) => version,
            Ok(Err(source)) => {
                let source = Box::new(source);
                return Err(Error::Request { address, source });
            }
            Err(_) => {
                let waited = FIRST_ANSWER;
                return Err(Error::Silent { address, waited });
            }
        };
        Ok(Cluster {
            client,
            namespace: namespace.to_owned(),
            address,
            version: ServerVersion::new(version.git_version, &version.minor),
        })
    }
}
