//! A way to a Kubernetes cluster for programs that people run: which cluster is meant, a client that has been answered once,
//! which resource a kind is served as, ports of pods as local ones, and errors in words that help.
//!
//! It knows nothing of what is done with the cluster.
//!
//! ```no_run
//! # async fn example() -> Result<(), kube_access::Error> {
//! use kube_access::{ClusterTarget, ConnectOptions};
//!
//! let target = ClusterTarget::find(&ConnectOptions::default()).await?;
//! let namespace = target.namespace.clone().unwrap_or_else(|| "default".to_owned());
//! let cluster = target.connect(&namespace).await?;
//! println!("{} is {}", cluster.address, cluster.version.git);
//! # Ok(())
//! # }
//! ```

mod bearer;
mod cluster;
mod connect;
mod context;
mod error;
mod explain;
pub mod forward;
mod kinds;
mod kubeconfig;
mod overrides;
mod own_authority;
mod plugin;
mod pod;
mod progress;
mod proxy;
#[cfg(feature = "scripted")]
pub mod scripted;
mod stack;
mod token;
mod watched;

pub use self::{
    cluster::{Cluster, ServerVersion},
    connect::{ClusterTarget, ConnectOptions, is_configured, namespace_of_context},
    context::ContextError,
    error::{Error, ForwardError, Result, chain},
    explain::{ErrorKind, Explanation},
    kinds::{Kind, Kinds, is_cluster_wide, is_unknown},
    kubeconfig::{KubeconfigError, Surroundings},
    overrides::Overrides,
    plugin::{AnswerFault, PluginError},
    pod::is_ready,
    progress::{Progress, Silent},
    proxy::{ProxyError, ProxyVariables},
    token::TokenError,
    watched::{gone, is_final, refused, status_code},
};
