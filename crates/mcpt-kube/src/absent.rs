//! What is said of a server or a gateway that is not there.

use helm_install::{Record, revisions::is_uninstalled};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt, api::ListParams};
use mcpt_core::{Failure, FailureKind, ServerName, near};

use crate::{cluster::Cluster, release_kind::ReleaseKind, server::SERVER_LABEL};

/// The failure of `what`: there is no such release; `last` is its last record, if it has any.
pub(crate) async fn no_release(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
    last: Option<&Record>,
    what: &str,
) -> Failure {
    if last.is_some_and(|last| ReleaseKind::of(last) == Some(kind) && is_uninstalled(last)) {
        return uninstalled(cluster, kind, name, what);
    }
    match kind {
        ReleaseKind::Server => no_server(cluster, name, what).await,
        ReleaseKind::Gateway => {
            let namespace = cluster.namespace.as_str();
            Failure::new(FailureKind::NotFound, what)
                .because(format!("there is no gateway in namespace {namespace:?}"))
                .hint(format!(
                    "install one: {}",
                    cluster.command("gateway install")
                ))
        }
    }
}

/// The failure of `what`: of a release that was uninstalled only the history is there.
pub(crate) fn uninstalled(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
    what: &str,
) -> Failure {
    let (namespace, name) = (cluster.namespace.as_str(), name.as_str());
    let was = "was uninstalled, and only its history was kept";
    let failure = Failure::new(FailureKind::NotFound, what);
    match kind {
        ReleaseKind::Server => failure
            .because(format!("server {name:?} in namespace {namespace:?} {was}"))
            .hint(format!(
                "bring it back: {}; or forget it: {}",
                cluster.command(&format!("rollback {name}")),
                cluster.command(&format!("delete {name}"))
            )),
        ReleaseKind::Gateway => failure
            .because(format!("the gateway in namespace {namespace:?} {was}"))
            .hint(format!(
                "install it again: {}",
                cluster.command("gateway install")
            )),
    }
}

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
        .hint(format!("see which there are: {}", cluster.command("list")))
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
    last_of(cluster, ReleaseKind::Server, name, records, helm, what).await
}

/// The last of a release's records, when it is of this kind. `helm` is the command for those that are not.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is none, or the release is of another chart.
pub(crate) async fn last_of<'r>(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
    records: &'r [Record],
    helm: &str,
    what: &str,
) -> Result<&'r Record, Failure> {
    let Some(last) = records.last() else {
        return Err(no_release(cluster, kind, name, None, what).await);
    };
    let failure = Failure::new(FailureKind::NotFound, what);
    let (release, chart) = (name.as_str(), last.chart());
    match ReleaseKind::of(last) {
        Some(found) if found == kind => Ok(last),
        Some(ReleaseKind::Gateway) => Err(failure
            .because(format!("release {release:?} is the gateway, not a server"))
            .hint(format!(
                "for the gateway there is: {}",
                cluster.command("gateway status")
            ))),
        Some(ReleaseKind::Server) => {
            Err(failure.because(format!("release {release:?} is a server, not the gateway")))
        }
        None => Err(failure
            .because(format!(
                "release {release:?} is of chart {chart:?}, not of mcpt"
            ))
            .hint(format!("Helm can: {helm} {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted;

    #[tokio::test]
    async fn hints_can_be_copied() {
        let cluster = scripted::cluster(|_, _| unreachable!());
        let name = ServerName::new("demo").unwrap();
        let hint = |kind| uninstalled(&cluster, kind, &name, "x").hint.unwrap();
        assert_eq!(
            hint(ReleaseKind::Server),
            "bring it back: mcpt -b kubernetes -n ns rollback demo; or forget it: mcpt -b kubernetes -n ns delete demo"
        );
        assert_eq!(
            hint(ReleaseKind::Gateway),
            "install it again: mcpt -b kubernetes -n ns gateway install"
        );
    }
}
