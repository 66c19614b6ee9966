//! Where servers run: the backend that the options, the environment and the configuration file choose.

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
    match kind(global, config) {
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
            Ok(Box::new(Processes::new()?))
        }
        BackendKind::Kubernetes => Ok(Box::new(
            Kubernetes::connect(&cluster(global, config)).await?,
        )),
    }
}
