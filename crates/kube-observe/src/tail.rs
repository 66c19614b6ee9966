//! The last lines of one container's log, which explain a failure.

use std::io;

use futures_util::{AsyncRead, AsyncReadExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Error, api::LogParams};
use kube_access::Cluster;

use crate::diagnosis::LogSource;

/// Lines that are read: what a server complains of is often before a long usage or a trace.
const LINES: i64 = 120;

/// Bytes of these lines that are kept, the last ones: a line may be as long as a server likes.
const KEPT: usize = 64 * 1024;

/// Bytes that are read at most.
const READ: u64 = 16 * 1024 * 1024;

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

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
    let last = end_of(&mut stream.take(READ)).await;
    // Not every server writes UTF-8.
    let last = last.map_err(Error::ReadEvents)?;
    Ok(String::from_utf8_lossy(&last).into_owned())
}

/// The last whole lines of what can be read, [`KEPT`] bytes at most; none of a line that is longer.
async fn end_of(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut last = Vec::new();
    let mut chunk = vec![0; CHUNK];
    let mut cut = false;
    loop {
        let read = stream.read(&mut chunk).await?;
        last.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if last.len() > KEPT {
            last.drain(..last.len() - KEPT);
            cut = true;
        }
        if read == 0 {
            break;
        }
    }
    if cut {
        // A part of a line may be a part of a secret, which cannot be known as one.
        let end = last.iter().position(|byte| *byte == b'\n');
        last.drain(..end.map_or(last.len(), |end| end + 1));
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use futures_util::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn of_a_long_log_the_newest_lines_are_kept() {
        let line = format!("{}\n", "x".repeat(999));
        let log = format!("{}the last words\n", line.repeat(100));
        let kept = end_of(&mut Cursor::new(&log)).await.unwrap();
        let kept = String::from_utf8(kept).unwrap();
        let whole = (KEPT - "the last words\n".len()) / line.len();
        assert_eq!(kept, format!("{}the last words\n", line.repeat(whole)));
        for (log, expected) in [
            ("a\nb".to_owned(), "a\nb"),
            (String::new(), ""),
            ("x".repeat(KEPT + 1), ""),
            (format!("{}\nend\n", "x".repeat(KEPT * 2)), "end\n"),
        ] {
            let kept = end_of(&mut Cursor::new(&log)).await.unwrap();
            assert_eq!(kept, expected.as_bytes());
        }
    }
}
