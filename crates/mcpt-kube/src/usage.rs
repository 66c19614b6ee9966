//! What the pods of servers use, as the metrics API of the cluster tells it: in two requests, however many there are.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube_observe::usage;
use mcpt_core::{Failure, InstanceUsage, ServerName, Usage};

use crate::{
    absent::no_server,
    backend::{deployment, labelled},
    cluster::Cluster,
    release_kind::ReleaseKind,
    server::SERVER_LABEL,
};

/// What the pods of one server, or of all, use.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none of that name.
pub(crate) async fn of(
    cluster: &Cluster,
    name: Option<&ServerName>,
) -> Result<Vec<InstanceUsage>, Failure> {
    let what = "cannot tell what servers use";
    if let Some(name) = name
        && deployment(cluster, ReleaseKind::Server, name, what)
            .await?
            .is_none()
    {
        return Err(no_server(cluster, name, what).await);
    }
    let params = name.map_or_else(|| ListParams::default().labels(SERVER_LABEL), labelled);
    let selector = params.label_selector.clone().unwrap_or_default();
    let (pods, measured) = futures_util::join!(
        cluster.list_metadata::<Pod>(params, what),
        usage(cluster, &selector)
    );
    let mut all: Vec<_> = pods?
        .into_iter()
        .filter_map(|pod| {
            let server = pod.labels.as_ref()?.get(SERVER_LABEL)?;
            let instance = pod.name?;
            let used = measured.get(&instance);
            Some(InstanceUsage {
                server: ServerName::new(server.clone()).ok()?,
                usage: used.map(|used| Usage {
                    cpu_millis: used.cpu_millis,
                    memory_bytes: used.memory_bytes,
                }),
                instance,
            })
        })
        .collect();
    all.sort_by(|a, b| (&a.server, &a.instance).cmp(&(&b.server, &b.instance)));
    Ok(all)
}
