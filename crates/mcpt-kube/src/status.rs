//! Everything about one server or the gateway: its release, its workload, the last events and what its pods use, in two rounds of requests.

use futures_util::{future::OptionFuture, join, try_join};
use helm_install::revisions;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Event, Pod},
};
use kube::{ResourceExt, api::ListParams, core::ObjectMeta};
use kube_observe::{Observed, PodUsage, sort, usage, warnings};
use mcpt_core::{Failure, Server, ServerName, ServerState, Usage};

use crate::{
    absent::no_release,
    backend::{self, by_uid, selector_of},
    cluster::Cluster,
    events,
    failure::OrFail as _,
    release_kind::ReleaseKind,
    server::{self, ReleaseFacts},
};

/// Events that a status shows.
const LAST_EVENTS: usize = 10;

/// Looks at a release.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none of that name.
pub(crate) async fn status(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
) -> Result<Server, Failure> {
    let what = format!("cannot get the status of {name}");
    let records = cluster.records(name.as_str());
    let (deployment, records, service, autoscaler) = try_join!(
        backend::deployment(cluster, kind, name, &what),
        async { records.all().await.or_fail(cluster, &what) },
        backend::service(cluster, kind, name, &what),
        async { Ok(autoscaler(cluster, kind, name, &what).await) },
    )?;
    let last = records.last();
    let latest = last.filter(|record| !revisions::is_uninstalled(record));
    if deployment.is_none() && latest.and_then(ReleaseKind::of) != Some(kind) {
        return Err(no_release(cluster, kind, name, last, &what).await);
    }
    let workload: OptionFuture<_> = deployment
        .as_ref()
        .map(|deployment| workload(cluster, deployment, &what))
        .into();
    let (workload, told) = join!(
        workload,
        cluster.list::<Event>(ListParams::default(), &what)
    );
    let workload = workload.transpose()?.unwrap_or_default();

    let mut unread = Vec::new();
    let (sets, all_sets) = workload.sets.unwrap_or_else(|failure| {
        unread.push(failure);
        Default::default()
    });
    let mut all = told.unwrap_or_else(|failure| {
        unread.push(failure);
        Vec::new()
    });
    let subjects = events::subjects(&records, deployment.as_ref(), &all_sets);
    let observed = Observed {
        deployment,
        replica_sets: by_uid(sets),
        pods: by_uid(workload.pods),
        events: warnings(&all),
        since: None,
    };
    let facts = latest.map(ReleaseFacts::of);
    let mut server = server::server(
        name.clone(),
        &cluster.namespace,
        facts.as_ref(),
        &observed,
        service.as_ref(),
    );
    explain_gaps(&mut server, &unread);
    server.autoscaling = autoscaler.as_ref().and_then(server::autoscaling);
    server.replicas.sort_by(|a, b| a.name.cmp(&b.name));
    for replica in &mut server.replicas {
        replica.usage = workload.usage.get(&replica.name).copied();
    }
    if let Some(record) = latest {
        server.env = server::env(&record.release.config);
    }
    all.retain(|event| subjects.has(event));
    sort(&mut all);
    let last = all.iter().skip(all.len().saturating_sub(LAST_EVENTS));
    server.events = last.map(events::told).collect();
    Ok(server)
}

/// What hangs on a Deployment. Who may not read all of it shall see the rest.
struct Workload {
    pods: Vec<Pod>,
    /// Its replica sets, and the metadata of all: a chart may make other Deployments beside it.
    sets: Result<(Vec<ReplicaSet>, Vec<ObjectMeta>), Failure>,
    usage: std::collections::BTreeMap<String, Usage>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            pods: Vec::new(),
            sets: Ok(Default::default()),
            usage: std::collections::BTreeMap::new(),
        }
    }
}

async fn workload(
    cluster: &Cluster,
    deployment: &Deployment,
    what: &str,
) -> Result<Workload, Failure> {
    let selector = selector_of(deployment);
    let labelled = ListParams::default().labels(&selector);
    let sets = async {
        try_join!(
            cluster.list::<ReplicaSet>(labelled.clone(), what),
            cluster.list_metadata::<ReplicaSet>(ListParams::default(), what),
        )
    };
    let (pods, sets, usage) = join!(
        cluster.list::<Pod>(labelled.clone(), what),
        sets,
        usage(cluster, &selector),
    );
    let used = |used: PodUsage| Usage {
        cpu_millis: used.cpu_millis,
        memory_bytes: used.memory_bytes,
    };
    let usage = usage.into_iter().map(|(pod, usage)| (pod, used(usage)));
    Ok(Workload {
        pods: pods?,
        sets,
        usage: usage.collect(),
    })
}

/// The autoscaler of a server, if it has one and it may be read.
async fn autoscaler(
    cluster: &Cluster,
    kind: ReleaseKind,
    name: &ServerName,
    what: &str,
) -> Option<HorizontalPodAutoscaler> {
    let found = cluster
        .get::<HorizontalPodAutoscaler>(name.as_str(), what)
        .await;
    let found = found.unwrap_or_else(|failure| {
        tracing::info!(%failure, "the autoscaler is not shown");
        None
    });
    found.filter(|hpa| {
        let label = hpa.labels().get(kind.label());
        label.is_some_and(|label| label == name.as_str())
    })
}

/// A server that is not well says why; what could not be read for that is a part of it.
fn explain_gaps(server: &mut Server, unread: &[Failure]) {
    let well = matches!(server.state, ServerState::Running | ServerState::Stopped);
    for failure in unread {
        tracing::info!(%failure, "events are not shown");
        if !well {
            let why = format!("the cause cannot be read: {}", failure.why.join("; "));
            server.reason = Some(match server.reason.take() {
                Some(reason) => format!("{reason}; {why}"),
                None => why,
            });
        }
    }
}
