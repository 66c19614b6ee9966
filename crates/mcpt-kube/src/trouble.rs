//! Why a workload is not ready, as a failure: the finding, hints with the values of the built-in charts, and the log that explains
//! it.

use std::time::Duration;

use kube_observe::{
    Advice, Diagnosis, Lacking, LogSource, NotReady, Observed, ProbeVerdict, WaitError,
};
use mcpt_core::{CommandOption, Failure, FailureKind, Secret};

use crate::{cluster::Cluster, failure::failure, server::SERVER_CONTAINER};

/// The server's own secrets: it may have printed them.
pub(crate) type Secrets = Vec<Secret>;

/// What `mcpt probe` prints about a server that will not become ready.
pub(crate) fn reads_probe(output: &str) -> ProbeVerdict {
    if output.contains("listens on the loopback only") {
        ProbeVerdict::LoopbackOnly
    } else if output.contains("not an MCP server") || output.contains("does not speak MCP") {
        ProbeVerdict::AnotherServer
    } else {
        ProbeVerdict::MayStart
    }
}

/// The gravest finding about the new pods.
pub(crate) fn diagnose(observed: &Observed) -> Option<Diagnosis> {
    kube_observe::diagnose(observed, reads_probe)
}

/// What mends a finding.
fn hint(advice: &Advice) -> String {
    let fixed = match advice {
        Advice::SetResources(lacking) => return set_resources(lacking),
        Advice::FitQuota => {
            "lower the resources or replicas, or have the ResourceQuota raised: kubectl describe quota"
        }
        Advice::FitPodSecurity => {
            "the namespace's Pod Security level forbids these settings: change them or the namespace's labels"
        }
        Advice::CheckImage => {
            return format!(
                "check the image's name and tag, and that the nodes may pull it: {} names a Secret with a login",
                CommandOption::ImagePullSecret
            );
        }
        Advice::AllowPull => {
            return format!(
                "load the image into the nodes, or allow pulling it with {} image.pullPolicy=IfNotPresent",
                CommandOption::Set
            );
        }
        Advice::RaiseMemory => {
            return format!(
                "raise the limit: {} resources.limits.memory=…",
                CommandOption::Set
            );
        }
        Advice::ListenOnAll => {
            "let the server listen on all addresses ([::], or 0.0.0.0): many have a setting for it, like HOST"
        }
        Advice::CheckServer => {
            "check that the image is an MCP server, and its port and path are those of the template"
        }
        Advice::CheckClaim => "check the claim and its StorageClass: kubectl describe pvc",
        Advice::FreeVolume => {
            return format!(
                "one pod alone can hold the volume, so that the old one must end first: {} strategy.type=Recreate",
                CommandOption::Set
            );
        }
        Advice::FitNodes => "lower the resource requests, or add nodes: kubectl describe nodes",
    };
    fixed.to_owned()
}

/// What mends that nodes cannot have an image which is in no registry, by the name that the finding has it by.
fn image_hint(advice: &Advice, cause: &str) -> Option<String> {
    if !matches!(advice, Advice::CheckImage | Advice::AllowPull) || !cause.contains("\"localhost/")
    {
        return None;
    }
    Some(if cause.contains(&mcpt_image::reference()) {
        "no registry has mcpt's own image: mcpt image push REGISTRY/NAME puts it into yours, and deploys use it from then on; \
         mcpt image save FILE makes an archive to load into the nodes"
            .to_owned()
    } else {
        format!(
            "no registry has images named localhost/…: load it into the nodes, or push it to a registry and name it with {}",
            CommandOption::Image
        )
    })
}

/// The values of the built-in charts that a quota demands, with amounts to begin with.
fn set_resources(lacking: &[Lacking]) -> String {
    let amount = |field: &str| match field.rsplit('.').next() {
        Some("cpu") => "500m",
        Some("memory") => "256Mi",
        _ => "1Gi",
    };
    let mut options = Vec::new();
    let mut others = Vec::new();
    for Lacking { container, field } in lacking {
        let below = match container.as_str() {
            SERVER_CONTAINER | "gateway" => "resources",
            "install-mcpt" => "mcpt.resources",
            _ => {
                others.push(format!("{field} of container {container:?}"));
                continue;
            }
        };
        // A quota may name requests without their prefix.
        let field = match field.as_str() {
            bare @ ("cpu" | "memory") => format!("requests.{bare}"),
            field => field.to_owned(),
        };
        options.push(format!(
            "{} {below}.{field}={}",
            CommandOption::Set,
            amount(&field)
        ));
    }
    let mut hints = Vec::new();
    if !options.is_empty() {
        options.dedup();
        hints.push(format!(
            "set what it demands, for example {}",
            options.join(" ")
        ));
    }
    if !others.is_empty() {
        hints.push(format!(
            "set {} in the values of its chart",
            others.join(", ")
        ));
    }
    hints.join("; ")
}

/// A wait that ended without success as a failure of `what`, with the log lines that explain it.
pub(crate) async fn not_rolled_out(
    cluster: &Cluster,
    error: WaitError,
    what: &str,
    timeout: Duration,
    secrets: &Secrets,
) -> Failure {
    let NotReady {
        timed_out,
        waiting,
        finding,
    } = match error {
        WaitError::NotReady(found) => *found,
        WaitError::Access(error) => return failure("cannot watch the rollout", &error),
    };
    let mut failure = if timed_out {
        let late = format!("{what}: not ready after {} s", timeout.as_secs());
        Failure::new(FailureKind::TimedOut, late)
    } else {
        Failure::new(FailureKind::Failed, what)
    };
    let Some(finding) = finding else {
        return failure.because(waiting);
    };
    failure.hint = finding
        .advice
        .as_ref()
        .map(|advice| image_hint(advice, &finding.cause).unwrap_or_else(|| hint(advice)));
    failure.why.push(finding.cause);
    if let Some(source) = finding.log {
        add_log(&mut failure, cluster, &source, secrets).await;
    }
    failure
}

/// Adds the last lines of a log to a failure, without `secrets`, or why there are none.
pub(crate) async fn add_log(
    failure: &mut Failure,
    cluster: &Cluster,
    source: &LogSource,
    secrets: &Secrets,
) {
    match kube_observe::tail(cluster, source).await {
        Ok(text) => {
            failure.add_log(&text, secrets, |_| false);
        }
        Err(error) => {
            failure
                .why
                .push(format!("its log cannot be read: {}", error.causes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_no_registry_has_are_told_from_others() {
        let own = format!("image {:?} cannot be pulled: x", mcpt_image::reference());
        let said = |cause: &str| image_hint(&Advice::CheckImage, cause);
        assert!(said(&own).unwrap().contains("mcpt image push"));
        let other = said("image \"localhost/mcp-server-time:1\" cannot be pulled: x").unwrap();
        assert!(other.contains("push it to a registry"), "{other}");
        assert_eq!(
            said("image \"r.example/localhost/a:1\" cannot be pulled: x"),
            None
        );
        assert_eq!(image_hint(&Advice::RaiseMemory, &own), None);
    }

    #[test]
    fn a_quota_is_answered_with_the_values_to_set() {
        let lacks = |container: &str, field: &str| Lacking {
            container: container.to_owned(),
            field: field.to_owned(),
        };
        let lacking = [
            lacks("install-mcpt", "limits.cpu"),
            lacks("server", "limits.memory"),
            lacks("server", "cpu"),
            lacks("sidecar", "limits.cpu"),
        ];
        assert_eq!(
            hint(&Advice::SetResources(lacking.to_vec())),
            "set what it demands, for example --set mcpt.resources.limits.cpu=500m \
             --set resources.limits.memory=256Mi --set resources.requests.cpu=500m; \
             set limits.cpu of container \"sidecar\" in the values of its chart"
        );
    }
}
