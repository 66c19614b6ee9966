//! The last lines of one container's log, which explain a failure.

use futures_util::AsyncReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Error, api::LogParams};
use mcpt_core::{Failure, Secret, redact};

use crate::{cluster::Cluster, diagnosis::LogSource};

/// Lines that go into a failure.
const LINES: i64 = 20;

/// Bytes that are read at most: a line may be as long as a server likes.
const BYTES: u64 = 64 * 1024;

/// The server's own secrets: it may have printed them.
pub(crate) type Secrets = Vec<Secret>;

/// Adds the lines to a failure, without `secrets`, or why there are none.
pub(crate) async fn add(
    failure: &mut Failure,
    cluster: &Cluster,
    source: &LogSource,
    secrets: &Secrets,
) {
    match cluster.answer(either_run(cluster, source)).await {
        Ok(text) => {
            // The whole text, not line by line: a secret may have several.
            let shown = redact(&text, secrets);
            failure.log_tail = shown.lines().map(str::to_owned).collect();
        }
        Err(error) => {
            let why = cluster.failure("", &error).why.join("; ");
            failure.why.push(format!("its log cannot be read: {why}"));
        }
    }
}

/// The lines of the run that is meant; of the other run when that one said nothing.
async fn either_run(cluster: &Cluster, source: &LogSource) -> Result<String, Error> {
    match read(cluster, source, source.previous).await {
        Ok(text) if !text.is_empty() => Ok(text),
        // A run that was never logged, or whose log is gone, answers 400.
        Ok(_) | Err(Error::Api(_)) => match read(cluster, source, !source.previous).await {
            Err(Error::Api(status)) if status.code == 400 => Ok(String::new()),
            other => other,
        },
        Err(error) => Err(error),
    }
}

async fn read(cluster: &Cluster, source: &LogSource, previous: bool) -> Result<String, Error> {
    let api: Api<Pod> = cluster.api();
    let params = LogParams {
        container: Some(source.container.clone()),
        tail_lines: Some(LINES),
        previous,
        ..LogParams::default()
    };
    let stream = api.log_stream(&source.pod, &params).await?;
    let mut bytes = Vec::new();
    // Not every server writes UTF-8.
    stream
        .take(BYTES)
        .read_to_end(&mut bytes)
        .await
        .map_err(Error::ReadEvents)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
