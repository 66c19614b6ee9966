//! The last lines of one container's log, which explain a failure.

use futures_util::AsyncReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Error, api::LogParams};
use kube_access::Cluster;

use crate::diagnosis::LogSource;

/// Lines that are read: what a server complains of is often before a long usage or a trace.
const LINES: i64 = 120;

/// Bytes that are read at most: a line may be as long as a server likes.
const BYTES: u64 = 64 * 1024;

/// The last lines that a container wrote, as one text: a secret that must not be shown may have several lines.
///
/// # Errors
/// When the API server refuses it.
pub async fn tail(cluster: &Cluster, source: &LogSource) -> Result<String, kube_access::Error> {
    let text = cluster.answer(either_run(cluster, source)).await;
    text.map_err(|error| cluster.error(error))
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
