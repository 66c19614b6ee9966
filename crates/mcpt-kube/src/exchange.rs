//! One real exchange with a new pod, from here, through the API server's port-forward.

use std::time::Duration;

use kube_access::{forward::port, is_ready};
use kube_observe::{LogSource, Observed, container};
use mcpt_client::ClientError;
use mcpt_core::{Failure, FailureKind};
use tokio::time::Instant;

use crate::{
    cluster::Cluster,
    failure::failure,
    trouble::{self, Secrets},
    tunnel::{self, PORT_NAMES},
};

/// Longest time for one exchange.
const EXCHANGE: Duration = Duration::from_secs(15);

/// Pause before an exchange is tried again whose connection was lost.
const PAUSE: Duration = Duration::from_millis(500);

/// What a pod is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question<'a> {
    /// An MCP exchange at this path.
    Mcp(&'a str),
    /// A page that says that all is well.
    Page(&'a str),
}

impl<'a> Question<'a> {
    fn path(self) -> &'a str {
        match self {
            Self::Mcp(path) | Self::Page(path) => path,
        }
    }

    async fn ask(self, url: &str, host: &str, timeout: Duration) -> Result<(), ClientError> {
        match self {
            Self::Mcp(_) => {
                let answer = mcpt_client::probe_named(url, Some(host), timeout).await;
                answer.map(drop)
            }
            Self::Page(_) => mcpt_client::http_get(url, timeout).await.map(drop),
        }
    }
}

/// Asks one ready new pod. A lost connection is tried again until the deadline; any other answer counts.
///
/// # Errors
/// When what answers is not what should, or nothing answers.
pub(crate) async fn speak(
    cluster: &Cluster,
    observed: &Observed,
    selector: &str,
    question: Question<'_>,
    secrets: &Secrets,
    what: &str,
    deadline: Instant,
) -> Result<(), Failure> {
    let pods = observed.current_pods();
    let ready = pods.iter().find(|pod| is_ready(pod));
    let known = ready.and_then(|pod| Some((pod.metadata.name.clone()?, port(pod, &PORT_NAMES)?)));
    let log = ready.and_then(|pod| {
        Some(LogSource {
            pod: pod.metadata.name.clone()?,
            container: container(pod)?,
            previous: false,
        })
    });
    let tunnel = tunnel::open(cluster, selector.to_owned(), known).await;
    let tunnel = tunnel.map_err(|error| failure(what, &error))?;
    let (host, tunnel) = (tunnel.host(), tunnel.0);
    let path = question.path();
    let url = format!("http://{}{path}", tunnel.address);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = question.ask(&url, &host, EXCHANGE.min(left).max(PAUSE));
        let Err(error) = answer.await else {
            return Ok(());
        };
        let trouble = tunnel.trouble().await;
        // A refusal of the API server stays one; a pod that does not take connections yet may take the next.
        let refused = trouble.as_ref().is_some_and(|trouble| trouble.refused);
        if matches!(error, ClientError::Connect { .. }) && left > PAUSE && !refused {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        // The address of the tunnel means nothing to the user.
        let error = error.naming(&format!("the server's endpoint {path}"));
        let mut failed = error.into_failure(what);
        if failed.kind != FailureKind::TimedOut {
            // The server was reached; it is the deployment that failed.
            failed.kind = FailureKind::Failed;
        }
        if let Some(trouble) = trouble {
            failed.why.push(trouble.error.to_string());
            failed.hint = failure(what, &trouble.error).hint;
        }
        if let Some(source) = &log {
            trouble::add_log(&mut failed, cluster, source, secrets).await;
        }
        return Err(failed);
    }
}
