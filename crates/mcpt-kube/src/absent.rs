//! What is said of a server that is not there.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt, api::ListParams};
use mcpt_core::{Failure, FailureKind, ServerName, near};

use crate::{cluster::Cluster, server::SERVER_LABEL};

/// The failure of `what`: there is no server of this name, and which one may have been meant.
pub(crate) async fn no_server(cluster: &Cluster, name: &ServerName, what: &str) -> Failure {
    let api: Api<Deployment> = cluster.api();
    let labelled = ListParams::default().labels(SERVER_LABEL);
    // Who may not list them is told no near match.
    let others = match cluster.answer(api.list_metadata(&labelled)).await {
        Ok(list) => list.items.iter().map(ResourceExt::name_any).collect(),
        Err(error) => {
            tracing::debug!(%error, "no near match of a server's name");
            Vec::new()
        }
    };
    let hint = near::hint(name.as_str(), others.iter().map(String::as_str));
    Failure::new(FailureKind::NotFound, what)
        .because(format!(
            "there is no server {:?} in namespace {:?}{hint}",
            name.as_str(),
            cluster.namespace.as_str()
        ))
        .hint(format!(
            "see which there are: mcpt list --backend kubernetes -n {}",
            cluster.namespace
        ))
}
