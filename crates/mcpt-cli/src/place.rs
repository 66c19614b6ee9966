//! Where servers run: the backend that the options, the environment and the configuration file choose.

use mcpt_catalog::RegistryEntry;
use mcpt_core::{Backend, BackendKind, Failure, Namespace};
use mcpt_kube::{ConnectOptions, Kubernetes};
use mcpt_process::Processes;

use crate::{args::Global, messages, user_config::UserConfig};

/// Which kind of backend it is.
pub(crate) fn kind(global: &Global, config: &UserConfig) -> BackendKind {
    global
        .backend
        .or(config.backend)
        .unwrap_or(BackendKind::Process)
}

/// Which kind of backend an entry of a registry is for: what was asked for, else what the entry says, else the usual one.
pub(crate) fn kind_for(global: &Global, config: &UserConfig, entry: &RegistryEntry) -> BackendKind {
    global
        .backend
        .or(entry.backend)
        .unwrap_or_else(|| kind(global, config))
}

/// The options for the cluster of an entry of a registry: its namespace counts unless another one was asked for.
pub(crate) fn cluster_for(
    global: &Global,
    config: &UserConfig,
    entry: &RegistryEntry,
) -> ConnectOptions {
    let usual = cluster(global, config);
    let own = entry
        .namespace
        .clone()
        .filter(|_| global.namespace.is_none());
    ConnectOptions {
        namespace: own.or(usual.namespace),
        ..usual
    }
}

/// The options for the cluster.
pub(crate) fn cluster(global: &Global, config: &UserConfig) -> ConnectOptions {
    let namespace: Option<Namespace> = global
        .namespace
        .clone()
        .or_else(|| config.namespace.clone());
    ConnectOptions {
        kubeconfig: global.kubeconfig.clone(),
        context: global.context.clone(),
        namespace,
    }
}

/// The backend, ready to be used.
pub(crate) async fn backend(
    global: &Global,
    config: &UserConfig,
) -> Result<Box<dyn Backend>, Failure> {
    let cluster = cluster(global, config);
    open(global, config, kind(global, config), &cluster).await
}

/// A backend of that kind, ready to be used.
pub(crate) async fn open(
    global: &Global,
    config: &UserConfig,
    kind: BackendKind,
    cluster: &ConnectOptions,
) -> Result<Box<dyn Backend>, Failure> {
    match kind {
        BackendKind::Process => {
            let unused = [
                ("--namespace", global.namespace.is_some()),
                ("--context", global.context.is_some()),
                ("--kubeconfig", global.kubeconfig.is_some()),
            ];
            for (option, _) in unused.into_iter().filter(|(_, given)| *given) {
                messages::warning(
                    global,
                    &format!("{option} means nothing to the process backend"),
                );
            }
            let processes = Processes::new()?;
            // Where another backend is the usual one, a command from a hint would hit its server of that name. Whether an option
            // or the environment chose this one is all the same.
            let usual = config.backend.is_none_or(|usual| usual == kind);
            Ok(Box::new(if usual && global.backend.is_none() {
                processes
            } else {
                processes.named()
            }))
        }
        BackendKind::Kubernetes => Ok(Box::new(Kubernetes::connect(cluster).await?)),
    }
}
