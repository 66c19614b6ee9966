//! Starting the pods of a server anew, as `kubectl rollout restart` does: by an annotation of the pod template, which is nobody
//! else's. The release and its revisions stay as they are, and later deploys leave the annotation alone.

use helm_install::revisions;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use kube_observe::{WaitFor, until_rolled_out};
use mcpt_core::{
    ChangeOptions, CommandOption, Failure, FailureKind, Progress, ProgressEvent, Server, ServerName,
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    absent::{no_server, uninstalled},
    backend::{deployment, selector_of},
    cluster::Cluster,
    exchange::{self, Question},
    operation::{Conduct, Operation},
    progress::AsProgress,
    release_kind::ReleaseKind,
    secrecy,
    server::PATH_ANNOTATION,
    status,
    trouble::{Secrets, not_rolled_out, reads_probe},
};

/// The annotation that kubectl writes, so that either of the two counts on from the other.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// The field manager under which kubectl writes it.
const FIELD_MANAGER: &str = "kubectl-rollout";

/// Starts all pods of a server anew, the new ones before the old ones end, and waits for them.
///
/// # Errors
/// [`FailureKind::NotFound`] when there is no such server, [`FailureKind::Usage`] for one that is scaled to 0; why the new pods
/// do not answer: the old ones go on then.
pub(crate) async fn restart(
    cluster: &Cluster,
    name: &ServerName,
    options: ChangeOptions,
    progress: &dyn Progress,
) -> Result<Server, Failure> {
    let what = format!("cannot restart {name}");
    let deadline = Instant::now() + options.timeout;
    let operation = Operation::new(
        cluster,
        name,
        Conduct::from(options),
        progress,
        what.clone(),
    );
    // Not while another command changes it.
    let history = Box::pin(operation.settled()).await?;
    if history.last().is_some_and(revisions::is_uninstalled) {
        return Err(uninstalled(cluster, ReleaseKind::Server, name, &what));
    }
    let Some(there) = deployment(cluster, ReleaseKind::Server, name, &what).await? else {
        return Err(no_server(cluster, name, &what).await);
    };
    if there.spec.replicas == Some(0) {
        return Err(Failure::new(FailureKind::Usage, what)
            .because("it is scaled to 0: nothing of it runs")
            .hint(format!(
                "start it: {} {} 1",
                cluster.command(&format!("scale {name}")),
                CommandOption::Replicas
            )));
    }
    progress.event(ProgressEvent::Step(format!("starting {name} anew")));
    let patched = patch(cluster, &there, &what).await?;
    if options.wait {
        let config = revisions::running(&history).map(|record| &record.release.config);
        let secrets = config.map(secrecy::of_values).unwrap_or_default();
        wait(
            cluster, &patched, options, deadline, &secrets, &what, progress,
        )
        .await?;
    }
    Box::pin(status::status(cluster, ReleaseKind::Server, name)).await
}

async fn patch(cluster: &Cluster, there: &Deployment, what: &str) -> Result<Deployment, Failure> {
    let api: Api<Deployment> = cluster.api();
    let at = Timestamp::now().to_string();
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: at}}}}});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = there.name_any();
    let patched = api.patch(&name, &params, &Patch::Strategic(patch)).await;
    patched.map_err(|error| cluster.failure(what, error))
}

/// Waits until the new pods are ready and the old ones gone, and one of them has answered.
async fn wait(
    cluster: &Cluster,
    patched: &Deployment,
    options: ChangeOptions,
    deadline: Instant,
    secrets: &Secrets,
    what: &str,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    progress.event(ProgressEvent::Step("waiting for the pods".to_owned()));
    let selector = selector_of(patched);
    let wanted = WaitFor {
        deployment: patched.name_any(),
        generation: patched.metadata.generation.unwrap_or(0),
        selector: selector.clone(),
        since: ordered(patched),
        reads_probe,
    };
    let told = AsProgress(progress);
    let observed = match until_rolled_out(cluster, &wanted, deadline, &told).await {
        Ok(observed) => observed,
        Err(error) => {
            return Err(not_rolled_out(cluster, error, what, options.timeout, secrets).await);
        }
    };
    let Some(path) = patched.annotations().get(PATH_ANNOTATION) else {
        // Nobody said that it speaks MCP, and where.
        return Ok(());
    };
    progress.event(ProgressEvent::Step("asking the server over MCP".to_owned()));
    let question = Question::Mcp(path);
    exchange::speak(
        cluster, &observed, &selector, question, secrets, what, deadline,
    )
    .await
}

/// When it was ordered, by the clock of the API server: what was told before is not of the new pods.
fn ordered(patched: &Deployment) -> Option<Timestamp> {
    let managers = patched.metadata.managed_fields.iter().flatten();
    let own = managers.filter(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    own.filter_map(|entry| Some(entry.time.as_ref()?.0)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_has_the_time_of_the_api_server() {
        let deployment = |managers: serde_json::Value| -> Deployment {
            serde_json::from_value(json!({
                "metadata": {"managedFields": managers},
                "spec": {"selector": {}, "template": {}},
            }))
            .unwrap()
        };
        let of = |manager: &str, time: &str| json!({"manager": manager, "time": time});
        let patched = deployment(json!([
            of("helm", "2026-01-01T00:00:09Z"),
            of(FIELD_MANAGER, "2026-01-01T00:00:02Z"),
        ]));
        let expected = "2026-01-01T00:00:02Z".parse().unwrap();
        assert_eq!(ordered(&patched), Some(expected));
        assert_eq!(ordered(&deployment(json!([]))), None);
    }
}
