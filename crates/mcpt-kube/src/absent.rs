//! What is said of a server that is not there.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt, api::ListParams};
use mcpt_core::{Failure, FailureKind, ServerName, near};

use crate::{cluster::Cluster, records::Record, server::SERVER_LABEL};

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

/// The last of a release's records, when it is a server's. `helm` is the command for those that are not.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is none, or the release is of another chart.
pub(crate) async fn last_of_server<'r>(
    cluster: &Cluster,
    name: &ServerName,
    records: &'r [Record],
    helm: &str,
    what: &str,
) -> Result<&'r Record, Failure> {
    let Some(last) = records.last() else {
        return Err(no_server(cluster, name, what).await);
    };
    let Some(chart) = last.foreign_chart() else {
        return Ok(last);
    };
    Err(Failure::new(FailureKind::NotFound, what)
        .because(format!(
            "release {:?} is of chart {chart:?}, not of mcpt",
            name.as_str()
        ))
        .hint(format!("Helm can: {helm} {name}")))
}
